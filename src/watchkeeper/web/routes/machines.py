"""Machines and servers: how they stand now, their output, and orders to them."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from watchkeeper.config import nearest
from watchkeeper.errors import Refused
from watchkeeper.journal.actions import ActionRow
from watchkeeper.journal.events import Sought
from watchkeeper.model import Action, LogLines, Outcome
from watchkeeper.web.hall import Hall, bearer, peer
from watchkeeper.web.shapes import ActionAsk, ActionView, GroupAnswer, LogsView, MachineView, Overview, ServerView

PATIENCE = 30.0
"""How long, in seconds, an order's outcome is waited for before the answer is "still running"."""
LOGS_PATIENCE = 10.0
FEW_EVENTS = 20


@get("/api/overview", operation_id="overview")
async def overview(hall: NamedDependency[Hall]) -> Overview:
    """The first screen: is anything wrong, and everything, worst first."""
    events = await hall.desk.journal.events.page(Sought(), FEW_EVENTS)
    reading = hall.board.reading()
    return Overview(reading.at, reading.sentence, reading.wrong, reading.machines, reading.servers, events)


@get("/api/machines", operation_id="machines", sync_to_thread=False)
def machines(hall: NamedDependency[Hall]) -> tuple[MachineView, ...]:
    """All machines, those out of touch first."""
    return hall.board.reading().machines


@get("/api/machines/{machine:str}", operation_id="machine", sync_to_thread=False)
def machine_(hall: NamedDependency[Hall], machine: FromPath[str]) -> MachineView:
    """One machine."""
    return hall.board.machine(machine)


@get("/api/machines/{machine:str}/servers", operation_id="servers", sync_to_thread=False)
def servers(hall: NamedDependency[Hall], machine: FromPath[str]) -> tuple[ServerView, ...]:
    """A machine's servers, worst first."""
    return hall.board.servers(machine)


@get("/api/machines/{machine:str}/servers/{server:str}", operation_id="server", sync_to_thread=False)
def server_(hall: NamedDependency[Hall], machine: FromPath[str], server: FromPath[str]) -> ServerView:
    """One server."""
    return hall.board.server(machine, server)


@post("/api/machines/{machine:str}/servers/{server:str}/actions", operation_id="act", status_code=200)
async def act(
    request: Request[Any, Any, Any],
    hall: NamedDependency[Hall],
    machine: FromPath[str],
    server: FromPath[str],
    data: JSONBody[ActionAsk],
) -> Response[ActionView]:
    """Order something and wait for the outcome: 200 with it, 202 when it is still running after 30 s."""
    hall.board.server(machine, server)
    view = await ordered(hall, machine, server, data, bearer(request).name, peer(request))
    return Response(view, status_code=200 if view.outcome else 202)


@post("/api/machines/{machine:str}/groups/{group:str}/actions", operation_id="act_on_group", status_code=200)
async def act_on_group(
    request: Request[Any, Any, Any],
    hall: NamedDependency[Hall],
    machine: FromPath[str],
    group: FromPath[str],
    data: JSONBody[ActionAsk],
) -> list[GroupAnswer]:
    """Order the same of every server of a group on a machine, all at once; an answer for each, as `act` gives it."""
    servers = [view.status.name for view in hall.board.servers(machine) if view.status.group == group]
    if not servers:
        known = nearest(group, sorted({view.status.group for view in hall.board.servers(machine)} - {""}))
        raise Refused(f"there is no group {group!r} on {machine}{known}", code="unknown-group")

    async def one(server: str) -> GroupAnswer:
        try:
            return GroupAnswer(server, await ordered(hall, machine, server, data, bearer(request).name, peer(request)))
        except Refused as fault:
            return GroupAnswer(server, why=fault.why)

    return list(await asyncio.gather(*map(one, servers)))


async def ordered(hall: Hall, machine: str, server: str, ask: ActionAsk, by: str, address: str) -> ActionView:
    """Write an order down, have it carried out, and say how it stands when it has ended or `PATIENCE` is over."""
    if ask.verb == "drill":
        raise Refused("a server is held by a drill alone: POST /api/drills", code="bad-request")
    identity = secrets.token_hex(8)
    action = Action(identity, hall.now(), machine, server, ask.verb, by, ask.reason, ask.seconds, ask.dry_run)
    hall.desk.changes.action(await hall.desk.journal.actions.request(action, address))
    try:
        async with asyncio.timeout(PATIENCE):
            await hall.desk.order(action)
    except TimeoutError:
        pass
    except Refused as fault:
        failed = await hall.desk.journal.actions.end(Outcome(action.id, hall.now(), ok=False, text=fault.why))
        hall.desk.changes.action(failed)
        raise
    return action_view(await hall.desk.journal.actions.one(action.id))


@get("/api/machines/{machine:str}/servers/{server:str}/logs", operation_id="logs")
async def logs(
    hall: NamedDependency[Hall],
    machine: FromPath[str],
    server: FromPath[str],
    lines: Annotated[int, QueryParameter(ge=1, le=5000)] = 200,
) -> LogsView:
    """The last lines of a server's output."""
    hall.board.server(machine, server)
    found: list[str] = []
    try:
        async with asyncio.timeout(LOGS_PATIENCE), closing(hall.desk.logs(machine, server, lines, follow=False)) as parts:
            async for part in parts:
                if part.end and part.why and not found and not part.lines:
                    raise Refused(part.why, code="no-logs")
                found.extend(part.lines)
                if part.end:
                    break
    except TimeoutError:
        raise Refused(f"the agent on {machine} did not send them within {LOGS_PATIENCE:.0f} s", code="not-connected") from None
    return LogsView(tuple(found[-lines:]))


@contextlib.asynccontextmanager
async def closing(parts: AsyncIterator[LogLines]) -> AsyncIterator[AsyncIterator[LogLines]]:
    """Close an iterator that can be closed, so that the agent hears that nobody reads any more."""
    try:
        yield parts
    finally:
        if close := getattr(parts, "aclose", None):
            await close()


def action_view(row: ActionRow) -> ActionView:
    """A journal's row as the API shows it."""
    one = row.action
    return ActionView(
        one.id,
        one.at,
        one.machine,
        one.server,
        one.verb,
        one.by,
        row.state,
        row.outcome,
        one.reason,
        one.seconds,
        one.dry_run,
    )


ROUTES = [overview, machines, machine_, servers, server_, act, act_on_group, logs]
