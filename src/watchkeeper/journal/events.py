"""What happened: events in, pages of them out, newest first.

The hub adds what agents and it itself tell; telling twice is harmless, because an event's id is its
identity. Pages go by (at, id), so they stay right while more comes in. Nothing is ever changed here,
only dropped when it is older than the retention.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import msgspec
from sqlalchemy import Connection, Row, delete, insert, select, tuple_

from watchkeeper.errors import Refused
from watchkeeper.journal import tables
from watchkeeper.journal.ledger import Ledger
from watchkeeper.model import Event, EventKind, Severity

PAGE = 1000
"""The most that one page may hold."""
DROPPED_AT_ONCE = 5000
"""How many rows one deleting transaction takes, so that retention never holds up what happens now."""

_facts: msgspec.json.Decoder[dict[str, str]] = msgspec.json.Decoder(dict[str, str])
_columns = [column for column in tables.events.columns if column.name != "facts"]


class Sought(msgspec.Struct, frozen=True):
    """Which events: empty fields ask nothing. `since` <= at < `until`, in ms; `least` is that severity or worse."""

    machine: str = ""
    server: str = ""
    kinds: tuple[EventKind, ...] = ()
    least: Severity = "info"
    since: int = 0
    until: int = 0


class Events:
    """The events of one journal."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def add(self, events: Sequence[Event]) -> tuple[Event, ...]:
        """Keep these; return those that were not known before, in their order, once they are durable.

        Raises `Failed` with none of them kept.
        """
        if not events:
            return ()
        return await self._ledger.write(lambda connection: _add(connection, events))

    async def page(self, sought: Sought, limit: int = 100, before: str = "") -> tuple[Event, ...]:
        """The newest `limit` (at most `PAGE`) of the sought events; older than the cursor `before`, if one is given.

        The cursor of a page is `cursor` of its last event. Raises `Refused` on a malformed cursor.
        """
        key = read_cursor(before) if before else None
        return await self._ledger.read(lambda connection: _page(connection, sought, limit, key))

    async def drop_older(self, than: int) -> int:
        """Forget events from before `than` (ms), some thousands at a time; return how many."""
        dropped = 0
        old = select(tables.events.c.id).where(tables.events.c.at < than).limit(DROPPED_AT_ONCE)
        while gone := await self._ledger.write(
            lambda connection: connection.execute(delete(tables.events).where(tables.events.c.id.in_(old))).rowcount
        ):
            dropped += gone
        return dropped


def cursor(at: int, identity: str) -> str:
    """Where a page ended, as clients hand it back."""
    return f"{at}.{identity}"


def read_cursor(written: str) -> tuple[int, str]:
    """The (at, id) of a cursor; raises `Refused` (``bad-cursor``) when it is none of ours."""
    at, dot, identity = written.partition(".")
    if not dot or not at.isascii() or not at.isdigit() or len(at) > 15:
        raise Refused("this is not a cursor: hand back `next` of the page before, as it came", code="bad-cursor")
    return int(at), identity


def _add(connection: Connection, events: Sequence[Event]) -> tuple[Event, ...]:
    found: set[str] = set()
    ids = [event.id for event in events]
    for start in range(0, len(ids), 500):  # below SQLite's limit of variables on every build
        some = select(tables.events.c.id).where(tables.events.c.id.in_(ids[start : start + 500]))
        found.update(connection.execute(some).scalars())
    fresh = []
    for event in events:
        if event.id not in found:
            found.add(event.id)
            fresh.append(event)
    if fresh:
        connection.execute(insert(tables.events), [_row(event) for event in fresh])
    return tuple(fresh)


def _page(connection: Connection, sought: Sought, limit: int, before: tuple[int, str] | None) -> tuple[Event, ...]:
    at, identity = tables.events.c.at, tables.events.c.id
    query = select(tables.events).order_by(at.desc(), identity.desc()).limit(max(0, min(limit, PAGE)))
    if sought.machine:
        query = query.where(tables.events.c.machine == sought.machine)
    if sought.server:
        query = query.where(tables.events.c.server == sought.server)
    if sought.kinds:
        query = query.where(tables.events.c.kind.in_([kind.value for kind in sought.kinds]))
    if sought.least != "info":
        severities = get_args(Severity)
        query = query.where(tables.events.c.severity.in_(severities[severities.index(sought.least) :]))
    if sought.since:
        query = query.where(at >= sought.since)
    if sought.until:
        query = query.where(at < sought.until)
    if before:
        query = query.where(tuple_(at, identity) < before)
    return tuple(_event(row) for row in connection.execute(query))


def _row(event: Event) -> dict[str, Any]:
    row = {column.name: getattr(event, column.name) for column in _columns}
    return row | {"kind": event.kind.value, "facts": msgspec.json.encode(event.facts).decode()}


def _event(row: Row[Any]) -> Event:
    return Event(row.id, row.at, EventKind(row.kind), row.text, row.machine, row.server, row.severity, _facts.decode(row.facts))
