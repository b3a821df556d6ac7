"""Who did what: a row for every act of a person or program that changes something or lets somebody in.

Rows are only ever added; they name people, tokens and peers, never a secret.
"""

from __future__ import annotations

import secrets

import msgspec
from sqlalchemy import Connection, delete, insert, select

from watchkeeper.journal import tables
from watchkeeper.journal.events import PAGE
from watchkeeper.journal.ledger import Ledger


class Entry(msgspec.Struct, frozen=True):
    """`by` did `what` (a verb: ``restart``, ``sign-in``) to `about`, from the address `peer`.

    `why` is their own reason; `outcome` stands in the second entry of what takes a while, once it has ended.
    """

    at: int
    by: str
    peer: str
    what: str
    about: str
    why: str = ""
    outcome: str = ""


class Audit:
    """The audit of one journal."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def add(self, entry: Entry) -> None:
        """Keep one entry; returns once it is durable."""
        await self._ledger.write(lambda c: insert_entry(c, entry))

    async def newest(self, limit: int = 100) -> tuple[Entry, ...]:
        """The newest entries, newest first."""
        table = tables.audit.c
        query = select(table.at, table.by, table.peer, table.what, table.about, table.why, table.outcome)
        query = query.order_by(table.at.desc(), table.id.desc()).limit(min(limit, PAGE))
        return await self._ledger.read(lambda c: tuple(Entry(*row) for row in c.execute(query)))

    async def drop_older(self, than: int) -> None:
        """Forget entries from before `than` (ms)."""
        await self._ledger.write(lambda c: c.execute(delete(tables.audit).where(tables.audit.c.at < than)))


def insert_entry(connection: Connection, entry: Entry) -> None:
    """Add an entry inside another room's transaction, so that the act and its trace are one."""
    connection.execute(insert(tables.audit).values({"id": secrets.token_hex(8), **msgspec.structs.asdict(entry)}))
