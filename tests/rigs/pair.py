"""Prometheus and our store with the same samples."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rigs import figures
from rigs.prometheus import PROGRAM, Prometheus
from watchkeeper.store import FrameStore

Pair = tuple[Prometheus, FrameStore]


@contextmanager
def filled(folder: Path, seed: int = 0) -> Iterator[Pair]:
    """Both, with figures of that seed; skips where there is nothing to compare with."""
    if PROGRAM is None:
        pytest.skip("prometheus is not installed (on Debian: apt install prometheus): nothing to compare with")
    made = figures.blocks(seed)
    with Prometheus(folder / "prometheus") as prometheus:
        prometheus.write(made)
        store = figures.fill(folder / "store", made)
        yield prometheus, store
        store.close()
