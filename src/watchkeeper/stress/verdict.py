"""What a run came to: pass, fail or invalid. Pure; over the objectives that stages were judged by.

Invalid comes before both others: where the generator was the limit, neither a pass nor a miss says anything of the target.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from watchkeeper.stress import course
from watchkeeper.stress.objective import Objective
from watchkeeper.stress.phases import JUDGED
from watchkeeper.stress.plan import Plan
from watchkeeper.stress.run import Held, Run, Stage, State, Verdict
from watchkeeper.stress.search import Result


def judged(run: Run, plan: Plan, results: Sequence[Result], held: Sequence[tuple[Stage, Held]], state: State, why: str) -> Run:
    """The run with its state, verdict and reasons. `why`: what ended it early."""
    objectives = tuple(_over_run(goal, run, held) for goal in plan.goals)
    verdict: Verdict = ""
    reasons: list[str] = []
    unsound = [(one.stage, one.ended.validity) for one in results if _counts(plan, one.stage) and not one.ended.validity.ok]
    missed = [one for one in objectives if one.held is False]
    without = [f"{one.stage.name}: {told}" for one in results if (told := course.without(one.stage, one.ended.missing))]
    if state == "done":
        if unsound:
            verdict = "invalid"
            reasons = [f"{stage.name}: {reason}" for stage, validity in unsound for reason in validity.reasons]
        elif missed or without or why:
            verdict = "fail"
            reasons = [*map(_told, missed), *without] or [why]
        elif not any(one.ended.done for one in results):
            verdict, reasons = "invalid", ["nothing was done, so there is nothing to judge"]
        elif objectives and not run.knees and all(one.held is None for one in objectives):  # a search has gone by them
            verdict, reasons = "invalid", ["no objective could be judged", *map(_not_judged, objectives)]
        else:
            verdict = "pass"
            reasons = [_not_judged(one) for one in objectives if one.held is None]
    return msgspec.structs.replace(run, state=state, why=why, verdict=verdict, reasons=tuple(reasons), objectives=objectives)


def _counts(plan: Plan, stage: Stage) -> bool:
    """Whether the verdict goes by a stage; of a search it goes by a level that held, in spite of a late generator or not."""
    if stage.kind == "steps":
        return False
    return stage.kind in JUDGED or plan.phase[stage.phase].called in {goal.phase for goal in plan.goals}


def _over_run(goal: Objective, run: Run, held: Sequence[tuple[Stage, Held]]) -> Held:
    """One objective over the whole run: missed where any stage missed it, and by how much at worst."""
    if goal.metric == "capacity":
        return _capacity(goal, run)
    if goal.metric == "recovery":
        return _recovery(goal, run)
    own = [(stage, one) for stage, one in held if one.objective == goal.text]
    judged_ones = [(stage, one) for stage, one in own if one.held is not None]
    if not judged_ones:
        return Held(goal.text, None, None, own[0][1].why if own else "no phase that it is judged over was run")
    missed = [(stage, one) for stage, one in judged_ones if not one.held]
    stage, worst_one = max(missed or judged_ones, key=lambda pair: _badness(goal, pair[1]))
    why = f"in {stage.name}" + (f": {worst_one.why}" if worst_one.why else "")
    return Held(goal.text, worst_one.observed, not missed, why)


def _capacity(goal: Objective, run: Run) -> Held:
    if not run.knees:
        return Held(goal.text, None, None, "no search for the knee was run to its end")
    found = run.knees[-1].sustained
    return Held(goal.text, found, goal.holds(found), run.knees[-1].why)


def _recovery(goal: Objective, run: Run) -> Held:
    if not run.recoveries:
        return Held(goal.text, None, None, "no recovery was measured")
    if never := [one.text for one in run.recoveries if one.seconds is None]:
        return Held(goal.text, None, held=False, why=never[0])
    worst = max(one.seconds for one in run.recoveries if one.seconds is not None)
    return Held(goal.text, worst, goal.holds(worst))


def _badness(goal: Objective, held: Held) -> float:
    if held.observed is None:
        return math.inf
    return -held.observed if goal.op in {">", ">="} else held.observed


def _not_judged(held: Held) -> str:
    return f"{held.objective}: not judged, {held.why}"


def _told(held: Held) -> str:
    observed = "" if held.observed is None else f" ({held.observed:.6g})"
    return f"{held.objective}: missed{observed} {held.why}".rstrip()
