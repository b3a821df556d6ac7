"""Little's law on a queue that is simulated, and on figures that contradict each other."""

from __future__ import annotations

import numpy as np

from watchkeeper.stress.analysis.little import check


def test_a_simulated_queue_obeys() -> None:
    """M/M/1 at 80 %: looks once a second agree with throughput times mean time, both taken from the same queue."""
    rng = np.random.default_rng(3)
    arrivals = np.cumsum(rng.exponential(1 / 80, 40_000))
    service = rng.exponential(1 / 100, 40_000)
    ends = np.empty(40_000)
    free = 0.0
    for place, (at, takes) in enumerate(zip(arrivals, service, strict=True)):
        free = max(free, at) + takes
        ends[place] = free
    looks = np.arange(1.0, arrivals[-1])
    under_way = np.searchsorted(arrivals, looks) - np.searchsorted(ends, looks)
    found = check(len(arrivals) / arrivals[-1], float((ends - arrivals).mean()), under_way.tolist())
    assert found.holds
    assert 3 < found.expected < 5.5


def test_figures_that_contradict_each_other_are_told() -> None:
    """Ten a second of 100 ms each are one under way, not thirty."""
    found = check(10, 0.1, [30, 31, 29, 30, 32, 28, 30, 30])
    assert found.holds is False
    assert "make 1" in found.why


def test_what_cannot_be_said_is_not() -> None:
    """Too few looks, nothing done, too little under way."""
    assert check(10, 1, [10, 10]).holds is None
    assert check(0, float("nan"), [0.0] * 9).holds is None
    assert check(100, 0.0001, [0.0] * 9).holds is None
