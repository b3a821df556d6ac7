"""Orders to servers: each is a row before it is a message, and keeps its outcome.

States: requested -> sent -> done | failed | unknown, and requested -> failed | unknown. The web writes
the first, the hub the rest; what an agent did by itself it tells as events (`record`). A row that has ended never changes
again, so an outcome told twice is harmless.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import msgspec
from sqlalchemy import Connection, Row, and_, insert, not_, select, tuple_, update

from watchkeeper.errors import Refused
from watchkeeper.journal import audit, tables
from watchkeeper.journal.events import PAGE, read_cursor
from watchkeeper.journal.ledger import Ledger
from watchkeeper.model import OURSELVES, Action, Event, EventKind, Outcome, Verb

ActionState = Literal["requested", "sent", "done", "failed", "unknown"]
OPEN = ("requested", "sent")
DEEDS = frozenset({EventKind.ACTION_REQUESTED, EventKind.ACTION_ENDED})
DEED_MILLISECONDS = 600_000
"""A deed of an agent's own ends within this, or its agent has died over it."""
ID_CHARS = 64
REASON_CHARS = 2000


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
            _insert(connection, action, {"state": "requested", "sent_at": 0, "ended_at": 0, "ok": False, "text": ""}, peer)

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

    async def record(self, events: Sequence[Event]) -> tuple[ActionRow, ...]:
        """Write what agents tell of their own deeds, and return the rows that this has changed; told twice is harmless.

        An agent speaks for itself alone: whatever it tells, the deed is ours (`OURSELVES`) and on its own machine.
        """
        told = [event for event in events if event.kind in DEEDS and event.facts.get("action")]
        if not told:
            return ()
        return await self._ledger.write(
            lambda connection: tuple(row for event in told if (row := _record(connection, event)) is not None)
        )

    async def settle_open(self, at: int, why: str) -> tuple[ActionRow, ...]:
        """Write all that were asked for or sent, and have not ended, as unknown; for the hub's start.

        What an agent began by itself of late goes on without us, and its outcome is still to be told.
        """

        def work(connection: Connection) -> tuple[ActionRow, ...]:
            goes_on = and_(tables.actions.c.by == OURSELVES, tables.actions.c.at > at - DEED_MILLISECONDS)
            still = and_(tables.actions.c.state.in_(OPEN), not_(goes_on))
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
            if moved and row.outcome:
                _audit_outcome(connection, row)
            if not moved and values["state"] == "sent":
                raise Refused(f"the action is {row.state} already", code="action-moved-on")
            return row

        return await self._ledger.write(work)


def _insert(connection: Connection, action: Action, state: dict[str, Any], peer: str) -> None:
    connection.execute(insert(tables.actions).values(msgspec.structs.asdict(action) | state))
    _audit(connection, action, action.at, peer)


def _audit_outcome(connection: Connection, row: ActionRow) -> None:
    assert row.outcome is not None
    _audit(connection, row.action, row.outcome.at, outcome=f"{row.state}: {row.outcome.text}")


def _audit(connection: Connection, action: Action, at: int, peer: str = "", outcome: str = "") -> None:
    what = f"{action.verb} (dry run)" if action.dry_run else action.verb
    about = f"{action.machine}/{action.server}"
    audit.insert_entry(connection, audit.Entry(at, action.by, peer, what, about, action.reason, outcome))


def _record(connection: Connection, event: Event) -> ActionRow | None:
    """One event of an agent's deed; None when it changes nothing."""
    facts = event.facts
    identity, verb = facts["action"][:ID_CHARS], facts.get("verb", "")
    if verb not in get_args(Verb):
        return None
    known = connection.execute(select(tables.actions).where(tables.actions.c.id == identity)).one_or_none()
    if known is not None and (known.by, known.machine) != (OURSELVES, event.machine):
        return None
    if known is None:
        reason = facts.get("reason", "")[:REASON_CHARS]
        action = Action(identity, event.at, event.machine, event.server, verb, OURSELVES, reason)  # type: ignore[arg-type]  # looked up above
        _insert(connection, action, {"state": "sent", "sent_at": event.at, "ended_at": 0, "ok": False, "text": ""}, "")
    if event.kind is EventKind.ACTION_ENDED:
        well = facts.get("ok") == "true"
        ended = {"state": "done" if well else "failed", "ended_at": event.at, "ok": well, "text": event.text}
        here = and_(tables.actions.c.id == identity, tables.actions.c.state.in_(OPEN))
        if connection.execute(update(tables.actions).where(here).values(ended)).rowcount:
            row = _one(connection, identity)
            _audit_outcome(connection, row)
            return row
    return _one(connection, identity) if known is None else None


def _one(connection: Connection, action: str) -> ActionRow:
    row = connection.execute(select(tables.actions).where(tables.actions.c.id == action)).one_or_none()
    if row is None:
        raise Refused(f"there is no action {action!r}", code="unknown-action")
    return _action(row)


def _action(row: Row[Any]) -> ActionRow:
    action = Action(row.id, row.at, row.machine, row.server, row.verb, row.by, row.reason, row.seconds, bool(row.dry_run))
    outcome = Outcome(row.id, row.ended_at, bool(row.ok), row.text) if row.state not in OPEN else None
    return ActionRow(action, row.state, row.sent_at, outcome)
