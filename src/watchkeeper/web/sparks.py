"""The last hour of every machine at a glance: one small line each, in one answer, made once a minute for all who look.

The figure is how busy the processors were. It is read from the store's rollups, so that three hundred machines cost a few
milliseconds; a window in which a machine said nothing has no value.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Awaitable, Callable

import numpy as np

from watchkeeper.model import Matcher
from watchkeeper.query.ranges import increases
from watchkeeper.seams import Store
from watchkeeper.web.shapes import Sparks

STEP = 120_000
"""ms between two points."""
SPAN = 3_600_000
KEPT_FOR = 55_000
"""How long an answer serves everyone, ms."""

_IDLE = (Matcher("__name__", "=", "node_cpu_seconds_total"), Matcher("mode", "=", "idle"))


def sparks(store: Store, now: int) -> Sparks:
    """Read them; `now` in ms. Reads what there is however long that takes: not for the hub's loop."""
    end = -(-now // STEP) * STEP
    start = end - SPAN
    points = SPAN // STEP
    idle: dict[str, list[np.ndarray]] = {}
    for part in store.rollups(_IDLE, start - STEP, end, STEP):
        rates = increases(part)
        places = (part.times - start) // STEP
        inside = (places >= 0) & (places < points)
        for column, series in enumerate(part.series):
            line = np.full(points, np.nan)
            line[places[inside]] = rates[inside, column]
            idle.setdefault(series.label("machine"), []).append(line)
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a window without any value has none on average either
        for machine, lines in idle.items():
            busy = 1 - np.nanmean(lines, axis=0)
            found[machine] = [None if math.isnan(one) else round(min(1.0, max(0.0, float(one))), 3) for one in busy]
    return Sparks(start, STEP, found)


class KeptSparks:
    """The newest answer, for all who ask within a minute."""

    def __init__(self) -> None:
        self._kept: Sparks | None = None
        self._at = 0

    async def read(self, now: int, work: Callable[[], Awaitable[Sparks]]) -> Sparks:
        """What is kept, or what `work` gives when that is old."""
        if self._kept is None or not 0 <= now - self._at < KEPT_FOR:
            self._at = now
            self._kept = await work()
        return self._kept
