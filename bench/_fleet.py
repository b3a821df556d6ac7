"""Made figures of a made fleet, the same on every run: what a store has to bear, harder than most real machines.

300 series a machine: constants, rarely changing integers, slow gauges of two decimals, busy and slow
counters, CPU seconds, page-sized byte counts, percentages of one decimal, and a few full-mantissa
floats; a few series vanish for a while, and timestamps jitter by milliseconds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from watchkeeper.model import Dictionary, Series, dictionary

MIX = {
    "constant": 84,
    "rare_integer": 24,
    "gauge": 48,
    "busy_counter": 30,
    "slow_counter": 36,
    "cpu_seconds": 18,
    "bytes": 24,
    "percent": 27,
    "full_float": 9,
}
SERIES = sum(MIX.values())
BEGIN = 1_760_000_000_000


def wander(random: np.random.Generator, ticks: int, back: float, size: float) -> NDArray[np.float64]:
    """A random walk that is drawn back to zero (first order autoregression)."""
    steps = (random.standard_normal(ticks) * size).tolist()
    walk = []
    here = 0.0
    for step in steps:
        here = back * here + step
        walk.append(here)
    return np.array(walk)


def machine(number: int, ticks: int, step: int = 10) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """One machine's times (ms) and values, float64[ticks, SERIES]."""
    random = np.random.default_rng(7_000_021 + number)
    times = BEGIN + np.arange(ticks) * step * 1000 + random.integers(0, 5, ticks)
    load = np.exp(wander(random, ticks, 0.995, 0.05))
    columns = []
    for kind, count in MIX.items():
        for place in range(count):
            column = _column(random, kind, place, ticks, step, load)
            if random.random() < 0.01:
                start = int(random.integers(0, ticks))
                column[start : start + int(random.integers(1, max(2, ticks // 10)))] = np.nan
            columns.append(column)
    return times, np.ascontiguousarray(np.column_stack(columns))


def layout(number: int) -> Dictionary:
    """What the columns of a machine are called."""
    name = f"machine-{number}"
    return dictionary(
        tuple(
            Series(f"bench_{kind}", (("machine", name), ("number", str(place))))
            for kind, count in MIX.items()
            for place in range(count)
        )
    )


def _column(  # noqa: PLR0911  # a table of kinds
    random: np.random.Generator, kind: str, place: int, ticks: int, step: int, load: NDArray[np.float64]
) -> NDArray[np.float64]:
    match kind:
        case "constant":
            return np.full(
                ticks, float([0, 1, 8, 100, 33554432 * 1024, 512110190592, 1.5, 65535][place % 8] if place % 3 else 0)
            )
        case "rare_integer":
            return random.integers(50, 400) + np.cumsum((random.random(ticks) < 0.01) * random.integers(-3, 4, ticks)).astype(
                float
            )
        case "gauge":
            return np.round(random.uniform(20, 70) + wander(random, ticks, 0.999, random.choice([0.01, 0.03, 0.1])), 2)
        case "busy_counter" if place % 3 == 0:
            return np.floor(random.integers(0, 10**11) + np.cumsum(np.floor(random.lognormal(11, 0.6, ticks) * load * step)))
        case "busy_counter":
            rate = random.uniform(20, 400) * load * step * random.lognormal(0, 0.1, ticks)
            return (random.integers(0, 10**11) + np.cumsum(random.poisson(np.clip(rate, 0, 1e7)))).astype(float)
        case "slow_counter":
            return (
                random.integers(0, 10**6) + np.cumsum(random.poisson(random.choice([0, 0.002, 0.02, 0.1]) * step * load))
            ).astype(float)
        case "cpu_seconds":
            return np.round(
                (random.integers(0, 10**8) + np.cumsum(random.poisson(random.uniform(2, 30) * step * load))) / 100, 2
            )
        case "bytes":
            walk = random.integers(10**5, 4 * 10**6) + np.cumsum(
                np.round(random.standard_normal(ticks) * random.choice([3, 30, 120]))
            )
            return np.abs(walk) * 4096.0
        case "percent":
            noise = random.standard_normal(ticks) * random.choice([0.3, 1.5, 5])
            return np.round(np.clip(random.uniform(0, 40) * load + noise, 0, 100), 1)
        case _:
            return random.poisson(random.uniform(10, 3000) * load) / (1 + random.standard_normal(ticks) * 1e-3)
