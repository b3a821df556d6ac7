"""The journal's file: one thread that writes, one that reads, and an async door to both.

What waits to be written when the thread is free goes into one transaction (each job in a savepoint of its
own), so a burst costs one fsync. A job has happened once its await returns, and then survives kill -9 and power loss
(WAL, synchronous FULL). Nothing here knows a table; SQL belongs to the rooms beside it.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from watchkeeper.errors import Failed
from watchkeeper.journal.tables import migrate

T = TypeVar("T")
Work = Callable[[Connection], T]

BATCH = 256
"""How many jobs one transaction may hold: bounds how long the first of them waits for the last."""
PATIENCE = 2.0
"""How long, in seconds, to wait for a lock that another program (a backup, a person's sqlite3) holds."""


class Ledger:
    """An open journal file. Made by `open_ledger`; `write` and `read` may be called from any event loop."""

    def __init__(self, path: Path, writer: Engine, reader: Engine) -> None:
        self.path = path
        self._writer = writer
        self._reader = reader
        self._jobs: queue.SimpleQueue[tuple[Work[Any], Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="journal-writer", daemon=True)
        self._readers = ThreadPoolExecutor(1, "journal-reader")
        self._closed = False

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction; return once it is durable.

        Raises `Failed` when the file is locked, the disk is full or the file is damaged, with nothing of this job kept.
        Cancelling before its turn takes the job back; after that it happens all the same.
        """
        if self._closed:
            raise Failed("the journal is closed", retry=False)
        done: Future[T] = Future()
        self._jobs.put((work, done))
        return await asyncio.wrap_future(done)

    async def read(self, work: Work[T]) -> T:
        """Run `work` on a consistent view of all that was written before; raises `Failed` as `write` does."""
        if self._closed:
            raise Failed("the journal is closed", retry=False)
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._look, work)

    def start(self) -> None:
        """Let the writing thread begin."""
        self._thread.start()

    def close(self) -> None:
        """Finish what was asked for, then close the file; blocks for as long as that takes. Closing twice is harmless."""
        if self._closed:
            return
        self._closed = True
        self._jobs.put(None)
        self._thread.join()
        self._readers.shutdown()
        self._writer.dispose()
        self._reader.dispose()

    def _look(self, work: Work[T]) -> T:
        try:
            with self._reader.begin() as connection:
                return work(connection)
        except DBAPIError as fault:
            raise explain(fault, self.path) from fault

    def _serve(self) -> None:
        last = False
        while not last:
            batch = [self._jobs.get()]
            while len(batch) < BATCH and batch[-1] is not None:
                try:
                    batch.append(self._jobs.get_nowait())
                except queue.Empty:
                    break
            last = batch[-1] is None
            if jobs := [job for job in batch if job and job[1].set_running_or_notify_cancel()]:
                self._write_together(jobs)

    def _write_together(self, jobs: list[tuple[Work[Any], Future[Any]]]) -> None:
        """One transaction for all; a job that fails alone is rolled back alone, is told so, and never ends the thread."""
        kept: list[tuple[Future[Any], Any]] = []
        try:
            with self._writer.begin() as connection:
                for work, done in jobs:
                    self._write_one(connection, work, done, kept)
        except DBAPIError as fault:
            for _, done in jobs:
                if not done.done():
                    done.set_exception(explain(fault, self.path))
        else:
            for done, answer in kept:
                done.set_result(answer)

    def _write_one(
        self, connection: Connection, work: Work[Any], done: Future[Any], kept: list[tuple[Future[Any], Any]]
    ) -> None:
        try:
            with connection.begin_nested():
                answer = work(connection)
            kept.append((done, answer))
        except DBAPIError as fault:
            # On a full disk SQLite may give up the whole transaction, and with it what jobs before this one
            # wrote (sqlite.org/lang_transaction.html, 2.3): then all of them have failed.
            driver = connection.connection.dbapi_connection
            if not getattr(driver, "in_transaction", False):
                raise
            done.set_exception(explain(fault, self.path))
        except BaseException as fault:  # noqa: BLE001  # the caller's own, raised again where the caller awaits
            done.set_exception(fault)


def open_ledger(path: Path) -> Ledger:
    """Open or make the file, check it and bring its tables up to date; blocks (the check reads the whole file).

    Raises `Failed` when it cannot be opened or is damaged, ConfigError when a newer Watchkeeper wrote it.
    """
    writer, reader = _engine(path, "BEGIN IMMEDIATE"), _engine(path, "BEGIN")
    opened = False
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)  # digests and history: nobody else's to read
        with writer.connect() as connection:
            found = connection.exec_driver_sql("PRAGMA quick_check(3)").scalars().all()
        if list(found) != ["ok"]:
            raise Failed(f"the journal {path} is damaged ({'; '.join(map(str, found))}): {REMEDY}", retry=False)
        with writer.begin() as connection:
            migrate(connection)
        ledger = Ledger(path, writer, reader)
        ledger.start()
        opened = True
    except (DBAPIError, sqlite3.Error) as fault:
        raise explain(fault, path) from fault
    except OSError as fault:
        raise Failed(f"the journal {path} cannot be opened: {fault.strerror}", retry=False) from fault
    finally:
        if not opened:
            writer.dispose()
            reader.dispose()
    return ledger


REMEDY = "put a backup in its place, or move it away to start with an empty one (history and sign-ins are in it)"


def explain(fault: DBAPIError | sqlite3.Error, path: Path) -> Failed:
    """What SQLite said, for a person: what happened to the journal and what to do."""
    told = fault.orig if isinstance(fault, DBAPIError) else fault
    said = str(told)
    code = getattr(told, "sqlite_errorcode", 0) & 0xFF  # the low byte is the kind, the rest its variety
    match code:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return Failed(f"the journal {path} is locked by another program; it is tried again once that lets go")
        case sqlite3.SQLITE_FULL:
            return Failed(f"the journal {path} cannot grow: the disk is full; free some space")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return Failed(f"the journal {path} is damaged ({said}): {REMEDY}", retry=False)
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return Failed(f"the journal {path} cannot be written ({said}); check the folder's owner and mode", retry=False)
        case sqlite3.SQLITE_IOERR:
            return Failed(f"the journal {path} cannot be read or written ({said}); look at the disk's own messages")
        case _:
            return Failed(f"the journal {path}: {said}", retry=False)


def _engine(path: Path, begin: str) -> Engine:
    """An engine for one thread. The driver's own transactions are off: they start too late and end on DDL."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=StaticPool,
        connect_args={"timeout": PATIENCE, "isolation_level": None, "check_same_thread": False},
    )

    def connected(connection: Any, _record: Any) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-2048"):
            connection.execute(f"PRAGMA {pragma}").close()

    def begins(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begins)
    return engine
