"""A store on a folder of its own, and frames to put into it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from watchkeeper.clock import FakeClock
from watchkeeper.model import Dictionary, Frame, Series, dictionary
from watchkeeper.store import FrameStore, StoreSettings, open_store

BEGIN = 1_760_000_000_000
"""A Thursday in October 2025, 08:53:20 UTC."""


class Bench:
    """One store that can be closed and opened again, and a clock that follows its frames."""

    def __init__(self, folder: Path, settings: StoreSettings) -> None:
        self.folder = folder
        self.settings = settings
        self.clock = FakeClock(wall=BEGIN / 1000)
        self.store = self.open()

    def open(self) -> FrameStore:
        """Open it (again)."""
        self.store = open_store(self.folder, self.settings, self.clock)
        return self.store

    def reopen(self) -> FrameStore:
        """Close and open it."""
        self.store.close()
        return self.open()

    def put(self, machine: str, layout: Dictionary, times: np.ndarray, values: np.ndarray, stream: str = "10s") -> None:
        """Take frames, commit each hundred, look after the store now and then."""
        self.store.define(machine, stream, layout)
        for place, at in enumerate(times.tolist()):
            assert self.store.take(machine, Frame(stream, layout.id, at, values[place].tobytes()))
            if place % 100 == 99:
                self.clock.set_wall(at / 1000)
                self.store.commit_now()
                self.store.look_after()
        self.clock.set_wall(times[-1] / 1000)
        self.store.commit_now()
        self.store.look_after()


def layout_of(machine: str, count: int, prefix: str = "m") -> Dictionary:
    """A layout of `count` series of one machine."""
    return dictionary(tuple(Series(f"{prefix}{column}", (("machine", machine),)) for column in range(count)))


def made_values(ticks: int, columns: int, seed: int = 1) -> np.ndarray:
    """Figures of all kinds, with gaps: float64[ticks, columns]."""
    random = np.random.default_rng(seed)
    values = np.empty((ticks, columns))
    for column in range(columns):
        match column % 6:
            case 0:
                values[:, column] = column
            case 1:
                values[:, column] = np.cumsum(random.integers(0, 2000, ticks)) * 512.0
            case 2:
                values[:, column] = np.round(random.normal(40, 5, ticks), 2)
            case 3:
                values[:, column] = random.standard_normal(ticks)
            case 4:
                values[:, column] = np.round(np.cumsum(random.integers(0, 3, ticks)) / 100, 2)
            case _:
                values[:, column] = random.integers(0, 2, ticks)
        if column % 5 == 2:
            start = int(random.integers(0, ticks))
            values[start : start + ticks // 7, column] = np.nan
    return values


def made_times(ticks: int, step: int = 10_000, begin: int = BEGIN) -> np.ndarray:
    """Instants on a grid, a few milliseconds late each."""
    return begin + np.arange(ticks) * step + np.random.default_rng(ticks).integers(0, 5, ticks)
