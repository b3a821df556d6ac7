"""Uptime by days: what is not known is neither up nor down, whatever the agent's round; before the first word is nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.web.uptime import DAY, STEP, Day, Windows, day_of, together

START = 20_000 * DAY
FULL = STEP / 1000
"""Samples of a window whose agent looks once a second."""
MANY = DAY // STEP


def windows(seen: list[float], share: list[float], start: int = START) -> Windows:
    """A row of windows from `start`: how many samples each has, and which share of these was up."""
    counts = np.array(seen, np.float64)
    return Windows(start + np.arange(len(seen), dtype=np.int64) * STEP, counts, counts * np.array(share))


def test_a_day_that_was_up() -> None:
    """All of it, to the second."""
    assert day_of(windows([FULL] * MANY, [1.0] * MANY), START, START, START + DAY, 1.0) == Day(START, 86400.0, 0.0, 0.0)


def test_down_is_down_and_silence_is_silence() -> None:
    """Six hours without a sample are not known; half of an hour's samples say down."""
    seen = [FULL] * 12 + [0.0] * 12 + [FULL] * 24
    share = [1.0] * 10 + [0.5, 0.5] + [1.0] * 36
    assert day_of(windows(seen, share), START, START, START + DAY, 1.0) == Day(START, 63000.0, 1800.0, 21600.0)


def test_a_window_that_is_partly_seen_is_partly_known() -> None:
    """An agent that was away for a third of half an hour leaves ten minutes unknown, and they are no downtime."""
    seen = [FULL] * MANY
    seen[5] = FULL * 2 / 3
    found = day_of(windows(seen, [1.0] * MANY), START, START, START + DAY, 1.0)
    assert found.down == 0
    assert found.unknown == pytest.approx(600)
    assert found.up == pytest.approx(86400 - 600)


def test_a_days_own_round_counts() -> None:
    """A day on which the agent looked every ten seconds is whole, though it looks every second today."""
    assert day_of(windows([FULL / 10] * MANY, [1.0] * MANY), START, START, START + 9 * DAY, 1.0).unknown == 0


def test_nothing_is_told_of_what_is_not_there_yet() -> None:
    """Neither of the hours to come, nor of those before the server was first heard of."""
    noon = START + DAY // 2
    half = windows([FULL] * (MANY // 4), [1.0] * (MANY // 4), noon - DAY // 4)
    assert day_of(half, START, noon - DAY // 4, noon, 1.0) == Day(START, 21600.0, 0.0, 0.0)
    assert day_of(half, START - DAY, noon - DAY // 4, noon, 1.0) == Day(START - DAY, 0.0, 0.0, 0.0)
    assert day_of(half, START + DAY, noon, noon, 1.0) == Day(START + DAY, 0.0, 0.0, 0.0)


def test_the_window_that_goes_on_is_not_counted_as_whole() -> None:
    """Ten minutes into a window there are ten minutes to tell of, whatever the day's other windows held."""
    seen = [FULL] * 4 + [600.0]
    now = START + 4 * STEP + 600_000
    assert day_of(windows(seen, [1.0] * 5), START, START, now, 1.0) == Day(START, 7800.0, 0.0, 0.0)


def test_a_days_first_windows_go_by_the_agents_round() -> None:
    """With too few windows to tell what a full one holds, today's round says it."""
    assert day_of(windows([FULL / 2], [1.0]), START, START, START + STEP, 1.0) == Day(START, 900.0, 0.0, 900.0)


def test_all_days_together() -> None:
    """The share is of the known time; what is unknown is told beside it; where nothing is known there is no share."""
    found = together((Day(0, 90.0, 10.0, 100.0), Day(1, 0.0, 0.0, 0.0)))
    assert (found.share, found.unknown) == (0.9, 0.5)
    nothing = together((Day(0, 0.0, 0.0, 50.0),))
    assert (nothing.share, nothing.unknown) == (None, 1.0)
    assert together(())[1:] == (None, None)


@given(
    st.lists(st.tuples(st.floats(0, 4000), st.floats(0, 1)), max_size=MANY),
    st.integers(0, DAY),
    st.integers(0, 2 * DAY),
    st.sampled_from([0.2, 1.0, 5.0, 60.0]),
)
def test_a_day_has_no_more_than_its_seconds(rows: list[tuple[float, float]], since: int, now: int, period: float) -> None:
    """Up, down and unknown are never negative, and together they are the seconds of the day that there were."""
    seen, share = [row[0] for row in rows], [row[1] for row in rows]
    found = day_of(windows(seen, share), START, START + since, START + now, period)
    assert min(found[1:]) >= 0
    lived = max(0, min(DAY, now) - since) / 1000
    assert sum(found[1:]) <= max(lived, sum(found[1:3])) + 1e-6
    assert found.up + found.down <= 86400 + 1e-6
