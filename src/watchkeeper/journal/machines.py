"""Who has ever been there: so that after its own restart the hub says "unknown" of a machine, not nothing.

One row a machine: how it introduced itself, when it last spoke, and its agent's period.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, delete, insert, select

from watchkeeper.journal import tables
from watchkeeper.journal.ledger import Ledger
from watchkeeper.model import Machine


class KnownMachine(NamedTuple):
    """A machine, when it was last heard of (ms; 0 never) and its agent's period in seconds."""

    machine: Machine
    seen_at: int
    period: float


class Machines:
    """The machines of one journal."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def remember(self, known: Sequence[KnownMachine]) -> None:
        """Keep these as they are now, replacing what was kept of them."""

        def work(connection: Connection) -> None:
            names = [one.machine.name for one in known]
            connection.execute(delete(tables.machines).where(tables.machines.c.name.in_(names)))
            rows = [
                {
                    "name": one.machine.name,
                    "machine": msgspec.json.encode(one.machine).decode(),
                    "seen_at": one.seen_at,
                    "period": one.period,
                }
                for one in known
            ]
            connection.execute(insert(tables.machines), rows)

        if known:
            await self._ledger.write(work)

    async def all(self) -> tuple[KnownMachine, ...]:
        """Every machine that has ever been there."""
        rows = await self._ledger.read(lambda connection: connection.execute(select(tables.machines)).all())
        return tuple(KnownMachine(msgspec.json.decode(row.machine, type=Machine), row.seen_at, row.period) for row in rows)

    async def forget(self, name: str) -> None:
        """A machine is gone for good."""
        gone = delete(tables.machines).where(tables.machines.c.name == name)
        await self._ledger.write(lambda connection: connection.execute(gone))
