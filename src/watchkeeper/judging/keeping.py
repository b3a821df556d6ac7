"""What the court has found, written down and put back: alerts and their history, incidents, and how far each group was told.

`write` makes rows of changes before anybody is told; `restore` gives the court back what was going on, exactly, after any end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import msgspec

from watchkeeper.alert.court import Court, Missed
from watchkeeper.alert.docket import Change
from watchkeeper.alert.grouping import Group, Teller
from watchkeeper.alert.incidents import Book
from watchkeeper.alert.judge import Case
from watchkeeper.journal import Journal
from watchkeeper.journal.alerts import KeptAlert
from watchkeeper.judging.foreign import PREFIX, Foreign
from watchkeeper.model import Event, EventKind, Severity, new_id
from watchkeeper.telling import Alert, AlertState

logger = logging.getLogger(__name__)

QUIET = frozenset({"Watchdog"})
"""Alerts that always fire are no news for the journal's events."""


class Keeping:
    """The court's rows. `live` are the alerts that go on, by id, as they were last written."""

    def __init__(  # what is written down comes from many
        self,
        court: Court,
        foreign: Foreign,
        book: Book,
        teller: Teller,
        journal: Journal,
        note: Callable[[Event], None],
    ) -> None:
        """`note` takes events for the journal's next batch."""
        self._court = court
        self._foreign = foreign
        self._book = book
        self._teller = teller
        self._journal = journal
        self._note = note
        self.live: dict[str, Alert] = {}

    async def restore(self, now: int) -> list[Change]:
        """Bring back what was going on; returns the ends of what no rule stands for any more."""
        orphans: list[Change] = []
        kept = await self._journal.alerts.standing()
        for one in kept:
            alert = one.alert
            self.live[alert.id] = alert
            case = Case(alert.state, alert.active_at, one.held_at, alert.fired_at, one.over_at, one.was)
            rule = self._court.rule(alert.rule)
            if alert.rule.startswith(PREFIX):
                self._foreign.restore(one, now)
            elif rule is None:
                orphans.append(self._orphan(one, now))
            else:
                self._court.docket.restore(rule, one.series, self._court.home(rule, one.series), case, alert)
        for incident in await self._journal.incidents.open():
            self._book.restore(incident, await self._journal.alerts.some(incident.alerts))
            self._book.sum_up(incident.id, now)  # an alert's row may be newer than its incident's
        for key, written in (await self._journal.incidents.tellings()).items():
            group = msgspec.json.decode(written, type=Group)
            told = await self._journal.alerts.some((*group.firing.values(), *group.resolved.values(), *group.owed.values()))
            self._teller.restore(group, [self.live.get(alert.id, alert) for alert in told])
            assert group.key == key
        await self.take_up([one.alert for one in kept if one.alert.fired_at], now)
        if kept:
            logger.info("%d alerts were going on when the hub ended, and are judged on", len(kept))
        return orphans

    async def write(self, changes: Sequence[Change], now: int) -> list[Alert]:
        """Make rows of changes, then let groups hear of them; returns the alerts. Raises Failed with nothing told."""
        kept = []
        for change in changes:
            alert = change.alert
            if (before := self.live.get(alert.id)) is not None:
                alert = msgspec.structs.replace(alert, suppressed=before.suppressed, incident=before.incident)
            alert = self._placed(alert, now)
            case = change.case or Case(alert.state, alert.active_at, 0)
            kept.append(KeptAlert(alert, change.series, case.was, case.held_at, case.over_at))
        await self._journal.alerts.record(kept, [change.told for change in changes])
        await self._keep_incidents()
        for one, change in zip(kept, changes, strict=True):
            if change.told.state in {"resolved", "inactive"}:
                self.live.pop(one.alert.id, None)
            else:
                self.live[one.alert.id] = one.alert
            self._narrate(one.alert, change.told.state)
        alerts = [one.alert for one in kept]
        await self._tell(alerts, now)
        return alerts

    async def take_up(self, alerts: Sequence[Alert], now: int) -> None:
        """Let alerts that went on before this hub's start find their incidents and groups again."""
        placed = [self._placed(alert, now) for alert in alerts]
        await self._keep_incidents()
        moved = {one.id: one.incident for one, before in zip(placed, alerts, strict=True) if one.incident != before.incident}
        await self._journal.alerts.mark({}, moved)
        self.live |= {alert.id: alert for alert in placed}
        await self._tell(placed, now)

    async def _keep_incidents(self) -> None:
        changed = dict(self._book.changed)
        await self._journal.incidents.keep(list(changed.values()))
        for identity, incident in changed.items():
            if self._book.changed.get(identity) is incident:
                del self._book.changed[identity]

    def _placed(self, alert: Alert, now: int) -> Alert:
        """An alert with its incident."""
        if not alert.fired_at or (not self._teller.is_for(alert) and not alert.incident):
            return alert  # shown, and nobody's business
        found = self._book.take(alert, now) or next(
            (one for one in self._book.incidents.values() if alert.id in one.alerts), None
        )
        return msgspec.structs.replace(alert, incident=found.id if found else "")

    async def _tell(self, alerts: Sequence[Alert], now: int) -> None:
        for alert in alerts:
            if alert.fired_at and (alert.incident or self._teller.is_for(alert)):
                self._teller.take(alert, alert.incident, alert.incident or alert.id, now)
        await self.keep_tellings(now)

    async def keep_tellings(self, now: int) -> None:
        """Write how far groups have been told, of those that have changed."""
        changed, gone = self._teller.take_changed()
        states = {key: msgspec.json.encode(group).decode() for key, group in changed.items()}
        await self._journal.incidents.keep_tellings(states, gone, now)

    async def suppress(self, reasons: dict[str, str]) -> list[Alert]:
        """Write why nobody is told of alerts, of those for which that has changed; returns these."""
        changed = {
            identity: why
            for identity, why in reasons.items()
            if identity in self.live and self.live[identity].suppressed != why
        }
        for identity, why in changed.items():
            self.live[identity] = msgspec.structs.replace(self.live[identity], suppressed=why)
        await self._journal.alerts.mark(changed, {})
        return [self.live[identity] for identity in changed]

    def note_missed(self, missed: Sequence[Missed], now: int) -> None:
        """Late figures would have fired these; it is a line in the journal and no message."""
        for one in missed:
            labels = dict(one.labels)
            lasted = max(0, one.until - one.since) // 1000
            text = f"{one.rule.name} would have fired for {lasted} s, by figures that came in late"
            facts = {"rule": one.rule.key, "since": str(one.since), "until": str(one.until), "value": repr(one.value)}
            self._note(
                Event(
                    new_id(now),
                    one.since,
                    EventKind.ALERT_MISSED,
                    text,
                    labels.get("machine", ""),
                    labels.get("server", ""),
                    facts=facts,
                )
            )

    def _narrate(self, alert: Alert, step: str) -> None:
        kinds = {
            "firing": EventKind.ALERT_FIRED,
            "resolved": EventKind.ALERT_RESOLVED,
            "unknown": EventKind.ALERT_UNKNOWN,
        }
        if step not in kinds or alert.name in QUIET or not alert.fired_at:
            return
        summary = alert.annotations.get("summary", "")
        words = {"firing": summary or "it fires", "resolved": alert.reason, "unknown": alert.reason}
        severity: Severity = alert.severity if step == "firing" else "info"
        facts = {"alert": alert.id, "value": repr(alert.value)}
        self._note(
            Event(
                new_id(alert.changed_at),
                alert.changed_at,
                kinds[step],
                f"{alert.name}: {words[step]}",
                alert.labels.get("machine", ""),
                alert.labels.get("server", ""),
                severity,
                facts,
            )
        )

    @staticmethod
    def _orphan(one: KeptAlert, now: int) -> Change:
        from watchkeeper.telling import AlertChange  # noqa: PLC0415  # of all here this alone makes one

        reason = "its rule is no more"
        fired = bool(one.alert.fired_at)
        alert = msgspec.structs.replace(one.alert, state=AlertState.RESOLVED, resolved_at=now, changed_at=now, reason=reason)
        step = "resolved" if fired else "inactive"
        return Change(alert, AlertChange(alert.id, now, step, reason, alert.value), one.series, None)  # type: ignore[arg-type]  # one of the two
