"""What absent clients have not seen yet, and who is known: one SQLite file, written by a thread in batched commits.

The relay calls from the event loop and never waits: a message that is `put` is settled, through `settled`, once the commit that
holds it has returned, or `refused` with the reason. How many messages and bytes wait for whom is known in memory, so limits are
checked before anything is written. Several processes may share the file: rows are numbered by time and process.
Durability: WAL with synchronous=FULL, so nothing that was settled is lost on kill -9 or power loss (sqlite.org/wal.html).
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from cloudnet.errors import ConfigError, Failed
from cloudnet.session import Flight

T = TypeVar("T")

SCHEMA = """
PRAGMA auto_vacuum = INCREMENTAL;
CREATE TABLE IF NOT EXISTS mail (
  row INTEGER PRIMARY KEY, recipient BLOB NOT NULL, id BLOB NOT NULL, sender BLOB NOT NULL, addressee BLOB NOT NULL,
  at INTEGER NOT NULL, expires INTEGER NOT NULL, size INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS mail_id ON mail (recipient, id, sender);
CREATE INDEX IF NOT EXISTS mail_order ON mail (recipient, row);
CREATE INDEX IF NOT EXISTS mail_expires ON mail (expires);
CREATE TABLE IF NOT EXISTS device (key BLOB PRIMARY KEY, seen INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS profile (key BLOB PRIMARY KEY, device BLOB NOT NULL, data BLOB NOT NULL) WITHOUT ROWID;
"""
ELSEWHERE = -1
"""The `row` of a flight that has none of its own any more: it was deleted, or the same message was there before."""
TURNS = 64
"""How many turns of the event loop one commit may gather."""

_Put = tuple[Flight, tuple[Any, ...]]
_PUT = "INSERT OR IGNORE INTO mail VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_THERE = "SELECT 1 FROM mail WHERE row = ?"
_LONGER = "UPDATE mail SET expires = max(expires, ?) WHERE recipient = ? AND id = ? AND sender = ?"
_DELETE = "DELETE FROM mail WHERE row = ?"
_READ = (
    "SELECT row, id, sender, addressee, at, body FROM mail WHERE recipient = ? AND row > ? AND expires > ? ORDER BY row LIMIT ?"
)


class Mail(NamedTuple):
    """One message that waits."""

    row: int
    id: bytes
    sender: bytes
    to: bytes
    at: int
    body: bytes


class Waiting:
    """How much waits for one recipient."""

    __slots__ = ("bytes", "messages")

    def __init__(self) -> None:
        """Nothing."""
        self.messages = 0
        self.bytes = 0


class Tally:
    """What the mailbox has done since the start."""

    __slots__ = ("commit_seconds", "commits", "deleted", "expired", "failed", "put", "read")

    def __init__(self) -> None:
        """Nothing yet."""
        self.put = self.deleted = self.read = self.expired = self.failed = self.commits = 0
        self.commit_seconds = 0.0


class _Turn:
    """What one turn of the event loop wants: written in this order, in one transaction."""

    def __init__(self) -> None:
        self.puts: list[tuple[Any, ...]] = []
        self.flights: list[Flight] = []
        self.deletes: list[tuple[int]] = []
        self.jobs: list[tuple[Callable[[sqlite3.Connection], Any], asyncio.Future[Any]]] = []


class Mailbox:
    """The keeper of one file; made and called on the event loop."""

    def __init__(
        self, path: Path, node: int, settled: Callable[[Flight], None], refused: Callable[[Flight, str], None]
    ) -> None:
        """Open or make the file; raises ConfigError. `node` (0 to 63) tells the processes that share it apart."""
        self._path = path
        self._node = node
        self._settled = settled
        self._refused = refused
        self._loop = asyncio.get_running_loop()
        self.connection = _open(path)
        """For what is read at the start; later the writer's thread has it alone."""
        self._row = self.connection.execute("SELECT coalesce(max(row), 0) FROM mail").fetchone()[0]
        self._waiting: dict[bytes, Waiting] = {}
        self.total_bytes = 0
        self.total_messages = 0
        for recipient, messages, size in self.connection.execute("SELECT recipient, count(*), sum(size) FROM mail GROUP BY 1"):
            self._count(recipient, messages, size)
        self.trouble = ""
        """Why nothing can be written at the moment; empty when all is well."""
        self.tally = Tally()
        self._turn: _Turn | None = None
        self._queue: queue.SimpleQueue[_Turn | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="mailbox", daemon=True)
        self._thread.start()

    # -- from the event loop ------------------------------------------------------------------------

    def waiting(self, recipient: bytes) -> Waiting | None:
        """How much waits for one; None for nothing."""
        return self._waiting.get(recipient)

    def put(self, recipient: bytes, flight: Flight, expires: int) -> None:
        """Keep a message, and settle it once it is on the disk; its `row` is given now. `expires` in ms since the epoch."""
        assert flight.deliver is not None
        now = time.time_ns() // 1_000_000
        self._row = max(self._row + 1, now << 20 | self._node << 14)
        flight.row = self._row
        message = flight.deliver
        turn = self._now()
        turn.puts.append(
            (flight.row, recipient, message.id, message.sender, message.to, message.at, expires, flight.size, message.body)
        )
        turn.flights.append(flight)
        self._count(recipient, 1, flight.size)

    def delete(self, recipient: bytes, flight: Flight) -> None:
        """It has been taken."""
        if flight.row == ELSEWHERE:
            return
        self._now().deletes.append((flight.row,))
        flight.row = ELSEWHERE
        self._count(recipient, -1, -flight.size)
        self.tally.deleted += 1

    async def read(self, recipient: bytes, after: int, most: int, now: int) -> list[Mail]:
        """The next messages of a recipient behind row `after`, oldest first; sees everything put before. Raises Failed."""

        def work(connection: sqlite3.Connection) -> list[Mail]:
            return [Mail(*row) for row in connection.execute(_READ, (recipient, after, now, most))]

        found = await self.do(work)
        self.tally.read += len(found)
        return found

    async def expire(self, now: int) -> int:
        """Drop what is too old; returns how many. Raises Failed."""

        def work(connection: sqlite3.Connection) -> list[tuple[bytes, int, int]]:
            gone = connection.execute(
                "SELECT recipient, count(*), sum(size) FROM mail WHERE expires <= ? GROUP BY 1", (now,)
            ).fetchall()
            if gone:
                connection.execute("DELETE FROM mail WHERE expires <= ?", (now,))
                connection.execute("PRAGMA incremental_vacuum(1000)").fetchall()
            return gone

        gone = await self.do(work)
        for recipient, messages, size in gone:
            self._count(recipient, -messages, -size)
        dropped = sum(messages for _, messages, _ in gone)
        self.tally.expired += dropped
        return dropped

    async def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in the writer's thread, within the next transaction; raises Failed when that fails."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._now().jobs.append((work, future))
        return await future

    async def flush(self) -> None:
        """Return once everything of before is on the disk; raises Failed."""
        await self.do(lambda _: None)

    def close(self) -> None:
        """Write what is to be written and give the file back."""
        self._hand_over()
        self._queue.put(None)
        self._thread.join()
        self.connection.close()

    def _now(self) -> _Turn:
        if self._turn is None:
            self._turn = _Turn()
            self._loop.call_soon(self._hand_over)
        return self._turn

    def _hand_over(self) -> None:
        if self._turn is not None:
            self._queue.put(self._turn)
            self._turn = None

    def _count(self, recipient: bytes, messages: int, size: int) -> None:
        found = self._waiting.get(recipient)
        if found is None:
            found = self._waiting[recipient] = Waiting()
        found.messages += messages
        found.bytes += size
        self.total_messages += messages
        self.total_bytes += size
        if found.messages <= 0:
            self.total_messages -= found.messages
            self.total_bytes -= found.bytes
            del self._waiting[recipient]

    def _uncount(self, flight: Flight, put: tuple[Any, ...], row: int) -> None:
        """What was counted when it was put is not there; unless it was deleted since, and uncounted then."""
        if flight.row == put[0]:
            flight.row = row
            self._count(put[1], -1, -flight.size)

    def _written(self, turns: list[_Turn], answers: list[Any], ignored: list[_Put], seconds: float) -> None:
        """A batch is on the disk; `ignored` of it were there already."""
        self.trouble = ""
        self.tally.commits += 1
        self.tally.commit_seconds += seconds
        for flight, row in ignored:
            self._uncount(flight, row, ELSEWHERE)
        for turn in turns:
            self.tally.put += len(turn.flights)
            for flight in turn.flights:
                self._settled(flight)
        futures = [future for turn in turns for _, future in turn.jobs]
        for future, answer in zip(futures, answers, strict=True):
            if not future.done():
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)

    def _not_written(self, turns: list[_Turn], why: str) -> None:
        """A batch could not be written: what was to be kept is refused, what was to be deleted is tried again."""
        self.trouble = why
        for turn in turns:
            self.tally.failed += len(turn.flights)
            for flight, row in zip(turn.flights, turn.puts, strict=True):
                self._uncount(flight, row, 0)
                self._refused(flight, why)
            for _, future in turn.jobs:
                if not future.done():
                    future.set_exception(Failed(why))
            if turn.deletes:
                self._now().deletes += turn.deletes
        if self._turn is not None:  # not at once, since a full disk stays full for a while
            again, self._turn = self._turn, None
            self._loop.call_later(1.0, self._queue.put, again)

    # -- in the writer's thread -----------------------------------------------------------------------

    def _serve(self) -> None:
        while True:
            first = self._queue.get()
            if first is None:
                return
            turns = [first]
            last = False
            while len(turns) < TURNS:
                try:
                    turn = self._queue.get_nowait()
                except queue.Empty:
                    break
                if turn is None:
                    last = True
                    break
                turns.append(turn)
            began = time.monotonic()
            try:
                answers, ignored = self._write(turns)
            except sqlite3.Error as fault:
                self._tell(self._not_written, turns, f"the mailbox cannot be written: {fault}")
            else:
                self._tell(self._written, turns, answers, ignored, time.monotonic() - began)
            if last:
                return

    def _write(self, turns: list[_Turn]) -> tuple[list[Any], list[_Put]]:
        connection = self.connection
        answers: list[Any] = []
        ignored: list[_Put] = []
        connection.execute("BEGIN IMMEDIATE")
        try:
            for turn in turns:
                if turn.puts:
                    before = connection.total_changes
                    connection.executemany(_PUT, turn.puts)
                    if connection.total_changes - before < len(turn.puts):
                        ignored += _ignored(connection, turn)
                if turn.deletes:
                    connection.executemany(_DELETE, turn.deletes)
                for work, _ in turn.jobs:
                    answers.append(_attempt(work, connection))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return answers, ignored

    def _tell(self, call: Callable[..., None], *arguments: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *arguments)


def _attempt(work: Callable[[sqlite3.Connection], Any], connection: sqlite3.Connection) -> Any:
    """One job's answer; what it did wrong itself is its own to hear, a fault of the disk is everybody's."""
    try:
        return work(connection)
    except sqlite3.OperationalError:
        raise
    except Exception as fault:  # noqa: BLE001  # handed to whoever asked
        return fault


def _ignored(connection: sqlite3.Connection, turn: _Turn) -> list[_Put]:
    """What of a turn was not put, since the same message was there; that one waits as long as this one would."""
    pairs = zip(turn.flights, turn.puts, strict=True)
    ignored = [(flight, put) for flight, put in pairs if connection.execute(_THERE, put[:1]).fetchone() is None]
    connection.executemany(_LONGER, [(put[6], *put[1:4]) for _, put in ignored])
    return ignored


def _open(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=32)
        connection.execute("PRAGMA busy_timeout = 5000")
        connection.executescript(SCHEMA)
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_size_limit = 67108864").fetchall()
    except sqlite3.Error as fault:
        raise ConfigError(f"the mailbox {path} cannot be opened: {fault}") from None
    path.chmod(0o600)
    return connection
