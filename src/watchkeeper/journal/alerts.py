"""Alerts and their history: a row for each from its first instant, kept while it goes on and for the retention after its end.

The hub's judge writes, and reads at its start what was going on (`standing`); the web pages through what was. A pending alert
that did not last leaves its changes behind and no row, so that history stays readable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, delete, insert, select, tuple_, update

from watchkeeper.journal import tables
from watchkeeper.journal.events import DROPPED_AT_ONCE, PAGE, read_cursor
from watchkeeper.journal.ledger import Ledger
from watchkeeper.model import Labels, new_id
from watchkeeper.telling import Alert, AlertChange, AlertState

_labels: msgspec.json.Decoder[dict[str, str]] = msgspec.json.Decoder(dict[str, str])
_series: msgspec.json.Decoder[Labels] = msgspec.json.Decoder(Labels)
GOING_ON = ("pending", "firing", "unknown")


class KeptAlert(NamedTuple):
    """An alert as the judge needs it back: `series` are the labels that its expression gave, the rest is where its case stands.

    `was` is what it was before nobody could tell; `held_at` and `over_at` as in `alert.judge.Case`.
    """

    alert: Alert
    series: Labels
    was: AlertState = AlertState.PENDING
    held_at: int = 0
    over_at: int = 0


class Alerts:
    """The alerts of one journal."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def record(self, kept: Sequence[KeptAlert], changes: Sequence[AlertChange]) -> None:
        """Write these alerts as they are now, and what has changed, in one transaction; one that did not last loses its row."""
        gone = {change.alert for change in changes if change.state == "inactive"}
        rows = {one.alert.id: _row(one) for one in kept if one.alert.id not in gone}

        def work(connection: Connection) -> None:
            for some in _parts([*rows, *gone]):
                connection.execute(delete(tables.alerts).where(tables.alerts.c.id.in_(some)))
            if rows:
                connection.execute(insert(tables.alerts), list(rows.values()))
            if changes:
                connection.execute(insert(tables.alert_changes), [_change_row(change) for change in changes])

        if rows or changes:
            await self._ledger.write(work)

    async def mark(self, suppressed: Mapping[str, str], incidents: Mapping[str, str]) -> None:
        """Write why nobody is told of these alerts (or that somebody is), and which incident each belongs to."""

        def work(connection: Connection) -> None:
            for alert, why in suppressed.items():
                connection.execute(update(tables.alerts).where(tables.alerts.c.id == alert).values(suppressed=why))
            for alert, incident in incidents.items():
                connection.execute(update(tables.alerts).where(tables.alerts.c.id == alert).values(incident=incident))

        if suppressed or incidents:
            await self._ledger.write(work)

    async def standing(self) -> tuple[KeptAlert, ...]:
        """All that was going on."""
        query = select(tables.alerts).where(tables.alerts.c.state.in_(GOING_ON)).order_by(tables.alerts.c.id)
        return await self._ledger.read(lambda connection: tuple(_kept(row) for row in connection.execute(query)))

    async def some(self, ids: Sequence[str]) -> tuple[Alert, ...]:
        """These alerts, as far as they are known, the oldest first."""

        def work(connection: Connection) -> tuple[Alert, ...]:
            found: list[Alert] = []
            for some in _parts(list(ids)):
                query = select(tables.alerts).where(tables.alerts.c.id.in_(some)).order_by(tables.alerts.c.id)
                found += [_kept(row).alert for row in connection.execute(query)]
            return tuple(found)

        return await self._ledger.read(work)

    async def page(self, machine: str = "", name: str = "", limit: int = 100, before: str = "") -> tuple[Alert, ...]:
        """Alerts that have fired, the newest first; paged as `Events.page` does it. `name` is that of a rule."""
        at, identity = tables.alerts.c.active_at, tables.alerts.c.id
        query = select(tables.alerts).where(tables.alerts.c.fired_at > 0).order_by(at.desc(), identity.desc())
        query = query.limit(max(0, min(limit, PAGE)))
        if machine:
            query = query.where(tables.alerts.c.machine == machine)
        if name:
            query = query.where(tables.alerts.c.rule.startswith(f"{name}/", autoescape=True))
        if before:
            query = query.where(tuple_(at, identity) < read_cursor(before))
        return await self._ledger.read(lambda connection: tuple(_kept(row).alert for row in connection.execute(query)))

    async def history(self, alert: str) -> tuple[AlertChange, ...]:
        """All steps of one alert, the oldest first."""
        return await self.histories((alert,))

    async def histories(self, alerts: Sequence[str]) -> tuple[AlertChange, ...]:
        """All steps of these, the oldest first."""

        def work(connection: Connection) -> tuple[AlertChange, ...]:
            found: list[AlertChange] = []
            table = tables.alert_changes
            for some in _parts(list(alerts)):
                query = select(table).where(table.c.alert.in_(some)).order_by(table.c.at, table.c.id).limit(PAGE)
                found += [AlertChange(row.alert, row.at, row.state, row.reason, row.value) for row in connection.execute(query)]
            return tuple(sorted(found, key=lambda one: one.at))

        return await self._ledger.read(work)

    async def drop_older(self, than: int) -> None:
        """Forget alerts that ended before `than` (ms), and older steps, some thousands at a time."""
        alerts, changes = tables.alerts, tables.alert_changes
        over = select(alerts.c.id).where(alerts.c.state == "resolved", alerts.c.resolved_at < than).limit(DROPPED_AT_ONCE)
        old = select(changes.c.id).where(changes.c.at < than).limit(DROPPED_AT_ONCE)
        for gone in (delete(alerts).where(alerts.c.id.in_(over)), delete(changes).where(changes.c.id.in_(old))):
            while await self._ledger.write(lambda connection, gone=gone: connection.execute(gone).rowcount):  # type: ignore[misc]  # bound now; mypy gives such a lambda no type
                pass


def _parts(ids: list[str]) -> list[list[str]]:
    """Below SQLite's limit of variables on every build."""
    return [ids[start : start + 500] for start in range(0, len(ids), 500)]


def _row(kept: KeptAlert) -> dict[str, Any]:
    alert = kept.alert
    row = {name: getattr(alert, name) for name in _PLAIN}
    return row | {
        "series": msgspec.json.encode(kept.series).decode(),
        "labels": msgspec.json.encode(alert.labels).decode(),
        "annotations": msgspec.json.encode(alert.annotations).decode(),
        "state": alert.state.value,
        "was": kept.was.value,
        "machine": alert.labels.get("machine", ""),
        "server": alert.labels.get("server", ""),
        "held_at": kept.held_at,
        "over_at": kept.over_at,
    }


_PLAIN = (
    "id", "rule", "severity", "value", "active_at", "fired_at", "resolved_at", "changed_at", "reason", "suppressed", "incident",
)  # fmt: skip


def _kept(row: Row[Any]) -> KeptAlert:
    alert = Alert(
        **{name: getattr(row, name) for name in _PLAIN},
        labels=_labels.decode(row.labels),
        annotations=_labels.decode(row.annotations),
        state=AlertState(row.state),
    )
    return KeptAlert(alert, _series.decode(row.series), AlertState(row.was), row.held_at, row.over_at)


def _change_row(change: AlertChange) -> dict[str, Any]:
    return {
        "id": new_id(change.at),
        "alert": change.alert,
        "at": change.at,
        "state": change.state,
        "reason": change.reason,
        "value": change.value,
    }
