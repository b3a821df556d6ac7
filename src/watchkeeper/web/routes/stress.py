"""Stress runs on the timeline: that one has begun, that it is over, so that a test is never taken for an incident."""

from __future__ import annotations

from typing import Any

from litestar import Request, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from watchkeeper.model import Event, EventKind, Severity, new_id
from watchkeeper.web.hall import Hall, bearer
from watchkeeper.web.shapes import StressAnnouncement


@post("/api/stress/announcements", operation_id="announce", status_code=201)
async def announce(request: Request[Any, Any, Any], hall: NamedDependency[Hall], data: JSONBody[StressAnnouncement]) -> Event:
    """Put a stress run's beginning or end on the timeline; returns the event."""
    at = hall.now()
    kind = EventKind.STRESS_STARTED if data.what == "started" else EventKind.STRESS_ENDED
    about = data.server or data.target
    if data.what == "started":
        text = f"A stress run has begun on {about}: plan {data.plan}, run {data.run}"
    else:
        text = f"The stress run {data.run} on {about} is over: {data.outcome or 'no verdict'}"
    facts = {"run": data.run, "plan": data.plan, "target": data.target, "by": bearer(request).name}
    if data.outcome:
        facts["outcome"] = data.outcome
    severity: Severity = "warning" if data.what == "started" else "info"
    event = Event(new_id(at), at, kind, text, data.machine, data.server, severity, facts)
    for fresh in await hall.desk.journal.events.add((event,)):
        hall.desk.changes.event(fresh)
    return event


ROUTES = [announce]
