"""The route over a real hub: who may write, what is refused before it is read, and what is durable once it is answered."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from rigs.desk import until
from rigs.writer import body, message, post, series
from watchkeeper import desk as hub_room
from watchkeeper.clock import SystemClock
from watchkeeper.errors import Failed
from watchkeeper.fleet import Fleet
from watchkeeper.hub import Hub
from watchkeeper.journal import open_journal
from watchkeeper.model import Matcher
from watchkeeper.store import StoreSettings, open_store, snappy
from watchkeeper.store.remotewrite import varint
from watchkeeper.web.access import local_token
from watchkeeper.web.app import build
from watchkeeper.web.changes import Changes
from watchkeeper.web.gate import WRITTEN_BYTES
from watchkeeper.web.listen import address, bind
from watchkeeper.web.serve import WebServer
from watchkeeper.web.settings import WebSettings

ONE = series("a", job="x")


class Rig:
    """A hub and the tokens for it."""

    def __init__(self, hub: Hub, bound: socket.socket, tokens: dict[str, str]) -> None:
        self.hub = hub
        self.url = f"http://{address(bound)}"
        self.tokens = tokens

    def now(self) -> int:
        """The hub's clock."""
        return round(self.hub.clock.wall() * 1000)

    def client(self, kind: str = "write") -> httpx.AsyncClient:
        """A program with a token of that kind; none: nobody."""
        shown = {"authorization": f"Bearer {self.tokens[kind]}"} if kind else {}
        return httpx.AsyncClient(base_url=self.url, headers=shown)


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Rig]:
    """A hub with its web, and its commits."""
    clock, changes = SystemClock(), Changes()
    store = open_store(folder / "store", StoreSettings(), clock)
    try:
        async with open_journal(folder / "journal.db") as journal:
            fleet = Fleet(store, clock, (), lambda machine: hub.ring(machine))  # noqa: PLW0108  # the hub needs the fleet first
            hub = Hub(store, journal, fleet, changes, clock)
            kinds = ("admin", "viewer", "link", "write")
            tokens = {kind: await local_token(journal, folder / kind, kind, kind, 1) for kind in kinds}  # type: ignore[arg-type]  # each is one of the kinds
            with bind("127.0.0.1", 0) as bound:
                server = WebServer(build(hub, WebSettings(), bound, files={}), changes, bound)
                async with asyncio.TaskGroup() as group:
                    commits = group.create_task(hub.commit_forever())
                    group.create_task(server.run_on_bound())
                    await until(lambda: server.started)
                    try:
                        yield Rig(hub, bound, tokens)
                    finally:
                        server.stop()
                        commits.cancel()
    finally:
        store.close()


async def test_what_is_answered_is_on_the_disk(tmp_path: Path) -> None:
    """204 with nothing in it; a store opened anew has the sample."""
    async with running(tmp_path) as rig, rig.client() as client:
        answer = await post(client, body((ONE, [(rig.now(), 42.0)])))
        assert (answer.status_code, answer.content) == (204, b"")
    store = open_store(tmp_path / "store", StoreSettings(), SystemClock())
    assert [value for _, _, value in store.latest([Matcher("job", "=", "x")])] == [42.0]
    store.close()


@pytest.mark.parametrize(("kind", "status"), [("", 401), ("viewer", 403), ("link", 403), ("write", 204), ("admin", 204)])
async def test_only_who_may_write_writes(tmp_path: Path, kind: str, status: int) -> None:
    """And nobody else has so much as a byte of a body read."""
    async with running(tmp_path) as rig, rig.client(kind) as client:
        assert (await post(client, body((ONE, [(rig.now(), 1.0)])))).status_code == status
        assert len(rig.hub.store.latest([Matcher("job", "=", "x")])) == (status == 204)


async def test_a_token_for_writing_is_good_for_nothing_else(tmp_path: Path) -> None:
    """It lies about on machines that are watched by others."""
    async with running(tmp_path) as rig, rig.client() as client:
        for path in ("/api/overview", "/metrics", "/api/series?match=a", "/api/session"):
            assert (await client.get(path)).status_code == 403, path
        assert (await client.post("/api/machines/a/servers/b/actions", json={"verb": "stop"})).status_code == 403


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "headers", "status", "why"),
    [
        (b"noise", {}, 400, "not packed with snappy"),
        (b"", {}, 400, "not packed with snappy"),
        (snappy.pack(b"\x0a\x05ab"), {}, 400, "no write request"),
        (body((series("1a"), [(1, 1.0)])), {}, 400, "not a metric's name"),
        (varint(1 << 31) + b"\0" * 100, {}, 413, "unpacks to 2147483648 bytes"),
        (snappy.pack(b"\0" * ((32 << 20) + 1)), {}, 413, "unpacks to"),
        (b"x" * (WRITTEN_BYTES + 1), {}, 413, "at most"),
        (body(), {"content_type": "application/json"}, 415, "x-protobuf"),
        (body(), {"content_type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"}, 415, "x-protobuf"),
        (body(), {"content_encoding": "gzip"}, 415, "snappy"),
        (body(), {"x_prometheus_remote_write_version": "2.0.0"}, 415, "is not spoken"),
    ],
)
async def test_what_cannot_be_kept_is_refused_with_its_reason(
    tmp_path: Path, content: bytes, headers: dict[str, str], status: int, why: str
) -> None:
    """Noise, bombs, other languages: told in a sentence, and the next one is taken."""
    async with running(tmp_path) as rig, rig.client() as client:
        answer = await post(client, content, **headers)
        assert (answer.status_code, why in answer.text) == (status, True), answer.text
        assert (await post(client, body((ONE, [(rig.now(), 1.0)])))).status_code == 204


async def test_the_good_half_of_a_request_is_kept(tmp_path: Path) -> None:
    """Out of order is told as Prometheus tells it, 400, so that a sender drops it; what is in order is on the disk."""
    async with running(tmp_path) as rig, rig.client() as client:
        now = rig.now()
        await post(client, body((ONE, [(now, 1.0), (now + 2, 2.0)])))
        answer = await post(client, body((ONE, [(now + 1, 9.0)]), (series("b", job="x"), [(now, 3.0)])))
        assert (answer.status_code, answer.json()["code"]) == (400, "out-of-order")
        found = {one.name: value for one, _, value in rig.hub.store.latest([Matcher("job", "=", "x")])}
        assert found == {"a": 2.0, "b": 3.0}


async def test_a_full_disk_is_503_and_the_resend_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be made durable is not acknowledged, and coming again it is no fault."""
    monkeypatch.setattr(hub_room, "COMMIT_SECONDS", 0.05)
    async with running(tmp_path) as rig, rig.client() as client:
        commit, full = rig.hub.store.commit, True

        async def refuse_while_full() -> None:
            if full:
                raise Failed("no space left")
            await commit()

        monkeypatch.setattr(rig.hub.store, "commit", refuse_while_full)
        content = body((ONE, [(rig.now(), 1.0)]))
        answer = await post(client, content)
        assert (answer.status_code, "no space left" in answer.text) == (503, True)
        full = False
        assert (await post(client, content)).status_code == 204
    store = open_store(tmp_path / "store", StoreSettings(), SystemClock())
    assert len(store.latest([Matcher("job", "=", "x")])) == 1
    store.close()


async def test_many_writers_at_once_are_all_kept(tmp_path: Path) -> None:
    """One commit acknowledges what many have written."""
    async with running(tmp_path) as rig, rig.client() as client:
        now = rig.now()
        told = [body((series("m", job="x", shard=str(shard)), [(now, float(shard))])) for shard in range(20)]
        answers = await asyncio.gather(*(post(client, content) for content in told))
        assert {answer.status_code for answer in answers} == {204}
        assert sorted(value for _, _, value in rig.hub.store.latest([Matcher("job", "=", "x")])) == list(range(20))


async def test_what_metrics_mean_is_learnt(tmp_path: Path) -> None:
    """Metadata of remote write becomes HELP and TYPE."""
    async with running(tmp_path) as rig, rig.client() as client:
        meta = b"\x1a\x0f\x08\x01\x12\x04jobs\x22\x05Jobs."
        assert (await post(client, snappy.pack(meta + message()))).status_code == 204
        assert rig.hub.families()["jobs"].kind == "counter"
