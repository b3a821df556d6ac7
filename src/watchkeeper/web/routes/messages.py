"""Channels and what went out over them: how they stand, a test of one, and the messages with what became of them."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from watchkeeper.journal.audit import Entry
from watchkeeper.journal.events import PAGE, cursor
from watchkeeper.journal.notifications import Sought
from watchkeeper.message.facts import subject
from watchkeeper.notify.lane import Lane
from watchkeeper.telling import Notification
from watchkeeper.web.hall import Hall, bearer, peer
from watchkeeper.web.shapes import ChannelView, NotificationsView, NotificationView


@get("/api/channels", operation_id="channels", sync_to_thread=False)
def channels(hall: NamedDependency[Hall]) -> tuple[ChannelView, ...]:
    """All channels, as configured, and how each stands."""
    return tuple(channel_view(lane) for lane in hall.desk.office.outbox.lanes.values())


@post("/api/channels/{name:str}/test", operation_id="testChannel", status_code=200)
async def test_channel(request: Request[Any, Any, Any], hall: NamedDependency[Hall], name: FromPath[str]) -> NotificationView:
    """Send a test message over a channel now, once, and tell how that went: `delivered`, or `failed` and why."""
    office, who = hall.desk.office, bearer(request).name
    office.outbox.lane(name)
    await hall.desk.journal.audit.add(Entry(hall.now(), who, peer(request), "test-channel", name))
    return notification_view(await office.outbox.test(name, who))


@get("/api/notifications", operation_id="notifications")
async def notifications(
    hall: NamedDependency[Hall],
    channel: FromQuery[str] = "",
    incident: FromQuery[str] = "",
    wanted: Annotated[str, QueryParameter(name="state")] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE)] = 100,
    before: FromQuery[str] = "",
) -> NotificationsView:
    """What was to be told, newest first: by channel, incident or state; `before` is the `next` of the page before."""
    rows = await hall.desk.journal.notifications.page(Sought(channel, incident, wanted), limit, before)
    more = cursor(rows[-1].at, rows[-1].id) if len(rows) == limit else ""
    return NotificationsView(tuple(notification_view(row) for row in rows), more)


def channel_view(lane: Lane) -> ChannelView:
    """A lane as the API shows it: nothing of its address."""
    tally = lane.tally
    kind = str(lane.leaf.__struct_config__.tag)
    return ChannelView(
        name=lane.name,
        kind=kind,
        fallback=lane.leaf.fallback,
        queue=tally.queue,
        oldest_at=tally.oldest_at,
        last_success_at=tally.last_success_at,
        failures=lane.standing.failures,
        why=tally.last_why,
    )


def notification_view(row: Notification) -> NotificationView:
    """A journal's row as the API shows it: without its links, which act for whoever has them."""
    told = row.bulletin
    return NotificationView(
        id=row.id,
        at=row.at,
        channel=row.channel,
        state=row.state,
        subject=subject(told),
        severity=told.severity,
        incident=told.incident,
        attempts=row.attempts,
        ended_at=row.ended_at,
        why=row.why,
        receipt=row.receipt,
        after=row.after,
    )


ROUTES = [channels, test_channel, notifications]
