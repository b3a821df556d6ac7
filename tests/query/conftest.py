"""Prometheus and a store of ours with the same samples, once for all tests that compare them.

The store is the frame store, or its twin over a real VictoriaMetrics. That one does not keep every figure as it is (see
tests/store/test_victoriametrics.py), so Prometheus is given what it has kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rigs.pair import Pair, filled


@pytest.fixture(scope="session", params=["frames", "victoria-metrics"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Both, with the figures of every day."""
    with filled(tmp_path_factory.mktemp("pair"), kind=request.param) as both:
        yield both


@pytest.fixture
def other_pair(tmp_path: Path) -> Iterator[Pair]:
    """Both, with other figures on every run."""
    seed = int.from_bytes(os.urandom(3), "little")
    print(f"figures of seed {seed}")  # noqa: T201  # told where the test fails
    with filled(tmp_path, seed) as both:
        yield both
