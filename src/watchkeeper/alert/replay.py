"""When a rule would have fired: whole ranges of what held and what cleared, turned into firings. Pure.

The same as asking `judge` at every step, but by runs, so that a month of a fleet takes no longer than reading it; a test
holds the two against each other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from watchkeeper.alert.judge import Terms

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


class Fired(NamedTuple):
    """From one instant to another (ms). `place` is the step at which it fired; `ongoing`: it had not ended at the last step."""

    since: int
    until: int
    place: int
    ongoing: bool


def firings(times: Ints, holds: Bools, clears: Bools | None, terms: Terms) -> list[Fired]:
    """One series' firings.

    `times`: int64[steps], ms, rising; `holds` and `clears`: bool[steps]; without clears, not holding is.
    """
    found: list[Fired] = []
    place = 0
    over = ~holds if clears is None else clears & ~holds
    while (start := _next(holds, place)) < len(times):
        end = _next(~holds, start)
        fires = int(np.searchsorted(times, times[start] + terms.hold))
        if fires >= end:
            place = end
            continue
        until = _ended(times, over, end, terms.keep)
        ongoing = until >= len(times)
        found.append(Fired(int(times[fires]), int(times[-1] if ongoing else times[until]), fires, ongoing))
        place = until
    return found


def _ended(times: Ints, over: Bools, place: int, keep: int) -> int:
    """The step at which a firing alert that no longer holds from `place` on resolves."""
    while (since := _next(over, place)) < len(times):
        if keep <= 0:
            return since
        # It must be over without a break: whatever is not over takes it back.
        broken = _next(~over, since)
        until = int(np.searchsorted(times, times[since] + keep))
        if until < broken or (until == broken and broken == len(times)):
            return until
        place = broken
    return len(times)


def _next(marks: Bools, place: int) -> int:
    """The first marked step from `place` on; as many as there are, when there is none."""
    if place >= len(marks):
        return len(marks)
    step = int(np.argmax(marks[place:]))
    return place + step if marks[place + step] else len(marks)
