"""Stores that are closed at the end of a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rigs.store import Bench
from watchkeeper.store import StoreSettings


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Make a bench with these settings; all are closed at the end."""
    made: list[Bench] = []

    def make(**settings: object) -> Bench:
        made.append(Bench(tmp_path / f"store-{len(made)}", StoreSettings(**settings)))
        return made[-1]

    yield make
    for one in made:
        one.store.close()
