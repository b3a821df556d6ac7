"""What is to be told, by which channel, and how far it has come: a row before it is a message.

States: waiting -> claimed -> delivered; claimed -> waiting after an attempt that failed; waiting | claimed -> failed for
good, or superseded by what tells the same (a newer reminder, a fall-back that was delivered). The outbox alone writes here;
`insert_rows` works within any transaction, so that an incident and its messages are one fact. Nothing here decides when or
whether to send.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, delete, exists, func, insert, select, tuple_, update

from watchkeeper.journal import tables
from watchkeeper.journal.events import DROPPED_AT_ONCE, PAGE, read_cursor
from watchkeeper.journal.ledger import Ledger, T, Work
from watchkeeper.telling import Bulletin, Notification

OPEN = ("waiting", "claimed")
OPEN_AT_ONCE = 300
"""How many open rows of a channel are looked at: far more than one channel can send before it looks again."""

_table = tables.notifications


class Sought(msgspec.Struct, frozen=True):
    """Which notifications: empty fields ask nothing."""

    channel: str = ""
    incident: str = ""
    state: str = ""


class Queued(NamedTuple):
    """An open notification without its bulletin, and whether another channel was asked to tell it too (fall-back)."""

    id: str
    at: int
    kind: str
    severity: str
    thread: str
    state: str
    due_at: int = 0
    attempts: int = 0
    claimed_at: int = 0
    why: str = ""
    unsure: bool = False
    replaced: bool = False


class Queue(NamedTuple):
    """A channel's open rows, critical ones first, then the oldest; `length` in all, from `oldest_at` on (ms; 0: none)."""

    rows: tuple[Queued, ...]
    length: int
    oldest_at: int


class Record(NamedTuple):
    """What a channel has done: its last success (ms; 0: never), and when it was last used, newest first."""

    last_success_at: int
    attempts: tuple[int, ...]


class Notifications:
    """The notifications of one journal."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def together(self, work: Work[T]) -> T:
        """Run `work` (`insert_rows`, say) in one transaction; durable on return. Raises `Failed`, with nothing kept."""
        return await self._ledger.write(work)

    async def claim(self, notification: str, at: int) -> bool:
        """Write that it is about to be sent; false when it is not open any more."""
        change = _here(notification, OPEN).values(state="claimed", claimed_at=at, attempts=_table.c.attempts + 1)
        return bool(await self._ledger.write(lambda connection: connection.execute(change).rowcount))

    async def delivered(self, notification: str, at: int, receipt: str, *, sent_at: int = 0) -> None:
        """Write that the receiver has it. What it replaces, and what was to replace it, need not be told any more."""
        done = _here(notification).values(
            state="delivered", ended_at=at, receipt=receipt, why="", unsure=False, sent_at=sent_at
        )

        def work(connection: Connection) -> None:
            connection.execute(done)
            replaced = select(_table.c.after).where(_table.c.id == notification, _table.c.after != "")
            other = (_table.c.id.in_(replaced)) | ((_table.c.after == notification) & (_table.c.state == "waiting"))
            why = f"told by {_name(connection, notification)} instead"
            connection.execute(
                update(_table).where(other, _table.c.state.in_(OPEN)).values(state="superseded", ended_at=at, why=why)
            )

        await self._ledger.write(work)

    async def again(self, notification: str, due_at: int, why: str, *, unsure: bool) -> None:
        """Write that an attempt failed, and when the next one is due."""
        change = _here(notification, ("claimed",)).values(state="waiting", due_at=due_at, why=why, unsure=unsure)
        await self._ledger.write(lambda connection: connection.execute(change))

    async def failed(self, notification: str, at: int, why: str) -> None:
        """Write that it is not tried any more."""
        change = _here(notification, OPEN).values(state="failed", ended_at=at, why=why)
        await self._ledger.write(lambda connection: connection.execute(change))

    async def replace(self, notification: str, by: Notification, at: int, *, over: bool, why: str) -> None:
        """Have another channel tell it too; `over`: this one is not tried any more. In one transaction, once only."""

        def work(connection: Connection) -> None:
            if not connection.execute(select(exists().where(_table.c.after == notification))).scalar():
                if known := written_before(connection, by.bulletin, by.channel):
                    told = f"{known.id} tells the same"
                    insert_rows(connection, [msgspec.structs.replace(by, state="superseded", ended_at=at, why=told)])
                else:
                    insert_rows(connection, [by])
            if over:
                connection.execute(_here(notification, OPEN).values(state="failed", ended_at=at, why=why))

        await self._ledger.write(work)

    async def queue(self, channel: str) -> Queue:
        """What waits for a channel."""
        mine = (_table.c.channel == channel, _table.c.state.in_(OPEN))
        later = tables.notifications.alias("later")
        replaced = exists().where(later.c.after == _table.c.id)
        columns = [_table.c[name] for name in Queued._fields if name != "replaced"]
        gravest = _table.c.severity != "critical"
        first = select(*columns, replaced.label("replaced")).where(*mine).order_by(gravest, _table.c.at, _table.c.id)
        size = select(func.count(), func.min(_table.c.at)).where(*mine)

        def work(connection: Connection) -> Queue:
            rows = tuple(Queued(*row) for row in connection.execute(first.limit(OPEN_AT_ONCE)))
            if len(rows) < OPEN_AT_ONCE:
                return Queue(rows, len(rows), min((row.at for row in rows), default=0))
            length, oldest = connection.execute(size).one()
            return Queue(rows, length, oldest or 0)

        return await self._ledger.read(work)

    async def record(self, channel: str, since: int) -> Record:
        """What a channel has done: its last success ever, and its attempts since then (ms)."""
        mine = _table.c.channel == channel
        success = select(func.max(_table.c.ended_at)).where(mine, _table.c.state == "delivered")
        used = select(_table.c.claimed_at).where(mine, _table.c.at >= since - 86_400_000, _table.c.claimed_at >= since)

        def work(connection: Connection) -> Record:
            attempts = sorted(connection.execute(used).scalars(), reverse=True)
            return Record(connection.execute(success).scalar() or 0, tuple(attempts))

        return await self._ledger.read(work)

    async def strays(self, channels: Sequence[str]) -> tuple[Notification, ...]:
        """Open rows of channels other than these: their channel is gone."""
        query = select(_table).where(_table.c.channel.not_in(channels), _table.c.state.in_(OPEN)).limit(PAGE)
        return await self._ledger.read(lambda connection: tuple(_notification(row) for row in connection.execute(query)))

    async def settle_incident(self, incident: str, at: int, why: str) -> int:
        """An incident is in somebody's hands: reminders and escalations that wait need not be told. Returns how many."""
        kinds = ("reminder", "escalation")
        change = update(_table).where(_table.c.incident == incident, _table.c.state == "waiting", _table.c.kind.in_(kinds))
        change = change.values(state="superseded", ended_at=at, why=why)
        return await self._ledger.write(lambda connection: connection.execute(change).rowcount)

    async def one(self, notification: str) -> Notification | None:
        """One by its id."""
        query = select(_table).where(_table.c.id == notification)
        row = await self._ledger.read(lambda connection: connection.execute(query).one_or_none())
        return _notification(row) if row else None

    async def newest_of(self, incident: str) -> Notification | None:
        """The last that was to be told of an incident."""
        found = await self.page(Sought(incident=incident), 1)
        return found[0] if found else None

    async def page(self, sought: Sought, limit: int = 100, before: str = "") -> tuple[Notification, ...]:
        """The newest ones, as `Events.page` does it."""
        query = select(_table).order_by(_table.c.at.desc(), _table.c.id.desc()).limit(max(0, min(limit, PAGE)))
        for column in ("channel", "incident", "state"):
            if wanted := getattr(sought, column):
                query = query.where(_table.c[column] == wanted)
        if before:
            query = query.where(tuple_(_table.c.at, _table.c.id) < read_cursor(before))
        return await self._ledger.read(lambda connection: tuple(_notification(row) for row in connection.execute(query)))

    async def drop_older(self, than: int) -> int:
        """Forget those that ended, from before `than` (ms), some thousands at a time; return how many."""
        dropped = 0
        old = select(_table.c.id).where(_table.c.at < than, _table.c.state.not_in(OPEN)).limit(DROPPED_AT_ONCE)
        while gone := await self._ledger.write(
            lambda connection: connection.execute(delete(_table).where(_table.c.id.in_(old))).rowcount
        ):
            dropped += gone
        return dropped


def insert_rows(connection: Connection, rows: Sequence[Notification]) -> None:
    """Keep these within an open transaction. Reminders of the same thread that still wait are superseded by them."""
    for row in rows:
        if row.state == "waiting" and row.bulletin.kind != "test":
            older = (
                _table.c.channel == row.channel,
                _table.c.state == "waiting",
                _table.c.thread == row.bulletin.thread,
                _table.c.kind == "reminder",
            )
            told = {"state": "superseded", "ended_at": row.at, "why": "a newer message tells the same"}
            connection.execute(update(_table).where(*older).values(told))
        connection.execute(insert(_table).values(_row(row)))


def written_before(connection: Connection, bulletin: Bulletin, channel: str) -> Notification | None:
    """What was written of this bulletin for that channel before, by its id; for use within an open transaction."""
    if not bulletin.id:
        return None
    mine = (_table.c.bulletin_id == bulletin.id, _table.c.channel == channel, _table.c.after == "")
    row = connection.execute(select(_table).where(*mine).limit(1)).one_or_none()
    return _notification(row) if row else None


def count_open(connection: Connection, channel: str) -> int:
    """How many rows wait for a channel, within an open transaction."""
    query = select(func.count()).where(_table.c.channel == channel, _table.c.state.in_(OPEN))
    return connection.execute(query).scalar_one()


def _here(notification: str, states: Sequence[str] = ()) -> Any:
    change = update(_table).where(_table.c.id == notification)
    return change.where(_table.c.state.in_(states)) if states else change


def _name(connection: Connection, notification: str) -> str:
    return connection.execute(select(_table.c.channel).where(_table.c.id == notification)).scalar() or "another channel"


def _row(one: Notification) -> dict[str, Any]:
    row = {name: getattr(one, name) for name in Notification.__struct_fields__ if name != "bulletin"}
    told = one.bulletin
    row |= {
        "kind": told.kind,
        "severity": told.severity,
        "incident": told.incident,
        "thread": told.thread,
        "bulletin_id": told.id,
    }
    return row | {"bulletin": json.dumps(msgspec.to_builtins(told), ensure_ascii=False)}


def _notification(row: Row[Any]) -> Notification:
    fields = {name: getattr(row, name) for name in Notification.__struct_fields__ if name != "bulletin"}
    # The standard library's JSON: an alert's value may be NaN or infinite, which msgspec would turn into null.
    bulletin = msgspec.convert(json.loads(row.bulletin), Bulletin, strict=False)
    return Notification(**fields | {"unsure": bool(row.unsure), "bulletin": bulletin})
