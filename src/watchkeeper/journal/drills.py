"""Drills: each a row from before its fault is done until it is forgotten with the rest of the history.

The frame in `drill` alone writes here; a drill is kept whole, as JSON, and some of it in columns to look for.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, tuple_

from watchkeeper.errors import Refused
from watchkeeper.journal import tables
from watchkeeper.journal.events import PAGE, read_cursor
from watchkeeper.journal.ledger import Ledger
from watchkeeper.telling import Drill

_table = tables.drills
_decoder: msgspec.json.Decoder[Drill] = msgspec.json.Decoder(Drill)
OPEN = ("preparing", "running")


class Record(NamedTuple):
    """What is known of all: how many by state, the last of each scenario that passed, and since when there could be any."""

    counts: dict[str, int]
    passed: tuple[Drill, ...]
    began_at: int


class Drills:
    """The drills of one journal."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def keep(self, drill: Drill) -> None:
        """Write one as it is now; durable on return. Raises `Failed`."""
        columns = {name: getattr(drill, name) for name in ("id", "at", "scenario", "by", "state", "ended_at")}
        row: dict[str, Any] = columns | {"drill": msgspec.json.encode(drill).decode()}

        def work(connection: Connection) -> None:
            connection.execute(delete(_table).where(_table.c.id == drill.id))
            connection.execute(insert(_table).values(row))

        await self._ledger.write(work)

    async def one(self, identity: str) -> Drill:
        """One by its id, or by a beginning of it that no other has; raises `Refused` (``unknown-drill``)."""
        query = select(_table.c.drill).where(_table.c.id.startswith(identity, autoescape=True)).limit(2)
        rows = await self._ledger.read(lambda connection: connection.execute(query).scalars().all())
        if len(rows) != 1 or not identity:
            raise Refused(
                f"there is no drill {identity!r}" if not rows else f"{identity!r} begins several", code="unknown-drill"
            )
        return _decoder.decode(rows[0])

    async def page(self, limit: int = 100, before: str = "") -> tuple[Drill, ...]:
        """The newest ones, paged as `Events.page` does it."""
        at, identity = _table.c.at, _table.c.id
        query = select(_table.c.drill).order_by(at.desc(), identity.desc()).limit(max(0, min(limit, PAGE)))
        if before:
            query = query.where(tuple_(at, identity) < read_cursor(before))
        return await self._ledger.read(lambda connection: tuple(map(_decoder.decode, connection.execute(query).scalars())))

    async def open(self) -> tuple[Drill, ...]:
        """Those that have not ended."""
        query = select(_table.c.drill).where(_table.c.state.in_(OPEN))
        return await self._ledger.read(lambda connection: tuple(map(_decoder.decode, connection.execute(query).scalars())))

    async def record(self) -> Record:
        """What is known of all of them together."""
        counts = select(_table.c.state, func.count()).group_by(_table.c.state)
        newest = select(_table.c.scenario, func.max(_table.c.id)).where(_table.c.state == "passed").group_by(_table.c.scenario)

        def work(connection: Connection) -> Record:
            ids = [identity for _, identity in connection.execute(newest)]
            rows = connection.execute(select(_table.c.drill).where(_table.c.id.in_(ids)).order_by(_table.c.id)).scalars()
            begins = [
                connection.execute(select(func.min(column))).scalar() or 0
                for column in (tables.tokens.c.created_at, tables.people.c.created_at, tables.events.c.at)
            ]
            states = {row[0]: row[1] for row in connection.execute(counts)}
            return Record(states, tuple(map(_decoder.decode, rows)), min(filter(None, begins), default=0))

        return await self._ledger.read(work)

    async def drop_older(self, than: int) -> None:
        """Forget those that ended before `than` (ms)."""
        gone = delete(_table).where(_table.c.at < than, _table.c.state.not_in(OPEN))
        await self._ledger.write(lambda connection: connection.execute(gone))
