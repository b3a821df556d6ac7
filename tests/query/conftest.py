"""Prometheus and our store with the same samples, once for all tests that compare them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rigs import figures
from rigs.prometheus import PROGRAM, Prometheus
from watchkeeper.store import FrameStore

Pair = tuple[Prometheus, FrameStore]


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Both, filled."""
    if PROGRAM is None:
        pytest.skip("prometheus is not installed (on Debian: apt install prometheus): nothing to compare with")
    folder: Path = tmp_path_factory.mktemp("pair")
    made = figures.blocks()
    with Prometheus(folder / "prometheus") as prometheus:
        prometheus.write(made)
        store = figures.fill(folder / "store", made)
        yield prometheus, store
        store.close()
