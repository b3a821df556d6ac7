"""Alerts and what people do about them: rules, alerts, incidents, silences, marks, replays."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from watchkeeper.alert.matchers import parse_matcher
from watchkeeper.alert.suppressing import silence_state
from watchkeeper.errors import Refused
from watchkeeper.journal.events import PAGE, cursor
from watchkeeper.model import Event
from watchkeeper.telling import Comment, Incident, Silence
from watchkeeper.web.alert_shapes import (
    AlertDetail,
    AlertsView,
    AssignAsk,
    BackTest,
    CommentAsk,
    IncidentDetail,
    IncidentsView,
    MarkAsk,
    RuleAsk,
    RuleFinding,
    RuleView,
    SilenceAsk,
    SilenceView,
)
from watchkeeper.web.hall import Hall, bearer, peer

Limit = Annotated[int, QueryParameter(ge=1, le=PAGE)]
State = Annotated[str, QueryParameter(name="state")]
MOST_CHECKED = 100
"""Rules that one request may have checked."""


@get("/api/alerts", operation_id="alerts", sync_to_thread=False)
def alerts(
    hall: NamedDependency[Hall], machine: FromQuery[str] = "", standing: State = "", name: FromQuery[str] = ""
) -> AlertsView:
    """Alerts that go on: pending, firing, unknown; the gravest first."""
    found = hall.desk.alerting.alerts()
    return AlertsView(
        tuple(
            one
            for one in found
            if (not machine or one.labels.get("machine") == machine)
            and (not standing or one.state == standing)
            and (not name or one.name == name)
        )
    )


@get("/api/alerts/history", operation_id="alertHistory")
async def history(
    hall: NamedDependency[Hall],
    machine: FromQuery[str] = "",
    name: FromQuery[str] = "",
    limit: Limit = 100,
    before: FromQuery[str] = "",
) -> AlertsView:
    """Alerts that have fired, going on or over, the newest first; `name` is that of a rule."""
    found = await hall.desk.journal.alerts.page(machine, name, limit, before)
    return AlertsView(found, cursor(found[-1].active_at, found[-1].id) if len(found) == limit else "")


@get("/api/alerts/{alert:str}", operation_id="alert")
async def alert_(hall: NamedDependency[Hall], alert: FromPath[str]) -> AlertDetail:
    """One alert with its steps, its incident and its rule."""
    return await hall.desk.alerting.alert(alert)


@get("/api/incidents", operation_id="incidents")
async def incidents(
    hall: NamedDependency[Hall],
    machine: FromQuery[str] = "",
    standing: State = "",
    limit: Limit = 100,
    before: FromQuery[str] = "",
) -> IncidentsView:
    """Incidents, the newest first; `state` is one of theirs, or `ongoing`: open or acknowledged."""
    found = await hall.desk.journal.incidents.page(machine, limit, before, standing)
    return IncidentsView(found, cursor(found[-1].opened_at, found[-1].id) if len(found) == limit else "")


@get("/api/incidents/{incident:str}", operation_id="incident")
async def incident_(hall: NamedDependency[Hall], incident: FromPath[str]) -> IncidentDetail:
    """One incident: its alerts, what people said, and everything in one order."""
    desk = hall.desk.alerting
    found = await desk.incident(incident)
    return IncidentDetail(
        found,
        await hall.desk.journal.alerts.some(found.alerts),
        await hall.desk.journal.incidents.comments(found.id),
        await desk.timeline(found),
    )


@post("/api/incidents/{incident:str}/acknowledge", operation_id="acknowledge", status_code=200)
async def acknowledge(request: Request[Any, Any, Any], hall: NamedDependency[Hall], incident: FromPath[str]) -> Incident:
    """You look after it: no reminder and no escalation from now on, until something graver joins."""
    return await hall.desk.alerting.acknowledge(incident, bearer(request).name, peer(request))


@delete("/api/incidents/{incident:str}/acknowledge", operation_id="unacknowledge", status_code=200)
async def unacknowledge(request: Request[Any, Any, Any], hall: NamedDependency[Hall], incident: FromPath[str]) -> Incident:
    """Nobody looks after it any more."""
    return await hall.desk.alerting.acknowledge(incident, bearer(request).name, peer(request), taken_back=True)


@post("/api/incidents/{incident:str}/assign", operation_id="assign", status_code=200)
async def assign(
    request: Request[Any, Any, Any], hall: NamedDependency[Hall], incident: FromPath[str], data: JSONBody[AssignAsk]
) -> Incident:
    """It is for somebody to look after."""
    return await hall.desk.alerting.assign(incident, data.to, bearer(request).name, peer(request))


@post("/api/incidents/{incident:str}/comments", operation_id="comment", status_code=201)
async def comment(
    request: Request[Any, Any, Any], hall: NamedDependency[Hall], incident: FromPath[str], data: JSONBody[CommentAsk]
) -> Comment:
    """Say something about it."""
    return await hall.desk.alerting.comment(incident, data.text, bearer(request).name)


@get("/api/silences", operation_id="silences", sync_to_thread=False)
def silences(hall: NamedDependency[Hall]) -> list[SilenceView]:
    """All silences that are kept, those that hold first."""
    return [_view(hall, one) for one in hall.desk.alerting.silences()]


@post("/api/silences", operation_id="addSilence", status_code=201)
async def add_silence(request: Request[Any, Any, Any], hall: NamedDependency[Hall], data: JSONBody[SilenceAsk]) -> SilenceView:
    """Tell nobody of alerts whose labels match, for a while."""
    if not 1 <= data.seconds <= 5 * 366 * 86400:
        raise Refused("a silence lasts from a second to five years", code="bad-silence")
    by = bearer(request).name
    start = data.starts_at or hall.now()
    wanted = Silence("", tuple(map(parse_matcher, data.matchers)), start, start + round(data.seconds * 1000), by, data.comment)
    return _view(hall, await hall.desk.alerting.put_silence(wanted, by, peer(request)))


@delete("/api/silences/{silence:str}", operation_id="expireSilence", status_code=200)
async def expire_silence(request: Request[Any, Any, Any], hall: NamedDependency[Hall], silence: FromPath[str]) -> SilenceView:
    """End a silence now."""
    return _view(hall, await hall.desk.alerting.expire_silence(silence, bearer(request).name, peer(request)))


@post("/api/marks", operation_id="mark", status_code=201)
async def mark(request: Request[Any, Any, Any], hall: NamedDependency[Hall], data: JSONBody[MarkAsk]) -> Event:
    """Say that something was changed (a deployment, a migration): a line on every timeline."""
    return await hall.desk.alerting.mark(data.text, data.machine, data.server, bearer(request).name, peer(request))


@get("/api/rules", operation_id="rules", sync_to_thread=False)
def rules(hall: NamedDependency[Hall]) -> list[RuleView]:
    """All rules and how they stand; those that wait for figures say for which."""
    return hall.desk.alerting.rules()


@post("/api/rules/test", operation_id="testRule", status_code=200, opt={"reads": True})
async def test_rule(hall: NamedDependency[Hall], data: JSONBody[RuleAsk]) -> BackTest:
    """Replay a rule over stored history: when it would have fired, for how long, and how many messages that would have been."""
    desk = hall.desk.alerting
    return await hall.workshop.work(lambda seconds: desk.test(data, seconds))


@post("/api/rules/check", operation_id="checkRules", status_code=200, opt={"reads": True})
async def check_rules(hall: NamedDependency[Hall], data: JSONBody[list[RuleAsk]]) -> list[RuleFinding]:
    """What looks wrong with rules: they read what was never there, or would have fired within the last day."""
    if len(data) > MOST_CHECKED:
        raise Refused(f"at most {MOST_CHECKED} rules at once", code="bad-request")
    desk = hall.desk.alerting
    return await hall.workshop.work(lambda seconds: desk.check(data, seconds))


@get("/runbooks/{name:str}", operation_id="runbook", opt={"open": True}, sync_to_thread=False)
def runbook(name: FromPath[str]) -> Response[str]:
    """What to do when a stock rule fires, as text."""
    from watchkeeper.alert.runbooks import page  # noqa: PLC0415  # read when somebody asks

    return Response(page(name), media_type="text/markdown; charset=utf-8")


def _view(hall: Hall, one: Silence) -> SilenceView:
    desk = hall.desk.alerting
    state = silence_state(one, hall.now())
    quiet = sum(one.id in desk.silenced_by(alert) for alert in desk.alerts()) if state == "active" else 0
    return SilenceView(one.id, one.matchers, one.starts_at, one.ends_at, one.author, one.comment, state, quiet)


ROUTES = [
    alerts,
    history,
    alert_,
    incidents,
    incident_,
    acknowledge,
    unacknowledge,
    assign,
    comment,
    silences,
    add_silence,
    expire_silence,
    mark,
    rules,
    test_rule,
    check_rules,
    runbook,
]
