"""Incidents, what people say about them, silences, and how far each group of alerts has been told.

The hub's judge writes incidents and tellings, people write the rest, with the audit's row beside it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, insert, select, tuple_

from watchkeeper.errors import Refused
from watchkeeper.journal import audit, tables
from watchkeeper.journal.events import DROPPED_AT_ONCE, PAGE, read_cursor
from watchkeeper.journal.ledger import Ledger
from watchkeeper.model import Matcher, new_id
from watchkeeper.telling import Comment, Incident, Silence

_ids: msgspec.json.Decoder[tuple[str, ...]] = msgspec.json.Decoder(tuple[str, ...])
_matchers: msgspec.json.Decoder[tuple[Matcher, ...]] = msgspec.json.Decoder(tuple[Matcher, ...])
_COLUMNS = [column.name for column in tables.incidents.columns if column.name != "alerts"]


class Incidents:
    """The incidents of one journal."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def keep(self, incidents: Sequence[Incident]) -> None:
        """Write these as they are now."""

        def work(connection: Connection) -> None:
            rows = [{name: getattr(one, name) for name in _COLUMNS} | {"alerts": _json(one.alerts)} for one in incidents]
            connection.execute(delete(tables.incidents).where(tables.incidents.c.id.in_([one.id for one in incidents])))
            connection.execute(insert(tables.incidents), rows)

        if incidents:
            await self._ledger.write(work)

    async def open(self) -> tuple[Incident, ...]:
        """All that are not resolved."""
        query = select(tables.incidents).where(tables.incidents.c.state != "resolved").order_by(tables.incidents.c.id)
        return await self._ledger.read(lambda connection: tuple(_incident(row) for row in connection.execute(query)))

    async def one(self, incident: str) -> Incident:
        """One by its id; raises `Refused` (``unknown-incident``)."""
        query = select(tables.incidents).where(tables.incidents.c.id == incident)
        row = await self._ledger.read(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            raise Refused(f"there is no incident {incident!r}", code="unknown-incident")
        return _incident(row)

    async def page(self, machine: str = "", limit: int = 100, before: str = "", state: str = "") -> tuple[Incident, ...]:
        """The newest incidents, paged as `Events.page` does it; `state` is one of theirs, or ``ongoing``: not resolved."""
        at, identity = tables.incidents.c.opened_at, tables.incidents.c.id
        query = select(tables.incidents).order_by(at.desc(), identity.desc()).limit(max(0, min(limit, PAGE)))
        if machine:
            query = query.where(tables.incidents.c.machine == machine)
        if state == "ongoing":
            query = query.where(tables.incidents.c.state != "resolved")
        elif state:
            query = query.where(tables.incidents.c.state == state)
        if before:
            query = query.where(tuple_(at, identity) < read_cursor(before))
        return await self._ledger.read(lambda connection: tuple(_incident(row) for row in connection.execute(query)))

    async def note(self, by: str, peer: str, what: str, incident: Incident, at: int) -> None:
        """Write that somebody has done something to an incident, and the incident as it is since."""

        def work(connection: Connection) -> None:
            row = {name: getattr(incident, name) for name in _COLUMNS} | {"alerts": _json(incident.alerts)}
            connection.execute(delete(tables.incidents).where(tables.incidents.c.id == incident.id))
            connection.execute(insert(tables.incidents).values(row))
            audit.insert_entry(connection, audit.Entry(at, by, peer, what, incident.id))

        await self._ledger.write(work)

    async def comment(self, incident: str, comment: Comment) -> None:
        """Keep what somebody says about it."""
        row = {"id": new_id(comment.at), "incident": incident, "at": comment.at, "by": comment.by, "text": comment.text}
        await self._ledger.write(lambda connection: connection.execute(insert(tables.comments).values(row)))

    async def comments(self, incident: str) -> tuple[Comment, ...]:
        """All that was said, the oldest first."""
        table = tables.comments.c
        query = select(table.at, table.by, table.text).where(table.incident == incident).order_by(table.id).limit(PAGE)
        return await self._ledger.read(lambda connection: tuple(Comment(*row) for row in connection.execute(query)))

    async def keep_tellings(self, states: Mapping[str, str], gone: Sequence[str], at: int) -> None:
        """Write how far groups have been told (JSON, by key), and forget those that are `gone`."""

        def work(connection: Connection) -> None:
            keys = [*states, *gone]
            for start in range(0, len(keys), 500):
                some = keys[start : start + 500]
                connection.execute(delete(tables.tellings).where(tables.tellings.c.key.in_(some)))
            if states:
                rows = [{"key": key, "state": state, "changed_at": at} for key, state in states.items()]
                connection.execute(insert(tables.tellings), rows)

        if states or gone:
            await self._ledger.write(work)

    async def tellings(self) -> dict[str, str]:
        """How far each group has been told."""
        query = select(tables.tellings.c.key, tables.tellings.c.state)
        return await self._ledger.read(lambda connection: {row.key: row.state for row in connection.execute(query)})

    async def drop_older(self, than: int) -> None:
        """Forget incidents that ended before `than` (ms), with what was said about them."""
        incidents, comments = tables.incidents, tables.comments

        def work(connection: Connection) -> int:
            old = select(incidents.c.id).where(incidents.c.state == "resolved", incidents.c.resolved_at < than)
            ids = list(connection.execute(old.limit(DROPPED_AT_ONCE // 10)).scalars())
            connection.execute(delete(comments).where(comments.c.incident.in_(ids)))
            return connection.execute(delete(incidents).where(incidents.c.id.in_(ids))).rowcount

        while await self._ledger.write(work):
            pass


class Silences:
    """The silences of one journal."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def put(self, silence: Silence, by: str, peer: str, at: int) -> None:
        """Keep a silence, in the place of one with its id, and the audit's row beside it."""
        row = {
            "id": silence.id,
            "matchers": _json(silence.matchers),
            "starts_at": silence.starts_at,
            "ends_at": silence.ends_at,
            "author": silence.author,
            "comment": silence.comment,
            "created_at": silence.created_at,
        }

        def work(connection: Connection) -> None:
            known = connection.execute(delete(tables.silences).where(tables.silences.c.id == silence.id)).rowcount
            connection.execute(insert(tables.silences).values(row))
            what = "change-silence" if known else "silence"
            audit.insert_entry(connection, audit.Entry(at, by, peer, what, silence.id))

        await self._ledger.write(work)

    async def all(self) -> tuple[Silence, ...]:
        """Every one that is kept, the newest first."""
        query = select(tables.silences).order_by(tables.silences.c.created_at.desc(), tables.silences.c.id)
        return await self._ledger.read(lambda connection: tuple(_silence(row) for row in connection.execute(query)))

    async def drop_older(self, than: int) -> None:
        """Forget those that ended before `than` (ms)."""
        gone = delete(tables.silences).where(tables.silences.c.ends_at < than)
        await self._ledger.write(lambda connection: connection.execute(gone))


def new_silence_id() -> str:
    """As Alertmanager's tools expect it: a UUID."""
    digits = secrets.token_hex(16)
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _incident(row: Row[Any]) -> Incident:
    return Incident(**{name: getattr(row, name) for name in _COLUMNS}, alerts=_ids.decode(row.alerts))


def _silence(row: Row[Any]) -> Silence:
    matchers = _matchers.decode(row.matchers)
    return Silence(row.id, matchers, row.starts_at, row.ends_at, row.author, row.comment, row.created_at)
