"""What the runs of a folder have found, as the README tells it: a table with a column for each run, out of their data."""

from __future__ import annotations

from collections.abc import Sequence

from watchkeeper.stress.report.document import Report, StageReport
from watchkeeper.stress.report.wording import level, rate, seconds, share, size

TITLES = {"cloud-server": "The Cloud Server", "nginx": "nginx", "websockets": "An echo server of `websockets`"}


def found(name: str, runs: Sequence[Report]) -> str:
    """A section: a sentence for each run, then the table."""
    lines = [f"### {TITLES[name]}", ""]
    lines += [f"- Run {number}: **{run.verdict.upper()}**. {run.headline}" for number, run in enumerate(runs, 1)]
    lines += ["", f"| | {' | '.join(f'run {number}' for number in range(1, len(runs) + 1))} |", "|---|" + "---|" * len(runs)]
    for what, cells in rows(runs):
        lines.append(f"| {what} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def rows(runs: Sequence[Report]) -> list[tuple[str, list[str]]]:
    """What is told, and how it was in each run."""
    first = runs[0]
    told = [("sustained within the objectives", [_sustained(run) for run in runs])]
    told += [("what broke first", [run.answers[2].answer for run in runs])]
    for stage in first.stages:
        if stage.kind not in {"steps", "smoke", "warm-up", "recovery", "pause"}:
            told.append((_called(stage), [_stage(_same(run, stage)) for run in runs]))
    for place, one in enumerate(first.recoveries):
        told.append((f"as before, after {one.after}", [_back(run, place) for run in runs]))
    told += [
        ("lost / twice / out of order / damaged", [_amiss(run) for run in runs]),
        ("memory of a connection", [_memory(run) for run in runs]),
        ("processor time of a message", [seconds(run.server.seconds_per_message.value) for run in runs]),
        ("what grew in plateau or soak", [_grew(run) for run in runs]),
        ("restarts, hangs, alerts", [f"{run.server.restarts}, {run.server.hangs}, {len(run.server.alerts)}" for run in runs]),
        ("generator without a processor", [share(run.generator.starved) for run in runs]),
    ]
    return told


def _sustained(run: Report) -> str:
    capacity = run.capacity
    return level(capacity.sustained, capacity.model) if capacity is not None and capacity.sustained else "nothing"


def _called(stage: StageReport) -> str:
    return stage.kind if stage.kind in {stage.name, "storm"} else f"{stage.name} ({stage.kind})"


def _same(run: Report, stage: StageReport) -> StageReport | None:
    return next((one for one in run.stages if one.phase == stage.phase), None)


def _stage(stage: StageReport | None) -> str:
    if stage is None:
        return "not run"
    p99 = stage.latency.quantiles.get("p99")
    told = f"{rate(stage.offered)}" + (f", p99 {seconds(p99)}" if p99 is not None else "")
    if stage.behaviour is not None:
        return f"{told}: {stage.behaviour.word}, {share(stage.done / stage.scheduled if stage.scheduled else 1.0)} done"
    return f"{told}: {stage.decision}"


def _back(run: Report, place: int) -> str:
    if place >= len(run.recoveries):
        return "not run"
    one = run.recoveries[place]
    if one.seconds is None:
        return "never (metastable)" if one.metastable else "not in time"
    return seconds(one.seconds) if one.seconds else "at once"


def _amiss(run: Report) -> str:
    names = ("lost", "duplicated", "reordered", "corrupt")
    return " / ".join(str(sum(stage.counts.get(name, 0) for stage in run.stages)) for name in names)


def _memory(run: Report) -> str:
    cost = run.server.bytes_per_connection
    return size(cost.value) if cost.value is not None else cost.why or "not seen"


def _grew(run: Report) -> str:
    grown = [f"{one.series} in {one.stage}" for one in run.trends if one.slope.word == "grows"]
    return ", ".join(grown) or "nothing"
