"""Stress runs: which can be made and have been; one is started, followed, ended, read; and what runs tell of themselves.

A run belongs to nobody here: it announces itself, tells each second how it goes (`progress`) and hears in the answer whether
somebody wants it ended. Its beginning, phases and end are events, so that a test is never taken for an incident.
"""

from __future__ import annotations

import asyncio
import tomllib
from pathlib import Path
from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from watchkeeper.config import nearest
from watchkeeper.errors import Refused
from watchkeeper.journal.audit import Entry
from watchkeeper.model import Event, EventKind, Severity, new_id
from watchkeeper.stress.hubside.files import content, folder_of, listed
from watchkeeper.stress.hubside.lab import Going
from watchkeeper.stress.hubside.launching import StressStart, own_plans
from watchkeeper.stress.record import Record, runs
from watchkeeper.stress.serverside.joined import found
from watchkeeper.stress.shelf import built_in
from watchkeeper.web.hall import Hall, bearer, peer
from watchkeeper.web.stress_shapes import (
    StressAnnouncement,
    StressFollowed,
    StressOrder,
    StressPlan,
    StressProgress,
    StressRunDetail,
    StressRunView,
    StressStageView,
    StressTarget,
)

LISTED = 200
SANDBOX = (
    "sandbox allow-scripts allow-downloads allow-modals; default-src 'none'; script-src 'unsafe-inline';"
    " style-src 'unsafe-inline'; img-src data:; font-src data:"
)
"""A report is a page with scripts of its own: it is shown as one of nobody's origin, that can ask the hub for nothing."""


@get("/api/stress/plans", operation_id="stressPlans")
async def plans(hall: NamedDependency[Hall]) -> list[StressPlan]:
    """The plans that can be started: the built-in ones, and the operator's own in ``DATA/stress/plans``."""
    return await asyncio.to_thread(_plans, hall.desk.lab.folder.parent)


@get("/api/stress/targets", operation_id="stressTargets", sync_to_thread=False)
def targets(hall: NamedDependency[Hall]) -> list[StressTarget]:
    """All supervised servers, those that have agreed to be put under load first."""
    views = [one for machine in hall.board.reading().machines for one in hall.board.servers(machine.machine.name)]
    told = [StressTarget(one.machine, one.status.name, one.health, one.status.stress) for one in views]
    return sorted(told, key=lambda one: (not one.addresses, one.machine, one.server))


@get("/api/stress/runs", operation_id="stressRuns")
async def runs_(
    hall: NamedDependency[Hall], limit: Annotated[int, QueryParameter(ge=1, le=LISTED)] = 50
) -> list[StressRunView]:
    """Runs, the newest first: those recorded on the hub's machine, and those that have told of themselves lately."""
    return (await asyncio.to_thread(_listed, hall))[:limit]


@get("/api/stress/runs/{run:str}", operation_id="stressRun")
async def run_(hall: NamedDependency[Hall], run: FromPath[str]) -> StressRunDetail:
    """One run: all that its record says of it, stage by stage."""
    return await asyncio.to_thread(_detail, hall, run)


@get("/api/stress/runs/{run:str}/progress", operation_id="stressFollow", sync_to_thread=False)
def follow(
    hall: NamedDependency[Hall], run: FromPath[str], since: Annotated[int, QueryParameter(ge=-1)] = -1
) -> StressFollowed:
    """How a run goes: the seconds after `since`."""
    going = hall.desk.lab.find(run)
    if going is None:
        raise Refused(f"no run {run[:80]!r} tells this hub how it goes", code="unknown-run")
    return StressFollowed(_going(going, hall), tuple(one for one in going.seconds if one.second > since), tuple(going.said))


@get("/api/stress/runs/{run:str}/files/{name:path}", operation_id="stressFile")
async def file(hall: NamedDependency[Hall], run: FromPath[str], name: FromPath[Path]) -> Response[bytes]:
    """One file of a run: its report, or what it was made from."""
    wanted = str(name).lstrip("/")
    body, kind = await asyncio.to_thread(lambda: content(folder_of(hall.desk.lab.folder, run), wanted))
    headers = {"content-security-policy": SANDBOX}
    return Response(body, media_type=kind, headers=headers)


@post("/api/stress/runs", operation_id="stressStart", status_code=201)
async def start(request: Request[Any, Any, Any], hall: NamedDependency[Hall], data: JSONBody[StressStart]) -> StressRunView:
    """Start a plan on a server that has agreed, as a process of its own; answers once the run has begun."""
    view = hall.board.server(data.machine, data.server)
    if not view.status.stress:
        why = f"the server {data.server} has not agreed: its operator sets stress = true in [server.{data.server}]"
        raise Refused(why, code="no-consent")
    known = [one.name for one in await asyncio.to_thread(_plans, hall.desk.lab.folder.parent)]
    if data.plan not in known:
        raise Refused(f"there is no plan {data.plan[:80]!r}{nearest(data.plan, known)}", code="unknown-plan")
    for machine in data.machines:
        hall.board.machine(machine)
    by = bearer(request).name
    about = f"{data.plan} on {data.server} ({data.machine})"
    await hall.desk.journal.audit.add(Entry(hall.now(), by, peer(request), "stress", about))
    lab = hall.desk.lab
    run = await lab.launcher.start(data, by, lambda pid: next((one.run for one in lab.going() if one.pid == pid), ""))
    going = lab.find(run)
    assert going is not None
    return _going(going, hall)


@post("/api/stress/runs/{run:str}/abort", operation_id="stressAbort", status_code=200)
async def abort(request: Request[Any, Any, Any], hall: NamedDependency[Hall], run: FromPath[str]) -> StressRunView:
    """End a run that goes on: it hears of it within a second or two, ends in order and keeps its record."""
    by = bearer(request).name
    going = hall.desk.lab.abort(run, by)
    await hall.desk.journal.audit.add(Entry(hall.now(), by, peer(request), "abort-stress", run))
    return _going(going, hall)


@post("/api/stress/announcements", operation_id="announce", status_code=201)
async def announce(request: Request[Any, Any, Any], hall: NamedDependency[Hall], data: JSONBody[StressAnnouncement]) -> Event:
    """Put a stress run's beginning, a phase or its end on the timeline; returns the event."""
    at = hall.now()
    lab = hall.desk.lab
    by = bearer(request).name
    about = data.server or data.target
    severity: Severity = "info"
    match data.what:
        case "started":
            by = lab.begin(_announced(data, by, at), at).by
            kind, severity = EventKind.STRESS_STARTED, "warning"
            text = f"A stress run has begun on {about}: plan {data.plan}, run {data.run}"
        case "phase" | "again":
            if data.what == "again":
                lab.begin(_announced(data, by, at), at)
            lab.phase(data.run, data.phase, at)
            kind, text = EventKind.STRESS_PHASE, f"The stress run {data.run} on {about}: {data.phase}"
        case "ended":
            lab.end(data.run, data.outcome, at)
            kind = EventKind.STRESS_ENDED
            text = f"The stress run {data.run} on {about} is over: {data.outcome or 'no verdict'}"
    facts = {"run": data.run, "plan": data.plan, "target": data.target, "by": by}
    facts |= {name: value for name, value in (("outcome", data.outcome), ("phase", data.phase)) if value}
    event = Event(new_id(at), at, kind, text, data.machine, data.server, severity, facts)
    for fresh in await hall.desk.journal.events.add((event,)):
        hall.desk.changes.event(fresh)
    return event


@post("/api/stress/progress", operation_id="stressProgress", status_code=200, sync_to_thread=False)
def progress(hall: NamedDependency[Hall], data: JSONBody[StressProgress]) -> StressOrder:
    """A run tells how it goes, and hears whether somebody wants it ended."""
    return StressOrder(hall.desk.lab.progress(data.run, data.seconds, data.said, hall.now()))


def _announced(data: StressAnnouncement, by: str, at: int) -> Going:
    return Going(data.run, data.plan, data.target, data.machine, data.server, by, at, data.pid)


def _plans(data: Path) -> list[StressPlan]:
    own = own_plans(data)
    found_ = []
    for name, path in (built_in() | own).items():
        try:
            text = path.read_text(encoding="utf-8")
            tables = tomllib.loads(text)
            kinds = tuple(str(one.get("kind", "")) for one in tables.get("phase", ()))
            about = str(tables.get("about", ""))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, AttributeError) as fault:
            about, kinds, text = f"it cannot be read: {fault}", (), ""
        found_.append(StressPlan(name, about, kinds, text, name not in own))
    return found_


def _listed(hall: Hall) -> list[StressRunView]:
    lab = hall.desk.lab
    views = {one.run: _going(one, hall) for one in lab.going()}
    for run in runs(lab.folder):
        views[run.id] = _view(Record(lab.folder / run.id), lab.find(run.id))
    return sorted(views.values(), key=lambda one: one.started_at, reverse=True)


def _detail(hall: Hall, run: str) -> StressRunDetail:
    lab = hall.desk.lab
    going = lab.find(run)
    try:
        folder = folder_of(lab.folder, run)
    except Refused:
        if going is None:
            raise
        return StressRunDetail(_going(going, hall))
    record = Record(folder)
    stages = tuple(StressStageView(begun.at, begun.stage, ended) for begun, ended in record.stages())
    return StressRunDetail(_view(record, going), record.run, stages, found(folder), tuple(listed(folder)))


def _going(going: Going, hall: Hall) -> StressRunView:
    """A run as it tells of itself; where its record is here, as that has it."""
    folder = hall.desk.lab.folder / going.run
    if (folder / "run.json").is_file():
        return _view(Record(folder), going)
    state = "done" if going.is_over else "running"
    return StressRunView(
        going.run,
        going.plan,
        going.target,
        going.machine,
        going.server,
        state,
        going.outcome if going.outcome in {"pass", "fail", "invalid"} else "",
        going.outcome,
        going.started_at,
        going.ended_at,
        going.by,
        going.phase,
        going=not going.is_over,
        recorded=False,
    )


def _view(record: Record, going: Going | None) -> StressRunView:
    run = record.run
    has_died = record.has_died
    return StressRunView(
        run.id,
        run.plan,
        run.target,
        run.machine,
        run.server,
        "died" if has_died else run.state,
        run.verdict,
        run.why or "; ".join(run.reasons),
        run.started_at,
        run.ended_at,
        going.by if going else "",
        going.phase if going else "",
        going=going is not None and not going.is_over and not has_died,
    )


ROUTES = [plans, targets, runs_, run_, follow, file, start, abort, announce, progress]
