"""Drills: begin one, see how far the word has come, read those before and their certificates, call one off."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import MediaType, Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from watchkeeper.drill.certificate import as_html, as_json, level
from watchkeeper.drill.drills import Ask
from watchkeeper.journal.audit import Entry
from watchkeeper.journal.events import PAGE, cursor
from watchkeeper.telling import Drill
from watchkeeper.web.alert_shapes import DrillAsk, DrillsView, DrillView, ScenarioView
from watchkeeper.web.hall import Hall, bearer, peer


@get("/api/drills/scenarios", operation_id="scenarios", sync_to_thread=True)
def scenarios(hall: NamedDependency[Hall]) -> tuple[ScenarioView, ...]:
    """What a drill can do, and what of it can be done here."""
    return tuple(ScenarioView(kind.NAME, kind.ABOUT, kind.RULES, why) for kind, why in hall.desk.drills.scenarios())


@get("/api/drills", operation_id="drills")
async def drills(
    hall: NamedDependency[Hall],
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE)] = 100,
    before: FromQuery[str] = "",
) -> DrillsView:
    """Drills, newest first; `before` is the `next` of the page before."""
    found = await hall.desk.journal.drills.page(limit, before)
    more = cursor(found[-1].at, found[-1].id) if len(found) == limit else ""
    current = hall.desk.drills.current
    return DrillsView(tuple(map(drill_view, found)), current.id if current else "", hall.desk.drills.next_at, more)


@post("/api/drills", operation_id="startDrill", status_code=201)
async def start_drill(request: Request[Any, Any, Any], hall: NamedDependency[Hall], data: JSONBody[DrillAsk]) -> DrillView:
    """Begin a drill; it goes on by itself, and is asked for by its id."""
    ask = Ask(data.scenario, data.channels, data.machine, data.server, data.acknowledge_seconds, data.yes_really)
    return drill_view(await hall.desk.drills.start(ask, bearer(request).name, peer(request)))


@get("/api/drills/{identity:str}", operation_id="drill")
async def drill(hall: NamedDependency[Hall], identity: FromPath[str]) -> DrillView:
    """One drill as it stands; a beginning of its id will do."""
    return drill_view(await hall.desk.drills.one(identity))


@delete("/api/drills/{identity:str}", operation_id="callOffDrill", status_code=200)
async def call_off_drill(request: Request[Any, Any, Any], hall: NamedDependency[Hall], identity: FromPath[str]) -> DrillView:
    """End a drill before its time: its fault is undone at once."""
    await hall.desk.journal.audit.add(Entry(hall.now(), bearer(request).name, peer(request), "call-off-drill", identity))
    return drill_view(await hall.desk.drills.call_off(identity))


@get("/api/drills/{identity:str}/certificate", operation_id="drillCertificate")
async def certificate(hall: NamedDependency[Hall], identity: FromPath[str], form: FromQuery[str] = "html") -> Response[bytes]:
    """A drill's certificate, as HTML or (`form=json`) as JSON."""
    found = await hall.desk.drills.one(identity)
    if form == "json":
        return Response(as_json(found), media_type=MediaType.JSON)
    # The page's policy forbids inline styles; this one document has a single style of its own and no scripts at all.
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    return Response(as_html(found).encode(), media_type=MediaType.HTML, headers={"content-security-policy": policy})


def drill_view(found: Drill) -> DrillView:
    """A drill with how far its word came."""
    return DrillView(found, level(found))


ROUTES = [scenarios, drills, start_drill, drill, call_off_drill, certificate]
