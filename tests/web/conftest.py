"""A desk to sit at and a server over it, for each test that asks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from rigs.desk import MemoryStore, Web, running
from rigs.pair import Pair, filled
from watchkeeper.web.settings import WebSettings


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[Web]:
    """A server with default settings."""
    async with running(tmp_path, WebSettings()) as found:
        yield found


@pytest.fixture
def make_web(tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Web]]:
    """Servers with settings of the test's own, each for the length of an ``async with``."""
    return lambda settings=WebSettings(), files=None, query=None, office=None: running(  # noqa: B008  # frozen
        tmp_path, settings, files, query=query, office=office
    )


@pytest.fixture
def store() -> MemoryStore:
    """An empty store."""
    return MemoryStore()


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A Prometheus and a store of ours with the same samples; skips where there is no Prometheus."""
    with filled(tmp_path_factory.mktemp("pair")) as both:
        yield both
