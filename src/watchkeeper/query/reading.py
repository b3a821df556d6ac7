"""From selectors to figures: what is asked of the store, within limits, and what comes back on steps.

An instant selector is a range selector over the look-back whose newest sample counts, unless it is a stale
marker. Samples touched are added up over a whole question; the store refuses before it reads too much.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from watchkeeper.model import STALE_BITS, Block, Series
from watchkeeper.query.faults import timeout, too_much
from watchkeeper.query.overtime import Result, Window, last_over_time, newest_at
from watchkeeper.query.table import Floats, Ints, Steps, Table, empty, joined
from watchkeeper.query.tracks import Tracks, tracks
from watchkeeper.query.tree import At, Selector
from watchkeeper.seams import Store


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one question may cost: `samples` and `series` read, `figures` (series times steps) of any table on the way.

    A figure costs some 60 bytes while it is worked on. `lookback` and `interval` (the step of subqueries that name
    none) are in ms, as in Prometheus.
    """

    samples: int = 50_000_000
    figures: int = 10_000_000
    series: int = 100_000
    seconds: float = 30.0
    lookback: int = 300_000
    interval: int = 60_000


class Account:
    """What a question has used of its limits so far."""

    def __init__(self, limits: Limits, monotonic: Callable[[], float] = time.monotonic) -> None:
        """The time budget begins now."""
        self.limits = limits
        self._monotonic = monotonic
        self._until = monotonic() + limits.seconds
        self.samples = 0
        self.series = 0

    def look(self) -> None:
        """Raise Refused (``timeout``) when the time budget is spent: between the nodes of a question."""
        if self._monotonic() > self._until:
            raise timeout(self.limits.seconds)

    def admit(self, samples: int, series: int) -> None:
        """Raise Refused (``too-much``) where reading so many would go beyond a limit, with what was read before."""
        limits = self.limits
        samples, series = self.samples + samples, self.series + series
        if samples > limits.samples or series > limits.series:
            raise too_much(
                f"{samples:,} samples of {series:,} series", f"{limits.samples:,} samples of {limits.series:,} series"
            )

    def spend(self, samples: int, series: int) -> None:
        """Note what was read or is about to be made; raises Refused (``too-much``) as `admit` does."""
        self.admit(samples, series)
        self.samples += samples
        self.series += series

    def room(self, series: int, steps: int) -> None:
        """Raise Refused (``too-much``) where a table of so many series over so many steps would be too large."""
        if series * steps > self.limits.figures:
            raise too_much(f"{series * steps:,} figures ({series:,} series at {steps:,} steps)", self.limits.figures)


class Reader:
    """Selectors of one question over one store."""

    def __init__(self, store: Store, account: Account) -> None:
        """Reads nothing yet."""
        self._store = store
        self.account = account

    def instant(self, node: Selector, steps: Steps, bounds: tuple[int, int], *, when: bool = False) -> Table:
        """The newest sample of each series at each step; `when`: its time in seconds instead of its value."""
        ends = asked_at(node.at, node.offset, steps, bounds)
        lookback = self.account.limits.lookback

        def newest(found: Tracks, window: Window) -> Result:
            values, present = last_over_time(found, window)
            present &= values.view(np.int64) != STALE_BITS
            return (newest_at(found) if when else values), present

        window = Window(lookback, ends, steps.times)
        return self._table(self._blocks(node, ends, lookback), window, newest, stale=True)

    def range(self, node: Selector, window: Window, over: Callable[[Tracks, Window], Result]) -> Table:
        """A function over the windows of a range selector; series keep their names."""
        return self._table(self._blocks(node, window.ends, node.window), window, over)

    def samples(self, node: Selector, ends: Ints) -> list[tuple[Series, Ints, Floats]]:
        """All samples of a range selector at its one step: series, times, values."""
        found = []
        for part in tracks(self._blocks(node, ends, node.window), ends - node.window, ends):
            for row, series in enumerate(part.series):
                first, last, shift = int(part.first[row, 0]), int(part.last[row, 0]), int(part.shift[row])
                if first < last:
                    found.append((series, part.times[first + shift : last + shift], part.values[first:last]))
        return found

    def over(self, blocks: Sequence[Block], window: Window, over: Callable[[Tracks, Window], Result]) -> Table:
        """A function over the windows of blocks that were made here (a subquery's)."""
        return self._table(blocks, window, over)

    def _blocks(self, node: Selector, ends: Ints, length: int) -> Sequence[Block]:
        self.account.look()
        start, end = max(0, int(ends.min()) - length), int(ends.max())
        if end < 0:
            return []

        def admit(samples: int, series: int) -> None:
            self.account.admit(samples, series)
            self.account.room(series, len(ends))

        blocks = self._store.select(node.matchers, start, end, admit)
        self.account.spend(sum(block.values.size for block in blocks), sum(len(block.series) for block in blocks))
        return blocks

    def _table(
        self, blocks: Sequence[Block], window: Window, over: Callable[[Tracks, Window], Result], *, stale: bool = False
    ) -> Table:
        """Steps that all have one window (``@``) are worked out once."""
        count = len(window.steps)
        self.account.room(sum(len(block.series) for block in blocks), count)
        parts = []
        for part in tracks(blocks, window.ends - window.length, window.ends, stale=stale):
            self.account.look()
            parts.append(Table(part.series, *over(part, window)))
        return joined(parts, count) if parts else empty(count)


def asked_at(at: At, offset: int, steps: Steps, bounds: tuple[int, int]) -> Ints:
    """The instants that a selector looks at, int64[steps]; `bounds`: what start() and end() of the whole question are."""
    if at is None:
        return steps.times - offset
    pinned = bounds[at == "end"] if isinstance(at, str) else int(at)
    return np.full(steps.count, pinned, np.int64) - offset
