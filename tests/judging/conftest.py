"""Judging over the store, and over its twin that keeps everything in a real VictoriaMetrics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rigs import bench, victoria
from watchkeeper.clock import FakeClock
from watchkeeper.seams import Store
from watchkeeper.store import StoreSettings, VictoriaMetrics


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[victoria.Victoria]:
    """One VictoriaMetrics for all of them."""
    if victoria.PROGRAM is None:
        pytest.skip(victoria.MISSING)
    with victoria.Victoria(tmp_path_factory.mktemp("victoria")) as found:
        yield found


@pytest.fixture(params=["frames", "victoria-metrics"])
def each_store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Benches of the test stand on the one or the other, which is empty at first."""
    if request.param == "frames":
        return
    there: victoria.Victoria = request.getfixturevalue("running")
    there.forget()

    async def sent(store: Store) -> None:
        assert isinstance(store, VictoriaMetrics)
        if store.statistics().waiting_frames:
            await store.commit()
            there.flush()

    def twin(_: Path, clock: FakeClock) -> Store:
        return VictoriaMetrics(StoreSettings(url=there.url), clock)

    monkeypatch.setattr(bench, "opened", twin)
    monkeypatch.setattr(bench, "settled", sent)
