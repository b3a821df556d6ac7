"""One SQLite file of chunks: the sealed ticks of all streams within one day, month or year.

Chunks of a stream never overlap in time and are sorted by it. Writing is one transaction with
`synchronous=full`; reading sees one snapshot while `reading` lasts. A tier's file is removed whole,
which is what makes retention cheap. Two connections: a long write holds up no reader.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self

from watchkeeper.errors import Failed
from watchkeeper.store.codec import Read

SCHEMA = """
create table if not exists chunk(
  id integer primary key,
  stream integer not null, layout integer not null,
  t0 integer not null, t1 integer not null, upto integer not null, ticks integer not null,
  blob blob not null);
create index if not exists chunk_time on chunk(stream, t1, t0, layout, ticks, upto);
"""
# The index has all that is told of a chunk, so that rows, between which blobs lie, are not read for it.

FEW_STREAMS = 12
"""Up to so many are looked up one by one; for more, one walk through the file's index is quicker."""
READ_KILOBYTES = 8192
"""Pages that a file's reader keeps, at most: what one question to a fleet touches, so that the next finds it there."""
COLUMNS = "id, stream, layout, t0, t1, upto, ticks"


class Chunk(NamedTuple):
    """One row but its blob. `t0`, `t1`: first and last time in it; `upto`: the raw time that it covers up to (raw: t1)."""

    id: int
    stream: int
    layout: int
    t0: int
    t1: int
    upto: int
    ticks: int


class NewChunk(NamedTuple):
    """A row to be written."""

    stream: int
    layout: int
    t0: int
    t1: int
    upto: int
    ticks: int
    blob: bytes


Written = Callable[[Chunk, bytes], None]
"""Hears of a chunk that is durable now, and its bytes."""


class ChunkFile:
    """An open file. One writer at a time (the store's upkeep); readers take turns."""

    def __init__(self, path: Path) -> None:
        """Open or create; raises Failed when it is damaged or cannot be made."""
        self.path = path
        self._reads = threading.Lock()
        try:
            self._writer = self._connect()
            self._writer.executescript(SCHEMA)
            self._reader = self._connect()
            self._reader.execute(f"pragma cache_size=-{READ_KILOBYTES}")
        except sqlite3.Error as fault:
            raise Failed(f"{path} cannot be opened: {fault}", retry=False) from None

    def put(self, chunks: Sequence[NewChunk], instead_of: Sequence[int] = ()) -> list[Chunk]:
        """Add chunks, and in the same transaction remove those they replace; durable on return: as rows. Raises Failed."""
        try:
            self._writer.execute("begin immediate")
            self._writer.executemany("delete from chunk where id = ?", [(number,) for number in instead_of])
            insert = "insert into chunk values(null, ?, ?, ?, ?, ?, ?, ?)"
            put = [self._writer.execute(insert, chunk).lastrowid for chunk in chunks]
            self._writer.execute("commit")
        except sqlite3.Error as fault:
            if self._writer.in_transaction:
                self._writer.execute("rollback")
            raise Failed(f"{self.path} cannot be written: {fault}") from None
        return [Chunk(number or 0, *chunk[:-1]) for number, chunk in zip(put, chunks, strict=True)]

    @contextmanager
    def reading(self) -> Iterator[ChunkReader]:
        """One snapshot of the file. Raises Failed when it cannot be read."""
        with self._reads:
            try:
                self._reader.execute("begin")
                yield ChunkReader(self._reader)
            except sqlite3.Error as fault:
                raise Failed(f"{self.path} cannot be read: {fault}") from None
            finally:
                if self._reader.in_transaction:
                    self._reader.execute("rollback")

    def rest(self) -> None:
        """Give back the pages that readers keep, unless one is reading."""
        if self._reads.acquire(blocking=False):
            try:
                self._reader.execute("pragma shrink_memory")
            finally:
                self._reads.release()

    def close(self) -> None:
        """Close both connections, the write-ahead log of SQLite with them."""
        with self._reads:
            self._reader.close()
            self._writer.close()

    def remove(self) -> None:
        """Close and delete it."""
        self.close()
        for ending in ("", "-wal", "-shm"):
            Path(f"{self.path}{ending}").unlink(missing_ok=True)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None, timeout=30)
        # With a map of what each page is, SQLite finds the middle of a long blob without reading what stands before it:
        # a quarter of the time, for a thousandth of the space. Decided when a file is made.
        connection.execute("pragma auto_vacuum=incremental")
        connection.execute("pragma journal_mode=wal")
        connection.execute("pragma synchronous=full")
        connection.execute("pragma journal_size_limit=4194304")
        return connection


class ChunkReader:
    """What can be asked within one snapshot."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Made by `ChunkFile.reading`."""
        self._db = connection

    def between(self, stream: int, start: int, end: int) -> list[Chunk]:
        """A stream's chunks that have a time in ``start <= t <= end``, in time order."""
        query = f"select {COLUMNS} from chunk where stream = ? and t1 >= ? and t0 <= ? order by t1, id"  # noqa: S608  # ours
        return list(map(Chunk._make, self._db.execute(query, (stream, start, end))))

    def among(self, since: Mapping[int, int], end: int) -> list[Chunk]:
        """The same for several streams, each from its own instant on: in the streams' order of numbers, then in time order."""
        if len(since) <= FEW_STREAMS:
            return [chunk for stream in sorted(since) for chunk in self.between(stream, since[stream], end)]
        start = min(since.values())
        query = f"select {COLUMNS} from chunk where t1 >= ? and t0 <= ? order by stream, t1, id"  # noqa: S608  # ours
        rows = self._db.execute(query, (start, end))
        return [Chunk._make(row) for row in rows if row[1] in since and row[4] >= since[row[1]]]

    def all(self) -> list[Chunk]:
        """Every chunk, stream by stream in time order."""
        return [Chunk(*row) for row in self._db.execute(f"select {COLUMNS} from chunk order by stream, t1, id")]  # noqa: S608  # ours

    def layouts(self, start: int, end: int) -> list[tuple[int, int]]:
        """Each stream and layout that has a chunk in ``start <= t <= end``."""
        query = "select distinct stream, layout from chunk where t1 >= ? and t0 <= ?"
        return self._db.execute(query, (start, end)).fetchall()

    def reach(self) -> list[tuple[int, int, int]]:
        """For each stream: its number, its last time and what its chunks cover up to."""
        return self._db.execute("select stream, max(t1), max(upto) from chunk group by stream").fetchall()

    def blob(self, number: int) -> Blob:
        """A way to read parts of one chunk's blob; to be closed."""
        return Blob(self._db.blobopen("chunk", "blob", number, readonly=True))

    def whole(self, number: int) -> Read:
        """All of one chunk's blob at once, for who wants most of it."""
        (raw,) = self._db.execute("select blob from chunk where id = ?", (number,)).fetchone()
        return in_memory(raw)


class Blob:
    """One chunk's bytes in its file: a `codec.Read`."""

    __slots__ = ("_blob",)

    def __init__(self, blob: sqlite3.Blob) -> None:
        """Made by `ChunkReader.blob`."""
        self._blob = blob

    def __call__(self, offset: int, length: int) -> bytes:
        """Read some of it, less where it ends."""
        if offset > len(self._blob):
            return b""
        self._blob.seek(offset)
        return self._blob.read(length)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._blob.close()


def in_memory(raw: bytes) -> Read:
    """Read parts of bytes that are at hand."""
    return lambda offset, length: raw[offset : offset + length]


Opener = Callable[[Path], ChunkFile]
