"""Range functions on columns whose answers are known: resets, gaps, edges, several blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from watchkeeper.model import Block, Rollup, Series
from watchkeeper.query.ranges import aligned, increases, rates, windows

A, B = Series("a"), Series("b")
NAN = np.nan


def column(*values: float) -> np.ndarray:
    """One series' values as the ranges take them."""
    return np.array(values)[:, None]


def times(*seconds: float) -> np.ndarray:
    """Instants in milliseconds."""
    return np.array([round(second * 1000) for second in seconds], np.int64)


def test_blocks_of_different_axes_are_laid_together() -> None:
    """The union of the instants; a later block's value wins where both have one, NaN where none has."""
    first = Block((A, B), times(0, 1, 2), np.array([[1, 10], [2, NAN], [3, 30]]))
    second = Block((A,), times(2, 3), column(33, 4))
    axis, series, values = aligned([first, second])
    assert_array_equal(axis, times(0, 1, 2, 3))
    assert series == (A, B)
    assert_array_equal(values, [[1, 10], [2, NAN], [33, 30], [4, NAN]])


def test_nothing_and_one_block_are_laid_as_they_are() -> None:
    """No block is an empty table; one is itself, uncopied."""
    assert aligned([])[2].shape == (0, 0)
    block = Block((A,), times(0), column(1))
    assert aligned([block])[2] is block.values


def test_a_rate_is_per_second_at_the_later_sample() -> None:
    """Uneven distances count as they are, and the first sample has no rate."""
    assert_allclose(rates(times(0, 1, 3), column(10, 12, 20), 60)[:, 0], [NAN, 2, 4])


def test_a_reset_counts_from_zero() -> None:
    """What a counter shows after it went back is what it has risen by."""
    assert_allclose(rates(times(0, 1, 2), column(100, 5, 7), 60)[:, 0], [NAN, 5, 2])


def test_a_gap_has_no_rate_when_it_is_long() -> None:
    """A missing sample is bridged, a long silence is not guessed over."""
    assert_allclose(rates(times(0, 1, 2), column(0, NAN, 4), 10)[:, 0], [NAN, NAN, 2])
    assert_allclose(rates(times(0, 100, 101), column(0, 50, 53), 10)[:, 0], [NAN, NAN, 3])


def test_windows_take_in_their_left_edge_alone() -> None:
    """A sample on an edge belongs to the window that begins there; empty windows are NaN; outsiders are left out."""
    line = np.array([9.0, 1, 3, NAN, 7, 100])
    average, least, most = windows(times(-1, 0, 9.999, 10, 20, 30), line, times(0, 10, 20), 10_000)
    assert_array_equal(average, [2, NAN, 7])
    assert_array_equal(least, [1, NAN, 7])
    assert_array_equal(most, [3, NAN, 7])


@given(st.lists(st.floats(-1e6, 1e6) | st.just(NAN), min_size=1, max_size=60), st.integers(1, 20))
def test_windows_agree_with_the_plain_way(values: list[float], step: int) -> None:
    """Whatever the line, each window is what a loop over its samples says."""
    axis = np.arange(len(values), dtype=np.int64) * 1000
    edges = np.arange(0, len(values), step, dtype=np.int64) * 1000
    average, least, most = windows(axis, np.array(values), edges, step * 1000)
    for place, edge in enumerate(range(0, len(values), step)):
        inside = [value for value in values[edge : edge + step] if not np.isnan(value)]
        if inside:
            assert average[place] == pytest.approx(sum(inside) / len(inside), rel=1e-9, abs=1e-6)
            assert (least[place], most[place]) == (min(inside), max(inside))
        else:
            assert np.isnan(average[place])


def test_an_increase_over_rollups() -> None:
    """From highest to highest; after a reset what the window itself saw; NaN over a missing window."""
    rollup = Rollup(
        (A,), times(0, 10, 20, 40), 10_000, column(0, 11, 1, 60), column(10, 20, 9, 70), column(0, 0, 0, 0), column(2, 2, 2, 2)
    )
    assert_allclose(increases(rollup)[:, 0], [NAN, 1.0, 0.8, NAN])
