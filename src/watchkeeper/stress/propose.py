"""What a run has measured, as rules: thresholds at 70 and 85 % of the knee, with where each figure comes from.

`propose` reads a record and returns the text of a configuration file; `as_diff` shows it against the file that is there.
Nothing is applied here: an operator reads the diff and patches, or does not. Which series of the server tell connections,
messages, latency and the loop is found in the record itself: those that had the load's own figures at the knee.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from watchkeeper.errors import Refused
from watchkeeper.stress.record import Record
from watchkeeper.stress.run import Ended, Run
from watchkeeper.stress.serverside import joined
from watchkeeper.stress.serverside.figures import is_counter
from watchkeeper.stress.serverside.joined import Line
from watchkeeper.stress.serverside.saturation import Span

SHARES = ((0.70, "warning"), (0.85, "critical"))
ALIKE = 0.10
"""By how much of it a server's own figure may differ from the load's and still be taken for the same thing."""
LEAST = 5
"""Connections or messages a second below which likeness is chance."""
FOR = "5m"
NOT_ITS_OWN = ("process_", "node_", "watchkeeper_", "probe_", "go_", "python_")
"""What is told of any server: its own figures have names of their own."""


class Limit(NamedTuple):
    """One thing that was measured at the knee: what is asked (PromQL), its value there, and whence that is."""

    alert: str
    what: str
    expr: str
    at_knee: float
    unit: str
    whence: str


class Proposal(NamedTuple):
    """The file's text, and what could not be proposed, with the reason."""

    text: str
    left_out: tuple[str, ...]


def propose(record: Record) -> Proposal:
    """Rules from a run. Raises Refused where it has found no knee, or none of a supervised server's."""
    run = record.run
    if not run.server:
        raise Refused(f"{run.id} was not against a supervised server: there is nobody to watch", code="no-server")
    stage, ended, level = _knee(record)
    lines = joined.lines(record.folder)
    limits, left_out = _limits(run, lines, stage, ended)
    if not limits:
        raise Refused(f"{run.id}: nothing that a rule could ask about was measured at the knee", code="nothing-measured")
    head = [
        f"# Limits of {run.server} on {run.machine}, from the stress run {run.id}.",
        f"# Plan {run.plan} (SHA-256 {run.plan_hash[:16]}), verdict {run.verdict or run.state}, seed {run.seed}.",
        f"# The knee: {level:.6g}/s held ({ended.achieved:.6g}/s done). Thresholds are 70 and 85 % of what was seen there.",
        *(f"# {name}: {value}" for name, value in _subject(record).items()),
        "# Run it again when BaselineStale says that the build, the configuration or the machine has changed.",
        "",
    ]
    rules = [_rule(run, limit, share, severity) for limit in limits for share, severity in SHARES]
    return Proposal("\n".join(head) + "\n".join(rules), tuple(left_out))


def as_diff(proposal: Proposal, path: Path) -> str:
    """The proposal as a unified diff against the file, as patch(1) takes it; empty when the file has it already."""
    try:
        before = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        before = []
    after = proposal.text.splitlines(keepends=True)
    old = str(path) if before else "/dev/null"
    return "".join(difflib.unified_diff(before, after, old, str(path)))


def _subject(record: Record) -> dict[str, str]:
    side = joined.found(record.folder)
    return dict(side.subject) if side is not None else {}


def _knee(record: Record) -> tuple[Span, Ended, float]:
    """The stage at the highest level that held; raises Refused."""
    levels = [knee.sustained for knee in record.run.knees if knee.sustained > 0]
    if not levels:
        raise Refused(f"{record.run.id} has found no knee: run a plan with a phase of kind steps", code="no-knee")
    level = levels[-1]
    best: tuple[Span, Ended] | None = None
    for begun, ended in record.stages():
        if ended is not None and begun.stage.kind == "steps" and begun.stage.level == level:
            best = Span(begun.stage.name, ended.began, ended.ended), ended
    if best is None:
        raise Refused(f"{record.run.id}: the stage at {level:.6g}/s is not in its record", code="no-knee")
    return *best, level


def _limits(run: Run, lines: Sequence[Line], stage: Span, ended: Ended) -> tuple[list[Limit], list[str]]:
    found: list[Limit] = []
    left_out: list[str] = []
    seen = {_key(one): value for one in lines if (value := _during(one, stage, run.started_at)) is not None}
    by_key = {_key(one): one for one in lines}
    own = {key: value for key, value in seen.items() if not key.startswith(NOT_ITS_OWN)}
    where = f'machine="{run.machine}",server="{run.server}"'
    messages = _alike({key: value for key, value in own.items() if by_key[key].name.endswith("_total")}, ended.achieved)
    if messages:
        name = by_key[messages].name
        whence = f"{name} rose by {seen[messages]:.6g}/s while {ended.achieved:.6g}/s were done"
        expr = f"sum by (machine, server) (rate({name}{{{_labels(by_key[messages], where)}}}[2m]))"
        found.append(Limit("CapacityMessages", "messages a second", expr, ended.achieved, "/s", whence))
    else:
        left_out.append("messages a second: no counter of the server's own rose as the load did (add its /metrics)")
    held = _held(by_key, seen)
    if held:
        name = by_key[held].name
        expr = f"sum by (machine, server) ({name}{{{_labels(by_key[held], where)}}})"
        whence = f"{name} was {seen[held]:.6g} at the knee"
        found.append(Limit("CapacityConnections", "connections", expr, seen[held], "", whence))
    else:
        left_out.append("connections: the server tells no figure of them")
    p99 = ended.quantiles.get("p99")
    buckets = next((one.name for one in lines if one.name.endswith("_seconds_count") and _key(one) in own), "")
    if p99 is not None and buckets:
        stem = buckets.removesuffix("_count")
        expr = f"histogram_quantile(0.99, sum by (machine, server, le) (rate({stem}_bucket{{{where}}}[5m])))"
        whence = f"the load saw {p99:.6g} s at the knee, and the server tells {stem}"
        found.append(Limit("CapacityLatency", "p99", expr, p99, "s", whence))
    elif p99 is not None:
        expr = f"max by (machine, server) (probe_duration_seconds{{{where}}})"
        found.append(Limit("CapacityLatency", "time to answer a probe", expr, p99, "s", f"p99 was {p99:.6g} s at the knee"))
    else:
        left_out.append("p99: there were too few values at the knee")
    lag = next((key for key in own if "loop_lag" in key and not is_counter(by_key[key].name) and seen[key] > 0), "")
    if lag:
        name = by_key[lag].name
        expr = f"max by (machine, server) ({name}{{{where}}})"
        whence = f"{name} was {seen[lag]:.6g} s at the knee"
        found.append(Limit("CapacityLoopLag", "lag of the event loop", expr, seen[lag], "s", whence))
    else:
        left_out.append("loop lag: the server tells none, or it was nothing at the knee")
    files = max((value for key, value in seen.items() if key.startswith("process_open_fds")), default=0.0)
    if files:
        expr = f"process_open_fds{{{where}}}"
        found.append(Limit("CapacityFiles", "open files", expr, files, "", f"{files:.6g} were open at the knee"))
    else:
        left_out.append("file descriptors: nobody saw them")
    return found, left_out


def _during(line: Line, stage: Span, started_at: int) -> float | None:
    """A figure's mean over the middle of a stage; its first and last second belong to its neighbours."""
    began, end = started_at + (stage.began + 0.5) * 1000, started_at + (stage.ended + 0.5) * 1000
    values = [value for at, value in zip(line.at, line.values, strict=True) if value is not None and began < at <= end]
    return sum(values) / len(values) if values else None


def _alike(seen: dict[str, float], wanted: float) -> str:
    """The figure that is nearest to `wanted`, if any is near enough."""
    if wanted < LEAST:
        return ""
    near = [(abs(value - wanted), key) for key, value in seen.items() if abs(value - wanted) <= ALIKE * wanted]
    return min(near)[1] if near else ""


def _held(by_key: dict[str, Line], seen: dict[str, float]) -> str:
    """The server's own figure of connections: called so, and as large as what the kernel saw established."""
    kernel = next((value for key, value in seen.items() if key.startswith("process_sockets") and "established" in key), 0.0)
    named = {
        key: value
        for key, value in seen.items()
        if re.search(r"connections?(_active|_open|_current)?$|sessions$", by_key[key].name) and not is_counter(by_key[key].name)
    }
    return _alike(named, kernel) or next(iter(sorted(named, key=lambda key: -named[key])), "")


def _key(line: Line) -> str:
    labels = ",".join(f'{name}="{value}"' for name, value in sorted(line.labels.items()))
    return f"{line.name}{{{labels}}}"


def _labels(line: Line, where: str) -> str:
    placed = {"machine", "server", "pid", "instance", "job"}
    own = [f'{name}="{value}"' for name, value in sorted(line.labels.items()) if name not in placed]
    return ",".join([where, *own])


def _rule(run: Run, limit: Limit, share: float, severity: str) -> str:
    threshold = limit.at_knee * share
    lines: Iterator[tuple[str, str]] = iter(
        (
            ("alert", limit.alert),
            ("severity", severity),
            ("expr", f"{limit.expr} > {threshold:.6g}"),
            ("for", FOR),
            ("why", f"{share:.0%} of what {run.server} was seen to take: {limit.whence} (run {run.id})."),
            ("first", "See what brings the load; put another node beside it before it comes to its knee."),
        )
    )
    body = "\n".join(f"{key} = {_quoted(value)}" for key, value in lines)
    summary = f"{{{{ $labels.server }}}} is at {share:.0%} of its measured {limit.what}"
    told = f'{{{{ printf "%.4g" $value }}}}{limit.unit}; {limit.at_knee:.6g}{limit.unit} at the knee.'
    return (
        f"[[rule]]\n{body}\n[rule.labels]\nstress_run = {_quoted(run.id)}\n"
        f"[rule.annotations]\nsummary = {_quoted(summary)}\ndescription = {_quoted(told)}\n"
    )


def _quoted(text: str) -> str:
    """A TOML basic string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
