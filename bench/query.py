"""Questions to a day of figures: CPU of each, from the open store, beside the same rows in SQLite.

10 machines, 24 h at 10 s, 300 series each; medians of 31 runs, after one to warm up. Each answer is what a
page or PromQL would start from: aligned numpy columns.
"""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

import _fleet
import numpy as np
from _noise import Noise, median_cpu, table

from watchkeeper.clock import FakeClock
from watchkeeper.model import Frame, Matcher
from watchkeeper.query.ranges import rates, windows
from watchkeeper.store import FrameStore, StoreSettings, open_store

MACHINES, TICKS, RUNS = 10, 8640, 31


def fill(folder: Path, made: list[tuple[np.ndarray, np.ndarray]]) -> FrameStore:
    """Put everything in and leave the store as it would be: most of it sealed, the newest in heads."""
    clock = FakeClock(wall=_fleet.BEGIN / 1000)
    store = open_store(folder, StoreSettings(), clock)
    layouts = [_fleet.layout(number) for number in range(len(made))]
    for number, layout in enumerate(layouts):
        store.define(f"machine-{number}", "10s", layout)
    for tick in range(TICKS):
        for number, (times, values) in enumerate(made):
            store.take(f"machine-{number}", Frame("10s", layouts[number].id, int(times[tick]), values[tick].tobytes()))
        if tick % 60 == 59:
            clock.set_wall(made[0][0][tick] / 1000)
            store.commit_now()
            store.look_after()
    store.commit_now()
    return store


def rows(folder: Path, times: np.ndarray, values: np.ndarray) -> sqlite3.Connection:
    """One machine's day as rows."""
    database = sqlite3.connect(folder / "rows.db", isolation_level=None)
    database.execute("create table sample(series integer, at integer, value real, primary key(series, at)) without rowid")
    database.execute("begin")
    for column in range(0, values.shape[1], 10):
        pairs = zip(times.tolist(), values[:, column].tolist(), strict=True)
        database.executemany("insert into sample values(?, ?, ?)", [(column, at, value) for at, value in pairs])
    database.execute("commit")
    return database


def fetched(database: sqlite3.Connection, query: str, span: tuple[int, int]) -> np.ndarray:
    """Rows as columns."""
    return np.array(database.execute(query, span).fetchall())


def main() -> None:
    noise = Noise()
    made = [_fleet.machine(number, TICKS) for number in range(MACHINES)]
    end = int(made[0][0][-1])
    counter = [Matcher("__name__", "=", "bench_busy_counter"), Matcher("number", "=", "4")]
    one = [*counter, Matcher("machine", "=", "machine-3")]
    day, hour = end - 86_400_000, end - 3_600_000
    with tempfile.TemporaryDirectory(prefix="wk-bench-") as folder:
        store = fill(Path(folder) / "store", made)
        noise.look()
        database = rows(Path(folder), *made[3])

        def rate_of_a_day() -> None:
            (block,) = store.select(one, day, end)
            rate = rates(block.times, block.values, 60)
            edges = np.arange(day // 300_000 * 300_000, end, 300_000)
            windows(block.times, rate[:, 0], edges, 300_000)

        asked = {
            "one series, 24 h raw (8,640 samples)": lambda: store.select(one, day, end),
            "one series, 1 h raw": lambda: store.select(one, hour, end),
            "one series, 24 h, rate in 5 min windows": rate_of_a_day,
            "one series, 24 h from rollups, 1 h windows": lambda: store.rollups(one, day, end, 3_600_000),
            f"one metric of {MACHINES} machines, 1 h raw": lambda: store.select(counter, hour, end),
            f"newest of everything ({MACHINES * 300:,} series)": lambda: store.latest([Matcher("__name__", "!=", "")]),
            "newest of one metric": lambda: store.latest(counter),
        }
        lines = [[name, f"{median_cpu(work, RUNS) * 1000:.2f}", ""] for name, work in asked.items()]
        query = "select at, value from sample where series = 130 and at between ? and ?"
        for place, start in ((0, day), (1, hour)):
            lines[place][2] = (
                f"{median_cpu(lambda: np.array(database.execute(query, (start, end)).fetchall()), RUNS) * 1000:.2f}"  # noqa: B023  # run at once
            )
        noise.look()
        database.close()
        store.close()
    table("query", ["question", "ms CPU", "rows in SQLite"], lines, f"goal: one series over 24 h in 2 ms\n  {noise}")


if __name__ == "__main__":
    main()
