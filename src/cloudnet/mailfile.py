"""The mailbox's file: its tables, and how a batch of what the event loop wants is written to it. SQLite, and nothing else.

No event loop and no thread here: `mailbox` calls from its writer's thread. Durability: WAL with synchronous=FULL, so nothing
whose transaction has returned is lost on kill -9 or power loss (sqlite.org/wal.html).
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from cloudnet.errors import ConfigError, Failed
from cloudnet.session import Flight

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
CREATE TABLE IF NOT EXISTS profile (
  key BLOB PRIMARY KEY, device BLOB NOT NULL, data BLOB NOT NULL, at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spare (room BLOB NOT NULL);
"""
READ_BYTES = 256 << 10
"""About how much is read at once: what a recipient has in flight is bounded, so what is read for it has to be."""
SPARE_BYTES = 64 << 10
"""How much the disk has to take before all is said to be well again."""


_PUT = "INSERT INTO mail VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (recipient, id, sender) DO NOTHING"
_LONGER = "UPDATE mail SET expires = max(expires, ?) WHERE recipient = ? AND id = ? AND sender = ?"
"""What was there already waits as long as what was to be put would."""
_EARLIER = "UPDATE OR IGNORE mail SET row = ? WHERE recipient = ? AND id = ? AND sender = ? AND row > ?"
"""What was sent again, and came here before its first copy did from another node, has that one's place in the order."""
_TAKEN = "SELECT 1 FROM mail WHERE row = ?"
_DELETE = "DELETE FROM mail WHERE row = ? AND id = ?"
_READ = (
    "SELECT row, id, sender, addressee, at, expires, body FROM mail"
    " WHERE recipient = ? AND row > ? AND expires > ? ORDER BY row LIMIT ?"
)


class Mail(NamedTuple):
    """One message that waits."""

    row: int
    id: bytes
    sender: bytes
    to: bytes
    at: int
    expires: int
    body: bytes


class Delete(NamedTuple):
    """One message that waits no longer."""

    row: int
    id: bytes
    recipient: bytes
    sender: bytes
    size: int


class Change(NamedTuple):
    """More or fewer messages and bytes that wait, from one to another."""

    recipient: bytes
    sender: bytes
    messages: int
    size: int


class Turn:
    """What one turn of the event loop wants: written in this order, in one transaction."""

    def __init__(self) -> None:
        self.puts: list[tuple[Any, ...]] = []
        self.flights: list[Flight] = []
        self.deletes: list[Delete] = []
        self.jobs: list[tuple[Callable[[sqlite3.Connection], Any], asyncio.Future[Any]]] = []


class Outcome:
    """What became of a batch. `changes`: what waits or does not, beside what was put.

    What is put counts at once and what is deleted once it is written, so that never less is known to wait than does.
    """

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.changes: list[Change] = []
        self.undeleted: list[Delete] = []
        self.moved: list[tuple[Flight, int]] = []
        """What did not get the row that it was to have, and which one it has."""
        self.has_written = False
        self.seconds = 0.0
        self.why = ""
        """Why nothing of it could be put."""


class File:
    """One connection to the file; used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open or make it; raises ConfigError."""
        self.connection = opened(path)

    def write(self, turns: list[Turn]) -> Outcome:
        """All of it in one transaction, or nothing."""
        connection, outcome = self.connection, Outcome()
        with self._transaction():
            before = connection.total_changes
            for turn in turns:
                for flight, wanted in zip(turn.flights, turn.puts, strict=True):
                    put, is_new = self._put(wanted)
                    if put is not wanted:
                        outcome.moved.append((flight, put[0]))
                    if not is_new:  # it was there already, under another row
                        outcome.changes.append(Change(put[1], put[3], -1, -put[7]))
                        connection.execute(_LONGER, (put[6], *put[1:4]))
                        connection.execute(_EARLIER, (put[0], *put[1:4], put[0]))
                outcome.changes += self._delete(turn.deletes)
                outcome.answers += [_attempt(work, connection) for work, _ in turn.jobs]
            outcome.has_written = connection.total_changes > before
        return outcome

    def salvage(self, turns: list[Turn], why: str) -> Outcome:
        """What can be done of a batch whose transaction has failed: nothing is put, the rest is tried piece by piece."""
        outcome = Outcome()
        outcome.why = why
        deletes = [delete for turn in turns for delete in turn.deletes]
        try:
            with self._transaction():
                outcome.changes += self._delete(deletes)
        except sqlite3.Error:
            outcome.undeleted = deletes
        for turn in turns:
            for work, _ in turn.jobs:
                try:
                    with self._transaction():
                        answer = _attempt(work, self.connection)
                except sqlite3.Error as fault:
                    answer = Failed(f"the mailbox does not answer: {fault}")
                outcome.answers.append(answer)
        return outcome

    def _put(self, put: tuple[Any, ...]) -> tuple[tuple[Any, ...], bool]:
        """Insert a message, in the next free row when its own is another's: nodes that have met since may both have given it.

        Returns what was to be inserted, and whether it was.
        """
        try:
            return put, bool(self.connection.execute(_PUT, put).rowcount)
        except sqlite3.IntegrityError:
            row = put[0] + 1
            while self.connection.execute(_TAKEN, (row,)).fetchone():
                row += 1
            put = (row, *put[1:])
            return put, bool(self.connection.execute(_PUT, put).rowcount)

    def _delete(self, deletes: list[Delete]) -> list[Change]:
        """Delete rows; returns the change in what waits: some may be gone already, expired or never there."""
        execute = self.connection.execute
        gone = [one for one in deletes if execute(_DELETE, (one.row, one.id)).rowcount]
        return [Change(one.recipient, one.sender, -1, -one.size) for one in gone]

    def read(self, recipient: bytes, after: int, most: int, now: int) -> tuple[list[Mail], bool]:
        """The next messages of a recipient behind row `after`, oldest first, and whether there may be more."""
        found: list[Mail] = []
        size = 0
        rows = self.connection.execute(_READ, (recipient, after, now, most))
        for row in rows:
            found.append(Mail(*row))
            size += len(found[-1].body)
            if size >= READ_BYTES:
                break
        rows.close()
        return found, len(found) == most or size >= READ_BYTES

    def expire(self, now: int) -> list[Change]:
        """Drop what is too old; returns what waits no longer."""
        execute = self.connection.execute
        sums = "SELECT recipient, sender, -count(*), -sum(size) FROM mail WHERE expires <= ? GROUP BY 1, 2"
        gone = [Change(*row) for row in execute(sums, (now,))]
        if gone:
            execute("DELETE FROM mail WHERE expires <= ?", (now,))
            execute("PRAGMA incremental_vacuum(1000)").fetchall()
        return gone

    def counted(self) -> list[Change]:
        """Everything that waits."""
        rows = self.connection.execute("SELECT recipient, sender, count(*), sum(size) FROM mail GROUP BY 1, 2")
        return [Change(*row) for row in rows]

    def last_row(self) -> int:
        """The highest number given so far; 0 when nothing waits."""
        row: int = self.connection.execute("SELECT coalesce(max(row), 0) FROM mail").fetchone()[0]
        return row

    def take_room(self) -> None:
        """Write something that needs room, in place of what was written the last time."""
        self.connection.execute("DELETE FROM spare")
        self.connection.execute("INSERT INTO spare VALUES (zeroblob(?))", (SPARE_BYTES,))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise


def next_row(last: int, now: int, node: int) -> int:
    """The number behind `last` of one of several nodes: rises also while the clock (`now`, ms) goes back.

    41 bits of time, 12 of the node, 10 that count within a millisecond: no two nodes ever have the same.
    """
    fresh = now << 22 | node << 10
    if fresh > last:
        return fresh
    if last >> 10 & 4095 == node and last & 1023 < 1023:
        return last + 1
    return ((last >> 22) + 1) << 22 | node << 10


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Raises ConfigError for a file that SQLite cannot make sense of."""
    try:
        yield
    except (sqlite3.Error, msgspec.DecodeError) as fault:
        why = f"{fault}; put another file of that name there, or none" if "malformed" in str(fault) else str(fault)
        raise ConfigError(f"the mailbox {path} cannot be opened: {why}") from None


def _attempt(work: Callable[[sqlite3.Connection], Any], connection: sqlite3.Connection) -> Any:
    """One job's answer; what it did wrong itself is its own to hear, a fault of the disk is everybody's."""
    try:
        return work(connection)
    except sqlite3.Error:
        raise
    except Exception as fault:  # noqa: BLE001  # handed to whoever asked
        return fault


def opened(path: Path) -> sqlite3.Connection:
    """A connection to the file, which is made if it is not there; raises ConfigError."""
    with readable(path):
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=32)
        connection.execute("PRAGMA busy_timeout = 5000")
        connection.executescript(SCHEMA)
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_size_limit = 67108864").fetchall()
    path.chmod(0o600)
    return connection


def database(worker: int) -> str:
    """Which file in the data folder is the own one of a process, of several."""
    return f"cloud-{worker}.db" if worker else "cloud.db"


def adopt(folder: Path, workers: int) -> None:
    """Take over what processes have kept that there are no longer, since the server has fewer now. Raises ConfigError.

    Their messages keep their numbers, and so their order; whatever is there twice is there once afterwards.
    """
    for path in sorted(folder.glob("cloud-*.db")):
        number = path.stem.removeprefix("cloud-")
        if not number.isdecimal() or int(number) < workers:
            continue
        opened(path).close()  # its log of writes is worked in, its tables are of this version
        with readable(path), closing(opened(folder / database(0))) as connection:
            connection.execute("ATTACH ? AS other", (str(path),))
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT OR IGNORE INTO mail SELECT * FROM other.mail")
            connection.execute(
                "INSERT INTO device SELECT * FROM other.device WHERE true"
                " ON CONFLICT (key) DO UPDATE SET seen = max(seen, excluded.seen)"
            )
            connection.execute(
                "INSERT INTO profile SELECT * FROM other.profile WHERE true ON CONFLICT (key) DO UPDATE SET"
                " device = excluded.device, data = excluded.data, at = excluded.at WHERE excluded.at > at"
            )
            connection.execute("COMMIT")
            connection.execute("DETACH other")
        for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
            (folder / name).unlink(missing_ok=True)
