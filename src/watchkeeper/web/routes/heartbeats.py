"""Heartbeats of others: the address that jobs ask, as Healthchecks has it, and which are expected.

Whoever knows the address may send, so it is shown to those alone who may act. A job is answered in words, since a person
reads its mail.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import HttpMethod, MediaType, Request, Response, delete, get, post, route
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from watchkeeper.errors import Refused
from watchkeeper.heartbeat.incoming import Seen
from watchkeeper.heartbeat.settings import Expected
from watchkeeper.heartbeat.standing import Signal
from watchkeeper.journal.audit import Entry
from watchkeeper.quantities import Duration
from watchkeeper.web.access import ACTORS
from watchkeeper.web.gate import MOST_PINGED
from watchkeeper.web.hall import Hall, bearer, peer
from watchkeeper.web.shapes import HeartbeatAsk, HeartbeatView

SIGNALS: dict[str, Signal] = {"": "success", "start": "start", "fail": "fail", "log": "log"}
METHODS = [HttpMethod.GET, HttpMethod.HEAD, HttpMethod.POST]


def _operation(_: Any, method: Any, path: Sequence[Any]) -> str:
    """``ping``, ``pingPost``, ``pingWithWord`` …: each method of each path is an operation of its own."""
    return (
        f"ping{'' if method == 'GET' else str(getattr(method, 'value', method)).title()}{'WithWord' if len(path) > 2 else ''}"
    )


@route(
    ["/ping/{identity:str}", "/ping/{identity:str}/{told:str}"],
    http_method=METHODS,
    operation_id=_operation,
    media_type=MediaType.TEXT,
    opt={"open": True},
    status_code=200,
    request_max_body_size=MOST_PINGED,
)
async def ping(
    request: Request[Any, Any, Any], hall: NamedDependency[Hall], identity: FromPath[str], told: FromPath[str] = ""
) -> Response[str]:
    """Take a job's heartbeat: success, or what stands behind it: `/start`, `/fail`, `/log`, an exit status; with a body."""
    status = 0
    signal = SIGNALS.get(told)
    if signal is None:
        if not (told.isascii() and told.isdigit() and len(told) <= 3 and int(told) <= 255):
            raise Refused("expected start, fail, log or an exit status from 0 to 255", code="no-such-route")
        status = int(told)
        signal = "fail" if status else "success"
    await hall.desk.office.heartbeats.ping(identity, signal, status, await request.body())
    return Response("OK", media_type=MediaType.TEXT)


@get("/api/heartbeats", operation_id="heartbeats", sync_to_thread=False)
def heartbeats(request: Request[Any, Any, Any], hall: NamedDependency[Hall]) -> tuple[HeartbeatView, ...]:
    """All that are expected, and how they stand."""
    shown = bearer(request).role in ACTORS
    return tuple(heartbeat_view(hall, one, shown=shown) for one in hall.desk.office.heartbeats.seen())


@post("/api/heartbeats", operation_id="expectHeartbeat", status_code=201)
async def expect_heartbeat(
    request: Request[Any, Any, Any], hall: NamedDependency[Hall], data: JSONBody[HeartbeatAsk]
) -> HeartbeatView:
    """Expect one more from now on; the answer has the address that its job asks."""
    seen = await hall.desk.office.heartbeats.add(data.name, expected_of(data))
    await hall.desk.journal.audit.add(Entry(hall.now(), bearer(request).name, peer(request), "expect-heartbeat", data.name))
    return heartbeat_view(hall, seen, shown=True)


@delete("/api/heartbeats/{name:str}", operation_id="removeHeartbeat", status_code=204)
async def remove_heartbeat(request: Request[Any, Any, Any], hall: NamedDependency[Hall], name: FromPath[str]) -> None:
    """Expect one no more; its address is nothing from then on."""
    await hall.desk.office.heartbeats.remove(name)
    await hall.desk.journal.audit.add(Entry(hall.now(), bearer(request).name, peer(request), "remove-heartbeat", name))


def expected_of(ask: HeartbeatAsk) -> Expected:
    """How it is to be expected; raises `Refused` (``bad-request``) with what is wrong."""
    try:
        period = Duration.parse(ask.period) if ask.period else None
        longest = Duration.parse(ask.longest) if ask.longest else None
        return Expected(period=period, cron=ask.cron, zone=ask.zone, grace=Duration.parse(ask.grace), longest=longest)
    except ValueError as fault:
        raise Refused(str(fault), code="bad-request") from None


def heartbeat_view(hall: Hall, seen: Seen, *, shown: bool) -> HeartbeatView:
    """One as the API shows it; with its address if `shown`."""
    kept, expected, standing = seen
    return HeartbeatView(
        name=kept.name,
        expected=expected.told(),
        state=standing.state,
        since=standing.since,
        reason=standing.reason,
        until=standing.until,
        last_at=kept.last_at,
        lasted=kept.lasted,
        exit_status=kept.exit_status,
        body=kept.body,
        configured=not kept.expected,
        url=f"{hall.desk.office.links.address}/ping/{kept.id}" if shown else "",
    )


ROUTES = [ping, heartbeats, expect_heartbeat, remove_heartbeat]
