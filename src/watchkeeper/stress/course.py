"""Which load comes next, decided from what the loads before have shown. Pure: plan and results in, the next stage out.

Nothing is remembered between two calls: the whole course is replayed from the results, so any moment of a run can be
decided again from its record. The search for the knee rises until something breaks, then halves; every decision has a
named reason.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from watchkeeper.stress import phases
from watchkeeper.stress.backlog import keeps_up
from watchkeeper.stress.objective import Objective, Totals, judge, parse
from watchkeeper.stress.plan import Plan, is_for
from watchkeeper.stress.run import Held, Knee, Model, Segment, Stage, Validity
from watchkeeper.stress.schedule import constant, spike
from watchkeeper.stress.search import Result, search, word_of

MEANT_TO_BREAK = {"overload", "spike"}
WAITED_FOR = {"slow-readers"}
"""Kinds in which some of what is due is bound to be late: who does not read is waited for."""
CONNECTED = {"hold", "storm"}
"""Kinds that are about connections: they break without them."""
FEW_MISSING = 0.001
EMPTY: Mapping[str, int] = MappingProxyType({})


class Go(NamedTuple):
    """Run this stage."""

    stage: Stage


class End(NamedTuple):
    """There is nothing more to run. `early`: why the plan was not carried out whole; empty when it was."""

    early: str = ""


class Course(NamedTuple):
    """What all decisions stand on. `ceiling`: starts a second that safety and generator allow."""

    plan: Plan
    ceiling: float


def decide(course: Course, results: Sequence[Result]) -> Go | End:
    """The next stage, or the end."""
    for number, phase in enumerate(course.plan.phase):
        own = [one for one in results if one.stage.phase == number]
        if isinstance(phase, phases.Smoke) and own and word_of(own[-1].ended) == "broken":
            return End(f"the smoke phase: {own[-1].ended.decision}")
        stage = _next(course, number, phase, own, results)
        if stage is not None:
            following = _follower(course, results, stage)
            connections = max(stage.connections, following.connections if following else 0)
            return Go(msgspec.structs.replace(stage, connections=connections))
    return End()


def at_once(course: Course, results: Sequence[Result], stage: Stage) -> Stage | None:
    """The stage that begins in the same instant in which this one ends: a recovery, whose time counts from there.

    There is no time to connect in between, so it has this one's connections, which are as many as it needs (`decide`).
    """
    following = _follower(course, results, stage)
    if following is None:
        return None
    return msgspec.structs.replace(following, index=stage.index + 1, connections=stage.connections)


def _follower(course: Course, results: Sequence[Result], stage: Stage) -> Stage | None:
    """It, with the connections that it would have by itself."""
    number = stage.phase + 1
    if number >= len(course.plan.phase) or not isinstance(course.plan.phase[number], phases.Recovery):
        return None
    done = sum(one.stage.phase == stage.phase for one in results) + 1
    phase = course.plan.phase[stage.phase]
    if isinstance(phase, phases.Steps) or (isinstance(phase, phases.Storm) and done < phase.times):
        return None
    return _next(course, number, course.plan.phase[number], (), results)


def say(
    plan: Plan,
    stage: Stage,
    totals: Totals,
    by_operation: Mapping[str, Totals],
    validity: Validity,
    missing: Mapping[str, int] = EMPTY,
) -> tuple[tuple[Held, ...], str]:
    """How the plan's objectives stood in a stage, and the decision: ``held``, ``broken: why`` or ``unsure: why``.

    `missing`: connections that were not there at its end, by why.
    """
    goals = _goals(plan, stage)
    held = tuple(judge(goal, by_operation[goal.operation] if goal.operation else totals) for goal in goals)
    word = "broken" if stage.kind not in MEANT_TO_BREAK else "overloaded"
    if missed := [(goal, one) for goal, one in zip(goals, held, strict=True) if one.held is False]:
        goal, one = missed[0]
        if not validity.ok:
            return held, f"unsure: {one.objective} was missed, but {validity.reasons[0]}"
        clean = judge(goal, (by_operation[goal.operation] if goal.operation else totals).clean)
        if clean.held and len(missed) == 1:
            return held, f"unsure: {one.objective} was missed only while the generator waited for a processor"
        return held, f"{word}: {one.objective}"
    if stage.kind not in WAITED_FOR and not keeps_up(stage, totals):
        told = f"{totals.achieved:.6g}/s done of {totals.offered:.6g}/s due"
        return held, f"{word}: {told}" if validity.ok else f"unsure: {told}, but {validity.reasons[0]}"
    if told := without(stage, missing):
        return held, f"{word}: {told}" if validity.ok else f"unsure: {told}, but {validity.reasons[0]}"
    return held, "held"  # also by a generator that was late: what it measured was no better than it is


def without(stage: Stage, missing: Mapping[str, int]) -> str:
    """The connections that a stage should have had all the time and had not, in words; empty for none that matter."""
    many = sum(missing.values())
    if stage.kind not in CONNECTED or many <= FEW_MISSING * stage.connections:
        return ""
    codes = ", ".join(f"{number} {code}" for code, number in missing.items())
    return f"{many} of {stage.connections} connections could not be made: {codes}"


def applies(goal: Objective, phase: phases.Leaf) -> bool:
    """Whether an objective is judged over this phase."""
    if goal.is_of_run:
        return False
    return goal.phase == phase.called if goal.phase else str(phase.__struct_config__.tag) in phases.JUDGED


def counted(stage: Stage, held: Sequence[Held]) -> list[Held]:
    """What of this the verdict goes by: all of a judged kind's, elsewhere what names the phase; levels are meant to break."""
    if stage.kind == "steps":
        return []
    return [one for one in held if stage.kind in phases.JUDGED or parse(one.objective).phase]


def counted_of_search(number: int, knee: Knee, results: Sequence[Result]) -> list[tuple[Stage, Held]]:
    """The same of a search that is over: of its sustained level, or of its lowest where none held, what names the phase."""
    own = [one for one in results if one.stage.phase == number]
    told = [one for one in own if one.stage.level == knee.sustained and word_of(one.ended) == "held"]
    last = told[-1] if told else min(own, key=lambda one: one.stage.level)
    return [(last.stage, one) for one in last.ended.objectives if parse(one.objective).phase]


def knees(course: Course, results: Sequence[Result]) -> list[Knee]:
    """What each search that has come to its end has found, in the plan's order."""
    found = []
    for number, phase in enumerate(course.plan.phase):
        if isinstance(phase, phases.Steps):
            knee = search(phase, [one for one in results if one.stage.phase == number], _top(course, phase))
            if isinstance(knee, Knee):
                found.append(knee)
    return found


def _next(  # noqa: PLR0911  # one for each way to a stage
    course: Course, number: int, phase: phases.Leaf, own: Sequence[Result], results: Sequence[Result]
) -> Stage | None:
    """The next stage of one phase; None when it has none (any more)."""
    if not is_for(course.plan, phase):
        return None
    if isinstance(phase, phases.Steps):
        level = search(phase, own, _top(course, phase))
        return None if isinstance(level, Knee) else _level(course, number, phase, len(results), level, phase.model)
    rounds = phase.times if isinstance(phase, phases.Storm) else 1
    if len(own) >= rounds:
        return None
    knee, model = _knee(course, results)
    if _share(phase) and not knee:
        return None  # no level held: `skipped` says so
    index = len(results)
    match phase:
        case phases.Ramp():
            profile = (Segment(float(phase.lasts), _capped(course, phase.begin), _capped(course, phase.end)),)
            return _stage(course, number, phase, index, profile=profile, level=_capped(course, phase.end), wanted=phase.end)
        case phases.Spike():
            return _spike(course, number, phase, index, knee)
        case phases.Hold() | phases.Pause():
            return _level(course, number, phase, index, getattr(phase, "rate", 0.0), "open")
        case _:
            return _level(course, number, phase, index, *_wanted(phase, knee, model))


def _wanted(phase: phases.Levelled, knee: float, model: Model) -> tuple[float, Model]:
    """The level of a phase that has one."""
    if phase.users is not None:
        return phase.users, "closed"
    if phase.rate is not None:
        return phase.rate, "open"
    return knee * phase.share, model


def _spike(course: Course, number: int, phase: phases.Spike, index: int, knee: float) -> Stage:
    rate, peak = phase.rate, phase.peak
    if rate is None or peak is None:
        rate, peak = knee * phase.of_knee, knee * phase.peak_of_knee
    rate, high = _capped(course, rate), _capped(course, peak)
    times = map(float, (phase.before, phase.rise, phase.peak_lasts, phase.after))
    return _stage(course, number, phase, index, profile=spike(rate, high, *times), level=high, wanted=peak)


def _share(phase: phases.Leaf) -> float:
    """The share of the knee that a phase wants; 0 where it does not go by the knee."""
    found: float = getattr(phase, "share", 0)
    return found


def skipped(course: Course, results: Sequence[Result]) -> list[str]:
    """The phases that were left out, in words."""
    ran = {one.stage.phase for one in results}
    knee, _ = _knee(course, results)
    found = []
    for number, phase in enumerate(course.plan.phase):
        if not is_for(course.plan, phase):
            found.append(f"{phase.called} was left out: it is for {' and '.join(phase.only)}")
        elif number not in ran and _share(phase) and not knee:
            found.append(f"{phase.called} was left out: no level held, so there is no knee to go by")
    return found


def _knee(course: Course, results: Sequence[Result]) -> tuple[float, Model]:
    """The sustainable level that later phases go by, and whether it is a rate or users."""
    found, model = course.plan.knee, "open"
    for number, phase in enumerate(course.plan.phase):
        if isinstance(phase, phases.Steps):
            knee = search(phase, [one for one in results if one.stage.phase == number], _top(course, phase))
            if isinstance(knee, Knee) and any(one.stage.phase == number for one in results):
                found, model = knee.sustained, phase.model
    return found, "closed" if model == "closed" else "open"


def _level(course: Course, number: int, phase: phases.Leaf, index: int, level: float, model: Model) -> Stage:
    if model == "closed":
        return _stage(course, number, phase, index, users=max(1, round(level)), level=level)
    rate = _capped(course, level)
    return _stage(course, number, phase, index, profile=constant(rate, _lasts(phase)), level=rate, wanted=level)


def _stage(
    course: Course,
    number: int,
    phase: phases.Leaf,
    index: int,
    *,
    level: float,
    profile: tuple[Segment, ...] = (),
    users: int = 0,
    wanted: float = 0.0,
) -> Stage:
    kind = str(phase.__struct_config__.tag)
    several = isinstance(phase, phases.Steps | phases.Storm)
    name = f"{phase.called} {level:.6g}{' users' if users else '/s'}" if several else phase.called
    return Stage(
        index,
        number,
        kind,
        name,
        sum(part.seconds for part in profile) if profile else _lasts(phase),
        model="closed" if users else "open",
        arrival=course.plan.arrival,
        profile=profile,
        users=users,
        level=level,
        connections=max(phase.connections or course.plan.connections, users),
        cut=isinstance(phase, phases.Storm),
        excluded=isinstance(phase, phases.WarmUp),
        operations=phase.operations,
        reading=phase.reading if isinstance(phase, phases.SlowReaders) else 0.0,
        wanted=wanted if wanted > level else 0.0,
    )


def _lasts(phase: phases.Leaf) -> float:
    return float(phase.within) if isinstance(phase, phases.Recovery) else float(getattr(phase, "lasts", 0.0))


def _top(course: Course, phase: phases.Steps) -> float:
    if phase.model == "closed":
        return min(phase.end or math.inf, float(course.plan.safety.max_connections))
    return min(phase.end or math.inf, course.ceiling)


def _capped(course: Course, rate: float) -> float:
    return min(rate, course.ceiling)


def _goals(plan: Plan, stage: Stage) -> list[Objective]:
    """The objectives that decide about a stage; a search goes by all that name no other phase."""
    phase = plan.phase[stage.phase]
    if isinstance(phase, phases.Steps):
        return [goal for goal in plan.goals if not goal.is_of_run and goal.phase in {"", phase.called}]
    return [goal for goal in plan.goals if applies(goal, phase)]
