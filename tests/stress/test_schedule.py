"""When hits are due is a function of their number alone, and workers share it exactly."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.stress.run import Segment
from watchkeeper.stress.schedule import Mix, Schedule, constant, spike

rates = st.floats(0, 5000).map(lambda rate: round(rate, 3))
profiles = st.lists(st.builds(Segment, st.floats(0.1, 3), rates, rates), min_size=1, max_size=5)


def everything(schedule: Schedule, first: int = 0, stride: int = 1, many: int = 512) -> np.ndarray:
    """All due times of one worker."""
    parts = [times for _, times in schedule.walk(first, stride, many)]
    return np.concatenate(parts) if parts else np.zeros(0)


@settings(deadline=None)
@given(profiles, st.sampled_from(["even", "poisson"]), st.integers(1, 7), st.integers(0, 99))
def test_the_workers_parts_are_the_schedule(profile, arrival, workers: int, seed: int) -> None:
    """However many share the load, and in pieces of whatever size, each hit is due at its time, once."""
    whole = everything(Schedule(profile, arrival, seed), many=4096)
    parts = [everything(Schedule(profile, arrival, seed), worker, workers, 97) for worker in range(workers)]
    assert np.array_equal(np.sort(np.concatenate(parts)), whole)


@settings(deadline=None)
@given(profiles)
def test_even_hits_follow_the_rates_integral(profile) -> None:
    """At any instant as many hits were due as the rate adds up to, give or take one; in order and within the stage."""
    schedule = Schedule(profile)
    times = everything(schedule)
    assert np.all(np.diff(times) >= 0)
    assert len(times) == pytest.approx(schedule.mass, abs=1)
    if len(times):
        assert times[0] >= 0
        assert times[-1] <= schedule.seconds
    starts = np.concatenate(([0], np.cumsum([part.seconds for part in profile])))
    for at in np.linspace(0, schedule.seconds, 17):
        due = 0.0
        for part, start in zip(profile, starts, strict=False):
            inside = min(max(at - start, 0), part.seconds)
            due += part.begin * inside + (part.end - part.begin) / part.seconds * inside**2 / 2
        assert abs(np.searchsorted(times, at) - due) <= 1.001


def test_a_constant_rate_is_evenly_spaced() -> None:
    """Hit n is due at n / rate."""
    times = everything(Schedule(constant(200, 3)))
    assert np.allclose(times, np.arange(600) / 200)


def test_poisson_gaps_are_exponential() -> None:
    """Mean and spread of the gaps are those of the process, at a constant and along a ramp's own time; another seed, others."""
    times = everything(Schedule(constant(1000, 60), "poisson", 3))
    gaps = np.diff(times)
    assert np.mean(gaps) == pytest.approx(1e-3, rel=0.03)
    assert np.std(gaps) == pytest.approx(1e-3, rel=0.03)
    # Kolmogorov-Smirnov against the exponential distribution, at a level that chance alone passes once in a thousand.
    ranks = np.arange(1, len(gaps) + 1) / len(gaps)
    distance = np.abs(ranks - (1 - np.exp(-np.sort(gaps) * 1000))).max()
    assert distance < 1.95 / np.sqrt(len(gaps))
    assert not np.array_equal(times[:50], everything(Schedule(constant(1000, 60), "poisson", 4))[:50])


def test_poisson_hits_can_be_asked_for_in_any_order() -> None:
    """Asking for a later hit first changes nothing."""
    schedule = Schedule(constant(1000, 60), "poisson", 3)
    late = schedule.times(40_000, 3, 10)
    early = schedule.times(17, 3, 10)
    fresh = Schedule(constant(1000, 60), "poisson", 3)
    assert np.array_equal(fresh.times(17, 3, 10), early)
    assert np.array_equal(fresh.times(40_000, 3, 10), late)


def test_a_spike_goes_up_and_comes_back() -> None:
    """Its pieces join without a jump, and empty ones are left out."""
    parts = spike(100, 400, 5, 1, 3, 5)
    assert [part.seconds for part in parts] == [5, 1, 3, 1, 5]
    assert all(one.end == other.begin for one, other in pairwise(parts))
    assert len(spike(100, 400, 5, 0, 3, 0)) == 2


def test_nothing_is_due_at_no_rate() -> None:
    """A stage may hold connections and send nothing."""
    assert len(everything(Schedule(constant(0, 10)))) == 0


@given(st.lists(st.integers(0, 20), min_size=1, max_size=6).filter(any), st.integers(1, 5), st.integers(0, 5))
def test_the_mix_has_its_shares_at_every_worker(weights: list[int], workers: int, seed: int) -> None:
    """Within a few hits, at each worker operations have the shares asked for; what weighs nothing never comes."""
    mix = Mix(weights, seed)
    for worker in range(workers):
        chosen = mix.choose(worker, workers, 2000)
        counts = np.bincount(chosen, minlength=len(weights))
        for count, weight in zip(counts, weights, strict=True):
            assert abs(count - 2000 * weight / sum(weights)) <= 40
            assert count or not weight
            assert weight or not count
