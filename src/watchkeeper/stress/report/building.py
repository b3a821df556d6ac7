"""The report of a digest, from its first line to its last: every number is made here or in a room beside, none when written.

Pure: the same digest makes the same report.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence

from watchkeeper import __version__
from watchkeeper.stress.faults import blame
from watchkeeper.stress.histogram import unpacked
from watchkeeper.stress.objective import QUANTILES, parse
from watchkeeper.stress.report import answers, caveats, levels, repeats, stages, trends, workload
from watchkeeper.stress.report.digest import Digest
from watchkeeper.stress.report.document import (
    FORMAT,
    FaultReport,
    GeneratorReport,
    Report,
    ServerReport,
    StageReport,
    Threshold,
)
from watchkeeper.stress.serverside.joined import ServerSide

NOT_SEEN = (
    "not seen: the target is not supervised by a Watchkeeper that could be asked, or did not run on a machine that is watched"
)
_UNITS = {"duration": "s", "share": "ratio", "count": "", "rate": "1/s"}


def build(digest: Digest, others: Sequence[Digest] = ()) -> Report:
    """The report of a run; `others` are further runs of the same plan, for the spread between them."""
    run = digest.run
    plan = tomllib.loads(digest.plan)
    bound = _bound(digest)
    seen = stages.reports(digest, bound)
    capacity = levels.capacity(digest, seen)
    server = _server(digest)
    report = Report(
        format=FORMAT,
        made_by=f"Watchkeeper {__version__}",
        run=run,
        verdict="died" if digest.died else run.verdict or run.state,
        headline="",
        answers=(),
        thresholds=thresholds(digest),
        workload=workload.words(run, plan, seen),
        capacity=capacity,
        stages=seen,
        faults=_faults(digest, seen),
        recoveries=run.recoveries,
        trends=trends.trends(digest),
        generator=_generator(digest, seen),
        server=server,
        repeats=repeats.repeats((digest, *others)) if others else None,
        caveats=(),
        untested=(),
        plan=digest.plan,
        files=tuple(digest.files),
        marks=tuple(digest.marks),
        step=digest.step,
        bound=bound if math.isfinite(bound) else None,
        moments=digest.moments,
        generator_moments=digest.generator,
    )
    return answers.answered(caveats.told(report, plan))


def thresholds(digest: Digest) -> tuple[Threshold, ...]:
    """The run's objectives, with how far each was held."""
    found = []
    for held in digest.run.objectives:
        goal = parse(held.objective)
        margin = None
        if held.observed is not None and goal.value:
            margin = (goal.value - held.observed) / goal.value
            margin = -margin if goal.op in {">", ">="} else margin
        metric = goal.metric
        kind = "duration" if metric in QUANTILES or metric == "recovery" else "rate" if metric in {"rate", "capacity"} else ""
        kind = kind or ("share" if metric.endswith("%") or metric in {"errors", "dropped", "late"} else "count")
        found.append(Threshold(held.objective, goal.op, goal.value, _UNITS[kind], held.observed, margin, held.held, held.why))
    return tuple(found)


def _bound(digest: Digest) -> float:
    goals = [parse(held.objective) for held in digest.run.objectives]
    bounds = [goal.value for goal in goals if goal.metric in QUANTILES and goal.op in {"<", "<="} and not goal.operation]
    return min(bounds, default=math.inf)


def _faults(digest: Digest, seen: Sequence[StageReport]) -> tuple[FaultReport, ...]:
    due = sum(stage.scheduled or stage.started for stage in seen) or 1
    found = [
        FaultReport(
            code,
            blame(code),
            one.count,
            one.count / due,
            one.first,
            one.last,
            one.operations,
            one.stages,
            one.sample if one.sample != code else "",
        )
        for code, one in digest.faults.items()
    ]
    return tuple(sorted(found, key=lambda one: -one.count))


def _generator(digest: Digest, seen: Sequence[StageReport]) -> GeneratorReport:
    run, columns, workers = digest.run, digest.generator, digest.workers.values()
    cores = [one for one in columns.get("cpu", ()) if one is not None]
    lasted = len(columns.get("at", ())) * digest.step * max(1, run.workers)
    doubted = [stage for stage in seen if not stage.valid and not stage.excluded]
    ok = not (doubted and run.verdict == "invalid") and not any(stage.judged for stage in doubted)
    reasons = [f"{stage.name}: {reason}" for stage in doubted for reason in stage.reasons]

    def most(name: str) -> float:
        return max((worker.get(name, 0.0) for worker in workers), default=0.0)

    return GeneratorReport(
        ok=ok,
        reasons=tuple(reasons),
        workers=run.workers,
        lag=stages.times(unpacked(digest.lag)),
        lag_starved=stages.times(unpacked(digest.lag_starved)),
        cpu_mean=sum(cores) / len(cores) if cores else 0.0,
        cpu_most=max(cores, default=0.0),
        starved=sum(worker.get("starved", 0.0) for worker in workers) / lasted if lasted else 0.0,
        gc_worst=most("gc_worst"),
        loop_worst=most("loop_worst"),
        rss_most=sum(worker.get("rss_most", 0.0) for worker in workers),
        descriptors_most=most("descriptors_most"),
        connections_most=sum(worker.get("connections_most", 0.0) for worker in workers),
        cost=run.calibration.cpu_per_operation if run.calibration else None,
        ceiling=run.calibration.ceiling if run.calibration else None,
    )


def _server(digest: Digest) -> ServerReport:
    if not digest.lines and digest.joined is None:
        return ServerReport(seen=False, why=NOT_SEEN)
    side = digest.joined or ServerSide()
    return ServerReport(
        seen=True,
        why="",
        sources=side.sources,
        notes=side.notes,
        saturated=side.saturated,
        saturated_why=side.why,
        bytes_per_connection=side.bytes_per_connection,
        seconds_per_message=side.seconds_per_message,
        alerts=side.alerts,
        restarts=side.restarts,
        hangs=side.hangs,
        subject=side.subject,
        lines=tuple(digest.lines),
    )
