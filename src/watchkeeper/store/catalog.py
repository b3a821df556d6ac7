"""meta.db: which streams there are and what the columns of each layout mean.

A stream is one machine's rounds of one period; a layout is a dictionary, kept once under its digest.
Both are written before the first frame that needs them is durable. `store` asks by id; names of series
are interned, since a fleet says the same words a hundred thousand times.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec

from watchkeeper.errors import Failed
from watchkeeper.model import Dictionary, Series
from watchkeeper.store.zstd import squeeze, stretch

SCHEMA = """
create table if not exists stream(id integer primary key, machine text not null, name text not null, unique(machine, name));
create table if not exists layout(id integer primary key, size integer not null, series blob not null);
create table if not exists setting(name text primary key, value text not null) without rowid;
insert or ignore into setting values('version', '1');
"""
VERSION = "1"


class StreamName(NamedTuple):
    """Who sends it: ``("web-1", "5s")``."""

    machine: str
    name: str


class Catalog:
    """Streams and layouts, in memory once they were asked for; new ones wait for `commit`."""

    def __init__(self, path: Path) -> None:
        """Open or create; raises Failed when this is no catalogue of ours or a newer one."""
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.execute("pragma journal_mode=wal")
            self._db.execute("pragma synchronous=full")
            self._db.executescript(SCHEMA)
            (version,) = self._db.execute("select value from setting where name = 'version'").fetchone()
            rows = self._db.execute("select id, machine, name from stream").fetchall()
        except sqlite3.Error as fault:
            raise Failed(f"{path} cannot be opened: {fault}", retry=False) from None
        if version != VERSION:
            raise Failed(f"{path} is of version {version}; this program reads version {VERSION}", retry=False)
        self.streams: dict[int, StreamName] = {number: StreamName(machine, name) for number, machine, name in rows}
        self._machines: dict[str, list[int]] = {}
        self._of_any: list[int] = []
        for number, named in self.streams.items():
            self._sort_in(number, named.machine)
        self._ids = {name: number for number, name in self.streams.items()}
        self._layouts: dict[int, tuple[Series, ...]] = {}
        self._known: set[int] = {number for (number,) in self._db.execute("select id from layout")}
        self._fresh_streams: list[int] = []
        self._fresh_layouts: list[int] = []
        self._words: dict[str, str] = {}
        self._pairs: dict[tuple[str, str], tuple[str, str]] = {}

    def stream(self, machine: str, name: str) -> int:
        """The stream's number, a new one if need be."""
        key = StreamName(machine, name)
        number = self._ids.get(key)
        if number is None:
            number = self._ids[key] = max(self.streams, default=0) + 1
            self.streams[number] = key
            self._sort_in(number, machine)
            self._fresh_streams.append(number)
        return number

    def of_machine(self, machine: str) -> list[int]:
        """The streams of a machine, and those of names that begin with ``_``, which speak of any machine."""
        return sorted([*self._machines.get(machine, ()), *self._of_any])

    def learn(self, layout: Dictionary) -> None:
        """Know a layout from now on."""
        if layout.id in self._layouts:
            return
        self._layouts[layout.id] = self._interned(layout.series)
        if layout.id not in self._known:
            self._fresh_layouts.append(layout.id)
            self._known.add(layout.id)

    def layout(self, number: int) -> tuple[Series, ...] | None:
        """What the columns of a layout are; None if it was never learnt."""
        known = self._layouts.get(number)
        if known is None and number in self._known:
            size, packed = self._db.execute("select size, series from layout where id = ?", (number,)).fetchone()
            known = self._interned(msgspec.msgpack.decode(stretch(packed, size), type=tuple[Series, ...]))
            self._layouts[number] = known
        return known

    def commit(self) -> None:
        """Make what is new durable; raises Failed, and then it is new still."""
        if not self._fresh_streams and not self._fresh_layouts:
            return
        streams, layouts = len(self._fresh_streams), len(self._fresh_layouts)
        try:
            self._db.execute("begin immediate")
            self._db.executemany(
                "insert or ignore into stream values(?, ?, ?)",
                [(number, *self.streams[number]) for number in self._fresh_streams[:streams]],
            )
            for number in self._fresh_layouts[:layouts]:
                plain = msgspec.msgpack.encode(self._layouts[number])
                self._db.execute("insert or ignore into layout values(?, ?, ?)", (number, len(plain), squeeze(plain)))
            self._db.execute("commit")
        except sqlite3.Error as fault:
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise Failed(f"the store's catalogue cannot be written: {fault}") from None
        del self._fresh_streams[:streams], self._fresh_layouts[:layouts]

    def forget_layouts(self, used: set[int]) -> int:
        """Drop layouts that no chunk, head or log refers to any more; returns how many."""
        gone = self._known - used - set(self._fresh_layouts)
        with closing(self._db.cursor()) as cursor:
            cursor.executemany("delete from layout where id = ?", [(number,) for number in gone])
        for number in gone:
            self._known.discard(number)
            self._layouts.pop(number, None)
        return len(gone)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _sort_in(self, number: int, machine: str) -> None:
        if machine.startswith("_"):
            self._of_any.append(number)
        else:
            self._machines.setdefault(machine, []).append(number)

    def _interned(self, series: tuple[Series, ...]) -> tuple[Series, ...]:
        words, pairs = self._words, self._pairs
        return tuple(
            Series(words.setdefault(one.name, one.name), tuple(pairs.setdefault(pair, pair) for pair in one.labels))
            for one in series
        )
