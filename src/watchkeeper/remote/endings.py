"""Which series have ended: the stale markers that a sender owes, as Prometheus writes them for what it no longer reads.

A series ends with the first frame of its stream that does not tell it, at that instant; all of a silent stream end a
millisecond after its last frame, so that what its agent held back meanwhile still comes behind. What other programs
write to us brings markers of its own. Pure: asks nobody, keeps what each stream told last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from watchkeeper.model import ABSENT_BITS, STALE, STALE_BITS, Series
from watchkeeper.quantities import Duration
from watchkeeper.store.catalog import StreamName
from watchkeeper.store.log import Entry

SILENT_ROUNDS = 5
SILENT = 60.0
"""A stream is silent once it has told nothing for five rounds and for so many seconds."""


class Told(NamedTuple):
    """The last frame of a stream: which of its columns had a figure, bool[columns], and when it was heard (monotonic)."""

    name: StreamName
    layout: int
    at: int
    there: NDArray[np.bool_]
    heard: float


class Endings:
    """What each stream told last."""

    def __init__(self, name: Callable[[int], StreamName | None], layout: Callable[[int], tuple[Series, ...]]) -> None:
        """How streams are called, and what the columns of a layout are; empty where it is not known any more."""
        self._name = name
        self._layout = layout
        self._told: dict[int, Told] = {}

    def marked(self, entries: Sequence[Entry], now: float) -> list[Entry]:
        """These frames with markers for what they no longer tell; series that a new layout lacks get a frame of the old one."""
        found: list[Entry] = []
        for entry in entries:
            name = self._name(entry.stream)
            if name is None or not is_ours(name):
                found.append(entry)
                continue
            there = figures(entry.values)
            before = self._told.get(entry.stream)
            self._told[entry.stream] = Told(name, entry.layout, entry.at, there, now)
            if before is None or before.at >= entry.at:
                found.append(entry)
            elif before.layout == entry.layout:
                gone = before.there & ~there & (entry.values.view(np.int64) == ABSENT_BITS)
                found.append(entry._replace(values=np.where(gone, STALE, entry.values)) if gone.any() else entry)
            else:
                told = self._names(entry.layout, there)
                if gone := [one for one in self._names(before.layout, before.there) if one not in told]:
                    found.append(self._ending(before, entry.stream, set(gone), entry.at))
                found.append(entry)
        return found

    def silent(self, now: float) -> list[Entry]:
        """Frames that end all of the streams that have fallen silent; each once."""
        found: list[Entry] = []
        for stream, one in list(self._told.items()):
            if not one.there.any() or now - one.heard <= patience(one.name.name):
                continue
            self._told[stream] = one._replace(there=np.zeros(len(one.there), np.bool_))
            # What another stream of that machine tells by now has moved there: an agent's rounds were changed.
            moved = {
                name
                for other in self._told.values()
                if other.name.machine == one.name.machine and other.at > one.at
                for name in self._names(other.layout, other.there)
            }
            if gone := set(self._names(one.layout, one.there)) - moved:
                found.append(self._ending(one, stream, gone, one.at + 1))
        return found

    def _names(self, layout: int, there: NDArray[np.bool_]) -> dict[Series, None]:
        series = self._layout(layout)
        return dict.fromkeys(series[column] for column in np.flatnonzero(there)) if len(series) == len(there) else {}

    def _ending(self, told: Told, stream: int, gone: set[Series], at: int) -> Entry:
        series = self._layout(told.layout)
        marks = np.array([STALE if here and one in gone else np.nan for one, here in zip(series, told.there, strict=True)])
        return Entry(stream, told.layout, at, marks)


def figures(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where a frame has figures: neither nothing nor a marker."""
    bits = values.view(np.int64)
    found: NDArray[np.bool_] = (bits != ABSENT_BITS) & (bits != STALE_BITS)
    return found


def is_ours(name: StreamName) -> bool:
    """Whether an agent tells it, or the hub: streams of what others write are numbered within their source."""
    return "/" not in name.name


def patience(stream: str) -> float:
    """Seconds after which a stream of this name (``10s``) is silent."""
    try:
        period = float(Duration.parse(stream))
    except ValueError:
        period = 0.0
    return max(SILENT, SILENT_ROUNDS * period)
