"""Orders to servers: each is a row before it is a message, and keeps its outcome.

States: requested -> sent -> done | failed | unknown, and requested -> failed | unknown. The web writes
the first, the hub the rest. A row that has ended never changes again, so an outcome told twice is harmless.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, Row, insert, select, tuple_, update

from watchkeeper.errors import Refused
from watchkeeper.journal import audit, tables
from watchkeeper.journal.events import PAGE, read_cursor
from watchkeeper.journal.ledger import Ledger
from watchkeeper.model import Action, Outcome

ActionState = Literal["requested", "sent", "done", "failed", "unknown"]
OPEN = ("requested", "sent")


class ActionRow(msgspec.Struct, frozen=True):
    """An action as the journal keeps it. `sent_at` is 0 before it was sent."""

    action: Action
    state: ActionState
    sent_at: int = 0
    outcome: Outcome | None = None


class Actions:
    """The actions of one journal."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def request(self, action: Action, peer: str = "") -> ActionRow:
        """Write that it was asked for, and the audit's row beside it, in one transaction; before anything is sent."""

        def work(connection: Connection) -> None:
            row = {name: getattr(action, name) for name in ("id", "at", "machine", "server", "verb", "by")}
            ended = {"state": "requested", "sent_at": 0, "ended_at": 0, "ok": False, "text": ""}
            connection.execute(insert(tables.actions).values(row | ended))
            audit.insert_entry(connection, action.at, action.by, peer, action.verb, f"{action.machine}/{action.server}")

        await self._ledger.write(work)
        return ActionRow(action, "requested")

    async def sent(self, action: str, at: int) -> ActionRow:
        """Write that it is about to be sent. Raises `Refused` when there is no such action or it has moved on."""
        return await self._move(action, ("requested",), {"state": "sent", "sent_at": at})

    async def end(self, outcome: Outcome, state: Literal["done", "failed", "unknown"] | None = None) -> ActionRow:
        """Write how it ended; without a `state`, the outcome says done or failed.

        Raises `Refused` (``unknown-action``) when there is none; one that has ended stays as it was and is returned.
        """
        state = state or ("done" if outcome.ok else "failed")
        ended = {"state": state, "ended_at": outcome.at, "ok": outcome.ok, "text": outcome.text}
        return await self._move(outcome.action, OPEN, ended)

    async def settle_open(self, at: int, why: str) -> tuple[ActionRow, ...]:
        """Write all that were asked for or sent, and have not ended, as unknown; for the hub's start."""

        def work(connection: Connection) -> tuple[ActionRow, ...]:
            still = tables.actions.c.state.in_(OPEN)
            ids = list(connection.execute(select(tables.actions.c.id).where(still)).scalars())
            connection.execute(update(tables.actions).where(still).values(state="unknown", ended_at=at, ok=False, text=why))
            return tuple(_one(connection, identity) for identity in ids)

        return await self._ledger.write(work)

    async def one(self, action: str) -> ActionRow:
        """One action by its id; raises `Refused` (``unknown-action``)."""
        return await self._ledger.read(lambda connection: _one(connection, action))

    async def page(self, machine: str = "", server: str = "", limit: int = 100, before: str = "") -> tuple[ActionRow, ...]:
        """The newest actions, as `Events.page` does it."""
        at, identity = tables.actions.c.at, tables.actions.c.id
        query = select(tables.actions).order_by(at.desc(), identity.desc()).limit(max(0, min(limit, PAGE)))
        if machine:
            query = query.where(tables.actions.c.machine == machine)
        if server:
            query = query.where(tables.actions.c.server == server)
        if before:
            query = query.where(tuple_(at, identity) < read_cursor(before))
        return await self._ledger.read(lambda connection: tuple(_action(row) for row in connection.execute(query)))

    async def _move(self, action: str, allowed: tuple[str, ...], values: dict[str, Any]) -> ActionRow:
        here = tables.actions.c.id == action
        change = update(tables.actions).where(here, tables.actions.c.state.in_(allowed)).values(values)

        def work(connection: Connection) -> ActionRow:
            moved = connection.execute(change).rowcount
            row = _one(connection, action)
            if not moved and values["state"] == "sent":
                raise Refused(f"the action is {row.state} already", code="action-moved-on")
            return row

        return await self._ledger.write(work)


def _one(connection: Connection, action: str) -> ActionRow:
    row = connection.execute(select(tables.actions).where(tables.actions.c.id == action)).one_or_none()
    if row is None:
        raise Refused(f"there is no action {action!r}", code="unknown-action")
    return _action(row)


def _action(row: Row[Any]) -> ActionRow:
    action = Action(row.id, row.at, row.machine, row.server, row.verb, row.by)
    outcome = Outcome(row.id, row.ended_at, bool(row.ok), row.text) if row.state not in OPEN else None
    return ActionRow(action, row.state, row.sent_at, outcome)
