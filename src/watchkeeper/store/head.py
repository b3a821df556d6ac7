"""The newest ticks of each stream, in memory and in the log, until they are sealed into a chunk.

A head is one layout's preallocated matrix; the last row answers "now". One that is full, old or of a
layout that has changed is frozen: still read, never written, sealed by the store's upkeep. The hub's
loop alone puts rows in; other threads read what stood when they looked.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from watchkeeper.model import ABSENT_BITS

Floats = NDArray[np.float64]

LONGEST = 720
SHORTEST = 60


class Head:
    """Up to `capacity` ticks of one layout."""

    __slots__ = ("_times", "_values", "capacity", "count", "layout")

    def __init__(self, layout: int, series: int, capacity: int) -> None:
        """An empty one; memory is taken page by page as rows come."""
        self.layout = layout
        self.capacity = capacity
        self.count = 0
        self._times = np.empty(capacity, np.int64)
        self._values = np.empty((capacity, series), np.float64)

    def add(self, at: int, values: Floats) -> Floats:
        """Put in one row; the caller knows that there is room. Returns the row as kept."""
        place = self.count
        self._times[place] = at
        row: Floats = self._values[place]
        row[:] = values
        self.count = place + 1  # last: a reader in another thread sees whole rows alone
        return row

    def amend(self, values: Floats) -> Floats:
        """Put what `values` has into the last row; returns the row as kept."""
        row: Floats = self._values[self.count - 1]
        there = values.view(np.int64) != ABSENT_BITS
        row[there] = values[there]
        return row

    @property
    def times(self) -> NDArray[np.int64]:
        """int64[ticks]."""
        return self._times[: self.count]

    @property
    def values(self) -> Floats:
        """float64[ticks, series]."""
        return self._values[: self.count]

    @property
    def samples(self) -> int:
        """Figures held."""
        return self.count * self._values.shape[1]


class Newest(NamedTuple):
    """The last row that was sealed: what a silent stream said last."""

    layout: int
    at: int
    values: Floats


class Stream:
    """One stream's heads: frozen ones, oldest first, and the one being filled."""

    def __init__(self, number: int, last: int) -> None:
        """`last` is the newest instant that is sealed (0: none)."""
        self.number = number
        self.last = last
        self.sealed = last
        self.head: Head | None = None
        self.frozen: tuple[Head, ...] = ()
        self.newest: Newest | None = None
        self._lock = threading.Lock()

    def add(self, layout: int, at: int, values: Floats, capacity: int) -> Floats:
        """Put a row behind the last one; a head that cannot take it is frozen first."""
        head = self.head
        if head is None or head.layout != layout or head.count == head.capacity:
            self.freeze()
            head = self.head = Head(layout, len(values), capacity)
        self.last = at
        return head.add(at, values)

    def amend(self, layout: int, at: int, values: Floats) -> Floats | None:
        """Put what `values` has into the last row, if it is of that instant and layout and not frozen: else None."""
        head = self.head
        if head is None or not head.count or at != self.last or head.layout != layout:
            return None
        return head.amend(values)

    def freeze(self) -> None:
        """Let the head be sealed as it is."""
        with self._lock:
            if self.head is not None and self.head.count:
                self.frozen = (*self.frozen, self.head)
            self.head = None

    def release(self, head: Head) -> None:
        """A frozen head is sealed: forget it."""
        with self._lock:
            self.sealed = int(head.times[-1])
            self.newest = Newest(head.layout, self.sealed, head.values[-1].copy())
            self.frozen = tuple(one for one in self.frozen if one is not head)

    def heads(self) -> tuple[Head, ...]:
        """All with rows, oldest first."""
        with self._lock:
            return (*self.frozen, self.head) if self.head is not None and self.head.count else self.frozen


def capacity_for(budget: int, series: int, stream: int, *, first: bool) -> int:
    """Ticks that a head may hold when all `series` of the store share `budget` bytes.

    A stream's first head is shorter by a share that its number decides, so that a fleet which
    connected in one minute does not seal in one minute for ever after.
    """
    ticks = max(SHORTEST, min(LONGEST, budget // max(series * 8, 1)))
    if first and ticks < LONGEST:
        ticks -= ticks // 2 * (stream * 7 % 16) // 16
    return ticks
