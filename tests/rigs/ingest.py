"""A program that fills a store as fast as it can and says what is durable: made to be killed.

    python ingest.py FOLDER

Each line on its output is the newest tick that a commit has returned for. Chunks are short and upkeep never
rests, so that a kill lands in seals and compactions too. What each figure is follows from machine and tick.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import numpy as np

from watchkeeper.clock import FakeClock
from watchkeeper.model import Dictionary, Frame, Series, dictionary
from watchkeeper.store import StoreSettings, compaction, framestore, head, log, open_store, upkeep

MACHINES = ("a", "b", "c")
COLUMNS = 24
STEP = 10_000
BEGIN = 1_760_000_000_000


def layout(machine: str) -> Dictionary:
    """What a machine's columns are."""
    return dictionary(tuple(Series(f"m{column}", (("machine", machine),)) for column in range(COLUMNS)))


def values(machine: str, tick: int | np.ndarray) -> np.ndarray:
    """What a machine's figures are at a tick, or at all of int64[ticks, 1]."""
    number = MACHINES.index(machine) * 1000 + np.arange(COLUMNS)
    figures = np.where(number % 3 == 0, number, np.where(number % 3 == 1, tick * number, np.sin(tick + number)))
    figures[(tick + number) % 17 == 5] = np.nan
    return figures


def shorten() -> None:
    """Make chunks so short that everything happens often."""
    head.LONGEST = head.SHORTEST = 12
    compaction.LONGEST = 60
    upkeep.ROUND = 0
    upkeep.ROLLUP_ROWS = 2
    log.SEGMENT_BYTES = 40_000
    framestore.capacity_for = lambda *_, **__: 12


def main(folder: str) -> None:
    """Fill until killed."""
    shorten()
    clock = FakeClock(wall=BEGIN / 1000)
    store = open_store(Path(folder), StoreSettings(), clock)
    for machine in MACHINES:
        store.define(machine, "10s", layout(machine))
    newest = [at for _, at, _ in store.latest([])]
    tick = (min(newest) - BEGIN) // STEP + 1 if newest else 0
    threading.Thread(target=look_after, args=(store,), daemon=True).start()
    while True:
        clock.set_wall((BEGIN + tick * STEP) / 1000)
        for machine in MACHINES:
            store.take(machine, Frame("10s", layout(machine).id, BEGIN + tick * STEP, values(machine, tick).tobytes()))
        store.commit_now()
        sys.stdout.write(f"{tick}\n")
        sys.stdout.flush()
        tick += 1


def look_after(store: framestore.FrameStore) -> None:
    """Upkeep without a pause."""
    while True:
        store.look_after()


if __name__ == "__main__":
    main(sys.argv[1])
