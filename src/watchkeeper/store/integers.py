"""Columns of float64 as small integers, and back, bit for bit.

Most figures are integers in disguise: counters, byte sizes, percentages of one decimal. `reduce_columns`
finds, for each column, the decimal exponent and the power of two that it is a multiple of, takes
differences where these are smaller, and centres what remains, so that an entropy coder meets small
unsigned numbers. Every step is proven on the very data before it is believed: what does not come
back bit for bit is left to the caller as raw floats. Pure numpy; called by `codec`, by nobody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

EXPONENTS = 7
"""Decimal exponents tried: 0 to 6."""
POWERS = 10.0 ** np.arange(EXPONENTS)
LARGEST = float(1 << 52)
"""Integers beyond this are not exact once they are scaled."""
GUESSES = 12
"""Rows on which an exponent is guessed before the whole column proves it."""


class Reduced(NamedTuple):
    """Integer columns, each with what turns it back into floats.

    `words`: uint64[columns, ticks], zigzagged, to be restored of any width that holds them; `first`, `centre`:
    int64[columns]; the others uint8[columns].
    With order 1 `first` is the column's first value and word 0 is void (zero).
    """

    words: NDArray[Any]
    exponent: NDArray[np.uint8]
    shift: NDArray[np.uint8]
    order: NDArray[np.uint8]
    first: Ints
    centre: Ints


def fill_gaps(columns: Floats) -> tuple[Floats, Bools]:
    """Replace each NaN by the value before it (the first known one at the start); return that and where NaN was.

    `columns`: float64[columns, ticks]; none may be NaN throughout. A copy is made only where there are gaps.
    """
    gaps = np.isnan(columns)
    holed = np.flatnonzero(gaps.any(axis=1))
    if not len(holed):
        return columns, gaps
    filled = columns.copy()
    places = np.where(gaps[holed], 0, np.arange(columns.shape[1]))
    np.maximum.accumulate(places, axis=1, out=places)
    some = np.take_along_axis(columns[holed], places, axis=1)
    starts = np.argmin(gaps[holed], axis=1)
    leading = np.arange(columns.shape[1]) < starts[:, None]
    filled[holed] = np.where(leading, columns[holed, starts][:, None], some)
    return filled, gaps


def whole_numbers(columns: Floats) -> tuple[Ints, NDArray[np.uint8], Bools]:
    """Find each column's smallest decimal exponent k such that all values are integers / 10**k, bit for bit.

    `columns`: float64[columns, ticks] without NaN. Returns int64[columns, ticks], uint8 exponents, and which
    columns are integers at all; the rows of those that are not mean nothing.
    """
    count, ticks = columns.shape
    integers = np.zeros((count, ticks), np.int64)
    exponents = np.zeros(count, np.uint8)
    proven = np.zeros(count, np.bool_)
    sample = columns[:, np.linspace(0, ticks - 1, min(GUESSES, ticks)).astype(np.intp)]
    with np.errstate(invalid="ignore", over="ignore"):
        for k in range(EXPONENTS):
            scaled = sample * POWERS[k]
            guess = (np.rint(scaled) / POWERS[k] == sample).all(axis=1) & (np.abs(scaled) < LARGEST).all(axis=1)
            chosen = np.flatnonzero(guess & ~proven)
            if not len(chosen):
                continue
            here = columns if len(chosen) == count else columns[chosen]
            whole = np.rint(here if k == 0 else here * POWERS[k])
            # Division brings every sign and every bit back but that of -0.0, so the bits themselves are compared.
            back = (whole + 0.0) if k == 0 else (whole + 0.0) / POWERS[k]
            exact = (back.view(np.int64) == here.view(np.int64)).all(axis=1)
            exact &= (whole.min(axis=1) > -LARGEST) & (whole.max(axis=1) < LARGEST)
            good = chosen[exact]
            integers[good] = whole[exact]
            exponents[good] = k
            proven[good] = True
    return integers, exponents, proven


def reduce_columns(integers: Ints, exponents: NDArray[np.uint8]) -> Reduced:
    """Make integer columns small: common power of two out, differences where smaller, centred, zigzagged."""
    count, ticks = integers.shape
    shift = trailing_zeros(np.bitwise_or.reduce(integers, axis=1))
    if shift.any():
        integers = integers >> shift[:, None].astype(np.int64)
    first = integers[:, 0].copy()
    words = np.empty_like(integers)
    order = np.zeros(count, np.uint8)
    if ticks > 1:
        difference = words
        difference[:, 0] = 0
        np.subtract(integers[:, 1:], integers[:, :-1], out=difference[:, 1:])
        every = slice(1, None, max(1, ticks // 64))
        plain = _spread(integers[:, every])
        order[_spread(difference[:, every]) <= plain] = 1
        level = np.flatnonzero(order == 0)
        words[level] = integers[level]
        centre = np.sort(words[:, every], axis=1)[:, words[:, every].shape[1] // 2]
    else:
        words[:] = integers
        centre = first.copy()
    words -= centre[:, None]
    words[order == 1, 0] = 0
    return Reduced(_zigzag(words), exponents, shift, order, first, centre)


def restore_columns(reduced: Reduced) -> Floats:
    """Undo `reduce_columns`: float64[columns, ticks] without gaps."""
    return restore_rows(reduced.words, list(zip(*(some.tolist() for some in reduced[1:]), strict=True)))


def restore_rows(words: NDArray[Any], restoring: Sequence[tuple[int, int, int, int, int]]) -> Floats:
    """The same, of words and of each column's exponent, shift, order, first value and centre.

    These are mostly alike, since the columns of one question are, and then one number does for all of them.
    """
    exponents, shifts, orders, firsts, centres = zip(*restoring, strict=True)
    narrow = words >> 1
    narrow ^= -(words & 1)
    integers = narrow.view(f"<i{words.itemsize}") + np.array(centres, np.int64)[:, None]
    if all(orders):
        integers[:, 0] = firsts
        np.add.accumulate(integers, axis=1, out=integers)
    elif any(orders):
        some = np.flatnonzero(orders)
        integers[some, 0] = np.array(firsts, np.int64)[some]
        integers[some] = np.add.accumulate(integers[some], axis=1)
    if any(shifts):
        integers <<= np.array(shifts, np.int64)[:, None]
    if not any(exponents):
        return integers.astype(np.float64)
    alike = exponents.count(exponents[0]) == len(exponents)
    figures: Floats = integers / (POWERS[exponents[0]] if alike else POWERS[list(exponents)][:, None])
    return figures


def trailing_zeros(values: Ints) -> NDArray[np.uint8]:
    """How many times two divides each value; 0 for 0."""
    lowest = values & -values
    return np.where(lowest == 0, 0, np.log2(np.maximum(np.abs(lowest), 1).astype(np.float64))).astype(np.uint8)


def _spread(values: Ints) -> NDArray[np.float64]:
    """How many bits the values of each column need about its middle, more or less."""
    middle = np.sort(values, axis=1)[:, values.shape[1] // 2]
    spread: NDArray[np.float64] = np.log2(np.abs(values - middle[:, None]).astype(np.float64) + 1).sum(axis=1)
    return spread


def _zigzag(values: Ints) -> NDArray[np.uint64]:
    return ((values << 1) ^ (values >> 63)).view(np.uint64)
