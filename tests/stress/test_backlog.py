"""A queue that grows is told from answers that merely take their time, and from failures that are over soon."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.stress.backlog import keeps_up, left_behind
from watchkeeper.stress.objective import Totals
from watchkeeper.stress.run import Segment, Stage


def level(rate: float, seconds: float = 10.0) -> Stage:
    """A level of a search."""
    return Stage(0, 0, "steps", "steps", seconds, profile=(Segment(seconds, rate, rate),), level=rate)


def seen(rate: float, cap: float, answer: float, *, seconds: float = 10.0, middle: float = 5.0, failed: float = 0.0) -> Totals:
    """What is seen of a server that does at most `cap` a second, takes `answer` seconds for each and fails a share."""

    def done(at: float) -> float:
        return min(rate, cap) * max(0.0, at - answer)

    found = Totals()
    found.seconds, found.midway_at = seconds, middle
    found.scheduled = round(rate * seconds)
    found.done_within = round(done(seconds) * (1 - failed))
    found.failed_within = round(done(seconds) * failed)
    found.midway = round(rate * middle - done(middle))
    found.service.take([int((answer + at / 100 * max(0, rate / cap - 1) * seconds) * 1e9) for at in range(100)])
    return found


@given(st.floats(50, 2000), st.floats(0.001, 4.5))
def test_answers_that_take_their_time_are_no_queue(rate: float, answer: float) -> None:
    """However long each takes, up to half of the stage, and however many are under way at its end."""
    assert keeps_up(level(rate), seen(rate, 1e9, answer))


@given(st.floats(50, 2000), st.floats(1.04, 3), st.floats(0.001, 1), st.sampled_from([0.0, 1.0, 4.0, 5.0]))
def test_what_does_less_than_is_due_is_found_behind(cap: float, over: float, answer: float, middle: float) -> None:
    """By as much as was left undone, wherever the look at the middle fell, or without one."""
    rate = cap * over + 10
    found = seen(rate, cap, answer, middle=middle)
    assert not keeps_up(level(rate), found)
    assert left_behind(level(rate), found) >= 0.5 * (rate - cap) * 10


def test_a_stage_too_short_for_a_look_is_held_against_its_quickest_answer() -> None:
    """One second, of which each answer takes seven tenths."""
    assert keeps_up(level(100, 1.0), seen(100, 1e9, 0.7, seconds=1.0, middle=0.0))
    assert not keeps_up(level(100, 1.0), seen(100, 80, 0.005, seconds=1.0, middle=0.0))


def test_what_failed_is_left_behind_whenever_it_did() -> None:
    """One in twenty: nothing grows, and yet it was not done."""
    found = seen(100, 1e9, 0.01, failed=0.05)
    assert not keeps_up(level(100), found)
    assert left_behind(level(100), found) == pytest.approx(50, abs=2)


def test_in_the_closed_model_nothing_is_left_behind() -> None:
    """There nothing is due before something is done."""
    stage = Stage(0, 0, "steps", "steps", 10.0, model="closed", users=5)
    found = Totals()
    found.scheduled, found.done_within = 100, 10
    assert left_behind(stage, found) == 0
