"""Functions over time: windows of samples into one figure each, for all series and steps at once.

Each takes `Tracks` and gives figures float64[series, steps] with where they are; what 2.42 does at a window's
edges, at resets, with NaN and infinities is done here the same way. Windows include both their ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from watchkeeper.query.faults import execution
from watchkeeper.query.sums import plain_sums, quantiles, reduced, spread, tree_sum, window_sums
from watchkeeper.query.table import Bools, Floats, Ints
from watchkeeper.query.tracks import Tracks


class Window(NamedTuple):
    """How a range is asked for: `length` in ms; `ends`: its last instants, `steps`: when it is asked, both int64[steps].

    `scalars` are the call's other arguments, each float64[steps].
    """

    length: int
    ends: Ints
    steps: Ints
    scalars: tuple[Floats, ...] = ()


Result = tuple[Floats, Bools]
OverTime = Callable[[Tracks, Window], Result]


def _extrapolated(tracks: Tracks, window: Window, *, counter: bool, per_second: bool) -> Result:
    """rate, increase, delta: the rise between first and last sample, carried on to the window's edges where these are near."""
    counts = tracks.counts
    present = counts > 1
    first, last = tracks.first, np.maximum(tracks.last - 1, tracks.first)
    behind = len(tracks.values) - 1
    if behind < 0:
        return np.zeros(counts.shape), present
    low, high = np.minimum(first, behind), np.minimum(last, behind)
    beginning, ending = tracks.values[low], tracks.values[high]
    first_at, last_at = tracks.at(low), tracks.at(high)
    with np.errstate(all="ignore"):
        rise = ending - beginning
        if counter:
            rise = _restored(tracks, rise)
        to_start = (first_at - (window.ends - window.length)) / 1000
        to_end = (window.ends - last_at) / 1000
        sampled = (last_at - first_at) / 1000
        between = sampled / (counts - 1)
        if counter:
            to_zero = sampled * (beginning / rise)
            to_start = np.where((rise > 0) & (beginning >= 0) & (to_zero < to_start), to_zero, to_start)
        near = between * 1.1
        reach = sampled + np.where(to_start < near, to_start, between / 2) + np.where(to_end < near, to_end, between / 2)
        factor = reach / sampled
        if per_second:
            factor /= window.length / 1000
        return rise * factor, present


def _restored(tracks: Tracks, rise: Floats) -> Floats:
    """`rise` and what counters had before they were set back within a window: rare, so looked for first."""
    drops = _falls(tracks)
    if not len(drops):
        return rise
    low = np.searchsorted(drops, tracks.first.ravel() + 1)
    high = np.maximum(np.searchsorted(drops, tracks.last.ravel()), low)
    before = np.append(tracks.values[drops - 1], 0.0)
    found = rise.ravel()
    reset = np.flatnonzero(high > low)
    for some, padded, _ in spread(before, low[reset], high[reset], 0.0):
        for column in padded.T:  # one after another, in the order and with the roundings of Prometheus
            found[reset[some]] += column
    return found.reshape(rise.shape)


def _falls(tracks: Tracks) -> Ints:
    """Places of samples that are less than the one before them. Across series too: no window reaches over these."""
    found: Ints = np.flatnonzero(tracks.values[1:] < tracks.values[:-1]) + 1
    return found


def _instant(tracks: Tracks, *, rate: bool) -> Result:
    """Irate and idelta: the last two samples."""
    present = tracks.counts > 1
    behind = max(len(tracks.values) - 1, 0)
    if not len(tracks.values):
        return np.zeros(present.shape), present
    last = np.clip(tracks.last - 1, 0, behind)
    before = np.clip(tracks.last - 2, 0, behind)
    ending, beginning = tracks.values[last], tracks.values[before]
    seconds = (tracks.at(last) - tracks.at(before)) / 1000
    with np.errstate(all="ignore"):
        rise = ending - beginning
        if rate:
            rise = np.where(ending < beginning, ending, rise) / seconds
    return rise, present & (seconds != 0)


def _counted(tracks: Tracks, marks: Bools) -> Result:
    """How many marked neighbours each window has; `marks`: bool[samples - 1], of sample i + 1 and the one before."""
    total = np.zeros(len(tracks.values) + 1, np.int64)
    np.cumsum(marks, out=total[2:])
    counts = tracks.counts
    found = total[tracks.last] - total[np.minimum(tracks.first + 1, tracks.last)]
    return found.astype(np.float64), counts > 0


def resets(tracks: Tracks, _: Window) -> Result:
    """How often a counter went back."""
    return _counted(tracks, tracks.values[1:] < tracks.values[:-1])


def changes(tracks: Tracks, _: Window) -> Result:
    """How often a figure changed; NaN after NaN is no change."""
    now, before = tracks.values[1:], tracks.values[:-1]
    return _counted(tracks, (now != before) & ~(np.isnan(now) & np.isnan(before)))


def sum_over_time(tracks: Tracks, _: Window) -> Result:
    """The sum."""
    return window_sums(*tracks.flat()).reshape(tracks.first.shape), tracks.counts > 0


def avg_over_time(tracks: Tracks, _: Window) -> Result:
    """The mean. Where adding up overflows it is taken of parts, of equal figures it is that figure: a running mean has both."""
    values, first, last = tracks.flat()
    counts = last - first
    with np.errstate(all="ignore"):
        mean = window_sums(values, first, last) / counts
        burst = np.flatnonzero(~np.isfinite(mean) & (counts > 0))
        if len(burst):
            mean[burst] = plain_sums(values / 1024.0, first[burst], last[burst]) / counts[burst] * 1024.0
        beginning = values[first]
        near = np.flatnonzero((mean != beginning) & (np.abs(mean - beginning) <= 1e-14 * np.abs(beginning)))
        if len(near):
            some = values, first[near], last[near], np.nan
            level = reduced(np.minimum, *some) == reduced(np.maximum, *some)
            mean[near[level]] = beginning[near[level]]
    return mean.reshape(tracks.first.shape), tracks.counts > 0


def min_over_time(tracks: Tracks, _: Window) -> Result:
    """The least; NaN only where there is nothing else."""
    return reduced(np.fmin, *tracks.flat(), np.nan).reshape(tracks.first.shape), tracks.counts > 0


def max_over_time(tracks: Tracks, _: Window) -> Result:
    """The most; NaN only where there is nothing else."""
    return reduced(np.fmax, *tracks.flat(), np.nan).reshape(tracks.first.shape), tracks.counts > 0


def count_over_time(tracks: Tracks, _: Window) -> Result:
    """How many."""
    counts = tracks.counts
    return counts.astype(np.float64), counts > 0


def present_over_time(tracks: Tracks, _: Window) -> Result:
    """1 where there is anything."""
    return np.ones(tracks.first.shape), tracks.counts > 0


def last_over_time(tracks: Tracks, _: Window) -> Result:
    """The newest."""
    if not len(tracks.values):
        return np.zeros(tracks.first.shape), tracks.counts > 0
    return tracks.values[np.maximum(tracks.last - 1, 0)], tracks.counts > 0


def newest_at(tracks: Tracks) -> Floats:
    """When the newest sample of each window was taken, in seconds."""
    return tracks.at(np.maximum(tracks.last - 1, 0)) / 1000


def _variance(tracks: Tracks) -> Result:
    """The mean square of deviations. Figures are taken relative to the window's first, so equal ones have none at all."""
    values, first, last = tracks.flat()
    found = np.zeros(len(first))
    with np.errstate(all="ignore"):
        for some, padded, real in spread(values, first, last, 0.0):
            count = np.maximum(real.sum(axis=1), 1)
            moved = np.where(real, padded - padded[:, :1], 0.0)
            middle = tree_sum(moved) / count
            found[some] = tree_sum(np.where(real, (moved - middle[:, None]) ** 2, 0.0)) / count
    return found.reshape(tracks.first.shape), tracks.counts > 0


def stddev_over_time(tracks: Tracks, _: Window) -> Result:
    """The standard deviation of the window's own figures."""
    found, present = _variance(tracks)
    return np.sqrt(found), present


def stdvar_over_time(tracks: Tracks, _: Window) -> Result:
    """Its square."""
    return _variance(tracks)


def quantile_over_time(tracks: Tracks, window: Window) -> Result:
    """The quantile given as the first scalar, interpolated; NaN counts as the least figure there is."""
    values, first, last = tracks.flat()
    q = np.broadcast_to(window.scalars[0], tracks.first.shape).ravel()
    found = np.zeros(len(first))
    for some, padded, real in spread(values, first, last, np.inf):
        blank = np.isnan(padded) & real
        ordered = np.sort(np.where(blank, -np.inf, padded), axis=1)
        found[some] = quantiles(ordered, blank.sum(axis=1), real.sum(axis=1), q[some])
    return found.reshape(tracks.first.shape), tracks.counts > 0


def _lines(tracks: Tracks, origin: Ints) -> tuple[Floats, Floats]:
    """Least-squares lines: slope per second and value at `origin` (int64[series, steps], ms), by Prometheus' own formula."""
    values, first, last = tracks.flat()
    origins = origin.ravel()
    moments = tracks.times
    shift = np.broadcast_to(tracks.shift[:, None], tracks.first.shape).ravel()
    slope, intercept = np.full(len(first), np.nan), np.full(len(first), np.nan)
    with np.errstate(all="ignore"):
        for some, y, real in spread(values, first, last, 0.0):
            places = np.minimum(first[some, None] + shift[some, None] + np.arange(y.shape[1]), len(moments) - 1)
            x = np.where(real, (moments[places] - origins[some, None]) / 1000, 0.0)
            n = real.sum(axis=1).astype(np.float64)
            sum_x, sum_y, sum_xy, sum_xx = tree_sum(x), tree_sum(y), tree_sum(x * y), tree_sum(x * x)
            level = (np.where(real, y, y[:, :1]) == y[:, :1]).all(axis=1)
            found = (sum_xy - sum_x * sum_y / n) / (sum_xx - sum_x * sum_x / n)
            height = sum_y / n - found * sum_x / n
            flat = np.where(np.isinf(y[:, 0]), np.nan, 0.0)
            slope[some] = np.where(level, flat, found)
            intercept[some] = np.where(level, flat + y[:, 0], height)
    return slope.reshape(tracks.first.shape), intercept.reshape(tracks.first.shape)


def deriv(tracks: Tracks, _: Window) -> Result:
    """The slope per second of the line through the window's samples."""
    if not len(tracks.values):
        return np.zeros(tracks.first.shape), tracks.counts > 1
    return _lines(tracks, tracks.at(tracks.first))[0], tracks.counts > 1


def predict_linear(tracks: Tracks, window: Window) -> Result:
    """Where that line is the first scalar's seconds after the step."""
    slope, intercept = _lines(tracks, np.broadcast_to(window.steps, tracks.first.shape))
    with np.errstate(all="ignore"):
        return intercept + slope * window.scalars[0], tracks.counts > 1


def holt_winters(tracks: Tracks, window: Window) -> Result:
    """Double exponential smoothing by the first scalar, its trend by the second: sample after sample, all windows at once."""
    smoothing, trend = window.scalars
    for name, factor in (("smoothing", smoothing), ("trend", trend)):
        wrong = factor[~((factor > 0) & (factor < 1))]
        if len(wrong) and (tracks.counts > 0).any():
            raise execution(f"invalid {name} factor. Expected: 0 < {name[0]}f < 1, got: {wrong[0]:f}")
    values, first, last = tracks.flat()
    sf = np.broadcast_to(smoothing, tracks.first.shape).ravel()
    tf = np.broadcast_to(trend, tracks.first.shape).ravel()
    found = np.zeros(len(first))
    with np.errstate(all="ignore"):
        for some, padded, real in spread(values, first, last, 0.0):
            if padded.shape[1] < 2:
                continue
            before, level = np.zeros(len(some)), padded[:, 0].copy()
            rise = padded[:, 1] - padded[:, 0]
            s, t = sf[some], tf[some]
            for place in range(1, padded.shape[1]):
                there = real[:, place]
                if place > 1:
                    rise = np.where(there, t * (level - before) + (1 - t) * rise, rise)
                following = s * padded[:, place] + (1 - s) * (level + rise)
                before, level = np.where(there, level, before), np.where(there, following, level)
            found[some] = level
    return found.reshape(tracks.first.shape), tracks.counts > 1


FUNCTIONS: dict[str, OverTime] = {
    "absent_over_time": present_over_time,
    "avg_over_time": avg_over_time,
    "changes": changes,
    "count_over_time": count_over_time,
    "delta": lambda tracks, window: _extrapolated(tracks, window, counter=False, per_second=False),
    "deriv": deriv,
    "holt_winters": holt_winters,
    "idelta": lambda tracks, _: _instant(tracks, rate=False),
    "increase": lambda tracks, window: _extrapolated(tracks, window, counter=True, per_second=False),
    "irate": lambda tracks, _: _instant(tracks, rate=True),
    "last_over_time": last_over_time,
    "max_over_time": max_over_time,
    "min_over_time": min_over_time,
    "predict_linear": predict_linear,
    "present_over_time": present_over_time,
    "quantile_over_time": quantile_over_time,
    "rate": lambda tracks, window: _extrapolated(tracks, window, counter=True, per_second=True),
    "resets": resets,
    "stddev_over_time": stddev_over_time,
    "stdvar_over_time": stdvar_over_time,
    "sum_over_time": sum_over_time,
}
