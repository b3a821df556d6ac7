"""Whether it is as before is decided by what each second was like, and a failure that goes on by itself is named."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.stress.recovery import Moment, baseline, is_good, judge, recovered


def in_turn(moments: list[Moment], first: int = 0) -> list[Moment]:
    """Second after second."""
    return [moment._replace(second=first + place) for place, moment in enumerate(moments)]


BEFORE = baseline(0.010, [0.009, 0.010, 0.010, 0.011, 0.010], 0.001)


def second(p95: float = 0.01, done: int = 100, failed: int = 0, scheduled: int = 100) -> Moment:
    """One second."""
    return Moment(0, scheduled, done, failed, p95)


GOOD, SLOW, BROKEN = second(), second(0.5), second(math.inf, 0, 100)


@pytest.mark.parametrize(
    ("moment", "good"),
    [
        (GOOD, True),
        (second(0.0109), True),
        (SLOW, False),
        (second(done=80), False),
        (second(failed=5), False),
        (BROKEN, False),
        (second(scheduled=0, done=0), False),
        (second(math.nan, 0), False),
    ],
)
def test_a_second_is_good_or_not(moment: Moment, good: bool) -> None:
    """By latency, by what was done of what was due, and by failures; a second without load says nothing."""
    assert is_good(moment, BEFORE) == good


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 5))
def test_recovered_is_the_first_of_so_many_good_ones(goods: list[bool], held: int) -> None:
    """The first place from which on `held` in a row were good."""
    moments = [GOOD if good else SLOW for good in goods]
    expected = next((place for place in range(len(goods)) if goods[place : place + held] == [True] * held), None)
    assert recovered(in_turn(moments, 7), BEFORE, held, 7.0) == expected


def test_how_long_it_took() -> None:
    """In seconds from the end of the overload."""
    found = judge(in_turn([BROKEN, SLOW, SLOW, GOOD, GOOD, GOOD]), BEFORE, 3, "thrice", 60, 0.0)
    assert (found.seconds, found.metastable) == (3.0, False)
    assert found.text == "as before 3 s after thrice"
    assert judge(in_turn([GOOD] * 3), BEFORE, 3, "x", 60, 0.4).text == "as before at once after x"


def test_a_second_without_a_word_is_not_good() -> None:
    """Who hangs lets users wait: nothing is begun, done or failed, until all is as before."""
    moments = [GOOD._replace(second=at) for at in (10, 11, 18, 19, 20)]
    assert recovered(moments, BEFORE, 3, 9.9) == 8
    assert recovered(moments[2:], BEFORE, 3, 9.9) == 8
    hung = judge(moments[:2], BEFORE, 3, "thrice", 20, 9.9)
    assert (hung.seconds, hung.metastable) == (None, True)
    assert "nothing was begun or done" in hung.text


def test_a_load_that_has_seconds_without_a_start_has_them_in_its_recovery() -> None:
    """One start in two seconds: what the baseline had is no failure."""
    before = baseline(0.01, [0.01] * 10, 0.001, 20)
    assert recovered([second(done=1, scheduled=1)._replace(second=at) for at in (10, 12, 14)], before, 3, 10.0) == 0


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (BROKEN, "0 of 500 due operations were done, 500 of 500 failed, more than 5 % were never answered"),
        (SLOW, "p95 was 500 ms, not 10 ms"),
        (second(done=60), "300 of 500 due operations were done"),
        (second(failed=10, done=95), "50 of 500 failed"),
    ],
)
def test_a_failure_that_goes_on_is_metastable(last: Moment, said: str) -> None:
    """The load is gone, and it is still broken: that has a name, and what is still wrong is told."""
    found = judge(in_turn([BROKEN] * 20 + [last] * 5), BEFORE, 3, "thrice", 25, 0.0)
    assert found.seconds is None
    assert found.metastable
    assert said in found.text


def test_nearly_as_before_is_not_metastable() -> None:
    """Slower than a tenth more, but at work."""
    found = judge(in_turn([second(0.014)] * 25), BEFORE, 3, "thrice", 25, 0.0)
    assert (found.seconds, found.metastable) == (None, False)


def test_a_baseline_allows_what_its_own_seconds_had() -> None:
    """A p95 of one second strays; less than a millisecond is no difference; the worst of ten is not the measure."""
    assert baseline(0.1, [0.1] * 10, 0).bound == pytest.approx(0.11)
    assert baseline(0.1, [0.1, 0.1, 0.15, 0.15, 0.9], 0).bound == pytest.approx(0.15)
    assert baseline(0.0001, [], 0).bound == pytest.approx(0.0011)
    assert baseline(0.1, [math.inf, math.nan], 0).bound == pytest.approx(0.11)
