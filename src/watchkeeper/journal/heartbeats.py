"""Signs of life that others send: what is kept of each, one row a name.

The frame in `heartbeat` alone writes here, a whole row at a time, before anybody is told or answered. A row outlives the
table of the configuration that expects it, so that a name keeps its address.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, insert, select

from watchkeeper.journal import tables
from watchkeeper.journal.ledger import Ledger
from watchkeeper.model import HeartbeatState


class Kept(msgspec.Struct, frozen=True):
    """What is known of one heartbeat. Times in ms, 0 = never.

    `id` is the last part of its address. `expected` is how it is expected, as JSON, where a command made it; empty: the
    configuration says so. `failed` and `exit_status` are of the last end that it told of, at `last_at`; `lasted` is how long
    that run took (0: not known). `started_at` is when a run began that has not ended. `body` is the end of what it last said.
    """

    name: str
    id: str
    created_at: int
    expected: str = ""
    last_at: int = 0
    failed: bool = False
    exit_status: int = 0
    started_at: int = 0
    lasted: int = 0
    pings: int = 0
    body: str = ""
    state: HeartbeatState = "new"
    state_at: int = 0
    reason: str = ""


class Heartbeats:
    """The heartbeats of one journal."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def all(self) -> tuple[Kept, ...]:
        """Every one, by name."""
        query = select(tables.heartbeats).order_by(tables.heartbeats.c.name)
        return await self._ledger.read(lambda connection: tuple(_kept(row) for row in connection.execute(query)))

    async def keep(self, kept: Kept) -> None:
        """Write one as it is now; durable on return."""

        def work(connection: Connection) -> None:
            connection.execute(delete(tables.heartbeats).where(tables.heartbeats.c.name == kept.name))
            connection.execute(insert(tables.heartbeats).values(msgspec.structs.asdict(kept)))

        await self._ledger.write(work)

    async def forget(self, name: str) -> None:
        """It is not expected any more, and its address is nothing from now on."""
        gone = delete(tables.heartbeats).where(tables.heartbeats.c.name == name)
        await self._ledger.write(lambda connection: connection.execute(gone))


def _kept(row: Row[Any]) -> Kept:
    return Kept(**{name: getattr(row, name) for name in Kept.__struct_fields__} | {"failed": bool(row.failed)})
