"""Samples into windows: least, most, total and how many, and windows into longer windows. Pure.

Rollups answer years in milliseconds. A window is named by its start; one may be told in parts (at a
seal, at a restart, at a change of layout), and parts of one window add up.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Times = NDArray[np.int64]

NICE = (60, 300, 900, 1800)
"""Window lengths in seconds that the first tier may have; an hour is the second tier."""
HOUR = 3_600_000


class Windows(NamedTuple):
    """`times`: int64[windows], starts, rising; the others float64[windows, series]; nothing seen: NaN, NaN, 0, 0."""

    times: Times
    least: Floats
    most: Floats
    total: Floats
    seen: Floats

    def cut(self, start: int, end: int) -> Windows:
        """Rows `start` to `end`, as views."""
        span = slice(start, end)
        return Windows(self.times[span], self.least[span], self.most[span], self.total[span], self.seen[span])

    def copied(self) -> Windows:
        """The same, no longer holding what it was cut from."""
        return Windows(self.times.copy(), self.least.copy(), self.most.copy(), self.total.copy(), self.seen.copy())

    def columns(self) -> Floats:
        """All four side by side: float64[windows, 4 * series], as a chunk keeps them."""
        return np.concatenate(self[1:], axis=1)


def first_window(period: float) -> int:
    """The first tier's window in ms for rounds of `period` seconds: at least 30 rounds; 0 when an hour serves as well."""
    return next((seconds * 1000 for seconds in NICE if seconds >= 30 * period), 0)


def roll(times: Times, values: Floats, step: int) -> Windows:
    """Sum up raw samples. `values`: float64[ticks, series], NaN = none; `times` rising."""
    starts = times // step * step
    firsts = np.flatnonzero(np.r_[True, starts[1:] != starts[:-1]]) if len(times) else np.zeros(0, np.intp)
    if not len(firsts):
        nothing = np.zeros((0, values.shape[1]))
        return Windows(starts[:0], nothing, nothing, nothing, nothing)
    missing = np.isnan(values)
    if missing.any():
        least = np.fmin.reduceat(values, firsts, axis=0)
        most = np.fmax.reduceat(values, firsts, axis=0)
        seen = np.add.reduceat(~missing, firsts, axis=0, dtype=np.float64)
        with np.errstate(invalid="ignore"):  # infinities of both signs have no sum
            total = np.add.reduceat(np.where(missing, 0.0, values), firsts, axis=0)
    else:
        least = np.minimum.reduceat(values, firsts, axis=0)
        most = np.maximum.reduceat(values, firsts, axis=0)
        with np.errstate(invalid="ignore"):
            total = np.add.reduceat(values, firsts, axis=0)
        counts = np.diff(np.r_[firsts, len(times)]).astype(np.float64)
        seen = np.broadcast_to(counts[:, None], least.shape).copy()
    return Windows(starts[firsts], least, most, tidy(total), seen)


def reroll(windows: Windows, step: int) -> Windows:
    """Windows into longer ones of `step` ms; parts of one window join. `windows` rising, starts may repeat."""
    starts = windows.times // step * step
    if not len(starts):
        return windows
    firsts = np.flatnonzero(np.r_[True, starts[1:] != starts[:-1]])
    if len(firsts) == len(starts):
        return Windows(starts, *windows[1:])
    with np.errstate(invalid="ignore"):
        total = tidy(np.add.reduceat(windows.total, firsts, axis=0))
    return Windows(
        starts[firsts],
        np.fmin.reduceat(windows.least, firsts, axis=0),
        np.fmax.reduceat(windows.most, firsts, axis=0),
        total,
        np.add.reduceat(windows.seen, firsts, axis=0),
    )


def join(parts: list[Windows]) -> Windows:
    """Windows one after another, of the same series."""
    return parts[0] if len(parts) == 1 else Windows(*(np.concatenate(side) for side in zip(*parts, strict=True)))


def split(times: Times, columns: Floats) -> Windows:
    """What `Windows.columns` put side by side, apart again."""
    return Windows(times, *np.split(columns, 4, axis=1))


def tidy(totals: Floats) -> Floats:
    """Snap sums to two decimals where that is what rounding errors of binary fractions hide: they pack ten times as well."""
    near = np.round(totals, 2)
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(totals - near) <= 1e-9 * np.maximum(1.0, np.abs(totals) * 1e-6), near, totals)
