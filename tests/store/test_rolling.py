"""Windows: against the plainest way to count."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.store.rolling import Windows, first_window, join, reroll, roll, split

samples = st.lists(
    st.tuples(st.integers(1, 50), st.one_of(st.just(math.nan), st.integers(-1000, 1000).map(lambda number: number / 4))),
    min_size=1,
    max_size=80,
)


def as_columns(given_: list[tuple[int, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Rising times and one column."""
    return np.cumsum([gap for gap, _ in given_]).astype(np.int64), np.array([[value] for _, value in given_])


def plainly(times: np.ndarray, values: np.ndarray, step: int) -> dict[int, list[float]]:
    """Values by window."""
    found: dict[int, list[float]] = {}
    for at, value in zip(times.tolist(), values[:, 0].tolist(), strict=True):
        found.setdefault(at // step * step, []).extend([] if math.isnan(value) else [value])
    return found


def same(windows: Windows, wanted: dict[int, list[float]]) -> bool:
    """Whether the windows say what was counted plainly."""
    assert windows.times.tolist() == sorted(wanted)
    for row, at in enumerate(windows.times.tolist()):
        seen = wanted[at]
        assert windows.seen[row, 0] == len(seen)
        if seen:
            assert (windows.least[row, 0], windows.most[row, 0]) == (min(seen), max(seen))
            assert math.isclose(windows.total[row, 0], sum(seen), abs_tol=1e-9)
        else:
            assert math.isnan(windows.least[row, 0])
            assert windows.total[row, 0] == 0
    return True


@settings(max_examples=100, deadline=None)
@given(samples, st.integers(1, 60))
def test_rolling_is_counting(given_: list[tuple[int, float]], step: int) -> None:
    """Least, most, total and how many are those of each window's samples; gaps count nowhere."""
    times, values = as_columns(given_)
    assert same(roll(times, values, step), plainly(times, values, step))


@settings(max_examples=100, deadline=None)
@given(samples, st.integers(1, 20), st.integers(2, 6), st.integers(0, 80))
def test_windows_told_in_parts_and_rolled_again_are_the_same(
    given_: list[tuple[int, float]], step: int, times_longer: int, cut: int
) -> None:
    """Rolling two halves, joining, and rolling to longer windows equals rolling once."""
    times, values = as_columns(given_)
    parts = [roll(times[span], values[span], step) for span in (slice(0, cut), slice(cut, None)) if len(times[span])]
    again = reroll(join(parts), step * times_longer)
    assert same(again, plainly(times, values, step * times_longer))


def test_columns_side_by_side_come_apart_again() -> None:
    """What a chunk keeps of windows is all of them."""
    windows = roll(np.arange(10) * 7, np.random.default_rng(1).standard_normal((10, 3)), 20)
    back = split(windows.times, windows.columns())
    assert all((one == other).all() for one, other in zip(windows, back, strict=True))


def test_the_first_tier_has_at_least_thirty_rounds_a_window() -> None:
    """Windows are whole parts of an hour; very slow rounds have the hourly tier alone."""
    assert [first_window(period) for period in (1, 2, 5, 10, 30, 60, 61)] == [
        60_000,
        60_000,
        300_000,
        300_000,
        900_000,
        1_800_000,
        0,
    ]
