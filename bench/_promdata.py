"""A day of a made fleet for questions: into our store whole, into others as remote write as far as the questions reach."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import _fleet
import numpy as np

from watchkeeper.clock import FakeClock
from watchkeeper.model import Block, Frame
from watchkeeper.store import FrameStore, StoreSettings, open_store

MACHINES, TICKS, STEP = 100, 8640, 10_000
MADE = 8
"""Machines that are really made; the others say the same at other milliseconds."""
ASKED = ("bench_gauge", "bench_busy_counter")
NUMBERS = ("4", "5")
"""The series that are asked about over a day: two of each metric; of all others the others hold the last minutes."""
LAST_TICKS = 60


class Day:
    """Figures of all machines."""

    def __init__(self) -> None:
        self._made = [_fleet.machine(number, TICKS) for number in range(MADE)]
        self.layouts = [_fleet.layout(number) for number in range(MACHINES)]
        self.end = max(int(times[-1]) for times, _ in self._made) + MACHINES

    def machine(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Its times and values."""
        times, values = self._made[number % MADE]
        return times + number // MADE, values

    def store(self, folder: Path) -> FrameStore:
        """Our store with everything in it: most of it sealed, the newest in heads, as a running hub has it."""
        clock = FakeClock(wall=_fleet.BEGIN / 1000)
        store = open_store(folder, StoreSettings(), clock)
        for number, layout in enumerate(self.layouts):
            store.define(f"machine-{number}", "10s", layout)
        machines = [self.machine(number) for number in range(MACHINES)]
        for tick in range(TICKS):
            for number, (times, values) in enumerate(machines):
                frame = Frame("10s", self.layouts[number].id, int(times[tick]), values[tick].tobytes())
                store.take(f"machine-{number}", frame)
            if tick % 30 == 29:
                clock.set_wall(int(machines[0][0][tick]) / 1000)
                store.commit_now()
                store.look_after()
        store.commit_now()
        return store

    def blocks(self) -> Iterator[list[Block]]:
        """What the others are given, half an hour at a time."""
        part = 1_800_000 // STEP
        for first in range(0, TICKS, part):
            some = []
            for number in range(MACHINES):
                times, values = self.machine(number)
                series = self.layouts[number].series
                columns = [place for place, one in enumerate(series) if one.name in ASKED and one.label("number") in NUMBERS]
                ticks = slice(first, first + part)
                some.append(Block(tuple(series[place] for place in columns), times[ticks], values[ticks][:, columns]))
                if first + part >= TICKS:
                    rest = [place for place in range(len(series)) if place not in set(columns)]
                    names = tuple(series[place] for place in rest)
                    some.append(Block(names, times[-LAST_TICKS:], values[-LAST_TICKS:][:, rest]))
            yield some
