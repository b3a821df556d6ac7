"""The six questions of the first page, answered from the rest of the report. Pure: no figure is made here.

1. Did it hold what was asked? 2. How much does it take? 3. What broke first? 4. What does it do beyond that? 5. How long until
it is as before? 6. How sure is all this?
"""

from __future__ import annotations

import msgspec

from watchkeeper.stress.report.document import Answer, CapacityReport, Report, StageReport, Tone
from watchkeeper.stress.report.wording import level, listed, number, of_unit, rate, seconds, share, signed

UNKNOWN = "not measured"


def answered(report: Report) -> Report:
    """The report with its headline and its answers."""
    answers = (_verdict(report), _capacity(report), _first(report), _beyond(report), _back(report), _sure(report))
    return msgspec.structs.replace(report, headline=headline(report), answers=answers)


def headline(report: Report) -> str:
    """One sentence over everything."""
    capacity, target = report.capacity, report.run.server or report.run.target
    if report.verdict not in {"pass", "fail", "invalid"}:
        return f"The run against {target} did not come to its end: {report.run.why or 'its process is gone'}."
    if report.verdict == "invalid":
        why = listed(list(report.run.reasons) or ["the generator was the limit"], 1)
        if capacity is not None and capacity.sustained:
            # Lateness of the generator only makes a target look worse, so a level that held has held.
            return f"No verdict on {target} ({why}); it held {level(capacity.sustained, capacity.model)} all the same."
        return f"Nothing can be said of {target}: {why}."
    parts = []
    if capacity is not None and capacity.sustained:
        parts.append(f"takes {level(capacity.sustained, capacity.model)} within its objectives")
    if recoveries := [one for one in report.recoveries if one.seconds is not None]:
        worst = max(one.seconds or 0.0 for one in recoveries)
        parts.append(f"was as before {seconds(worst) if worst else 'at once'} after an overload")
    if any(one.metastable for one in report.recoveries):
        parts.append("stayed broken after the load had gone")
    if report.verdict == "fail":
        missed = [one.objective for one in report.thresholds if one.held is False]
        parts.append(f"missed {listed(missed, 3)}" if missed else f"failed: {listed(list(report.run.reasons), 1)}")
    elif not parts:
        parts.append("held all its objectives")
    return f"{target} {_joined(parts)}."


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _verdict(report: Report) -> Answer:
    question = "Did it hold what was asked of it?"
    held = sum(one.held is True for one in report.thresholds)
    missed = [one for one in report.thresholds if one.held is False]
    unjudged = [one for one in report.thresholds if one.held is None]
    match report.verdict:
        case "pass":
            detail = f"{held} of {len(report.thresholds)} objectives held"
            detail += f"; not judged: {listed([one.objective for one in unjudged])}" if unjudged else ""
            return Answer(question, "PASS", detail, "good")
        case "fail":
            worst = [
                f"{one.objective}: {of_unit(one.observed, one.unit) if one.observed is not None else one.why}" for one in missed
            ]
            return Answer(
                question, "FAIL", f"missed: {listed(worst, 4)}" if worst else listed(list(report.run.reasons), 3), "bad"
            )
        case "invalid":
            return Answer(question, "INVALID", listed(list(report.run.reasons), 3), "doubt")
        case _:
            return Answer(question, report.verdict.upper(), report.run.why or "there is no verdict", "doubt")


def _capacity(report: Report) -> Answer:
    question = "How much does it take?"
    found = report.capacity
    if found is None:
        most = max((stage for stage in report.stages if stage.judged), key=lambda one: one.achieved, default=None)
        if most is None:
            return Answer(question, UNKNOWN, "no phase searched for it", "doubt")
        return Answer(question, UNKNOWN, f"no phase searched for it; {rate(most.achieved)} were done in {most.name}", "doubt")
    if not found.sustained:
        return Answer(question, "nothing", f"no level met the objectives: {found.why}", "bad")
    parts = []
    if found.broken:
        parts.append(f"{level(found.broken, found.model)} broke an objective")
    elif found.why:
        parts.append(found.why)
    knee = found.bend or found.power
    if knee:
        parts.append(f"knee of the curve at {level(knee, found.model)}")
    if found.breaking is not None:
        parts.append(f"work is left undone from {rate(found.breaking.level)}")
    elif found.model == "open":
        parts.append("no level was reached at which work was left undone")
    if found.ceiling is not None:
        parts.append(f"never more than {rate(found.ceiling.high)} done")
    return Answer(question, level(found.sustained, found.model), "; ".join(parts), "good")


def _first(report: Report) -> Answer:
    question = "What broke first?"
    server = report.server
    missed, error = _symptoms(report)
    if server.saturated:
        first = server.saturated[0]
        words = (first.text, missed, error)
        return Answer(question, first.resource, "; ".join(one for one in words if one))
    seen = server.saturated_why or ("nothing of the server's own was seen to be full" if server.seen else server.why)
    tone: Tone = "plain" if server.seen else "doubt"
    if missed or error:
        more = f"{error}; " if missed and error else ""
        return Answer(question, missed or error, f"{more}which resource: {seen}", tone)
    return Answer(question, "nothing", seen, "good" if server.seen else "doubt")


def _symptoms(report: Report) -> tuple[str, str]:
    """The first signs in the load itself: what the lowest broken level missed, and the target's first error."""
    found = [one for one in report.stages if one.decision.startswith("broken")]
    searched = [one for one in found if one.kind == "steps"] or found
    broken = sorted(searched, key=lambda one: (one.level, one.began))
    missed = f"{broken[0].decision.removeprefix('broken: ')} at {level(broken[0].level, broken[0].model)}" if broken else ""
    theirs = sorted((one for one in report.faults if one.blame != "ours"), key=lambda one: one.first)
    return missed, f"first error {theirs[0].code} after {seconds(theirs[0].first)}" if theirs else ""


def _beyond(report: Report) -> Answer:
    question = "What does it do beyond that?"
    strained = [stage for stage in report.stages if stage.behaviour is not None]
    if not strained:
        return Answer(question, UNKNOWN, "no phase went beyond the knee", "doubt")
    worst = max(strained, key=_harm)
    assert worst.behaviour is not None
    told = [f"{stage.name}: {stage.behaviour.text}" for stage in strained if stage.behaviour is not None]
    tone: Tone = "bad" if _harm(worst) >= HARM["collapses"] else "good" if _harm(worst) <= HARM["sheds"] else "plain"
    return Answer(question, worst.behaviour.word, "; ".join(told), tone)


HARM = {"absorbs": 0, "unknown": 1, "sheds": 2, "queues": 3, "refuses": 4, "collapses": 5, "hangs": 6, "crashes": 7}


def _harm(stage: StageReport) -> int:
    return HARM[stage.behaviour.word] if stage.behaviour is not None else 0


def _back(report: Report) -> Answer:
    question = "How long until it is as before?"
    if not report.recoveries:
        return Answer(question, UNKNOWN, "no phase measured a recovery", "doubt")
    detail = "; ".join(one.text for one in report.recoveries)
    if never := [one for one in report.recoveries if one.seconds is None]:
        return Answer(question, "it stays broken" if any(one.metastable for one in never) else "not in time", detail, "bad")
    worst = max(one.seconds or 0.0 for one in report.recoveries)
    return Answer(question, seconds(worst) if worst else "at once", detail, "good")


def _sure(report: Report) -> Answer:
    question = "How sure is this?"
    parts: list[str] = []
    tone: Tone = "plain"
    if report.repeats is not None:
        answer = f"{len(report.repeats.runs)} runs"
        parts += [
            f"{figure.what} {of_unit(figure.low, figure.unit)} to {of_unit(figure.high, figure.unit)}"
            for figure in report.repeats.figures[:3]
        ]
    else:
        answer = "one run"
        tone = "doubt"
        parts.append("what differs from run to run is not in this")
    parts += _within(report)
    if not report.generator.ok:
        return Answer(question, "not at all", listed(list(report.generator.reasons), 2), "bad")
    return Answer(question, answer, "; ".join(parts), tone)


def _within(report: Report) -> list[str]:
    """What the run itself says of its sureness."""
    parts = []
    capacity: CapacityReport | None = report.capacity
    if capacity is not None and capacity.sureness is not None and capacity.sureness.surely_not:
        low, high = capacity.sureness.surely, capacity.sureness.surely_not
        parts.append(
            f"capacity {level(low, capacity.model)} to {level(high, capacity.model)} in {capacity.sureness.tries} tries"
        )
    held = [one for one in report.stages if one.judged and one.p95 is not None and one.kind != "smoke"]
    if held:
        longest = max(held, key=lambda one: one.seconds)
        assert longest.p95 is not None
        parts.append(f"p95 in {longest.name} {seconds(longest.p95.low)} to {seconds(longest.p95.high)} (95 %)")
        if longest.halves is not None and longest.halves.first:
            parts.append(f"its second half {signed(longest.halves.change)}")
    parts.append(f"generator without a processor {share(report.generator.starved)} of the time")
    lawful = [one.little.holds for one in report.stages if one.little.holds is not None]
    if lawful:
        parts.append(f"Little's law holds in {number(sum(lawful))} of {number(len(lawful))} stages that can tell")
    return [one for one in parts if one]
