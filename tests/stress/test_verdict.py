"""What a run came to follows from what was held, and an unfit generator comes before either."""

from __future__ import annotations

import msgspec
import pytest

from rigs.stress import plan_of
from watchkeeper.stress.run import Ended, Held, Knee, Recovery, Run, Stage, Validity
from watchkeeper.stress.search import Result
from watchkeeper.stress.verdict import judged

RUN = Run("x", "test", "http", "http://a/", 0)
PHASES = '[[phase]]\nkind = "constant"\nrate = 1\n[[phase]]\nkind = "soak"\nrate = 1\n'


def stage(kind: str = "constant", name: str = "") -> Stage:
    """A stage."""
    return Stage(0, 0, kind, name or kind, 1.0)


def result(kind: str = "constant", *, ok: bool = True, done: int = 5) -> Result:
    """A stage that has ended."""
    return Result(stage(kind), Ended(0, 0.0, 1.0, done=done, validity=Validity(ok, () if ok else ("late",))))


def held(text: str, observed: float | None, ok: bool | None, name: str = "constant", why: str = "") -> tuple[Stage, Held]:
    """How an objective stood in a stage."""
    return stage(name=name), Held(text, observed, ok, why)


@pytest.mark.parametrize(
    ("results", "why", "judgements", "verdict"),
    [
        ([result()], "", [held("p99 < 50ms", 0.01, True)], "pass"),
        ([result()], "", [held("p99 < 50ms", 0.01, True), held("p99 < 50ms", 0.2, False, "soak")], "fail"),
        ([result(ok=False)], "", [held("p99 < 50ms", 0.2, False)], "invalid"),
        ([result(ok=False)], "", [held("p99 < 50ms", 0.01, True)], "invalid"),
        ([result("overload", ok=False), result()], "", [held("p99 < 50ms", 0.01, True)], "pass"),
        ([result()], "the smoke phase: broken", [held("p99 < 50ms", 0.01, True)], "fail"),
        ([result(done=0)], "", [], "invalid"),
        ([result()], "", [held("p99 < 50ms", None, None, why="7 of 100 values")], "invalid"),
        ([result()], "", [held("p99 < 50ms", None, None), held("p99 < 50ms", 0.01, True, "soak")], "pass"),
        ([], "", [], "invalid"),
    ],
)
def test_the_verdict(results: list[Result], why: str, judgements: list[tuple[Stage, Held]], verdict: str) -> None:
    """Pass, fail, or invalid; what an overload was like does not count."""
    plan = plan_of('objectives = ["p99 < 50ms"]\n' + PHASES, "http://a/")
    found = judged(RUN, plan, results, judgements, "done", why)
    assert found.verdict == verdict
    assert found.state == "done"


def test_the_worst_stage_speaks_for_the_run() -> None:
    """By how far it missed, or came near; what nobody could judge says why."""
    plan = plan_of('objectives = ["p99 < 50ms", "rate > 5/s", "p99.9 < 1s"]\n' + PHASES, "http://a/")
    judgements = [
        held("p99 < 50ms", 0.08, False, "a"),
        held("p99 < 50ms", None, False, "b", "more than 1% were never answered"),
        held("rate > 5/s", 9.0, True, "a"),
        held("rate > 5/s", 6.0, True, "b"),
        held("p99.9 < 1s", None, None, "a", "7 of 10000 values"),
    ]
    found = judged(RUN, plan, [result()], judgements, "done", "")
    assert found.objectives == (
        Held("p99 < 50ms", None, False, "in b: more than 1% were never answered"),
        Held("rate > 5/s", 6.0, True, "in b"),
        Held("p99.9 < 1s", None, None, "7 of 10000 values"),
    )
    assert found.reasons == ("p99 < 50ms: missed in b: more than 1% were never answered",)


def test_where_nothing_could_be_judged_nothing_has_passed() -> None:
    """Neither is it a miss: there was not enough. A search that came to its end has gone by its objectives at each level."""
    plan = plan_of('objectives = ["p99.9 < 1ms"]\n' + PHASES, "http://a/")
    found = judged(RUN, plan, [result()], [held("p99.9 < 1ms", None, None, why="50 of 10000 values")], "done", "")
    assert found.verdict == "invalid"
    assert found.reasons == ("no objective could be judged", "p99.9 < 1ms: not judged, 50 of 10000 values")
    searched = msgspec.structs.replace(RUN, knees=(Knee(50.0),))
    assert judged(searched, plan, [result()], [], "done", "").verdict == "pass"
    assert judged(RUN, plan_of(PHASES, "http://a/"), [result()], [], "done", "").verdict == "pass"


@pytest.mark.parametrize("state", ["aborted", "broken"])
def test_what_did_not_come_to_its_end_has_no_verdict(state) -> None:
    """Only why."""
    plan = plan_of('objectives = ["p99 < 50ms"]\n' + PHASES, "http://a/")
    found = judged(RUN, plan, [result()], [held("p99 < 50ms", 0.2, False)], state, "an operator")
    assert (found.verdict, found.state, found.why, found.reasons) == ("", state, "an operator", ())


def test_capacity_and_recovery_are_of_the_run() -> None:
    """The last knee, and the slowest recovery; one that never came is missed."""
    plan = plan_of('objectives = ["capacity > 100/s", "recovery < 5s"]\n' + PHASES, "http://a/")
    unknown = judged(RUN, plan, [result()], [], "done", "").objectives
    assert [one.held for one in unknown] == [None, None]
    back = Recovery("x", 3.0, 60.0)
    run = Run("x", "test", "http", "http://a/", 0, knees=(Knee(50.0), Knee(120.0)), recoveries=(back, Recovery("y", 9.0, 60.0)))
    found = judged(run, plan, [result()], [], "done", "")
    assert [(one.observed, one.held) for one in found.objectives] == [(120.0, True), (9.0, False)]
    never = Run("x", "test", "http", "http://a/", 0, recoveries=(back, Recovery("y", None, 60.0, text="metastable: …")))
    assert judged(never, plan, [result()], [], "done", "").objectives[1] == Held("recovery < 5s", None, False, "metastable: …")
