"""How far the word of a fault has come, by what the journal holds: rows in, legs out. Pure.

Every leg's instant is that of a row which was written before anything followed from it, so it is exact however seldom one
looks. The first alert of the drill that somebody is told of is the one that is followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from watchkeeper.model import Event, EventKind
from watchkeeper.telling import Alert, AlertChange, DrillLeg, Incident, Notification

SIGNS = frozenset(
    {
        EventKind.SERVER_EXITED,
        EventKind.SERVER_HUNG,
        EventKind.SERVER_STOPPED,
        EventKind.PROBE_FAILED,
        EventKind.MACHINE_LOST,
        EventKind.HEARTBEAT_DOWN,
    }
)
"""Events in which a fault shows itself."""
EARLY = 2_000
"""A machine's clock may be behind by so many ms; whatever is older belongs to something else."""


class Look(NamedTuple):
    """What the journal holds of a drill at one instant. `events` and `rows` oldest first."""

    events: Sequence[Event] = ()
    alert: Alert | None = None
    changes: Sequence[AlertChange] = ()
    rows: Sequence[Notification] = ()
    incident: Incident | None = None


def chosen(alerts: Sequence[Alert], fault_at: int, rules: Sequence[str]) -> Alert | None:
    """The alert to follow: of those of the drill that began with the fault, one of the `rules` that are expected, else any.

    One that somebody is told of comes before one that is only shown.
    """
    mine = [one for one in alerts if one.is_drill and one.active_at >= fault_at - EARLY]
    mine.sort(key=lambda one: (one.name not in rules, not one.incident, not one.fired_at, one.active_at, one.id))
    return mine[0] if mine else None


def follow(look: Look, fault_at: int) -> tuple[DrillLeg, ...]:
    """The legs that were reached after the fault itself, in the order of the way."""
    legs = [*_seen(look, fault_at)]
    alert = look.alert
    if alert is None:
        return tuple(legs)
    pending = next((one for one in look.changes if one.state == "pending"), None)
    if pending is not None:
        legs.append(DrillLeg("pending", pending.at, pending.reason))
    if alert.fired_at:
        legs.append(DrillLeg("firing", alert.fired_at, alert.annotations.get("summary", "") or alert.name))
    for row in first_told(look.rows, resolved=False):
        legs += _carried(row)
    if look.incident is not None and look.incident.acknowledged_at:
        legs.append(DrillLeg("acknowledged", look.incident.acknowledged_at, f"by {look.incident.acknowledged_by}"))
    if alert.resolved_at:
        legs.append(DrillLeg("resolved", alert.resolved_at, alert.reason))
    legs += [
        DrillLeg("told", row.ended_at, row.receipt, row.channel)
        for row in first_told(look.rows, resolved=True)
        if row.state == "delivered"
    ]
    return tuple(legs)


def first_told(rows: Sequence[Notification], *, resolved: bool) -> list[Notification]:
    """The rows of the first message that tells that it fires, or that it is over: one a channel, and its fall-back's."""
    kinds = ("resolved",) if resolved else ("firing",)
    mine = [row for row in rows if row.bulletin.kind in kinds]
    return [row for row in mine if row.bulletin.id == mine[0].bulletin.id]


def is_through(rows: Sequence[Notification]) -> bool:
    """Whether a message has come to an end on all of its channels, whichever."""
    return bool(rows) and all(row.state in {"delivered", "failed", "superseded"} for row in rows)


def undelivered(rows: Sequence[Notification]) -> str:
    """Why a message did not arrive everywhere; empty when it did, by a fall-back too."""
    if not rows:
        return "nobody was told"
    replaced = {row.after for row in rows if row.state == "delivered"}
    for row in rows:
        if row.state != "delivered" and row.id not in replaced and not row.after:
            return f"{row.channel} has not delivered it: {row.why or 'it is still under way'}"
    return ""


def _seen(look: Look, fault_at: int) -> list[DrillLeg]:
    sign = next((one for one in look.events if one.kind in SIGNS and one.at >= fault_at - EARLY), None)
    active = look.alert.active_at if look.alert is not None else 0
    if sign is not None and (not active or sign.at <= active):
        return [DrillLeg("detected", max(sign.at, fault_at), sign.text)]
    if active and look.alert is not None:
        return [DrillLeg("detected", max(active, fault_at), f"the condition of {look.alert.name} holds")]
    return []


def _carried(row: Notification) -> list[DrillLeg]:
    legs = []
    if row.claimed_at:
        legs.append(DrillLeg("claimed", row.claimed_at, f"attempt {row.attempts}", row.channel))
    if row.sent_at:
        legs.append(DrillLeg("handed-over", row.sent_at, "", row.channel))
    if row.state == "delivered":
        legs.append(DrillLeg("delivered", row.ended_at, row.receipt, row.channel))
    return legs
