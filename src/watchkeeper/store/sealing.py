"""From frozen heads to chunks on the shelf, and from these to rollups. The upkeep's thread alone comes here.

Raw chunks are committed first; rollup rows follow and say up to which raw time they reach, so after a
crash between the two the rest is rolled up again from the raw chunks: nothing is counted twice, nothing
left out. Rows are gathered in memory while memory suffices, since long chunks pack better.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from watchkeeper.errors import Failed
from watchkeeper.store.chunkfile import NewChunk, Written
from watchkeeper.store.codec import encode
from watchkeeper.store.head import Head, Stream
from watchkeeper.store.rolling import Floats, Times, Windows, join, reroll, roll
from watchkeeper.store.shelf import Shelf, bounds
from watchkeeper.store.unpacking import decode

logger = logging.getLogger(__name__)

TOGETHER = 64
"""Chunks in one transaction."""


class Gathered(NamedTuple):
    """Windows not written yet. `seen`: the raw time that they include; the last window may still grow."""

    layout: int
    windows: Windows
    seen: int


class Roller:
    """One tier of rollups: gathers windows of each stream and writes them to its shelf."""

    def __init__(self, shelf: Shelf, reach: dict[int, int], window: Callable[[int], int]) -> None:
        """`reach`: the raw time that each stream's rows cover, kept true here; `window(stream)`: in ms, 0 where it has none."""
        self.shelf = shelf
        self.reach = reach
        self.window = window
        self._gathered: dict[int, Gathered] = {}

    def seen(self, stream: int) -> int:
        """The raw time of a stream up to which this tier knows everything, written or gathered."""
        gathered = self._gathered.get(stream)
        return gathered.seen if gathered else self.reach.get(stream, 0)

    def feed(self, stream: int, layout: int, windows: Windows, seen: int, rows: int) -> None:
        """Take windows that follow on what is known; write once `rows` are complete. Raises Failed, and nothing is lost."""
        gathered = self._gathered.get(stream)
        if gathered and gathered.layout != layout:
            self.flush(stream)
            gathered = None
        if gathered:
            windows = reroll(join([gathered.windows, windows]), 1)  # the last one gathered may go on in the first new one
        complete = len(windows.times) - 1
        self._gathered[stream] = Gathered(layout, windows, seen)
        if complete >= rows:
            self._write(stream, layout, windows.cut(0, complete), int(windows.times[complete]) - 1)
            kept = windows.cut(complete, complete + 1).copied()
            self._gathered[stream] = Gathered(layout, kept, seen)

    def flush(self, stream: int) -> None:
        """Write everything gathered of a stream, its last window as far as it goes."""
        if gathered := self._gathered.get(stream):
            self._write(stream, gathered.layout, gathered.windows, gathered.seen)
            del self._gathered[stream]

    def _write(self, stream: int, layout: int, windows: Windows, upto: int) -> None:
        start = 0
        while start < len(windows.times):
            span_end = bounds(self.shelf.tier.span, int(windows.times[start]))[1]
            end = int(np.searchsorted(windows.times, span_end))
            part = windows.cut(start, end)
            first, last = int(part.times[0]), int(part.times[-1])
            reach = upto if end == len(windows.times) else int(windows.times[end]) - 1
            chunk = NewChunk(stream, layout, first, last, reach, end - start, encode(part.times, part.columns()))
            self.shelf.file(first).put([chunk])
            self.reach[stream] = reach
            start = end


class Sealer:
    """Turns frozen heads into chunks of all tiers."""

    def __init__(self, raw: Shelf, rollers: Sequence[Roller], written: Written) -> None:
        """`rollers`: from the finest tier to the coarsest; `written` hears of each raw chunk."""
        self._raw = raw
        self.written = written
        self._rollers = rollers
        self.samples = 0

    def seal(self, streams: Iterable[Stream], rows: int) -> None:
        """Seal all frozen heads; rollups wait for `rows` windows. Raises Failed half way: the rest stays frozen."""
        batch: list[tuple[Stream, Head, list[NewChunk]]] = []
        for stream in streams:
            for head in stream.frozen:
                batch.append((stream, head, _chunks(stream.number, head)))
                if len(batch) == TOGETHER:
                    self._write(batch, rows)
                    batch = []
        if batch:
            self._write(batch, rows)

    def flush(self, streams: Iterable[int]) -> None:
        """Write what rollups hold in memory."""
        for stream in streams:
            for roller in self._rollers:
                roller.flush(stream)

    def _write(self, batch: Sequence[tuple[Stream, Head, list[NewChunk]]], rows: int) -> None:
        by_day: dict[int, list[NewChunk]] = {}
        for _, _, chunks in batch:
            for chunk in chunks:
                by_day.setdefault(bounds("day", chunk.t0)[0], []).append(chunk)
        # In time order: what a stream has on the shelf is then always a beginning of what it should have.
        for day in sorted(by_day):
            for row, chunk in zip(self._raw.file(day).put(by_day[day]), by_day[day], strict=True):
                self.written(row, chunk.blob)
        for stream, head, _ in batch:
            before = stream.sealed
            stream.release(head)
            self.samples += head.samples
            self._roll(stream.number, head, before, rows)

    def _roll(self, stream: int, head: Head, before: int, rows: int) -> None:
        """Finest tier first; each coarser one is made of the windows of the one before, since these nest."""
        windows: Windows | None = None
        for roller in self._rollers:
            step = roller.window(stream)
            if not step:
                continue
            if roller.seen(stream) < before:
                self._catch_up(roller, stream, before, step, rows)
            windows = reroll(windows, step) if windows else roll(head.times, head.values, step)
            roller.feed(stream, head.layout, windows, int(head.times[-1]), rows)

    def _catch_up(self, roller: Roller, stream: int, before: int, step: int, rows: int) -> None:
        """Roll up raw chunks that were sealed before a restart, and whose windows only memory had."""
        start = roller.seen(stream) + 1
        for file in self._raw.between(start, before):
            with file.reading() as reader:
                for chunk in reader.between(stream, start, before):
                    try:
                        times, values = decode(reader.whole(chunk.id))
                    except Failed as fault:
                        logger.error("a chunk of %s is left out of the rollups: %s", file.path, fault.why)  # noqa: TRY400  # damage on the disk needs no traceback
                        continue
                    inside = slice(int(np.searchsorted(times, start)), int(np.searchsorted(times, before, "right")))
                    if inside.start < inside.stop:
                        windows = roll(times[inside], values[inside], step)
                        roller.feed(stream, chunk.layout, windows, int(times[inside.stop - 1]), rows)


def _chunks(stream: int, head: Head) -> list[NewChunk]:
    """A head's chunks, cut where a day ends."""
    times: Times = head.times
    values: Floats = head.values
    found = []
    start = 0
    while start < len(times):
        end = int(np.searchsorted(times, bounds("day", int(times[start]))[1]))
        first, last = int(times[start]), int(times[end - 1])
        found.append(NewChunk(stream, head.layout, first, last, last, end - start, encode(times[start:end], values[start:end])))
        start = end
    return found
