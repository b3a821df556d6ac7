"""What a reader must know, and what was not tested: sentences made from facts of the run, never from habit. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from watchkeeper.stress.objective import NEEDED
from watchkeeper.stress.report.document import Report
from watchkeeper.stress.report.wording import listed, number, seconds, share

LONG_ENOUGH = 3600.0
"""Seconds of an even load before a report is silent about what only shows later."""
BLIND_SHARE = 0.05


def told(report: Report, plan: dict[str, Any]) -> Report:
    """The report with both lists."""
    return msgspec.structs.replace(report, caveats=tuple(_caveats(report)), untested=tuple(_untested(report, plan)))


def _caveats(report: Report) -> list[str]:
    run = report.run
    found = [one[:1].upper() + one[1:] + "." for one in run.notes]
    warm = [stage for stage in report.stages if stage.excluded]
    if warm:
        took, many = sum(stage.seconds for stage in warm), sum(stage.done for stage in warm)
        found.append(f"Not counted: {seconds(took)} of warm-up with {number(many)} operations.")
    if report.generator.starved > BLIND_SHARE:
        found.append(
            f"The generator waited for a processor in {share(report.generator.starved)} of its time. Percentiles called "
            "clean leave out what ended in such moments; objectives are judged over everything."
        )
    cut = [stage.name for stage in report.stages if stage.cut_short and stage.kind != "recovery"]
    if cut:
        found.append(f"Cut short: {listed(cut)}.")
    unsure = [stage.name for stage in report.stages if stage.decision.startswith("unsure")]
    if unsure:
        found.append(f"Run again, as the generator was not good enough to tell: {listed(unsure)}.")
    found += _measured(report)
    if report.capacity is not None and report.capacity.usl.refused:
        found.append(f"No scalability law was fitted: {report.capacity.usl.refused}.")
    if not report.server.seen:
        found.append("The server's own resources were not seen, so what was full first is known by its symptoms alone.")
    found += [f"{one[:1].upper()}{one[1:]}{'' if one.endswith('.') else '.'}" for one in report.server.notes]
    if report.step > 1:
        found.append(f"Charts put {number(report.step)} seconds together; percentiles are those of all values in them.")
    return found


def _measured(report: Report) -> list[str]:
    """What the figures themselves need to have said."""
    found = []
    if late := sum(stage.late for stage in report.stages if not stage.excluded):
        due = sum(stage.started for stage in report.stages if not stage.excluded)
        found.append(
            f"{number(late)} of {number(due)} starts came more than 1 ms after their time, by the queue or by the generator."
        )
    if dropped := sum(stage.dropped for stage in report.stages):
        found.append(
            f"{number(dropped)} operations that were due never started, as no connection became free in time; each is counted."
        )
    failing = [stage.name for stage in report.stages if stage.little.holds is False]
    if failing:
        found.append(
            f"Little's law does not hold in {listed(failing)}: throughput, time and what was under way contradict each other."
        )
    if any(stage.model == "closed" for stage in report.stages):
        found.append("In the closed model there is no intended time, so its percentiles flatter a server that stalls.")
    if any(name == "one-way" for stage in report.stages for one in stage.operations for name in one.spans):
        found.append(
            "One-way times are true, as sender and receiver read the same clock; between two machines they would not be."
        )
    return found


def _untested(report: Report, plan: dict[str, Any]) -> list[str]:
    kinds = {stage.kind for stage in report.stages}
    found = [f"Never run: {name}." for name in _never_run(report, plan)]
    for kind, why in (
        ("steps", "How much it takes: there was no search for the knee."),
        ("spike", "A sudden rise: there was no spike."),
        ("overload", "More than it can take: there was no overload."),
        ("recovery", "Coming back: no recovery was measured."),
        ("storm", "All clients coming back at once: there was no reconnect storm."),
        ("hold", "Idle connections: none were held for their own sake."),
    ):
        if kind not in kinds:
            found.append(why)
    if report.run.protocol == "cloud" and "slow-readers" not in kinds:
        found.append("Clients that stop to read: none did.")
    even = max((stage.seconds for stage in report.stages if stage.kind in {"soak", "plateau", "constant"}), default=0.0)
    if even < LONG_ENOUGH:
        found.append(f"What only shows after hours: the longest even load took {seconds(even)}.")
    local = any("shared this machine" in note for note in report.run.notes)
    where = "A network between: load and target were on one machine." if local else ""
    found += [where] if where else []
    found.append("More than one machine can make: a load from one place reaches what that place can.")
    if not str(report.run.target).startswith(("https", "wss", "tls")):
        found.append("Encryption: the target was spoken to without TLS.")
    most = max((stage.latency.n for stage in report.stages if stage.judged), default=0)
    if most < NEEDED["p99.9"]:
        found.append(
            f"p99.9 and beyond: no judged stage had the {number(NEEDED['p99.9'])} values that takes ({number(most)} at most)."
        )
    if unjudged := [one.objective for one in report.thresholds if one.held is None]:
        found.append(f"Objectives that could not be judged: {listed(unjudged)}.")
    return found


def _never_run(report: Report, plan: dict[str, Any]) -> list[str]:
    ran = {stage.phase for stage in report.stages}
    listed_phases = plan.get("phase", [])
    return [
        str(phase.get("name") or phase.get("kind", "?"))
        for number_, phase in enumerate(listed_phases)
        if number_ not in ran and isinstance(phase, dict)
    ]
