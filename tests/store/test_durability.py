"""Killed at any instant, or out of disk: what was acknowledged is there, once, bit for bit."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rigs import ingest
from rigs.store import Bench, layout_of, made_times, made_values
from watchkeeper.clock import FakeClock
from watchkeeper.errors import Failed
from watchkeeper.model import Frame, Matcher
from watchkeeper.quantities import Size
from watchkeeper.store import StoreSettings, open_store

RIG = Path(ingest.__file__)
KILLS, MANY_KILLS = 6, 40


def fill_and_kill(folder: Path, seconds: float) -> int:
    """Let the program fill the store, kill -9 it, and return the last tick that it said was durable (-1: none)."""
    path = [str(RIG.parent.parent), *sys.path]
    child = subprocess.Popen(
        [sys.executable, str(RIG), str(folder)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    )
    assert child.stdout is not None
    first = child.stdout.readline()
    time.sleep(seconds)
    child.kill()
    said = (first + child.stdout.read()).decode("ascii")
    child.stdout.close()
    child.wait()
    return int(said[: said.rfind("\n")].splitlines()[-1])


def check(folder: Path, acknowledged: int) -> int:
    """Open the store, and hold everything in it against what it should be; returns how many ticks it has."""
    store = open_store(folder, StoreSettings(), FakeClock())
    ticks = 0
    for machine in ingest.MACHINES:
        (block,) = store.select([Matcher("machine", "=", machine)], 0, 1 << 60)
        ticks = len(block.times)
        assert block.times.tolist() == [ingest.BEGIN + tick * ingest.STEP for tick in range(ticks)], "a hole, or a frame twice"
        assert ticks > acknowledged, "an acknowledged frame is gone"
        columns = [int(series.name[1:]) for series in block.series]
        wanted = np.ascontiguousarray(ingest.values(machine, np.arange(ticks)[:, None])[:, columns])
        assert (np.ascontiguousarray(block.values).view(np.int64) == wanted.view(np.int64)).all()
        (hours,) = store.rollups([Matcher("machine", "=", machine)], 0, int(block.times[-1]), 3_600_000)
        assert (hours.seen.sum(axis=0) == (~np.isnan(wanted)).sum(axis=0)).all(), "a sample rolled up twice, or never"
    store.close()
    for path in folder.glob("*.db"):
        database = sqlite3.connect(path)
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)
        database.close()
    return ticks


@pytest.mark.slow
@pytest.mark.parametrize("kills", [KILLS, pytest.param(MANY_KILLS, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
def test_kill_9_loses_nothing_acknowledged(tmp_path: Path, kills: int) -> None:
    """At random moments of ingest, seals, compactions and rollups; half the time the log's tail is torn as well."""
    chance = random.Random(os.environ.get("WATCHKEEPER_TEST_SEED", "7"))
    for kill in range(kills):
        acknowledged = fill_and_kill(tmp_path, chance.uniform(0.02, 0.5))
        if kill % 2:
            newest = max((tmp_path / "log").glob("*.log"))
            with newest.open("ab") as file:
                file.write(b"WKB1" + chance.randbytes(chance.randrange(1, 400)))
        check(tmp_path, acknowledged)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB of its own."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], check=False, capture_output=True
    ).returncode:
        pytest.skip("no file system can be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_refuses_and_recovers(small_disk: Path) -> None:
    """Others fill the disk: commits are refused and nothing is acknowledged; with room again, everything is there."""
    bench = Bench(small_disk / "store", StoreSettings(keep_free=Size(0)))
    layout = layout_of("a", 200)
    times, values = made_times(900), made_values(900, 200)
    bench.put("a", layout, times[:50], values[:50])
    hog = small_disk / "hog"
    with pytest.raises(OSError, match="No space left"), hog.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)
    refused = 0
    for place in range(50, 200):
        assert bench.store.take("a", Frame("10s", layout.id, int(times[place]), values[place].tobytes()))
        try:
            bench.store.commit_now()
        except Failed:
            refused += 1
    assert refused > 100
    assert bench.store.statistics().waiting_frames > 0
    hog.unlink()
    bench.store.commit_now()
    assert bench.store.statistics().waiting_frames == 0
    bench.reopen()
    (block,) = bench.store.select([Matcher("machine", "=", "a")], 0, 1 << 60)
    assert block.times.tolist() == times[:200].tolist()
    bench.store.close()


def test_it_refuses_to_fill_the_disk_it_watches(small_disk: Path) -> None:
    """What others may need is left to them: the store stops before the disk is full, and says why."""
    bench = Bench(small_disk / "store", StoreSettings(keep_free=Size(1 << 30)))
    layout = layout_of("a", 400)
    values = np.random.default_rng(1).standard_normal((3000, 400))
    bench.store.define("a", "10s", layout)
    with pytest.raises(Failed, match="nearly full"):
        for place, at in enumerate(made_times(3000).tolist()):
            bench.store.take("a", Frame("10s", layout.id, at, values[place].tobytes()))
            bench.clock.set_wall(at / 1000)
            bench.store.commit_now()
    usage = os.statvfs(small_disk)
    assert usage.f_bavail * usage.f_frsize > 0.03 * usage.f_blocks * usage.f_frsize
    bench.store.close()


def test_what_waits_for_the_disk_is_bounded(small_disk: Path) -> None:
    """Once 64 MiB wait, agents are told to keep theirs."""
    bench = Bench(small_disk / "store", StoreSettings(keep_free=Size(0)))
    layout = layout_of("a", 20_000)
    bench.store.define("a", "10s", layout)
    row = np.random.default_rng(1).standard_normal(20_000).tobytes()
    with pytest.raises(Failed, match="wait for the disk already"):
        for at in made_times(600).tolist():
            bench.store.take("a", Frame("10s", layout.id, at, row))
    bench.store.close()
