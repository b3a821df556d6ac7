"""The run's record and what a hub knows, put together: `join` writes ``server.json``, ``marks.json`` and ``serverside.json``.

It stands on what is on disk, so it can be done again at any time, also for a run that was cut off. What was read on this
machine each second goes before what a hub has of the same metric at its agents' pace. What was read is in memory for as long
as it takes, which grows with the run (`figures.unfolded`).
"""

from __future__ import annotations

from collections.abc import Sequence

from watchkeeper.errors import Failed, Refused
from watchkeeper.model import Event, EventKind
from watchkeeper.stress.record import Record
from watchkeeper.stress.serverside import cost, figures, saturation, told
from watchkeeper.stress.serverside.figures import Sampled
from watchkeeper.stress.serverside.joined import Cost, Fired, Line, Mark, ServerSide, write
from watchkeeper.stress.serverside.saturation import Span
from watchkeeper.stress.serverside.told import Offset, Teller

BEFORE = 60_000
"""ms before the run that are drawn as well: what was normal."""
AFTER = 30_000
BUILD = "watchkeeper_server_build_info"
"""Tells by its labels which build, configuration and machine a server is."""
SHORTEST_LIFE = 2.0
"""Seconds into the run after which a process that has begun is one that was started again."""


async def join(record: Record, teller: Teller | None) -> ServerSide:
    """Put it together, keep it in the run's folder and return the findings. Raises Refused for a damaged record, OSError.

    `teller` None: there is no hub, or it knows nothing of this target.
    """
    run = record.run
    spans = _spans(record)
    near = figures.unfolded(record.figures(), run.started_at)
    sampled = [one for series in near.values() for one in series]
    marks = _begun_again(sampled, run.started_at)
    restarts = len(marks)
    sources, notes = [f"{source} (read here, each second)" for source in near], []
    fired: Sequence[Fired] = ()
    hangs = 0
    if teller is not None:
        machine, end = run.machine, (run.ended_at or run.started_at + round(spans[-1].ended * 1000 if spans else 0)) + AFTER
        try:
            offset = await teller.offset()
            start, end = round(run.started_at + offset.ahead), round(end + offset.ahead)
            known = {one.name for one in sampled}
            of_server = await teller.series(machine, run.server, start - BEFORE, end) if run.server else []
            of_host = await teller.series(machine, "", start - BEFORE, end)
            fresh = [one for one in (*of_server, *of_host) if one.name not in known]
            sampled += [_moved(one, offset) for one in fresh]
            events = await teller.events(machine, start - BEFORE, end)
            alerts = await teller.alerts(machine, start, end)
        except (Failed, Refused) as fault:
            notes.append(f"the hub could not be asked for the server's side: {fault}")
        else:
            from_hub = told.marks(events, run.server, offset)
            within = [one for one in from_hub if one.at >= run.started_at]
            begun = told.marks(_starts(events), run.server, offset)  # without the one that was loaded, begun just before
            restarts = max(restarts, sum(one.kind == "restart" and one.at >= run.started_at for one in begun))
            hangs = sum(one.kind == "hang" for one in within)
            marks = [one for one in from_hub if one.kind != "restart" or one.at >= run.started_at] or marks
            fired = told.fired(alerts, run.server, spans, run.started_at, offset)
            sources.append(f"hub ({len(fresh)} series of {machine})")
            notes.append(f"the hub's clock is {offset.ahead:.1f} ms ahead of the run's, give or take {offset.bound:.1f} ms")
    lines = [drawn for one in sampled if (drawn := figures.line(one)) is not None]
    found = saturation.saturated(saturation.uses(lines), spans, run.started_at)
    side = ServerSide(
        saturated=found,
        why=_why_none(lines) if not found else "",
        bytes_per_connection=_per_connection(record, lines),
        seconds_per_message=_per_message(record, lines),
        alerts=tuple(fired),
        restarts=restarts,
        hangs=hangs,
        subject=_subject(sampled, run.server),
        sources=tuple(sources),
        notes=tuple(notes),
    )
    write(record.folder, lines, sorted(marks, key=lambda one: one.at), side)
    return side


def _spans(record: Record) -> list[Span]:
    found = []
    for begun, ended in record.stages():
        end = ended.ended if ended is not None else begun.at + begun.stage.seconds
        found.append(Span(begun.stage.name, begun.at, end))
    return found


def _moved(one: Sampled, offset: Offset) -> Sampled:
    return one._replace(at=[round(at - offset.ahead) for at in one.at])


def _starts(events: Sequence[Event]) -> list[Event]:
    return [one for one in events if one.kind is EventKind.SERVER_STARTED]


def _begun_again(sampled: Sequence[Sampled], started_at: int) -> list[Mark]:
    """Processes that listen on the target's port and have begun after the run did."""
    found = []
    for one in sampled:
        if one.name == "process_start_time_seconds" and one.values and "pid" in one.labels:
            at = round(one.values[0] * 1000)
            if at > started_at + SHORTEST_LIFE * 1000:
                found.append(Mark(at, "restart", f"the target's process {one.labels['pid']} was started"))
    return found


def _subject(sampled: Sequence[Sampled], server: str) -> dict[str, str]:
    """Build, configuration and host of the server, as its agent told them last."""
    told_of = [one for one in sampled if one.name == BUILD and one.labels.get("server") == server and one.at]
    newest = max(told_of, key=lambda one: one.at[-1], default=None)
    return {name: newest.labels.get(name, "") for name in ("build", "config", "host")} if newest else {}


def _why_none(lines: Sequence[Line]) -> str:
    if not lines:
        return "nothing of the server's side was seen"
    return "of what was seen of the server's side, nothing was full"


def _per_message(record: Record, lines: Sequence[Line]) -> Cost:
    excluded = {begun.stage.index for begun, _ in record.stages() if begun.stage.excluded}
    done: dict[int, int] = {}
    failed: dict[int, int] = {}
    for window in record.windows():
        if window.stage not in excluded and window.operation:
            done[window.second] = done.get(window.second, 0) + window.done
            failed[window.second] = failed.get(window.second, 0) + window.dropped + sum(window.errors.values())
    cpu = cost.by_second(lines, "process_cpu_seconds_total", record.run.started_at)
    return cost.per_message({second: many for second, many in done.items() if many}, failed, cpu)


def _per_connection(record: Record, lines: Sequence[Line]) -> Cost:
    last = {(row.second, row.worker): row.connections for row in record.health()}  # at a stage's ends a second has several
    connections: dict[int, int] = {}
    for (second, _), many in last.items():
        connections[second] = connections.get(second, 0) + many
    memory = cost.by_second(lines, "process_resident_memory_bytes", record.run.started_at)
    return cost.per_connection(connections, memory)
