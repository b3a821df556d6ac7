"""Prometheus and a store of ours with the same samples.

The store is the frame store, or its twin over a real VictoriaMetrics. That one does not keep every figure as it is (see
tests/store/test_victoriametrics.py), so Prometheus is given what it has kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from rigs import figures, victoria
from rigs.prometheus import PROGRAM, Prometheus
from watchkeeper.clock import FakeClock
from watchkeeper.model import Block, Frame, Matcher, dictionary
from watchkeeper.query.tracks import merged
from watchkeeper.seams import Store
from watchkeeper.store import StoreSettings, VictoriaMetrics

Pair = tuple[Prometheus, Store]


@contextmanager
def filled(folder: Path, seed: int = 0, kind: str = "frames") -> Iterator[Pair]:
    """Both, with figures of that seed; skips where there is nothing to compare with."""
    if PROGRAM is None:
        pytest.skip("prometheus is not installed (on Debian: apt install prometheus): nothing to compare with")
    if kind != "frames" and victoria.PROGRAM is None:
        pytest.skip(victoria.MISSING)
    made = figures.blocks(seed)
    with ExitStack() as stack:
        prometheus = stack.enter_context(Prometheus(folder / "prometheus"))
        if kind == "frames":
            frames = figures.fill(folder / "store", made)
            stack.callback(frames.close)
            prometheus.write(made)
            yield prometheus, frames
        else:
            twin = twin_of(stack.enter_context(victoria.Victoria(folder / "victoria")), made)
            stack.callback(twin.close)
            prometheus.write(merged(twin.select([Matcher("__name__", "!=", "")], 0, 1 << 60)))
            yield prometheus, twin


def twin_of(running: victoria.Victoria, made: list[Block]) -> VictoriaMetrics:
    """A twin that has sent them, all of it older than what is answered from memory."""
    twin = VictoriaMetrics(StoreSettings(url=running.url), FakeClock(wall=figures.END / 1000 + 86_400))
    for number, block in enumerate(made):
        layout = dictionary(block.series)
        machine = block.series[0].label("machine")
        twin.define(machine, f"{number + 10}s", layout)
        for at, row in zip(block.times.tolist(), block.values, strict=True):
            assert twin.take(machine, Frame(f"{number + 10}s", layout.id, at, row.tobytes()))
    asyncio.run(twin.commit())
    running.flush()
    return twin
