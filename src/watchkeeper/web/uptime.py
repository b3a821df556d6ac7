"""Uptime by days, from windows of a server's ``watchkeeper_server_up``: up, down and not known are three things. Pure.

Not known counts neither as up nor as down; it is told beside them. A window's samples, held against how many a full one has
that day, say how much of it is known, so an agent's round may change from one day to another. Before a server was first
heard of there is nothing to know.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DAY = 86_400_000
STEP = 1_800_000
"""Milliseconds of a window: the longest that a store's first rollup has, so that nothing finer must still be there."""
FEW = 4
"""Windows with samples below which a day does not tell how many samples a full one has."""


class Windows(NamedTuple):
    """What was seen in windows of `STEP`: their starts in ms (rising), how many samples, and the sum of these."""

    times: NDArray[np.int64]
    seen: NDArray[np.float64]
    total: NDArray[np.float64]


class Day(NamedTuple):
    """A day of UTC from `start` (ms), in seconds. What is yet to come, or was before the first word, is in none of them."""

    start: int
    up: float
    down: float
    unknown: float


class Uptime(NamedTuple):
    """Over all days: `share` of the known time that was up, `unknown` of all time; None where there is none."""

    days: tuple[Day, ...]
    share: float | None
    unknown: float | None


def day_of(windows: Windows, start: int, since: int, now: int, period: float) -> Day:
    """One day. `since`: the start of the first window ever heard of (ms); `period`: the agent's round today, in seconds."""
    begin, end = max(start, since), min(start + DAY, now)
    if begin >= end:
        return Day(start, 0.0, 0.0, 0.0)
    inside = (windows.times >= start) & (windows.times < start + DAY) & (windows.seen > 0)
    times, seen = windows.times[inside], windows.seen[inside]
    full = float(np.median(seen)) if len(seen) >= FEW else STEP / 1000 / max(period, 0.1)
    lasted = np.clip(end - times, 0, STEP) / 1000
    known = np.minimum(seen / full * STEP / 1000, lasted) if len(seen) else seen
    up = float((known * windows.total[inside] / np.maximum(seen, 1)).sum())
    down = max(0.0, float(known.sum()) - up)
    return Day(start, up, down, max(0.0, (end - begin) / 1000 - up - down))


def together(days: tuple[Day, ...]) -> Uptime:
    """The sums of some days."""
    up, down, unknown = (sum(day[part] for day in days) for part in (1, 2, 3))
    known = up + down
    return Uptime(days, up / known if known else None, unknown / (known + unknown) if known + unknown else None)
