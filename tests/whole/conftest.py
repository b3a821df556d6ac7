"""The whole product, as a user runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rigs.programs import Programs

QUICK = """
[agent]
period = "500ms"
[machine]
name = "test-machine"
[server.hello]
command = ["python3", "{hello}", "{port}"]
[[server.hello.probe]]
kind = "http"
url = "http://127.0.0.1:{port}/healthz"
period = "500ms"
[[server.hello.metrics]]
url = "http://127.0.0.1:{port}/metrics"
"""


@pytest.hookimpl(tryfirst=True)  # before what is marked is left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole programs are started for every test of this folder."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Callable[..., Programs]]:
    """Make programs with this configuration (or the quick start's); all end with the test."""
    made: list[Programs] = []

    def make(config: str = QUICK) -> Programs:
        folder = tmp_path / f"programs-{len(made)}"
        folder.mkdir()
        made.append(Programs(folder, config))
        return made[-1]

    yield make
    for one in made:
        one.close()
