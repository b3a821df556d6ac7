"""What was unpacked lately, kept within a budget: pages and rules ask for the same again and again.

A chunk never changes under its row, so what was unpacked of it stays right for as long as it is kept; the
least recently used goes first. A question that would fill most of it is read past it, since it would only
drive out what the small ones need. The directories of new chunks are kept from the moment these are written:
the first question to the last hours finds them open.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from watchkeeper.store.chunkfile import Chunk
from watchkeeper.store.directory import Opened
from watchkeeper.store.rolling import Floats

Columns = tuple[int, ...]
ENTRY_BYTES = 600
"""What an entry costs beside its figures, more or less."""
YOUNG = 4
"""Directories of chunks that nobody has asked for yet take up to this part of the budget."""


class Kept(NamedTuple):
    """What was unpacked of a chunk. `figures`: float64[columns, ticks]."""

    chunk: Chunk
    columns: Columns
    opened: Opened
    figures: Floats


class Cache:
    """Directories by chunk, and columns by chunk and which they are: float64[columns, ticks]. Any thread may come in."""

    def __init__(self, budget: int) -> None:
        """An empty one of so many bytes."""
        self._budget = budget
        self._opened: OrderedDict[Chunk, Opened] = OrderedDict()
        self._columns: OrderedDict[tuple[Chunk, Columns], Floats] = OrderedDict()
        self._bytes = 0
        self._opened_bytes = 0
        self._lock = threading.Lock()

    def admits(self, samples: int) -> bool:
        """Whether what a question reads should be kept."""
        return samples * 8 <= self._budget // 2

    def find(self, wanted: Sequence[tuple[Chunk, Columns]]) -> list[tuple[Opened | None, Floats | None]]:
        """What is kept of some chunks: the directory and times, and these very columns, not to be written to."""
        found = []
        opened, columns = self._opened, self._columns
        with self._lock:
            for key in wanted:
                chunk = opened.get(key[0])
                if chunk is not None:
                    opened.move_to_end(key[0])
                figures = columns.get(key)
                if figures is not None:
                    columns.move_to_end(key)
                found.append((chunk, figures))
        return found

    def keep(self, read: Iterable[Kept]) -> None:
        """Keep all of it, and drop what has not been asked for longest: columns first, since directories help all of them."""
        with self._lock:
            for chunk, columns, opened, figures in read:
                figures.flags.writeable = opened.times.flags.writeable = False
                self._put(chunk, opened)
                if (key := (chunk, columns)) not in self._columns:
                    self._columns[key] = figures
                    self._bytes += figures.nbytes + ENTRY_BYTES
            self._make_room()

    def learn(self, chunk: Chunk, opened: Opened) -> None:
        """Keep the directory of a chunk that was just written. Of those, none need stay beyond `YOUNG` of the budget."""
        with self._lock:
            opened.times.flags.writeable = False
            self._put(chunk, opened)
            while self._opened_bytes > self._budget // YOUNG:
                self._drop_opened()
            self._make_room()

    @property
    def young_room(self) -> int:
        """Bytes that directories may still take before anybody has asked for their chunks."""
        with self._lock:
            return self._budget // YOUNG - self._opened_bytes

    def forget(self, *, directories: bool = True) -> None:
        """Drop all of it, or the columns alone."""
        with self._lock:
            self._columns.clear()
            if directories:
                self._opened.clear()
                self._opened_bytes = 0
            self._bytes = self._opened_bytes

    def _put(self, chunk: Chunk, opened: Opened) -> None:
        if chunk not in self._opened:
            self._opened[chunk] = opened
            self._opened_bytes += (size := opened.bytes + ENTRY_BYTES)
            self._bytes += size

    def _make_room(self) -> None:
        while self._bytes > self._budget and len(self._columns) > 1:
            self._bytes -= self._columns.popitem(last=False)[1].nbytes + ENTRY_BYTES
        while self._bytes > self._budget and self._opened:
            self._drop_opened()

    def _drop_opened(self) -> None:
        size = self._opened.popitem(last=False)[1].bytes + ENTRY_BYTES
        self._opened_bytes -= size
        self._bytes -= size
