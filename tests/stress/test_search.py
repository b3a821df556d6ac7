"""The search finds the knee of servers whose knee is known, also when levels are judged wrongly now and then."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.stress.phases import Steps
from watchkeeper.stress.run import Ended, Knee, Stage
from watchkeeper.stress.search import MOST, Result, search


def result(level: float, decision: str, achieved: float = 0.0, p50: float = 0.001) -> Result:
    """A level that was run."""
    stage = Stage(0, 0, "steps", "steps", 1.0, level=level)
    return Result(stage, Ended(0, 0.0, 1.0, decision=decision, achieved=achieved or level, quantiles={"p50": p50}))


def found(phase: Steps, answer, top: float = math.inf) -> tuple[Knee, list[Result]]:
    """Run a whole search; `answer(level, try)` is the decision."""
    results: list[Result] = []
    while True:
        level = search(phase, results, top)
        if isinstance(level, Knee):
            return level, results
        results.append(result(level, answer(level, sum(one.stage.level == level for one in results))))
        assert len(results) <= MOST


@given(st.floats(5, 200_000), st.floats(1, 2000), st.floats(1.1, 4), st.floats(0.01, 0.2))
def test_a_known_capacity_is_found_within_the_precision(capacity: float, begin: float, factor: float, precision: float) -> None:
    """From below and from above: the level that held is at most the capacity, the one that broke within the precision."""
    phase = Steps(begin=begin, factor=factor, precision=precision, levels=1)
    knee, results = found(phase, lambda level, _: "held" if level <= capacity else "broken: p99 < 50ms")
    if len(results) < MOST:
        assert knee.sustained <= capacity < knee.broken
        assert knee.broken / knee.sustained - 1 <= precision
        assert capacity / knee.sustained - 1 <= precision


@given(st.floats(50, 50_000), st.integers(0, 5))
def test_a_level_that_breaks_once_by_chance_is_run_again(capacity: float, unlucky: int) -> None:
    """With two tries, one bad second of the machine does not move the knee."""
    seen: list[float] = []

    def answer(level: float, attempt: int) -> str:
        seen.append(level)
        if len(seen) == unlucky + 1 and attempt == 0:
            return "broken: noise"
        return "held" if level <= capacity else "broken: p99 < 50ms"

    knee, _ = found(Steps(begin=10, levels=1), answer)
    assert capacity / knee.sustained - 1 <= 0.05


def test_at_least_so_many_levels_are_run() -> None:
    """A curve needs points, also where the search was short."""
    _, results = found(Steps(begin=100, levels=8, precision=0.5), lambda level, _: "held" if level <= 150 else "broken: x")
    assert len({one.stage.level for one in results}) >= 8


def test_nothing_breaks() -> None:
    """The search ends at the top, and says that nothing broke."""
    knee, results = found(Steps(begin=100), lambda *_: "held", top=1000)
    assert (knee.sustained, knee.broken) == (1000, 0)
    assert "nothing broke up to 1000" in knee.why
    assert max(one.stage.level for one in results) == 1000


def test_nothing_holds() -> None:
    """A server that breaks at any level has no knee."""
    knee, results = found(Steps(begin=1000, tries=1), lambda *_: "broken: errors < 1%")
    assert knee.sustained == 0
    assert "is too much" in knee.why
    assert min(one.stage.level for one in results) >= 1


def test_the_generators_limit_is_no_knee() -> None:
    """Where the generator was not good enough, the search says so rather than calling it the server's."""
    answer = lambda level, _: "held" if level < 1000 else "unsure: starts were late"  # noqa: E731  # shorter than a function, and named for what it does
    knee, _ = found(Steps(begin=100), answer)
    assert knee.broken == 0
    assert knee.sustained < 1000
    assert "the generator was the limit" in knee.why


def test_the_most_throughput_per_time_is_noted() -> None:
    """The knee by the curve: where done operations a second over the time of one are the most."""
    results: list[Result] = []
    while not isinstance(level := search(Steps(begin=100, levels=1), results, math.inf), Knee):
        p50 = 0.001 / max(1 - level / 1000, 0.01)  # a queue's own curve: the power is greatest at half of the capacity
        results.append(result(level, "held" if level < 900 else "broken: x", level, p50))
    assert level.power == pytest.approx(500, rel=0.25)


def test_a_search_has_an_end() -> None:
    """However contradictory the results are."""
    knee, results = found(Steps(begin=1, factor=1.06), lambda *_: "held")
    assert len(results) == MOST
    assert isinstance(knee, Knee)
