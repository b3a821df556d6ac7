"""What was unpacked lately, kept within a budget: pages and rules ask for the same again and again.

A chunk never changes under its row, so what was unpacked of it stays right for as long as it is kept; the
least recently used goes first. A question that would fill most of it is read past it, since it would only
drive out what the small ones need.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import NamedTuple

from watchkeeper.store.chunkfile import Chunk
from watchkeeper.store.codec import Directory
from watchkeeper.store.rolling import Floats, Times

ENTRY_BYTES = 600
"""What an entry costs beside its figures, more or less."""


class Opened(NamedTuple):
    """A chunk's directory and its times, int64[ticks]: what any of its columns is read with."""

    directory: Directory
    times: Times

    @property
    def bytes(self) -> int:
        """What keeping it costs."""
        tables = (*self.directory.columns.values(), *self.directory.groups.values(), self.directory.starts, self.times)
        return ENTRY_BYTES + sum(table.nbytes + 100 for table in tables)


class Cache:
    """Directories by chunk, and columns by chunk and which they are: float64[ticks, columns]. Any thread may come in."""

    def __init__(self, budget: int) -> None:
        """An empty one of so many bytes."""
        self._budget = budget
        self._opened: OrderedDict[Chunk, Opened] = OrderedDict()
        self._columns: OrderedDict[tuple[Chunk, tuple[int, ...]], Floats] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def admits(self, samples: int) -> bool:
        """Whether what a question reads should be kept."""
        return samples * 8 <= self._budget // 2

    def opened(self, chunk: Chunk) -> Opened | None:
        """A chunk's directory and times."""
        with self._lock:
            found = self._opened.get(chunk)
            if found is not None:
                self._opened.move_to_end(chunk)
            return found

    def columns(self, chunk: Chunk, wanted: tuple[int, ...]) -> Floats | None:
        """Some columns of it, not to be written to."""
        with self._lock:
            found = self._columns.get((chunk, wanted))
            if found is not None:
                self._columns.move_to_end((chunk, wanted))
            return found

    def keep(self, chunk: Chunk, opened: Opened, wanted: tuple[int, ...], values: Floats) -> None:
        """Keep both, and drop what has not been asked for longest: columns first, since directories help all of them."""
        values.flags.writeable = opened.times.flags.writeable = False
        with self._lock:
            if chunk not in self._opened:
                self._opened[chunk] = opened
                self._bytes += opened.bytes
            if (chunk, wanted) not in self._columns:
                self._columns[chunk, wanted] = values
                self._bytes += values.nbytes + ENTRY_BYTES
            while self._bytes > self._budget and len(self._columns) > 1:
                self._bytes -= self._columns.popitem(last=False)[1].nbytes + ENTRY_BYTES
            while self._bytes > self._budget and self._opened:
                self._bytes -= self._opened.popitem(last=False)[1].bytes

    def forget(self) -> None:
        """Drop all of it."""
        with self._lock:
            self._opened.clear()
            self._columns.clear()
            self._bytes = 0
