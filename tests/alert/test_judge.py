"""The judge's table, and what must hold whatever is seen in whatever order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.alert.judge import Case, Sight, Terms, due, judge
from watchkeeper.telling import AlertState

PENDING, FIRING, UNKNOWN, RESOLVED = AlertState.PENDING, AlertState.FIRING, AlertState.UNKNOWN, AlertState.RESOLVED
HOLDS, BETWEEN, OVER, DARK = Sight.HOLDS, Sight.BETWEEN, Sight.OVER, Sight.UNKNOWABLE


def told(terms: Terms, looks: list[tuple[int, Sight]]) -> list[AlertState | None]:
    """The state after each look."""
    case: Case | None = None
    states = []
    for now, sight in looks:
        case = judge(case, sight, terms, now).case
        states.append(case.state if case else None)
    return states


@pytest.mark.parametrize(
    ("terms", "looks", "states"),
    [
        (Terms(), [(0, HOLDS)], [FIRING]),
        (Terms(), [(0, OVER)], [None]),
        (Terms(10), [(0, HOLDS), (9, HOLDS), (10, HOLDS)], [PENDING, PENDING, FIRING]),
        (Terms(10), [(0, HOLDS), (5, OVER), (6, HOLDS), (12, HOLDS)], [PENDING, None, PENDING, PENDING]),
        (Terms(), [(0, HOLDS), (1, OVER), (2, HOLDS)], [FIRING, RESOLVED, FIRING]),
        (Terms(0, 10), [(0, HOLDS), (1, OVER), (10, OVER), (11, OVER)], [FIRING, FIRING, FIRING, RESOLVED]),
        (Terms(0, 10), [(0, HOLDS), (1, OVER), (5, HOLDS), (6, OVER), (15, OVER)], [FIRING] * 5),
        (Terms(), [(0, HOLDS), (1, BETWEEN), (2, BETWEEN), (3, OVER)], [FIRING, FIRING, FIRING, RESOLVED]),
        (Terms(10), [(0, HOLDS), (1, BETWEEN)], [PENDING, None]),
        (Terms(0, 10), [(0, HOLDS), (1, OVER), (5, BETWEEN), (12, OVER)], [FIRING] * 4),
        (Terms(), [(0, HOLDS), (1, DARK), (2, DARK), (3, HOLDS)], [FIRING, UNKNOWN, UNKNOWN, FIRING]),
        (Terms(), [(0, HOLDS), (1, DARK), (2, OVER)], [FIRING, UNKNOWN, RESOLVED]),
        (
            Terms(10),
            [(0, HOLDS), (5, DARK), (20, HOLDS), (29, HOLDS), (30, HOLDS)],
            [PENDING, UNKNOWN, PENDING, PENDING, FIRING],
        ),
        (Terms(10), [(0, HOLDS), (5, DARK), (20, OVER)], [PENDING, UNKNOWN, None]),
        (Terms(), [(0, DARK)], [None]),
    ],
)
def test_the_table(terms: Terms, looks: list[tuple[int, Sight]], states: list[AlertState | None]) -> None:
    """Each look leads where it should: for, keep_firing_for, hysteresis, and what nobody can tell."""
    assert told(terms, looks) == states


looks = st.lists(st.tuples(st.integers(1, 30), st.sampled_from(Sight)), max_size=40)
times = st.builds(Terms, st.sampled_from([0, 10, 60]), st.sampled_from([0, 10, 60]))


@given(times, looks)
def test_what_must_always_hold(terms: Terms, gaps: list[tuple[int, Sight]]) -> None:
    """It fires after holding without a break for so long, ends only by a look that says so, and never in the dark."""
    case: Case | None = None
    now = 0
    unbroken: int | None = None
    for gap, sight in gaps:
        now += gap
        before = case
        case, reason = judge(before, sight, terms, now)
        was = before.state if before else None
        unbroken = (now if unbroken is None else unbroken) if sight is HOLDS else None
        state = case.state if case else None
        if state is FIRING and was in {None, PENDING, RESOLVED}:
            assert sight is HOLDS
            assert unbroken is not None
            assert now - unbroken >= terms.hold
        if state is RESOLVED:
            assert sight is OVER
            assert was in {FIRING, UNKNOWN}
        if sight is DARK:
            assert state in {UNKNOWN, None}
            assert (state is None) == (was in {None, RESOLVED})
        if was is FIRING and case is None:
            pytest.fail("what fires must be told when it ends")
        if state is not was and (state, was) != (None, RESOLVED):
            assert reason, "a change has a named reason"
        if case is not None and (at := due(case, terms)):
            assert at > now or case.state is PENDING


def test_a_firing_alert_that_goes_on_says_nothing() -> None:
    """Only changes have a reason; what goes on is no news."""
    fired = judge(None, HOLDS, Terms(), 0)
    again = judge(fired.case, HOLDS, Terms(), 5)
    assert fired.reason
    assert not again.reason
    assert again.case is not None
    assert again.case.held_at == 5
    assert again.case.fired_at == 0


def test_when_time_alone_decides() -> None:
    """A pending alert is due when it has held for so long; one that is kept firing when it has been over for so long."""
    pending = judge(None, HOLDS, Terms(10), 5).case
    assert pending is not None
    assert due(pending, Terms(10)) == 15
    firing = judge(None, HOLDS, Terms(0, 10), 5).case
    assert firing is not None
    assert due(firing, Terms(0, 10)) == 0
    over = judge(firing, OVER, Terms(0, 10), 7).case
    assert over is not None
    assert due(over, Terms(0, 10)) == 17
