"""The samples that Prometheus and our store are both given: everything that makes a query language stumble.

Two hours of counters with resets, gauges, gaps shorter and longer than the look-back, series that end with a
stale marker, start late or have one sample, NaN and infinities, histograms, figures of all magnitudes; and some
series of a made fleet with its jittering clocks.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np

from watchkeeper.clock import FakeClock
from watchkeeper.model import NOT_A_NUMBER, STALE, Block, Frame, Series, dictionary
from watchkeeper.store import FrameStore, StoreSettings, open_store

sys.path.append(str(Path(__file__).resolve().parents[2] / "bench"))

import _fleet

BEGIN = 1_760_000_400_000
TICKS = 480
STEP = 15_000
END = BEGIN + (TICKS - 1) * STEP
BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, math.inf)
FLEET = ("constant", "gauge", "busy_counter", "cpu_seconds", "bytes", "percent", "full_float")


def blocks(seed: int = 0) -> list[Block]:
    """All samples, a block per machine and one for each machine of the fleet; another `seed`, other figures."""
    return [_machine(name, place, seed) for place, name in enumerate("abc")] + [_fleet_block(number) for number in range(2)]


def fill(folder: Path, made: list[Block], *, seal: bool = True) -> FrameStore:
    """A store that holds them, most of it sealed."""
    clock = FakeClock(wall=BEGIN / 1000)
    store = open_store(folder, StoreSettings(), clock)
    for number, block in enumerate(made):
        layout = dictionary(block.series)
        machine = block.series[0].label("machine")
        store.define(machine, f"{number + 10}s", layout)
        for at, row in zip(block.times.tolist(), block.values, strict=True):
            assert store.take(machine, Frame(f"{number + 10}s", layout.id, at, row.tobytes()))
            if seal and at == int(block.times[len(block.times) * 2 // 3]):
                store.commit_now()
                store.seal_everything()
    store.commit_now()
    return store


def _machine(name: str, place: int, seed: int) -> Block:
    random = np.random.default_rng(1000 * seed + place)
    columns: dict[Series, np.ndarray] = {}

    def add(metric: str, values: np.ndarray, **labels: str) -> None:
        columns[Series(metric, tuple(sorted({"machine": name, **labels}.items())))] = values.astype(float)

    for path in ("/", "/login"):
        for code in ("200", "500"):
            counter = np.cumsum(random.integers(0, 40, TICKS)).astype(float)
            for reset in random.integers(20, TICKS, 3 if code == "200" else 0):
                counter[reset:] -= counter[reset]
            add("requests_total", np.abs(counter), path=path, code=code)
    add("errors_total", np.cumsum(random.integers(0, 3, TICKS)), path="/")
    for room in ("x", "y"):
        add("temperature", np.round(random.normal(10, 15, TICKS), 6), room=room)
        add("load", np.round(np.abs(random.normal(1, 0.7, TICKS)), 3), room=room)
    add("capacity", np.full(TICKS, 10.0 + place))
    add("info", np.ones(TICKS), version=f"1.{place}", os="linux")
    add("level", random.integers(0, 4, TICKS))
    add("huge", random.normal(0, 1, TICKS) * 1e200)
    add("tiny", random.normal(0, 1, TICKS) * 1e-200)
    add("wide", 10.0 ** random.integers(-12, 12, TICKS))
    gappy = np.round(random.normal(50, 5, TICKS), 6)
    gappy[60:70], gappy[120:180], gappy[250 + place * 10 : 290] = np.nan, np.nan, np.nan
    add("gappy", gappy)
    add("gappy_total", np.where(np.isnan(gappy), np.nan, np.cumsum(np.nan_to_num(gappy))))
    sparse = np.full(TICKS, np.nan)
    sparse[:: 17 + place] = np.arange(len(sparse[:: 17 + place])) * 1.5
    add("sparse", sparse)
    once = np.full(TICKS, np.nan)
    once[200] = 42
    add("once", once)
    ended = np.round(random.normal(5, 1, TICKS), 2)
    ended[240 + place] = STALE
    ended[241 + place :] = np.nan
    ended[300:330] = 7
    ended[330] = STALE
    add("ended", ended)
    late = np.arange(TICKS) * 2.0
    late[: 200 + place] = np.nan
    add("late_total", late)
    odd = np.round(random.normal(0, 10, TICKS), 6)
    apart = 20 * place  # of two that are alike, which one topk takes is nobody's rule
    odd[30 + apart : 40 + apart], odd[100 + apart], odd[160 + apart : 165 + apart] = NOT_A_NUMBER, np.inf, -np.inf
    odd[240 + apart], odd[241 + apart], odd[300 + apart : 302 + apart] = np.inf, -np.inf, NOT_A_NUMBER
    add("odd", odd)
    counts = np.cumsum(random.integers(0, 9, (TICKS, len(BOUNDS))), axis=0).astype(float)
    for bucket, bound in enumerate(BOUNDS):
        text = "+Inf" if math.isinf(bound) else f"{bound:g}"
        add("latency_bucket", counts[:, : bucket + 1].sum(axis=1), le=text)
        if name != "c" or bucket < 5:
            add("broken_bucket", random.integers(0, 50, TICKS) * 1.0, le=text, room="x")
    times = BEGIN + STEP * np.arange(TICKS, dtype=np.int64)
    return Block(tuple(columns), times, np.stack(list(columns.values()), axis=1))


def _fleet_block(number: int) -> Block:
    times, values = _fleet.machine(number, TICKS, 15)
    series = _fleet.layout(number).series
    columns = [place for place, one in enumerate(series) if one.name[6:] in FLEET and one.label("number") in {"0", "4"}]
    return Block(tuple(series[place] for place in columns), times + (BEGIN - _fleet.BEGIN), values[:, columns])
