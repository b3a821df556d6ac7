"""Columns that were unpacked lately, kept within a budget: pages and rules ask for the same again and again.

A chunk never changes under its row, so what was unpacked stays right for as long as it is kept; the least
recently used goes first. A question that would fill most of it is read past it, since it would only drive
out what the small ones need.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple

from watchkeeper.store.rolling import Floats, Times

ENTRY_BYTES = 600
"""What an entry costs beside its figures, more or less."""


class Unpacked(NamedTuple):
    """`times`: int64[ticks]; `values`: float64[ticks, columns]. Neither may be written to."""

    times: Times
    values: Floats


class Cache:
    """Unpacked columns by the chunk and the columns that they are of. Any thread may come in."""

    def __init__(self, budget: int) -> None:
        """An empty one of so many bytes."""
        self._budget = budget
        self._kept: OrderedDict[Hashable, Unpacked] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def admits(self, samples: int) -> bool:
        """Whether what a question reads should be kept."""
        return samples * 16 <= self._budget // 2

    def find(self, key: Hashable) -> Unpacked | None:
        """What is kept under a key."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def keep(self, key: Hashable, unpacked: Unpacked) -> None:
        """Keep it, and drop what has not been asked for longest."""
        for part in unpacked:
            part.flags.writeable = False
        with self._lock:
            if key not in self._kept:
                self._kept[key] = unpacked
                self._bytes += _cost(unpacked)
            while self._bytes > self._budget and self._kept:
                _, gone = self._kept.popitem(last=False)
                self._bytes -= _cost(gone)

    def forget(self) -> None:
        """Drop all of it."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0


def _cost(unpacked: Unpacked) -> int:
    return unpacked.times.nbytes + unpacked.values.nbytes + ENTRY_BYTES
