"""Prometheus and our store with the same samples, once for all tests that compare them."""

from __future__ import annotations

import os
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


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Both, with the figures of every day."""
    with filled(tmp_path_factory.mktemp("pair")) as both:
        yield both


@pytest.fixture
def other_pair(tmp_path: Path) -> Iterator[Pair]:
    """Both, with other figures on every run."""
    seed = int.from_bytes(os.urandom(3), "little")
    print(f"figures of seed {seed}")  # noqa: T201  # told where the test fails
    with filled(tmp_path, seed) as both:
        yield both
