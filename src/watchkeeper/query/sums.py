"""Sums over windows that come out as Prometheus' compensated ones: quick where that is exact enough, careful where not.

Prometheus adds by Neumaier's rule, so its sums are right to the last bit or two however figures cancel out.
`window_sums` comes to the same quickly, and adds the few sums that are not provably as good again in a tree of
exact two-sums, which is as accurate as Neumaier's and vectorises.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from watchkeeper.query.table import Bools, Floats, Ints

GOOD = 1e-13
"""A sum whose error is surely below this part of it is believed."""
SMALLEST, LARGEST = 1e-270, 1e290
"""Sizes of figures between which neither the unit nor a sum leaves the range of floats."""
SPREAD = 1 << 21
"""Figures spread out at once when windows are laid side by side."""


def window_sums(values: Floats, first: Ints, last: Ints) -> Floats:
    """The sum of each window ``first <= i < last`` (flat, same length); 0 for empty ones. `values` has one more behind it.

    Figures are split into multiples of a unit, so coarse that they add up exactly, and the small rests.
    """
    finite = np.isfinite(values)
    whole = bool(finite.all())
    largest = float(np.max(np.abs(values if whole else np.where(finite, values, 0.0)), initial=0.0))
    longest = int(np.max(last - first, initial=1))
    unit = math.ldexp(1.0, math.frexp(largest)[1] + longest.bit_length() + 1 - 53) if SMALLEST < largest < LARGEST else 0.0
    with np.errstate(all="ignore"):
        if not unit:
            found = plain_sums(values, first, last)
            bound = plain_sums(np.abs(values), first, last) * (longest * 2.3e-16)
        else:
            coarse = np.rint(values / unit) * unit
            found = plain_sums(coarse, first, last) + plain_sums(values - coarse, first, last)
            bound = np.full(len(first), unit * longest * longest * 2.3e-16)
            if not whole:
                plain = plain_sums(values, first, last)
                found = np.where(np.isfinite(plain), found, plain)
        doubtful = np.flatnonzero(~(bound <= GOOD * np.abs(found)) & (found != 0) & (last > first + 1) & np.isfinite(found))
        for some, padded, _ in spread(values, first[doubtful], last[doubtful], 0.0):
            found[doubtful[some]] = tree_sum(padded)
    return found


def plain_sums(values: Floats, first: Ints, last: Ints) -> Floats:
    """The same, added up plainly."""
    return reduced(np.add, values, first, last, 0.0)


def reduced(ufunc: np.ufunc, values: Floats, first: Ints, last: Ints, nothing: float) -> Floats:
    """Each window reduced by `ufunc`; `nothing` for empty ones. `values` has one more behind it: `last` may be the end."""
    if not len(first):
        return np.zeros(0)
    bounds = np.empty(2 * len(first), np.int64)
    bounds[0::2], bounds[1::2] = first, last
    found: Floats = ufunc.reduceat(values, bounds)[0::2]
    return np.where(last > first, found, nothing)


def spread(values: Floats, first: Ints, last: Ints, nothing: float) -> Iterator[tuple[Ints, Floats, Bools]]:
    """Windows laid side by side, some at a time.

    Gives their places, float64[windows, longest] with `nothing` behind the shorter ones, and which figures are real.
    """
    if not len(first):
        return
    lengths = last - first
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        # Windows come by length, so a part holds those of about one length and little is padding.
        stop = min(len(order), start + max(1, SPREAD // max(1, int(lengths[order[start]]))))
        while stop > start + 1 and (stop - start) * int(lengths[order[stop - 1]]) > SPREAD:
            stop = start + (stop - start) // 2
        some = order[start:stop]
        along = np.arange(max(1, int(lengths[some[-1]])))
        real = along < lengths[some, None]
        places = np.minimum(first[some, None] + along, len(values) - 1)
        yield some, np.where(real, values[places], nothing), real
        start = stop


def tree_sum(padded: Floats) -> Floats:
    """The sum of each row, errors kept and added last: float64[rows] of float64[rows, n]; infinite where plain adding is."""
    high = padded
    low = np.zeros(padded.shape)
    with np.errstate(all="ignore"):
        while high.shape[1] > 1:
            half = high.shape[1] // 2
            a, b = high[:, :half], high[:, half : 2 * half]
            total = a + b
            back = total - a
            wrong = (a - (total - back)) + (b - back)
            errors = low[:, :half] + low[:, half : 2 * half] + wrong
            if high.shape[1] % 2:
                total = np.concatenate((total, high[:, -1:]), axis=1)
                errors = np.concatenate((errors, low[:, -1:]), axis=1)
            high, low = total, errors
        exact: Floats = high[:, 0] + low[:, 0]
        return np.where(np.isfinite(high[:, 0]), exact, high[:, 0])


def quantiles(sorted_up: Floats, blanks: Ints, counts: Ints, q: Floats) -> Floats:
    """The q-quantile of each row as Prometheus interpolates it.

    `sorted_up`: float64[rows, n], rising; NaN stood for as -Inf (`blanks` many of them come first), padding as +Inf;
    `counts`: real figures of each row; `q`: float64[rows].
    """
    with np.errstate(all="ignore"):
        rank = q * (counts - 1)
        lower = np.maximum(0, np.floor(np.nan_to_num(rank))).astype(np.int64)
        lower = np.minimum(lower, np.maximum(counts - 1, 0))
        upper = np.minimum(lower + 1, np.maximum(counts - 1, 0))
        weight = rank - np.floor(rank)
        rows = np.arange(len(sorted_up))
        low = np.where(lower < blanks, np.nan, sorted_up[rows, lower])
        high = np.where(upper < blanks, np.nan, sorted_up[rows, upper])
        found = low * (1 - weight) + high * weight
        found = np.where(q < 0, -np.inf, np.where(q > 1, np.inf, found))
        return np.where(np.isnan(q) | (counts == 0), np.nan, found)
