"""What people do about alerts: acknowledge, assign, comment, silence, mark a change; and what they are shown of one incident.

Each act is a row with the audit's row beside it before anything follows from it. Raises Refused for what is not there or
cannot be.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import msgspec

from watchkeeper.alert.matchers import MOST, matches_nothing
from watchkeeper.alert.suppressing import silence_state
from watchkeeper.errors import Refused
from watchkeeper.journal.actions import ActionRow
from watchkeeper.journal.audit import Entry
from watchkeeper.journal.events import Sought
from watchkeeper.journal.incidents import new_silence_id
from watchkeeper.judging.bench import Bench
from watchkeeper.model import Event, EventKind, Matcher, Severity, new_id
from watchkeeper.store.finding import condition
from watchkeeper.telling import Alert, AlertChange, Comment, Incident, Silence
from watchkeeper.web.alert_shapes import TimelineEntry

LONGEST = 4_000
"""Characters of a comment."""
LONGEST_SILENCE = 5 * 366 * 86_400_000
MOST_SILENCES = 2_000
BEFORE = 10 * 60_000
"""How much of what had happened before an incident its timeline shows, ms."""
MOST_ENTRIES = 1_000


class People:
    """The acts, on one bench. `by` and `peer` are for the audit."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._journal = bench.journal

    async def incident(self, identity: str) -> Incident:
        """One incident as it is now; raises Refused (``unknown-incident``)."""
        return self._bench.book.incidents.get(identity) or await self._journal.incidents.one(identity)

    async def acknowledge(self, identity: str, by: str, peer: str, *, taken_back: bool = False) -> Incident:
        """Somebody looks after it: no reminder and no escalation from now on, until something graver joins."""
        incident = await self.incident(identity)
        if incident.state == "resolved":
            raise Refused("this incident is over already", code="incident-over")
        named = {"acknowledged_by": "" if taken_back else by, "acknowledged_at": 0 if taken_back else self._bench.now()}
        graver = get_args(Severity)[get_args(Severity).index(incident.severity) + 1 :]

        def change(present: Incident) -> Incident:
            if present.severity in graver:  # something has joined that nobody has seen yet
                return present
            state = present.state if present.state == "resolved" else "open" if taken_back else "acknowledged"
            return msgspec.structs.replace(present, state=state, **named)

        changed = await self._changed(incident, change, by, peer, "unacknowledge" if taken_back else "acknowledge")
        if not taken_back:
            await self._bench.settle(identity, by)
        return changed

    async def assign(self, identity: str, to: str, by: str, peer: str) -> Incident:
        """It is for somebody to look after; empty: for nobody any more."""
        if len(to) > 200:
            raise Refused("a name has 200 characters at most", code="bad-request")
        incident = await self.incident(identity)
        return await self._changed(incident, lambda one: msgspec.structs.replace(one, assigned_to=to), by, peer, "assign")

    async def comment(self, identity: str, text: str, by: str) -> Comment:
        """Somebody has something to say about it."""
        if not text.strip() or len(text) > LONGEST:
            raise Refused(f"expected a comment of 1 to {LONGEST} characters", code="bad-request")
        incident = await self.incident(identity)
        comment = Comment(self._bench.now(), by, text.strip())
        await self._journal.incidents.comment(incident.id, comment)
        self._tell_of(incident)
        return comment

    async def put_silence(self, silence: Silence, by: str, peer: str) -> Silence:
        """Keep a new silence, or one in the place of an old one; returns it with its id.

        Raises Refused for what makes no sense.
        """
        now = self._bench.now()
        _check(silence, now)
        known = self._bench.suppression.silences
        if silence.id and silence.id not in known:
            raise Refused(f"there is no silence {silence.id!r}", code="unknown-silence")
        if not silence.id and sum(silence_state(one, now) != "expired" for one in known.values()) >= MOST_SILENCES:
            raise Refused(f"there are {MOST_SILENCES} silences already; let some expire", code="too-many")
        before = known.get(silence.id)
        if before is not None and not _may_stay(before, silence, now):
            await self.expire_silence(before.id, by, peer)
            before = None
        whole = msgspec.structs.replace(
            silence, id=before.id if before else new_silence_id(), created_at=now, starts_at=max(silence.starts_at, 0)
        )
        if before is None:
            whole = msgspec.structs.replace(whole, starts_at=max(whole.starts_at, now))
        return await self._silenced(whole, by, peer)

    async def expire_silence(self, identity: str, by: str, peer: str) -> Silence:
        """End a silence now; raises Refused (``unknown-silence``, ``silence-over``)."""
        silence = self.silence(identity)
        now = self._bench.now()
        if silence_state(silence, now) == "expired":
            raise Refused("this silence has expired already", code="silence-over")
        return await self._silenced(
            msgspec.structs.replace(silence, ends_at=now, starts_at=min(silence.starts_at, now)), by, peer
        )

    def silences(self) -> tuple[Silence, ...]:
        """All that are kept, those that hold first, the newest first."""
        now = self._bench.now()
        order = {"active": 0, "pending": 1, "expired": 2}
        return tuple(
            sorted(self._bench.suppression.silences.values(), key=lambda one: (order[silence_state(one, now)], -one.created_at))
        )

    def silence(self, identity: str) -> Silence:
        """One of them; raises Refused (``unknown-silence``)."""
        found = self._bench.suppression.silences.get(identity)
        if found is None:
            raise Refused(f"there is no silence {identity!r}", code="unknown-silence")
        return found

    async def mark(self, text: str, machine: str, server: str, by: str, peer: str) -> Event:
        """Something was changed, a deployment say: a line on every timeline and a figure that rules may ask about."""
        if not text.strip() or len(text) > 500:
            raise Refused("expected a text of 1 to 500 characters", code="bad-request")
        at = self._bench.now()
        event = Event(new_id(at), at, EventKind.MARK, text.strip(), machine, server, facts={"by": by})
        await self._journal.audit.add(Entry(at, by, peer, "mark", text.strip()[:100]))
        self._bench.note(event)
        return event

    async def timeline(self, incident: Incident) -> tuple[TimelineEntry, ...]:
        """All that had to do with it, in one order: its alerts, what happened on its machine, orders, and what people said."""
        alerts = await self._journal.alerts.some(incident.alerts)
        until = (incident.resolved_at or self._bench.now()) + 1
        since = incident.opened_at - BEFORE
        names = {alert.id: alert for alert in alerts}
        found = [_of_alert(names[change.alert], change) for change in await self._journal.alerts.histories(incident.alerts)]
        machines = {alert.labels.get("machine", "") for alert in alerts} - {""}
        for machine in sorted(machines):
            events = await self._journal.events.page(Sought(machine, since=since, until=until), 300)
            found += [_of_event(event) for event in events if event.kind not in _OF_ALERTS]
            rows = await self._journal.actions.page(machine, limit=50)
            found += [_of_action(row) for row in rows if since <= row.action.at < until]
        marks = await self._journal.events.page(Sought(kinds=_EVERYWHERE, since=since, until=until), 100)
        found += [_of_event(event) for event in marks if event.machine not in machines]
        comments = await self._journal.incidents.comments(incident.id)
        found += [TimelineEntry(one.at, "comment", "", f"{one.by}: {one.text}") for one in comments]
        if incident.acknowledged_at:
            said = f"{incident.acknowledged_by} has acknowledged it"
            found.append(TimelineEntry(incident.acknowledged_at, "people", "acknowledge", said))
        return tuple(sorted(found, key=lambda one: one.at)[-MOST_ENTRIES:])

    async def _changed(
        self, incident: Incident, change: Callable[[Incident], Incident], by: str, peer: str, what: str
    ) -> Incident:
        """Write what somebody has done; what the judge has changed meanwhile is changed too, and not taken back."""
        now, present = self._bench.now(), self._bench.book.incidents
        before, after = incident, change(incident)
        await self._journal.incidents.note(by, peer, what, after, now)
        while incident.id in present and present[incident.id] != before:
            before = present[incident.id]
            after = change(before)
            await self._journal.incidents.keep([after])
        if incident.id in present:
            self._bench.book.change(after)
        self._tell_of(after)
        self._bench.ring()
        return after

    def _tell_of(self, incident: Incident) -> None:
        """Whoever looks on is to look again: the stream has no word for incidents, but one for their alerts."""
        for alert in incident.alerts:
            if alert in self._bench.keeping.live:
                self._bench.changes.alert(self._bench.keeping.live[alert])

    async def _silenced(self, silence: Silence, by: str, peer: str) -> Silence:
        await self._journal.silences.put(silence, by, peer, self._bench.now())
        self._bench.suppression.silences = {**self._bench.suppression.silences, silence.id: silence}
        self._bench.ring()
        return silence


_EVERYWHERE = (
    EventKind.MARK,
    EventKind.STRESS_STARTED,
    EventKind.STRESS_ENDED,
    EventKind.DRILL_STARTED,
    EventKind.DRILL_ENDED,
)
"""What stands on every timeline of its time, so that a change or a test is not taken for an incident's cause unseen."""
_OF_ALERTS = {EventKind.ALERT_FIRED, EventKind.ALERT_RESOLVED, EventKind.ALERT_UNKNOWN}


def _of_alert(alert: Alert, change: AlertChange) -> TimelineEntry:
    summary = alert.annotations.get("summary", "")
    words = f"{alert.name} {change.state}: {summary if change.state == 'firing' and summary else change.reason}"
    return TimelineEntry(
        change.at, "alert", change.state, words, alert.labels.get("machine", ""), alert.labels.get("server", ""), alert.id
    )


def _of_event(event: Event) -> TimelineEntry:
    return TimelineEntry(event.at, "event", event.kind.value, event.text, event.machine, event.server)


def _of_action(row: ActionRow) -> TimelineEntry:
    one = row.action
    told = f"{one.by} asked to {one.verb} {one.server}: {row.state}"
    return TimelineEntry(one.at, "action", one.verb, told, one.machine, one.server)


def _check(silence: Silence, now: int) -> None:
    if not silence.matchers or len(silence.matchers) > MOST:
        raise Refused(f"a silence has 1 to {MOST} matchers", code="bad-silence")
    for matcher in silence.matchers:
        condition(matcher)
    if matches_nothing(silence.matchers):
        raise Refused(
            "at least one matcher must not match an absent label, or everything would be silenced", code="bad-silence"
        )
    if silence.ends_at <= max(silence.starts_at, now):
        raise Refused("a silence must end later than it starts, and later than now", code="bad-silence")
    if silence.ends_at - max(silence.starts_at, now) > LONGEST_SILENCE:
        raise Refused("a silence lasts five years at most", code="bad-silence")
    if not silence.author.strip() or len(silence.author) > 200 or len(silence.comment) > LONGEST:
        raise Refused(f"a silence has an author, and a comment of {LONGEST} characters at most", code="bad-silence")


def _may_stay(before: Silence, after: Silence, now: int) -> bool:
    """Whether a changed silence is the same one still, as Alertmanager sees it: its matchers and its past must be."""
    if before.matchers != after.matchers:
        return False
    match silence_state(before, now):
        case "active":
            return before.starts_at == after.starts_at
        case "pending":
            return True
    return False


def matcher_of(label: str, value: str, *, is_regex: bool, is_equal: bool) -> Matcher:
    """A matcher as Alertmanager's API spells it."""
    op = ("=~" if is_equal else "!~") if is_regex else ("=" if is_equal else "!=")
    return Matcher(label, op, value)  # type: ignore[arg-type]  # one of the four
