"""Sums that are as exact as compensated ones, and quantiles."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.query.sums import quantiles, reduced, spread, tree_sum, window_sums

FIGURES = st.floats(-1e12, 1e12, allow_nan=False)


@given(st.lists(FIGURES, min_size=1, max_size=40), st.data())
def test_window_sums_are_right_to_the_last_bits(figures: list[float], data: st.DataObject) -> None:
    """Whatever cancels out: within a few parts in 1e13 of the exact sum, where a plain sum may have no right digit."""
    first = data.draw(st.integers(0, len(figures)))
    last = data.draw(st.integers(first, len(figures)))
    found = window_sums(np.append(np.array(figures), 0.0), np.array([first]), np.array([last]))[0]
    exact = math.fsum(figures[first:last])
    assert abs(found - exact) <= max(abs(exact) * 1e-12, 1e-18)


@given(st.lists(st.integers(-(10**8), 10**8), min_size=2, max_size=60), st.integers(0, 4))
def test_sums_of_decimals_are_rounded_once(whole: list[int], digits: int) -> None:
    """As Neumaier's rule rounds them: what people add up to 800 is 800, not a billionth more."""
    figures = [one / 10**digits for one in whole]
    found = window_sums(np.append(np.array(figures), 0.0), np.array([0]), np.array([len(figures)]))[0]
    assert found == math.fsum(figures)


@pytest.mark.parametrize("size", [1e-305, 1e-200, 1.0, 1e200, 1e307])
def test_figures_of_any_size_are_added(size: float) -> None:
    """To the ends of what floats hold, and beyond: as adding one by one has it."""
    figures = np.array([1.0, 2.5, -0.5, 0.0, 0.0]) * size
    first, last = np.array([0, 0, 1, 3]), np.array([3, 4, 3, 3])
    exact = [math.fsum(figures[a:b]) for a, b in zip(first, last, strict=True)]
    assert window_sums(figures, first, last).tolist() == exact
    assert window_sums(np.array([1e308, 1e308, 0.0]), np.array([0]), np.array([2]))[0] == np.inf


def test_what_cancels_out_is_not_lost() -> None:
    """The case that plain adding answers with nought."""
    assert tree_sum(np.array([[1e16, 1.0, -1e16, 1.0]]))[0] == 2.0
    assert window_sums(np.array([1e16, 1.0, -1e16, 0.0]), np.array([0]), np.array([3]))[0] == 1.0


def test_infinities_stay_infinite_and_opposite_ones_are_no_number() -> None:
    """As adding one by one has it."""
    found = tree_sum(np.array([[np.inf, 1.0, 2.0], [np.inf, -np.inf, 1.0], [-np.inf, -np.inf, 0.0]]))
    assert found[0] == np.inf
    assert np.isnan(found[1])
    assert found[2] == -np.inf


def test_overlapping_and_empty_windows_are_reduced_each_by_itself() -> None:
    """Bounds may repeat, overlap and reach the end."""
    values = np.array([3.0, 1.0, 2.0, 0.0])
    first, last = np.array([0, 1, 2, 2, 3]), np.array([3, 3, 2, 3, 3])
    assert reduced(np.fmax, values, first, last, -1.0).tolist() == [3.0, 2.0, -1.0, 2.0, -1.0]


def test_windows_laid_out_cover_each_once() -> None:
    """Every window is in exactly one part, with its own figures before the padding."""
    random = np.random.default_rng(1)
    values = np.append(random.standard_normal(500), 0.0)
    first = random.integers(0, 500, 300)
    last = np.minimum(first + random.integers(0, 60, 300), 500)
    seen = []
    for some, padded, real in spread(values, first, last, -7.0):
        for place, row, mask in zip(some, padded, real, strict=True):
            assert row[mask].tolist() == values[first[place] : last[place]].tolist()
            assert (row[~mask] == -7.0).all()
        seen += some.tolist()
    assert sorted(seen) == list(range(300))


def test_quantiles_interpolate_and_treat_nan_as_least() -> None:
    """Rows of different lengths, with NaN, at and beyond the ends."""
    rows = np.array([[1.0, 2.0, 3.0, np.inf], [-np.inf, 5.0, 7.0, np.inf]])  # padded; the second begins with a NaN
    blanks, counts = np.array([0, 1]), np.array([3, 3])
    assert quantiles(rows, blanks, counts, np.array([0.5, 0.75])).tolist() == [2.0, 6.0]
    assert np.isnan(quantiles(rows, blanks, counts, np.array([np.nan, 0.0]))).all()
    assert quantiles(rows, blanks, counts, np.array([-1.0, 2.0])).tolist() == [-np.inf, np.inf]
