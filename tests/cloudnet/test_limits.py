"""Who may come in and how fast: buckets, admission and overload, on invented clocks."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudnet.codes import Code
from cloudnet.limits import HANDSHAKES_BURST_SECONDS, Admission, Bucket, overload


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    """What is over the burst has to wait as long as the rate needs for it."""
    bucket = Bucket(10, 20, 100.0)
    assert bucket.take(20, 100.0) == 0
    assert bucket.take(1, 100.0) == pytest.approx(0.1)
    assert bucket.take(4, 100.0) == pytest.approx(0.5)
    assert bucket.take(0, 100.5) == 0
    assert not bucket.is_full(102.4)
    assert bucket.is_full(102.5)


def test_a_rate_of_zero_is_no_limit() -> None:
    """Nothing waits, and there is nothing to remember."""
    bucket = Bucket(0, 0, 0.0)
    assert bucket.take(1e12, 0.0) == 0
    assert bucket.is_full(0.0)


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 10)), min_size=1, max_size=50), st.floats(0.1, 1000), st.floats(1, 100)
)
def test_whoever_waits_as_told_keeps_the_rate(steps: list[tuple[float, float]], rate: float, burst: float) -> None:
    """Over any stretch no more is taken than the burst and what the rate allows."""
    bucket, now, taken = Bucket(rate, burst, 0.0), 0.0, 0.0
    for count, pause in steps:
        now += pause
        wait = bucket.take(count, now)
        taken += count
        now += wait
        assert taken <= burst + rate * now + 1e-6 * (1 + taken)


def test_a_clock_that_goes_back_gives_nothing_twice() -> None:
    """A step back is as if no time had passed."""
    bucket = Bucket(1, 1, 10.0)
    assert bucket.take(1, 10.0) == 0
    assert bucket.take(1, 5.0) == pytest.approx(1.0)
    assert bucket.take(0, 10.0) == pytest.approx(1.0)


def test_admission_counts_all_and_each_address() -> None:
    """The limits at their edges; whoever leaves makes room."""
    admission = Admission(3, 2, 0)
    assert [admission.admit("a", 0.0) for _ in range(3)] == ["", "", Code.TOO_MANY]
    assert admission.admit("b", 0.0) == ""
    assert admission.admit("c", 0.0) == Code.OVERLOADED
    assert admission.total == 3
    admission.leave("a")
    assert admission.admit("c", 0.0) == ""
    for address in ("a", "b", "c"):
        admission.leave(address)
    assert admission.total == 0
    assert admission._open == {}


def test_an_address_that_knocks_too_fast_gets_in_at_its_rate() -> None:
    """What was refused costs nothing, so a stubborn client is let in as often as a patient one."""
    admission = Admission(0, 0, 2.0)
    burst = int(2.0 * HANDSHAKES_BURST_SECONDS)
    assert [admission.admit("a", 0.0) for _ in range(burst + 1)] == [*[""] * burst, Code.TOO_FAST]
    admitted = sum(not admission.admit("a", tick / 100) for tick in range(1, 1001))
    assert admitted == pytest.approx(20, abs=1)
    assert admission.admit("b", 0.0) == ""


def test_a_slow_rate_lets_at_least_one_in() -> None:
    """A burst below one would admit nobody, ever."""
    admission = Admission(0, 0, 0.01)
    assert admission.admit("a", 0.0) == ""
    assert admission.admit("a", 99.0) == Code.TOO_FAST
    assert admission.admit("a", 101.0) == ""


def test_a_closed_door_says_why() -> None:
    """The reason set from outside comes before all others, and nothing is counted."""
    admission = Admission(1, 1, 1)
    admission.closed = Code.MOVING
    assert admission.admit("a", 0.0) == Code.MOVING
    assert admission.total == 0


def test_quiet_addresses_are_forgotten() -> None:
    """Their buckets do not pile up; a busy one's is kept."""
    admission = Admission(0, 0, 1.0)
    for number in range(100):
        admission.admit(f"10.0.0.{number}", 0.0)
    for _ in range(3):
        admission.admit("busy", 0.9)
    admission.forget(1.0)
    assert list(admission._buckets) == ["busy"]


@pytest.mark.parametrize(
    ("lag", "most_lag", "memory", "most_memory", "said"),
    [
        (0, 2, 0, 0, ""),
        (2.0, 2, 0, 0, ""),
        (2.01, 2, 0, 0, "2.01 s late"),
        (99, 0, 0, 0, ""),
        (0, 2, 90e6, 100e6, ""),
        (0, 2, 90.1e6, 100e6, "memory is at 90 of 100 MB"),
        (9, 2, 99e6, 100e6, "memory"),
        (0, 2, math.nan, 100e6, ""),
    ],
)
def test_overload_has_a_reason(lag: float, most_lag: float, memory: float, most_memory: float, said: str) -> None:
    """Nine tenths of the memory, more than the lag that is allowed; 0 is no bound, and unknown memory is no reason."""
    why = overload(lag, most_lag, memory, most_memory)
    assert said in why
    assert bool(why) == bool(said)
