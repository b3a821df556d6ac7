"""The course of a run follows from plan and results alone: stages, their loads, their end, and what each has shown."""

from __future__ import annotations

import math

import pytest

from rigs.stress import plan_of
from watchkeeper.stress.course import Course, End, Go, at_once, counted_of_search, decide, knees, say, skipped
from watchkeeper.stress.objective import Totals
from watchkeeper.stress.run import Ended, Held, Segment, Stage, Validity
from watchkeeper.stress.search import Result, word_of

GOOD, BAD = Validity(ok=True), Validity(ok=False, reasons=("starts were late",))

FULL = """
objectives = ["p99 < 100ms", "errors < 1%"]
[[phase]]
kind = "smoke"
[[phase]]
kind = "warm-up"
rate = 50
[[phase]]
kind = "steps"
begin = 100
levels = 1
[[phase]]
kind = "plateau"
[[phase]]
kind = "spike"
[[phase]]
kind = "recovery"
[[phase]]
kind = "overload"
name = "thrice"
of_knee = 3
[[phase]]
kind = "recovery"
name = "after"
[[phase]]
kind = "storm"
times = 2
[[phase]]
kind = "soak"
[[phase]]
kind = "pause"
"""


def course(text: str, ceiling: float = 1e6) -> Course:
    """A course for a plan."""
    return Course(plan_of(text, "http://127.0.0.1:80/"), ceiling)


def run(one: Course, answer) -> list[Stage]:
    """Carry a course out; `answer(stage)` is the decision."""
    results: list[Result] = []
    while isinstance(move := decide(one, results), Go):
        stage = move.stage
        assert stage.index == len(results)
        results.append(Result(stage, Ended(stage.index, 0.0, 1.0, decision=answer(stage), achieved=stage.level)))
        assert len(results) < 100
    return [result.stage for result in results]


def test_a_whole_plan_is_carried_out_in_its_order() -> None:
    """Loads follow from the knee; a search is many stages, a storm several, everything else one."""
    stages = run(course(FULL), lambda stage: "held" if stage.kind != "steps" or stage.level <= 1000 else "broken: p99 < 100ms")
    assert [stage.kind for stage in stages if stage.kind != "steps"] == [
        *("smoke", "warm-up", "plateau", "spike", "recovery", "overload", "recovery", "storm", "storm", "soak", "pause")
    ]
    by_name = {stage.name: stage for stage in stages}
    knee = max(stage.level for stage in stages if stage.kind == "steps" and stage.level <= 1000)
    assert knee == pytest.approx(1000, rel=0.05)
    assert by_name["plateau"].level == pytest.approx(0.8 * knee)
    assert by_name["thrice"].level == pytest.approx(3 * knee)
    assert by_name["after"].level == pytest.approx(0.8 * knee)
    assert by_name["soak"].level == pytest.approx(0.5 * knee)
    assert by_name["warm-up"].excluded
    spike = by_name["spike"]
    assert max(part.end for part in spike.profile) == pytest.approx(1.5 * knee)
    assert [stage.cut for stage in stages if stage.kind == "storm"] == [True, True]


def test_a_smoke_phase_that_fails_ends_the_run() -> None:
    """What does not answer under a little load is not put under more."""
    one = course(FULL)
    stages = run(one, lambda _: "broken: errors < 1%")
    assert [stage.kind for stage in stages] == ["smoke"]
    results = [Result(stages[0], Ended(0, 0.0, 1.0, decision="broken: errors < 1%"))]
    assert decide(one, results) == End("the smoke phase: broken: errors < 1%")


def test_without_a_knee_what_goes_by_it_is_left_out() -> None:
    """And that is said."""
    one = course(FULL)
    stages = run(one, lambda stage: "broken: p99 < 100ms" if stage.kind == "steps" else "held")
    assert {stage.kind for stage in stages} == {"smoke", "warm-up", "steps", "pause"}
    results = [
        Result(stage, Ended(stage.index, 0.0, 1.0, decision="held" if stage.kind != "steps" else "broken")) for stage in stages
    ]
    assert len(skipped(one, results)) == 7
    assert "plateau was left out" in skipped(one, results)[0]


def test_no_rate_goes_over_the_ceiling() -> None:
    """What goes by the knee is held down to it."""
    stages = run(
        course(FULL, ceiling=1500), lambda stage: "held" if stage.kind != "steps" or stage.level <= 1000 else "broken: x"
    )
    assert max(part.end for stage in stages for part in stage.profile) <= 1500
    by_name = {stage.name: stage for stage in stages}
    assert (by_name["thrice"].level, by_name["thrice"].wanted) == (1500, pytest.approx(3000, rel=0.05))
    assert by_name["plateau"].wanted == 0


def test_users_in_the_closed_model() -> None:
    """A search over users finds a number of them, and what goes by it is so many users."""
    text = '[[phase]]\nkind = "steps"\nmodel = "closed"\nbegin = 4\nlevels = 1\n[[phase]]\nkind = "plateau"\n'
    stages = run(course(text), lambda stage: "held" if stage.level <= 60 else "broken: x")
    assert all(stage.model == "closed" and stage.users >= 1 and not stage.profile for stage in stages)
    assert stages[-1].users == pytest.approx(48, abs=3)
    assert stages[-1].connections >= stages[-1].users


def test_the_knee_that_was_found_is_told() -> None:
    """Once the search has come to its end."""
    one = course(FULL)
    stages = run(one, lambda stage: "held" if stage.kind != "steps" or stage.level <= 1000 else "broken: x")
    results = [
        Result(
            stage,
            Ended(stage.index, 0.0, 1.0, decision="held" if stage.kind != "steps" or stage.level <= 1000 else "broken: x"),
        )
        for stage in stages
    ]
    (knee,) = knees(one, results)
    assert knee.sustained <= 1000 < knee.broken
    assert knees(one, results[:3]) == []


def test_a_recovery_begins_in_the_instant_in_which_the_overload_ends() -> None:
    """So its time counts from there; a search and the first of two storms have no such follower."""
    text = """
[[phase]]
kind = "constant"
rate = 10
[[phase]]
kind = "storm"
rate = 10
times = 2
[[phase]]
kind = "recovery"
rate = 10
"""
    one = course(text)
    results: list[Result] = []
    followers = []
    while isinstance(move := decide(one, results), Go):
        stage = move.stage
        followers.append(at_once(one, results, stage))
        results.append(Result(stage, Ended(stage.index, 0.0, 1.0, decision="held")))
    assert [one.kind if one else None for one in followers] == [None, None, "recovery", None]
    assert followers[2] is not None
    assert followers[2].index == 3


@pytest.mark.parametrize("more", ["connections = 400\nrate = 10", "users = 400"])
def test_a_recovery_has_the_connections_that_it_asks_for(more: str) -> None:
    """There is no time to make them between it and what comes before, so that has them already; what came earlier has not."""
    text = f"""
connections = 100
[[phase]]
kind = "constant"
rate = 10
[[phase]]
kind = "overload"
rate = 10
[[phase]]
kind = "recovery"
{more}
"""
    one = course(text)
    results: list[Result] = []
    found = []
    while isinstance(move := decide(one, results), Go):
        ran = [move.stage]
        if following := at_once(one, results, move.stage):
            ran.append(following)
        results += [Result(each, Ended(each.index, 0.0, 1.0, decision="held")) for each in ran]
        found += [(each.kind, each.connections) for each in ran]
    assert found == [("constant", 100), ("overload", 400), ("recovery", 400)]


def test_a_phase_for_another_protocol_is_left_out_and_said() -> None:
    """`only`: it runs with what it is for; with anything else its operations need not even be known."""
    text = (
        '[[phase]]\nkind = "smoke"\n[[phase]]\nkind = "slow-readers"\nrate = 10\nonly = ["cloud"]\noperations = ["to-slow"]\n'
    )
    run = {}
    for kind in ("http", "cloud"):
        one = course(f'[protocol]\nkind = "{kind}"\n{text}')
        results: list[Result] = []
        while isinstance(move := decide(one, results), Go):
            results.append(Result(move.stage, Ended(move.stage.index, 0.0, 1.0, decision="held")))
        run[kind] = [(each.stage.kind, each.stage.reading) for each in results], skipped(one, results)
    assert run["http"] == ([("smoke", 0.0)], ["slow-readers was left out: it is for cloud"])
    assert run["cloud"] == ([("smoke", 0.0), ("slow-readers", 0.9)], [])
    goals = 'objectives = ["loss = 0", "p99 of pair in slow-readers < 1s"]\n'
    kept = {kind: course(f'{goals}[protocol]\nkind = "{kind}"\n{text}').plan.objectives for kind in ("http", "cloud")}
    assert (len(kept["http"]), len(kept["cloud"])) == (1, 2)


def totals(ms: float, many: int = 1000, **more: object) -> Totals:
    """So many that took so long."""
    found = Totals()
    found.seconds = 10.0
    found.latency.take([int(ms * 1e6)] * many)
    found.done = found.done_within = found.scheduled = many
    for name, value in more.items():
        setattr(found, name, value)
    return found


def stage(kind: str = "steps", phase: int = 2) -> Stage:
    """A stage of the full plan."""
    return Stage(0, phase, kind, kind, 10.0, profile=(Segment(10.0, 100.0, 100.0),), level=100.0)


@pytest.mark.parametrize(
    ("seen", "validity", "decision"),
    [
        (totals(10), GOOD, "held"),
        (totals(10), BAD, "held"),
        (totals(200), GOOD, "broken: p99 < 100ms"),
        (totals(200), BAD, "unsure: p99 < 100ms was missed, but starts were late"),
        (totals(10, errors={"status-500": 20}, scheduled=1020), GOOD, "broken: errors < 1%"),
        (totals(10, done_within=900), GOOD, "broken: 90/s done of 100/s due"),
        (totals(10, done_within=900), BAD, "unsure: 90/s done of 100/s due, but starts were late"),
    ],
)
def test_what_is_said_of_a_level(seen: Totals, validity: Validity, decision: str) -> None:
    """A miss counts only where the generator was good enough; what held in spite of a late one has held."""
    found = say(course(FULL).plan, stage(), seen, {}, validity)[1]
    assert found == decision
    assert word_of(Ended(0, 0.0, 1.0, decision=found)) == decision.partition(":")[0]


def test_a_miss_in_starved_moments_alone_is_in_doubt() -> None:
    """Where the percentile holds without them."""
    seen = totals(10, 900)
    slow = totals(500, 100)
    seen.merge(slow)
    seen.scheduled = seen.done_within = 1000
    seen.starved.merge(slow.latency)
    assert say(course(FULL).plan, stage(), seen, {}, GOOD)[1] == (
        "unsure: p99 < 100ms was missed only while the generator waited for a processor"
    )
    assert math.isclose(seen.clean.quantile("p99"), 0.01, rel_tol=0.01)
    assert seen.quantile("p99") > 0.4


def test_an_overload_is_not_judged() -> None:
    """What breaks in it was meant to."""
    assert say(course(FULL).plan, stage("overload", 6), totals(200, done_within=500), {}, GOOD) == (
        (),
        "overloaded: 50/s done of 100/s due",
    )


def test_what_names_a_search_is_judged_at_the_level_that_it_ended_with() -> None:
    """The levels above are meant to break; where none held, the lowest speaks."""
    one = course('[[phase]]\nkind = "steps"\nbegin = 100\nlevels = 1\nprecision = 0.5\n')

    def searched(cap: float) -> list[tuple[float, bool | None]]:
        results: list[Result] = []
        while isinstance(move := decide(one, results), Go):
            is_held = move.stage.level <= cap
            goals = (Held("p99 in steps < 1s", 0.1, is_held), Held("errors < 1%", 0.0, is_held))
            decision = "held" if is_held else "broken: p99 in steps < 1s"
            results.append(Result(move.stage, Ended(move.stage.index, 0.0, 1.0, objectives=goals, decision=decision)))
        (knee,) = knees(one, results)
        return [(level.level, goal.held) for level, goal in counted_of_search(0, knee, results)]

    assert searched(120) == [(100, True)]
    assert searched(0) == [(1, False)]
