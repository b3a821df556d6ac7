"""Range functions: columns from a store into what a chart draws. Pure numpy, floors below any page.

Rates between neighbouring samples, averages and bounds of windows, increases from rollups; resets of
counters and gaps are seen to in each. PromQL's functions over windows are another thing: `overtime`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from watchkeeper.model import Block, Rollup, Series

Times = NDArray[np.int64]
Values = NDArray[np.float64]


def aligned(blocks: Sequence[Block]) -> tuple[Times, tuple[Series, ...], Values]:
    """All blocks on one time axis: `values` float64[times, series], NaN where a block has nothing to say."""
    if not blocks:
        return np.zeros(0, np.int64), (), np.zeros((0, 0))
    if len(blocks) == 1:
        return blocks[0].times, blocks[0].series, blocks[0].values
    times = np.unique(np.concatenate([block.times for block in blocks]))
    places: dict[Series, int] = {}
    for block in blocks:
        for series in block.series:
            places.setdefault(series, len(places))
    values = np.full((len(times), len(places)), np.nan)
    for block in blocks:
        rows = np.searchsorted(times, block.times)
        for column, series in enumerate(block.series):
            fresh = ~np.isnan(block.values[:, column])
            values[rows[fresh], places[series]] = block.values[fresh, column]
    return times, tuple(places), values


def rates(times: Times, values: Values, longest: float) -> Values:
    """A counter's increase per second between neighbouring samples of a series, at the later one.

    float64[times, series]; NaN at the first, and over a gap longer than `longest` seconds (nothing is known
    about how the increase lies in it). A counter that went back was reset: what it shows now is the increase.
    """
    result = np.full(values.shape, np.nan)
    for column in range(values.shape[1]):
        known = np.flatnonzero(~np.isnan(values[:, column]))
        if len(known) < 2:
            continue
        shown = values[known, column]
        rise = np.diff(shown)
        rise = np.where(rise < 0, shown[1:], rise)
        seconds = np.diff(times[known]) / 1000
        result[known[1:], column] = np.where(seconds <= longest, rise / np.maximum(seconds, 1e-3), np.nan)
    return result


def windows(times: Times, line: Values, edges: Times, step: int) -> tuple[Values, Values, Values]:
    """A line's average, least and most in each window ``edge <= t < edge + step``; NaN where it has no value."""
    average, least, most = (np.full(len(edges), np.nan) for _ in range(3))
    known = ~np.isnan(line)
    slots = ((times[known] - edges[0]) // step).astype(np.int64)
    inside = (slots >= 0) & (slots < len(edges))
    slots, shown = slots[inside], line[known][inside]
    if len(slots):
        firsts = np.flatnonzero(np.r_[True, np.diff(slots) > 0])
        filled = slots[firsts]
        average[filled] = np.add.reduceat(shown, firsts) / np.diff(np.r_[firsts, len(slots)])
        least[filled] = np.minimum.reduceat(shown, firsts)
        most[filled] = np.maximum.reduceat(shown, firsts)
    return average, least, most


def increases(rollup: Rollup) -> Values:
    """A counter's mean increase per second in each window, float64[windows, series], from its highest values.

    From window to window the highest value rises by the increase; where it falls the counter was reset in between,
    and what the window itself saw is the least there was. NaN where two windows in a row are not known.
    """
    result = np.full(rollup.most.shape, np.nan)
    if len(rollup.times) > 1:
        rise = rollup.most[1:] - rollup.most[:-1]
        rise = np.where(rise < 0, rollup.most[1:] - rollup.least[1:], rise)
        neighbours = (np.diff(rollup.times) == rollup.step)[:, None]
        seen = (rollup.seen[1:] > 0) & (rollup.seen[:-1] > 0)
        result[1:] = np.where(neighbours & seen, rise * 1000 / rollup.step, np.nan)
    return result
