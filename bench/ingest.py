"""Ingest: from decoded frames to sealed, compacted chunks with their rollups; CPU a million samples, bytes a sample.

The same samples go into SQLite, a row each (WAL, one transaction per round of all machines), beside it:
what a store without an own format would cost. FLEET_DATA names a folder with agents.npy and ts.npy to
take instead of made figures.
"""

from __future__ import annotations

import os
import resource
import sqlite3
import tempfile
import time
from pathlib import Path

import _fleet
import numpy as np
from _noise import Noise, table

from watchkeeper.clock import FakeClock
from watchkeeper.model import Frame
from watchkeeper.store import StoreSettings, open_store

MACHINES, TICKS = 40, 2160
ROW_MACHINES, ROW_TICKS = 4, 120


def load() -> tuple[np.ndarray, np.ndarray]:
    """Times int64[machines, ticks] and values float64[machines, ticks, series]."""
    if folder := os.environ.get("FLEET_DATA"):
        return np.load(f"{folder}/ts.npy", mmap_mode="r"), np.load(f"{folder}/agents.npy", mmap_mode="r")
    made = [_fleet.machine(number, TICKS) for number in range(MACHINES)]
    return np.stack([times for times, _ in made]), np.stack([values for _, values in made])


def ours(times: np.ndarray, values: np.ndarray, folder: Path, noise: Noise) -> list[list[object]]:
    """Push everything through, tick by tick, a commit for each."""
    machines, ticks, series = values.shape
    clock = FakeClock(wall=times[0, 0] / 1000)
    store = open_store(folder, StoreSettings(), clock)
    layouts = [_fleet.layout(number) for number in range(machines)]
    for number, one in enumerate(layouts):
        store.define(f"machine-{number}", "10s", one)
    spent = {"take + commit": 0.0, "seal + rollups": 0.0, "compact the rest": 0.0}
    for tick in range(ticks):
        frames = [Frame("10s", layouts[one].id, int(times[one, tick]), values[one, tick].tobytes()) for one in range(machines)]
        clock.set_wall(times[0, tick] / 1000)
        began = time.process_time()
        for one, frame in enumerate(frames):
            store.take(f"machine-{one}", frame)
        store.commit_now()
        middle = time.process_time()
        store.look_after()
        spent["take + commit"] += middle - began
        spent["seal + rollups"] += time.process_time() - middle
        if tick % 400 == 0:
            noise.look()
    began = time.process_time()
    store.seal_everything()
    spent["compact the rest"] = time.process_time() - began
    total = machines * ticks * series / 1e6
    sizes = store.statistics()
    store.close()
    rows = [[f"  {name}", f"{seconds / total:.3f}", ""] for name, seconds in spent.items()]
    whole = sum(spent.values()) / total
    size = f"{_bytes(folder, 't0-*') / total / 1e6:.3f}"
    rows.insert(
        0, [f"Watchkeeper, {total:.0f} M samples of {machines} machines", f"{whole:.3f} ({1 / whole:.1f} M/s a core)", size]
    )
    rows.append(["  rollups (5 min and 1 h) on top", "", f"{sizes.rollup_bytes / total / 1e6:.3f}"])
    return rows


def sqlite_rows(times: np.ndarray, values: np.ndarray, folder: Path) -> list[object]:
    """The same in one table of rows."""
    database = sqlite3.connect(folder / "rows.db", isolation_level=None)
    database.executescript(
        "pragma journal_mode=wal; pragma synchronous=full;"
        "create table sample(series integer, at integer, value real, primary key(series, at)) without rowid;"
    )
    series = values.shape[2]
    began = time.process_time()
    for tick in range(ROW_TICKS):
        database.execute("begin")
        for one in range(ROW_MACHINES):
            at = int(times[one, tick])
            rows = [(one * series + column, at, value) for column, value in enumerate(values[one, tick].tolist())]
            database.executemany("insert into sample values(?, ?, ?)", rows)
        database.execute("commit")
    spent = time.process_time() - began
    database.execute("pragma wal_checkpoint(truncate)")
    database.close()
    total = ROW_MACHINES * ROW_TICKS * series
    return ["SQLite, a row a sample", f"{spent / total * 1e6:.2f}", f"{_bytes(folder, 'rows.db') / total:.2f}"]


def _bytes(folder: Path, pattern: str) -> int:
    return sum(path.stat().st_size for path in folder.glob(pattern))


def main() -> None:
    noise = Noise()
    times, values = load()
    with tempfile.TemporaryDirectory(prefix="wk-bench-") as folder:
        rows = ours(times, values, Path(folder) / "store", noise)
        rows.append(sqlite_rows(times, values, Path(folder)))
    noise.look()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    goal = "goal: 0.2 CPU-s a million samples, 0.70 bytes a sample, lossless"
    table(
        "ingest", ["store", "CPU-s / M samples", "bytes / sample"], rows, f"{goal}; peak {peak} MiB with the input\n  {noise}"
    )


if __name__ == "__main__":
    main()
