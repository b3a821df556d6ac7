"""Late figures and wrong clocks are told apart by the pace in which frames come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.judging.lateness import Pace

ALLOWED = 120_000


def test_what_comes_in_a_burst_is_late() -> None:
    """An hour of kept frames within a second, then one of now."""
    pace = Pace(5000)
    now = 10_000_000
    seen = [pace.take(now - 3_600_000 + place * 5000, now + place, 0, ALLOWED) for place in range(719)]
    assert all(one.late for one in seen[:690])
    assert not seen[-1].late
    assert seen[0].at == now - 3_600_000
    assert not pace.take(now + 5000, now + 5000, 0, ALLOWED).late


def test_what_comes_in_its_own_pace_is_of_now() -> None:
    """A clock that is set back by an hour: no frame is late, and instants go on."""
    pace = Pace(5000)
    first = pace.take(1_000_000, 1_000_000, 0, ALLOWED)
    assert (first.at, first.late) == (1_000_000, False)
    for step in range(1, 1000):
        now = 1_000_000 + step * 5000
        seen = pace.take(now - 3_600_000, now, 0, ALLOWED)
        assert (seen.at, seen.late) == (now, False)


def test_a_known_skew_is_taken_off() -> None:
    """What the greeting has told."""
    pace = Pace(5000)
    assert pace.take(1_000_000, 9_000_000, -8_000_000, ALLOWED) == (9_000_000, False)
    assert pace.take(17_000_000, 9_000_000, 8_000_000, ALLOWED) == (9_000_000, False)


@given(st.lists(st.tuples(st.integers(0, 20_000), st.integers(-10_000_000, 10_000_000)), max_size=50))
def test_nothing_is_ever_ahead_of_us(frames: list[tuple[int, int]]) -> None:
    """Whatever clocks say, an instant is never later than now, and late is what is older than allowed."""
    pace = Pace(5000)
    now = 1_000_000_000
    for gap, offset in frames:
        now += gap
        seen = pace.take(now + offset, now, 0, ALLOWED)
        assert seen.at <= now
        assert seen.late == (now - seen.at > ALLOWED)
