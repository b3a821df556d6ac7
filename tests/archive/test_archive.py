"""A backup is whole while the hub writes, comes back as it was, and refuses what is damaged, foreign or newer."""

from __future__ import annotations

import asyncio
import io
import shutil
import sqlite3
import tarfile
import threading
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from watchkeeper.archive import back_up, restore
from watchkeeper.archive.manifest import NAME, Manifest
from watchkeeper.clock import SystemClock
from watchkeeper.errors import Refused
from watchkeeper.journal import open_journal
from watchkeeper.journal.events import Sought
from watchkeeper.model import Event, EventKind, Frame, Matcher, Series, dictionary
from watchkeeper.store import StoreSettings, open_store

LAYOUT = dictionary(tuple(Series("node_load1", (("cpu", str(number)), ("machine", "m"))) for number in range(20)))
STEP = 1000
BEGIN = 1_790_000_000_000


def frame(number: int) -> Frame:
    """One round of twenty figures."""
    import numpy as np  # noqa: PLC0415  # the test's own

    return Frame("1s", LAYOUT.id, BEGIN + number * STEP, (np.arange(20.0) + number).tobytes())


async def live(data: Path, stop: threading.Event, told: list[int]) -> None:
    """A hub's store and journal that take frames and events until told to stop; `told` grows with what is durable."""
    store = open_store(data / "store", StoreSettings(), SystemClock())
    store.define("m", "1s", LAYOUT)
    async with open_journal(data / "journal.db") as journal:
        upkeep = asyncio.create_task(store.run())
        number = 0
        while not stop.is_set():
            for _ in range(50):
                store.take("m", frame(number))
                number += 1
            await journal.events.add([Event(f"e{number}", number, EventKind.AGENT_STARTED, "x")])
            await store.commit()
            told.append(number)
            await asyncio.sleep(0.005)
        upkeep.cancel()
        await asyncio.gather(upkeep, return_exceptions=True)
    store.close()


def counted(data: Path) -> tuple[int, int, list[str]]:
    """Frames and events in a data folder, and what the store had to repair."""

    async def look() -> tuple[int, int, list[str]]:
        store = open_store(data / "store", StoreSettings(), SystemClock())
        blocks = store.select([Matcher("cpu", "=", "7")], BEGIN, BEGIN + 10**9)
        times = sorted(int(at) for block in blocks for at in block.times)
        assert times == list(range(BEGIN, BEGIN + len(times) * STEP, STEP)), "a gap"
        repairs = list(store.repairs)
        store.close()
        async with open_journal(data / "journal.db") as journal:
            return len(times), len(await journal.events.page(Sought(), limit=1000)), repairs

    return asyncio.run(look())


def data_folder(folder: Path) -> Path:
    """A small finished data folder."""
    folder.mkdir(parents=True)
    stop, told = threading.Event(), []

    async def some() -> None:
        task = asyncio.create_task(live(folder, stop, told))
        while not told:
            await asyncio.sleep(0.01)
        stop.set()
        await task

    asyncio.run(some())
    (folder / "token").write_text("secret\n")
    (folder / "token").chmod(0o600)
    (folder / "hub.json").write_text("{}")
    return folder


def test_a_backup_of_a_busy_hub_holds_everything_that_was_durable(tmp_path: Path) -> None:
    """Three backups are made under full writing: each has every frame and event acknowledged before it, without a gap."""
    data = tmp_path / "data"
    data.mkdir()
    stop, told = threading.Event(), []
    writer = threading.Thread(target=lambda: asyncio.run(live(data, stop, told)))
    writer.start()
    promised = []
    for number in range(3):
        while len(told) < 10 * (number + 1):
            assert writer.is_alive()
            threading.Event().wait(0.01)
        promised.append((told[-1], len(told)))
        back_up(data, tmp_path / f"{number}.tar.gz", 1)
    stop.set()
    writer.join()
    for number, (frames, events) in enumerate(promised):
        place = tmp_path / f"restored-{number}"
        restore(tmp_path / f"{number}.tar.gz", place)
        found_frames, found_events, repairs = counted(place)
        assert found_frames >= frames
        assert found_events >= events
        assert repairs == []


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    """Files and modes are the same; what is true of the running hub alone is not in it; the archive is for its owner alone."""
    data = data_folder(tmp_path / "data")
    before = counted(data)
    told = back_up(data, tmp_path / "b.tar.gz", 5)
    assert (tmp_path / "b.tar.gz").stat().st_mode & 0o777 == 0o600
    assert restore(tmp_path / "b.tar.gz", tmp_path / "new" / "data") == told
    assert counted(tmp_path / "new" / "data") == before
    assert (tmp_path / "new" / "data" / "token").stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "new" / "data" / "hub.json").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """An archive that exists stays; a folder that holds something stays; no data is told."""
    data = data_folder(tmp_path / "data")
    (tmp_path / "b.tar.gz").write_text("mine")
    with pytest.raises(Refused, match="is there already"):
        back_up(data, tmp_path / "b.tar.gz", 5)
    back_up(data, tmp_path / "c.tar.gz", 5)
    with pytest.raises(Refused, match="holds something already"):
        restore(tmp_path / "c.tar.gz", data)
    with pytest.raises(Refused, match="no hub's data"):
        back_up(tmp_path / "nowhere", tmp_path / "d.tar.gz", 5)


def forged(source: Path, target: Path, manifest: bytes | None = None, change: str = "", extra: str = "") -> Path:
    """A copy of an archive with another manifest, one file's bytes changed, or a file more."""
    with tarfile.open(source, "r:gz") as old, tarfile.open(target, "w:gz") as new:
        for member in old.getmembers():
            file = old.extractfile(member)
            assert file
            content = file.read()
            if member.name == NAME and manifest is not None:
                content = manifest
            if member.name == change:
                content = content[:-1] + bytes([content[-1] ^ 1])
            member.size = len(content)
            new.addfile(member, io.BytesIO(content))
        if extra:
            info = tarfile.TarInfo(extra)
            info.size = 1
            new.addfile(info, io.BytesIO(b"x"))
    return target


def test_what_is_damaged_or_foreign_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    """A flipped bit, a file too many, a climbing path, half an archive, some other file: refused, and no folder is made."""
    good = tmp_path / "good.tar.gz"
    told = back_up(data_folder(tmp_path / "data"), good, 5)
    climbing = msgspec.structs.replace(told, files=tuple(msgspec.structs.replace(e, path="../" + e.path) for e in told.files))
    cut = tmp_path / "cut"
    cut.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    other = tmp_path / "other"
    other.write_text("hello")
    bad = [
        forged(good, tmp_path / "1", change="token"),
        forged(good, tmp_path / "2", extra="../../escaped"),
        forged(good, tmp_path / "3", manifest=msgspec.json.encode(climbing)),
        forged(good, tmp_path / "4", manifest=b"{}"),
        cut,
        other,
    ]
    for archive in bad:
        with pytest.raises(Refused) as fault:
            restore(archive, tmp_path / "place")
        assert fault.value.code == "damaged", archive
    assert not (tmp_path / "place").exists()
    assert not (tmp_path / "escaped").exists()
    with pytest.raises(Refused, match="no file"):
        restore(tmp_path / "absent", tmp_path / "place")


@pytest.mark.parametrize("newer", [{"format": 2}, {"journal": 1000}, {"store": "1000"}])
def test_a_newer_backup_is_refused_with_words(tmp_path: Path, newer: dict[str, object]) -> None:
    """Downgrading is refused before a byte is written, naming the version that made it."""
    good = tmp_path / "good.tar.gz"
    told = back_up(data_folder(tmp_path / "data"), good, 5)
    changed: Manifest = msgspec.structs.replace(told, watchkeeper="9.9", **newer)
    archive = forged(good, tmp_path / "new", manifest=msgspec.json.encode(changed))
    with pytest.raises(Refused, match=r"newer Watchkeeper \(9\.9\)"):
        restore(archive, tmp_path / "place")


def test_a_damaged_database_is_told(tmp_path: Path) -> None:
    """What cannot be copied makes no archive."""
    data = data_folder(tmp_path / "data")
    shutil.copy(data / "token", data / "journal.db")
    for side in ("journal.db-wal", "journal.db-shm"):
        (data / side).unlink(missing_ok=True)
    with pytest.raises(Exception, match="cannot be copied"):
        back_up(data, tmp_path / "b.tar.gz", 5)
    assert not (tmp_path / "b.tar.gz").exists()
    with closing(sqlite3.connect(data / "store" / "meta.db")) as fine:
        assert fine.execute("select count(*) from stream").fetchone() == (1,)
