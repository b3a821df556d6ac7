"""histogram_quantile over classic buckets: cumulative counts by upper bound, interpolated within a bucket.

Histograms of the same bounds are worked out together, all steps of all of them at once: a fleet has few sets of bounds.
"""

from __future__ import annotations

import math

import numpy as np

from watchkeeper.model import Labels, Series
from watchkeeper.query.table import Bools, Floats, Table, empty

BOUND = "le"


def histogram_quantile(q: Floats, table: Table) -> Table:
    """The quantile q (float64[steps]) of each histogram; series without a readable bound are no buckets."""
    members: dict[Labels, list[tuple[float, int]]] = {}
    for row, series in enumerate(table.series):
        bound = _bound(series.label(BOUND))
        if bound is not None:
            rest = tuple(pair for pair in series.labels if pair[0] != BOUND)
            members.setdefault(rest, []).append((bound, row))
    steps = table.values.shape[1]
    if not members:
        return empty(steps)
    shapes: dict[tuple[float, ...], list[tuple[int, list[int]]]] = {}
    for place, buckets in enumerate(members.values()):
        buckets.sort()
        shapes.setdefault(tuple(bound for bound, _ in buckets), []).append((place, [row for _, row in buckets]))
    values = np.zeros((len(members), steps))
    present = np.zeros((len(members), steps), np.bool_)
    for bounds, alike in shapes.items():
        places = [place for place, _ in alike]
        rows = np.array([some for _, some in alike], np.intp).T
        there = table.present[rows].reshape(len(bounds), -1)
        present[places] = there.any(axis=0).reshape(len(alike), steps)
        found = _by_pattern(np.tile(q, len(alike)), np.array(bounds), table.values[rows].reshape(len(bounds), -1), there)
        values[places] = found.reshape(len(alike), steps)
    return Table([Series("", labels) for labels in members], values, present)


def _by_pattern(q: Floats, bounds: Floats, counts: Floats, there: Bools) -> Floats:
    """Histograms of the same bounds side by side, one a column; a bucket that is not there is not part of its histogram."""
    whole = there.all(axis=0)
    if whole.all():
        return _quantile(q, bounds, counts)
    found = np.zeros(len(q))
    found[whole] = _quantile(q[whole], bounds, counts[:, whole])
    torn = np.flatnonzero(~whole & there.any(axis=0))
    patterns, which = np.unique(np.packbits(there[:, torn], axis=0), axis=1, return_inverse=True)
    for number in range(patterns.shape[1]):
        here = torn[which.ravel() == number]
        some = there[:, here[0]]
        found[here] = _quantile(q[here], bounds[some], counts[some][:, here])
    return found


def _bound(text: str) -> float | None:
    """As Go parses a float; None where it is none."""
    if not text or text != text.strip() or "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def _quantile(q: Floats, bounds: Floats, counts: Floats) -> Floats:
    """`bounds`: float64[buckets], rising; `counts`: float64[buckets, steps], cumulative."""
    with np.errstate(all="ignore"):
        bounds, counts = _together(bounds, counts)
        counts = _rising(counts)
        found = np.full(len(q), np.nan)
        if len(bounds) >= 2 and math.isinf(bounds[-1]) and bounds[-1] > 0:
            found = _interpolated(q, bounds, counts)
        return np.where(np.isnan(q), np.nan, np.where(q < 0, -np.inf, np.where(q > 1, np.inf, found)))


def _interpolated(q: Floats, bounds: Floats, counts: Floats) -> Floats:
    total = counts[-1]
    rank = q * total
    reached: Bools = counts[:-1] >= rank
    bucket = np.where(reached.any(axis=0), reached.argmax(axis=0), len(bounds) - 1)
    before = np.maximum(bucket - 1, 0)
    along = np.arange(len(q))
    start = np.where(bucket > 0, bounds[before], 0.0)
    below = np.where(bucket > 0, counts[before, along], 0.0)
    part = (rank - below) / (counts[bucket, along] - below)
    inside = start + (bounds[bucket] - start) * part
    found = np.where((bucket == 0) & (bounds[0] <= 0), bounds[0], inside)
    found = np.where(bucket == len(bounds) - 1, bounds[-2], found)
    return np.where(total == 0, np.nan, found)


def _together(bounds: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Buckets of one bound (written ``0.5`` and ``0.50``) as one."""
    once, first = np.unique(bounds, return_index=True)
    return (bounds, counts) if len(once) == len(bounds) else (once, np.add.reduceat(counts, first, axis=0))


def _rising(counts: Floats) -> Floats:
    """Cumulative counts cannot fall; where rates make them, the highest so far stands."""
    return np.where(np.isnan(counts), counts, np.fmax.accumulate(counts, axis=0))
