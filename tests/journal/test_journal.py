"""What the journal acknowledged survives kill -9; files that cannot be used are told, and the old is forgotten."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect

from watchkeeper.errors import ConfigError, Failed
from watchkeeper.journal import Journal, JournalSettings, migrations, open_journal, tables
from watchkeeper.journal.audit import Entry
from watchkeeper.journal.events import Sought
from watchkeeper.journal.machines import KnownMachine
from watchkeeper.model import Action, Event, EventKind, Machine
from watchkeeper.quantities import Duration

DAY = 86_400_000

WRITER = """
import asyncio, itertools, sys
from pathlib import Path
from watchkeeper.journal import open_journal
from watchkeeper.model import Action, Event, EventKind

async def main():
    life = sys.argv[2]
    async with open_journal(Path(sys.argv[1])) as journal:
        async def tell(teller):
            for number in itertools.count():
                id = f"{life}-{teller}-{number}"
                await journal.events.add([Event(id, number + 1, EventKind.PROBE_FAILED, "no answer " * 20)])
                if number % 5 == 0:
                    await journal.actions.request(Action(id, number + 1, "alpha", "web", "restart", "ann"))
                print(id, flush=True)
        async with asyncio.TaskGroup() as group:
            for teller in range(4):
                group.create_task(tell(teller))

asyncio.run(main())
"""


def event(number: int, at: int) -> Event:
    """An event that can be told from others."""
    return Event(f"e{number}", at, EventKind.HUB_STARTED, "started")


def ids_of(path: Path, table: str) -> set[str]:
    """What is in the file, read by SQLite alone."""
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {identity for (identity,) in connection.execute(f"SELECT id FROM {table}")}
    finally:
        connection.close()


def acknowledged(path: Path, life: int, seconds: float) -> set[str]:
    """Let a process write for a while, kill it without warning, and return what it was told is kept."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, path, str(life)], stdout=subprocess.PIPE)
    assert writer.stdout
    first = writer.stdout.readline()
    killer = threading.Timer(seconds, writer.kill)
    killer.start()
    told = first + writer.stdout.read()
    writer.wait()
    killer.join()
    writer.stdout.close()
    return {line.decode() for line in told.split(b"\n")[:-1]}


@pytest.mark.slow
def test_kill_9_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """Killed ten times in the middle of its writing: every acknowledged event and action is there, and the file is whole."""
    path = tmp_path / "journal.db"
    chance = random.Random(11)
    told: set[str] = set()
    for life in range(10):
        now = acknowledged(path, life, chance.uniform(0.02, 0.4))
        assert now
        told |= now
        events, actions = ids_of(path, "events"), ids_of(path, "actions")
        assert told <= events
        assert {identity for identity in told if int(identity.rpartition("-")[2]) % 5 == 0} <= actions
    assert len(told) > 100


async def test_closing_keeps_what_was_asked_for(tmp_path: Path) -> None:
    """Whoever does not wait for the answer still has it written by a regular end."""
    async with open_journal(tmp_path / "journal.db") as journal:
        waiting = [asyncio.ensure_future(journal.events.add([event(number, 1)])) for number in range(500)]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert len(ids_of(tmp_path / "journal.db", "events")) == 500
    with pytest.raises(Failed, match="closed"):
        await journal.events.add([event(1, 1)])
    with pytest.raises(Failed, match="closed"):
        await journal.events.page(Sought())


async def test_a_failing_job_takes_no_other_with_it(journal: Journal) -> None:
    """Jobs share a transaction, not a fate: an action whose id is taken fails alone."""
    action = Action("a", 1, "alpha", "web", "stop", "ann")
    await journal.actions.request(action)
    added, refused, more = await asyncio.gather(
        journal.events.add([event(1, 1)]),
        journal.actions.request(action),
        journal.events.add([event(2, 2)]),
        return_exceptions=True,
    )
    assert isinstance(refused, Failed)
    assert added == (event(1, 1),)
    assert more == (event(2, 2),)
    assert [one.id for one in await journal.events.page(Sought())] == ["e2", "e1"]


async def test_prune_forgets_what_is_older_than_the_retention(journal: Journal) -> None:
    """Old events and audit rows go, the rest stays, and it says how many events went."""
    now = 100 * DAY
    await journal.events.add([event(1, now - 31 * DAY), event(2, now - 30 * DAY), event(3, now)])
    for at in (now - 31 * DAY, now):
        await journal.audit.add(Entry(at, "ann", "::1", "restart", "alpha/web"))
    await journal.actions.request(Action("a", now, "alpha", "web", "stop", "ann"))
    assert await journal.prune(JournalSettings(keep=Duration(30 * 86400)), now) == 1
    assert [one.id for one in await journal.events.page(Sought())] == ["e3", "e2"]
    assert [entry.at for entry in await journal.audit.newest()] == [now, now]
    assert await journal.prune(JournalSettings(keep=Duration(30 * 86400)), now) == 0


async def test_the_audit_reads_newest_first_and_bounded(journal: Journal) -> None:
    """As many as asked for."""
    for at in (1, 3, 2):
        await journal.audit.add(Entry(at, "ann", "", "restart", ""))
    assert [entry.at for entry in await journal.audit.newest()] == [3, 2, 1]
    assert [entry.at for entry in await journal.audit.newest(2)] == [3, 2]
    assert await journal.audit.newest(0) == ()


async def test_machines_are_remembered(tmp_path: Path) -> None:
    """A new hub knows who has ever been there, and when they last spoke."""
    alpha = Machine("alpha", "Linux", "6.1", "x86_64", 4, 1 << 33, 5, "0.1.0", 6)
    beta = Machine("beta", "Linux", "6.1", "aarch64", 8, 1 << 34, 0, "0.1.0", 7)
    async with open_journal(tmp_path / "journal.db") as journal:
        await journal.machines.remember([KnownMachine(alpha, 10, 1.0), KnownMachine(beta, 11, 2.5)])
        await journal.machines.remember([KnownMachine(alpha, 20, 5.0)])
        await journal.machines.remember([])
    async with open_journal(tmp_path / "journal.db") as journal:
        assert sorted(await journal.machines.all(), key=lambda one: one.seen_at, reverse=True) == [
            KnownMachine(alpha, 20, 5.0),
            KnownMachine(beta, 11, 2.5),
        ]
        await journal.machines.forget("beta")
        await journal.machines.forget("beta")
        assert await journal.machines.all() == (KnownMachine(alpha, 20, 5.0),)


def test_the_schema_in_code_is_the_schema_on_disk(tmp_path: Path) -> None:
    """Migrations lead to exactly the tables, columns, keys and indices that queries are written for."""

    def shape(path: Path) -> dict[str, object]:
        engine = create_engine(f"sqlite:///{path}")
        look = inspect(engine)
        found: dict[str, object] = {}
        for table in look.get_table_names():
            columns = {one["name"]: (str(one["type"]), one["nullable"]) for one in look.get_columns(table)}
            indices = sorted((str(one["name"]), tuple(one["column_names"]), one["unique"]) for one in look.get_indexes(table))
            found[table] = (columns, look.get_pk_constraint(table)["constrained_columns"], indices)
        engine.dispose()
        return found

    async def make() -> None:
        async with open_journal(tmp_path / "migrated.db"):
            pass

    asyncio.run(make())
    engine = create_engine(f"sqlite:///{tmp_path / 'plain.db'}")
    tables.metadata.create_all(engine)
    engine.dispose()
    assert shape(tmp_path / "migrated.db") == shape(tmp_path / "plain.db")


async def test_an_older_journal_is_brought_up_to_date(tmp_path: Path) -> None:
    """A file of the first version keeps what is in it and gains what came later."""
    connection = sqlite3.connect(tmp_path / "journal.db")
    connection.executescript(migrations.MIGRATIONS[0])
    connection.executescript(
        "CREATE TABLE journal_version (version INTEGER NOT NULL PRIMARY KEY); INSERT INTO journal_version VALUES (1);"
        "INSERT INTO events VALUES ('old', 1, 'hub_started', 'info', '', '', 'started', '{}')"
    )
    connection.close()
    async with open_journal(tmp_path / "journal.db") as journal:
        assert [one.id for one in await journal.events.page(Sought())] == ["old"]
        assert await journal.machines.all() == ()


async def test_a_newer_journal_is_left_alone(tmp_path: Path) -> None:
    """What a newer version wrote is the operator's to decide."""
    async with open_journal(tmp_path / "journal.db"):
        pass
    connection = sqlite3.connect(tmp_path / "journal.db")
    connection.execute("UPDATE journal_version SET version = 99")
    connection.commit()
    connection.close()
    with pytest.raises(ConfigError, match="version 99"):
        async with open_journal(tmp_path / "journal.db"):
            pass


@pytest.mark.parametrize("damage", ["not a database" * 500, "torn"])
def test_a_damaged_journal_is_told_with_the_remedy(tmp_path: Path, damage: str) -> None:
    """Neither a foreign file nor a torn one is written into; the sentence says what to do."""
    path = tmp_path / "journal.db"

    async def fill() -> None:
        async with open_journal(path) as journal:
            await journal.events.add([event(number, number) for number in range(3000)])

    async def use() -> None:
        async with open_journal(path):
            pass

    if damage == "torn":
        asyncio.run(fill())
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size // 2)
    else:
        path.write_text(damage, encoding="ascii")
    before = path.read_bytes()
    with pytest.raises(Failed, match=r"damaged.*backup") as failed:
        asyncio.run(use())
    assert not failed.value.retry
    assert path.read_bytes() == before


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file in the place of the folder is no traceback."""
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(Failed, match="cannot be"):
        async with open_journal(tmp_path / "taken" / "journal.db"):
            pass


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program that holds the file's write lock."""
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('BEGIN IMMEDIATE');"
        " print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdin
    assert holder.stdout
    holder.stdout.readline()
    try:
        yield
    finally:
        holder.stdin.close()
        holder.wait()
        holder.stdout.close()


async def test_a_lock_of_another_program_delays_and_then_fails_what_is_told(tmp_path: Path) -> None:
    """Reading goes on, writing is told that it can be tried again, and works as soon as the other lets go."""
    async with open_journal(tmp_path / "journal.db") as journal:
        await journal.events.add([event(1, 1)])
        with locked(tmp_path / "journal.db"):
            assert len(await journal.events.page(Sought())) == 1
            with pytest.raises(Failed, match="locked by another program") as failed:
                await journal.events.add([event(2, 2)])
            assert failed.value.retry
        assert await journal.events.add([event(2, 2)]) == (event(2, 2),)


async def test_many_writers_share_few_transactions(journal: Journal) -> None:
    """A burst costs a few fsyncs, not one each: readers see it whole, and each job its own answer."""
    answers = await asyncio.gather(*(journal.events.add([event(number, number)]) for number in range(1000)))
    assert [answer[0].id for answer in answers] == [f"e{number}" for number in range(1000)]
    assert len(await journal.events.page(Sought(), limit=1000)) == 1000


async def test_a_cancelled_write_takes_its_place_back_or_happens_whole(journal: Journal) -> None:
    """Whoever stops waiting leaves the journal usable and no half of a batch."""
    tasks = [asyncio.ensure_future(journal.events.add([event(2 * n, 1), event(2 * n + 1, 1)])) for n in range(200)]
    await asyncio.sleep(0)
    for task in tasks[::3]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await journal.events.add([event(9999, 9)])
    kept = {int(one.id[1:]) for one in await journal.events.page(Sought(), limit=1000)} - {9999}
    assert {number ^ 1 for number in kept} == kept
    assert {2 * n for n in range(200) if n % 3} <= kept
