"""What was: actions, events, series and charts."""

from __future__ import annotations

import math
from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from watchkeeper.config import nearest
from watchkeeper.errors import Refused
from watchkeeper.journal.events import PAGE, Sought, cursor
from watchkeeper.model import EventKind, Severity
from watchkeeper.web import charts
from watchkeeper.web.hall import Hall
from watchkeeper.web.panels import PANELS
from watchkeeper.web.routes.machines import action_view
from watchkeeper.web.selectors import read_selector
from watchkeeper.web.shapes import ActionsView, ActionView, Chart, EventsView, PanelView, SeriesView, Sparks
from watchkeeper.web.sparks import sparks

HOUR = 3_600_000
LONGEST = 20 * 365 * 24 * HOUR
SERIES = 5000
Limit = Annotated[int, QueryParameter(ge=1, le=PAGE)]
At = Annotated[int, QueryParameter(ge=0, le=1 << 48)]


@get("/api/actions", operation_id="actions")
async def actions(
    hall: NamedDependency[Hall],
    machine: FromQuery[str] = "",
    server: FromQuery[str] = "",
    limit: Limit = 100,
    before: FromQuery[str] = "",
) -> ActionsView:
    """Actions, newest first."""
    rows = await hall.desk.journal.actions.page(machine, server, limit, before)
    following = cursor(rows[-1].action.at, rows[-1].action.id) if len(rows) == limit else ""
    return ActionsView(tuple(map(action_view, rows)), following)


@get("/api/actions/{action:str}", operation_id="action")
async def action_(hall: NamedDependency[Hall], action: FromPath[str]) -> ActionView:
    """One action, with its outcome once it has ended."""
    return action_view(await hall.desk.journal.actions.one(action))


@get("/api/events", operation_id="events")
async def events(
    hall: NamedDependency[Hall],
    machine: FromQuery[str] = "",
    server: FromQuery[str] = "",
    kind: FromQuery[list[EventKind] | None] = None,
    severity: FromQuery[Severity] = "info",
    since: At = 0,
    until: At = 0,
    limit: Limit = 100,
    before: FromQuery[str] = "",
) -> EventsView:
    """Events, newest first; `severity` is that one or worse, ``since <= at < until`` in ms."""
    sought = Sought(machine, server, tuple(kind or ()), severity, since, until)
    found = await hall.desk.journal.events.page(sought, limit, before)
    return EventsView(found, cursor(found[-1].at, found[-1].id) if len(found) == limit else "")


@get("/api/series", operation_id="series", sync_to_thread=False)
def series(
    hall: NamedDependency[Hall],
    match: FromQuery[list[str]],
    limit: Annotated[int, QueryParameter(ge=1, le=SERIES)] = 1000,
) -> list[SeriesView]:
    """The series that any of the selectors matches, with their newest values."""
    if len(match) > 10:
        raise Refused("at most 10 selectors at once", code="bad-selector")
    found: dict[str, SeriesView] = {}
    for selector in match:
        for one, at, value in hall.desk.store.latest(read_selector(selector)):
            known = None if math.isnan(value) else value
            found[one.text()] = SeriesView(one.name, dict(one.labels), at, known)
            if len(found) >= limit:
                return list(found.values())
    return list(found.values())


@get("/api/panels", operation_id="panels", sync_to_thread=False)
def panels(hall: NamedDependency[Hall], machine: FromQuery[str] = "", server: FromQuery[str] = "") -> list[PanelView]:
    """The charts that can be asked for of every machine or server; with both named, those of that server's own figures."""
    known = hall.board.own_panels(machine, server) if machine and server else PANELS.values()
    return [PanelView(one.name, one.title, one.unit, one.about, one.scope) for one in known]


@get("/api/charts/{panel:str}", operation_id="chart")
async def chart(
    hall: NamedDependency[Hall],
    panel: FromPath[str],
    machine: FromQuery[str],
    server: FromQuery[str] = "",
    start: At = 0,
    end: At = 0,
    points: Annotated[int, QueryParameter(ge=1, le=charts.POINTS)] = 300,
) -> Chart:
    """A chart's lines over ``start <= t < end`` (ms; the last hour when left out)."""
    one = hall.board.panel(panel)
    if one is None:
        raise Refused(f"there is no chart {panel!r}{nearest(panel, sorted(PANELS))}", code="unknown-panel")
    if one.scope == "server" and not server:
        raise Refused(f"the chart {panel!r} is of a server: say which", code="unknown-server")
    end = end or hall.now()
    start = start or max(0, end - HOUR)
    if end - start > LONGEST:
        raise Refused("a chart may reach over 20 years at most", code="bad-range")
    asked = charts.Asked(one, machine, server if one.scope == "server" else "", start, end, points)
    store, period = hall.desk.store, hall.board.period(machine)
    drawn = await hall.studio.work(lambda _: charts.chart(store, asked, period))
    if not drawn.lines:  # nothing there: because the name is wrong?
        if asked.server:
            hall.board.server(machine, server)
        else:
            hall.board.machine(machine)
    return drawn


@get("/api/sparks", operation_id="sparks")
async def sparks_(hall: NamedDependency[Hall]) -> Sparks:
    """How busy every machine was in the last hour, a point every two minutes; made anew once a minute."""
    now, store = hall.now(), hall.desk.store
    return await hall.sparks.read(now, lambda: hall.studio.work(lambda _: sparks(store, now)))


ROUTES = [actions, action_, events, series, panels, chart, sparks_]
