"""A hub whose figures are kept by a store that does not answer: those who ask wait, the hub goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest
import websockets

from rigs.desk import until
from rigs.stalled import Stalled
from rigs.writer import body, post, series
from watchkeeper.clock import SystemClock
from watchkeeper.fleet import Fleet
from watchkeeper.hub import Hub
from watchkeeper.journal import open_journal
from watchkeeper.model import Frame, Series, dictionary
from watchkeeper.quantities import Duration
from watchkeeper.query import QuerySettings
from watchkeeper.store import StoreSettings, VictoriaMetrics
from watchkeeper.web import app, charts
from watchkeeper.web.access import local_token
from watchkeeper.web.changes import Changes
from watchkeeper.web.listen import address, bind
from watchkeeper.web.panels import PANELS
from watchkeeper.web.serve import WebServer
from watchkeeper.web.settings import WebSettings

HOUR, DAY = 3_600_000, 86_400_000


@asynccontextmanager
async def running(folder: Path, elsewhere: Stalled) -> AsyncIterator[tuple[Hub, httpx.AsyncClient]]:
    """A hub with its web and its commits, and a client that may do all."""
    clock, changes = SystemClock(), Changes()
    store = VictoriaMetrics(StoreSettings(url=elsewhere.url), clock)
    async with open_journal(folder / "journal.db") as journal:
        fleet = Fleet(store, clock, (), lambda machine: hub.ring(machine))  # noqa: PLW0108  # the hub needs the fleet first
        hub = Hub(store, journal, fleet, changes, clock)
        token = await local_token(journal, folder / "token", "local", "admin", 1)
        with bind("127.0.0.1", 0) as bound:
            server = WebServer(app.build(hub, WebSettings(), bound, files={}), changes, bound)
            async with asyncio.TaskGroup() as group:
                commits = group.create_task(hub.commit_forever())
                group.create_task(server.run_on_bound())
                await until(lambda: server.started)
                headers = {"authorization": f"Bearer {token}"}
                async with httpx.AsyncClient(base_url=f"http://{address(bound)}", headers=headers, timeout=60) as client:
                    try:
                        yield hub, client
                    finally:
                        elsewhere.free.set()
                        server.stop()
                        commits.cancel()
    store.close()


async def waits(elsewhere: Stalled) -> None:
    """Until a question has come there."""
    async with asyncio.timeout(30):
        while not elsewhere.waiting.acquire(blocking=False):
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("span", [HOUR, 60 * DAY])
async def test_a_chart_that_waits_for_its_figures_holds_up_nobody(tmp_path: Path, span: int) -> None:
    """Raw or summed up: while the store is silent everything else is answered, and the chart comes once it speaks."""
    with Stalled() as elsewhere:
        async with running(tmp_path, elsewhere) as (hub, client):
            put(hub, "m", 5.0, rounds=1)
            now = round(hub.clock.wall() * 1000)
            path = f"/api/charts/load?machine=m&start={now - span}&end={now}"
            drawn = asyncio.create_task(client.get(path))
            await waits(elsewhere)
            for other in ("/healthz", "/readyz", "/api/overview", "/metrics", "/api/series?match=node_load1"):
                assert (await client.get(other)).status_code == 200, other
            assert not drawn.done()
            elsewhere.free.set()
            answer = await drawn
    assert answer.status_code in {200, 404}, answer.text  # 404: that machine has no agent here
    assert answer.json().get("lines", []) == []


async def test_a_chart_has_a_budget_of_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is refused as one that took too long, and its place comes back when the store has answered."""
    monkeypatch.setattr(app, "DRAWING", QuerySettings(timeout=Duration(0.1), at_once=1, waiting=0))
    with Stalled() as elsewhere:
        async with running(tmp_path, elsewhere) as (_, client):
            late = await client.get("/api/charts/load?machine=m")
            assert (late.status_code, late.json()["code"]) == (503, "timeout")
            busy = await client.get("/api/charts/load?machine=m")
            assert (busy.status_code, busy.json()["code"]) == (503, "busy")
            elsewhere.free.set()
            async with asyncio.timeout(30):
                while (answer := await client.get("/api/charts/load?machine=m")).status_code == 503:
                    await asyncio.sleep(0.01)
    assert answer.json()["code"] == "unknown-machine"


async def test_questions_of_prometheus_api_wait_apart(tmp_path: Path) -> None:
    """PromQL and the names of series alike."""
    with Stalled() as elsewhere:
        async with running(tmp_path, elsewhere) as (_, client):
            asked = [asyncio.create_task(client.get(path)) for path in ("/api/v1/query?query=up", "/api/v1/series?match[]=up")]
            await waits(elsewhere)
            await waits(elsewhere)
            assert (await client.get("/healthz")).status_code == 200
            elsewhere.free.set()
            assert [answer.status_code for answer in await asyncio.gather(*asked)] == [200, 200]


async def test_a_new_writer_is_looked_up_without_holding_up_anybody(tmp_path: Path) -> None:
    """What is known of its series is asked in a thread; its samples are taken once that is known."""
    with Stalled() as elsewhere:
        async with running(tmp_path, elsewhere) as (hub, client):
            now = round(hub.clock.wall() * 1000)
            written = asyncio.create_task(post(client, body((series("a", job="x"), [(now - HOUR, 1.0)]))))
            await waits(elsewhere)
            assert (await client.get("/healthz")).status_code == 200
            assert not written.done()
            elsewhere.free.set()
            assert (await written).status_code == 204
            assert hub.receiver.series == 1


async def test_what_pages_show_now_is_never_asked_for(tmp_path: Path) -> None:
    """Ticks of the live stream come out of memory, of slow agents and right after the start too."""
    with Stalled() as elsewhere:
        async with running(tmp_path, elsewhere) as (hub, client):
            put(hub, "fast", 1.0, rounds=3)
            put(hub, "slow", 300.0, rounds=3)
            headers = {"authorization": client.headers["authorization"]}
            url = f"{str(client.base_url).replace('http', 'ws')}/live"
            async with websockets.connect(url, additional_headers=headers) as socket:
                await socket.send(msgspec.json.encode({"type": "subscribe", "machine": "fast", "panels": ["load"]}).decode())
                points: list[dict[str, object]] = []
                while not points:
                    hub.changes.frame("fast")
                    points = msgspec.json.decode(await socket.recv()).get("points", [])
            assert points[0]["panel"] == "load"
            now = round(hub.clock.wall() * 1000)
            assert charts.newest(hub.store, PANELS["load"], "slow", "", now, 300.0) is not None
            assert (await client.get("/api/overview")).status_code == 200
    assert elsewhere.asked == []


def put(hub: Hub, machine: str, period: float, rounds: int) -> None:
    """Some rounds of a machine's load, the newest of now."""
    layout = dictionary((Series("node_load1", (("machine", machine),)),))
    now = round(hub.clock.wall() * 1000)
    hub.store.define(machine, f"{period:g}s", layout)
    for place in range(rounds):
        at = now - round(period * 1000) * (rounds - 1 - place)
        hub.store.take(machine, Frame(f"{period:g}s", layout.id, at, np.array([0.5]).tobytes()))
