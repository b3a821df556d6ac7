"""The live stream over real sockets: ticks, news and output for who may see them, and an end with a reason."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from watchkeeper.journal.access import SESSION_LIFE, new_secret
from watchkeeper.model import Event, EventKind
from watchkeeper.web import live
from watchkeeper.web.access import COOKIE
from watchkeeper.web.changes import WAITING

SERVER = "/api/machines/alpha/servers/web"


@asynccontextmanager
async def stream(web, path: str = "/live", **headers: str) -> AsyncIterator[ClientConnection]:
    """A browser's stream, by default let in by the token."""
    given = headers or web.bearer
    async with connect(f"ws://127.0.0.1:{web.port}{path}", additional_headers=given, proxy=None) as socket:
        yield socket


async def heard(socket: ClientConnection, kind: str, **fields: object) -> dict[str, Any]:
    """The next message of that kind with these fields; others are passed over."""
    async with asyncio.timeout(20):
        while True:
            message = msgspec.json.decode(await socket.recv())
            if message["type"] == kind and fields.items() <= message.items():
                return message


async def closed(socket: ClientConnection) -> tuple[int, str]:
    """How the hub closes it."""
    async with asyncio.timeout(20):
        with pytest.raises(ConnectionClosed) as ended:
            while True:
                await socket.recv()
    assert ended.value.rcvd
    return ended.value.rcvd.code, ended.value.rcvd.reason


async def session(web, at: int = 0) -> str:
    """A session as a browser has it."""
    at = at or web.desk.now()
    secret, _ = await web.desk.journal.access.redeem(await web.desk.journal.access.add_link(at), at, "")
    return secret


async def test_the_first_tick_comes_at_once(web) -> None:
    """Whoever opens the page sees how things stand."""
    async with stream(web) as socket:
        tick = await heard(socket, "tick")
    assert tick["sentence"].startswith("All is well")
    assert [one["machine"]["name"] for one in tick["machines"]] == ["alpha"]
    assert [one["status"]["name"] for one in tick["servers"]] == ["web", "jobs"]
    assert tick["points"] == []


async def test_news_come_as_they_happen(web) -> None:
    """An event that was added, and each step of an order, reach an open page."""
    async with stream(web) as socket, web.client() as client:
        await heard(socket, "tick")
        web.desk.changes.event(Event("e1", 5, EventKind.SERVER_EXITED, "web has ended", "alpha", "web"))
        assert (await heard(socket, "event"))["event"]["id"] == "e1"
        await client.post(f"{SERVER}/actions", json={"verb": "restart"})
        states = [(await heard(socket, "action"))["action"]["state"] for _ in range(3)]
    assert states == ["requested", "sent", "done"]


async def test_points_come_for_the_panels_that_are_shown(web) -> None:
    """Known panels of the shown machine and server, their newest values; unknown ones are passed over."""
    now = web.desk.now()
    for back in range(3):
        web.desk.store.put(web.series("node_load1"), now - 2000 + back * 1000, 0.5)
        web.desk.store.put(web.series("process_threads", server="web"), now - 2000 + back * 1000, 7)
        web.desk.store.put(web.series("jobs", server="web"), now - 2000 + back * 1000, 3)
    async with stream(web) as socket:
        await heard(socket, "tick")
        panels = ["load", "server_threads", "own:jobs", "nonsense"]
        wanted = {"type": "subscribe", "machine": "alpha", "server": "web", "panels": panels}
        await socket.send(msgspec.json.encode(wanted).decode())
        async with asyncio.timeout(20):
            while len((tick := await heard(socket, "tick"))["points"]) < 3:
                web.desk.changes.frame("alpha")
    points = {point["panel"]: point["values"] for point in tick["points"]}
    assert points == {"load": {"1 min": 0.5}, "server_threads": {"threads": 7}, "own:jobs": {"value": 3}}


@pytest.mark.slow
async def test_figures_come_of_what_is_shown(web) -> None:
    """A page that shows nothing of a machine hears that it stands differently, and not its figures; one that shows it does."""
    async with stream(web) as socket:
        await heard(socket, "tick", partial=False)
        await socket.send('{"type":"subscribe","changes":true,"shown":[]}')
        await heard(socket, "tick", partial=False)
        await heard(socket, "tick", partial=True)
        web.desk.store.put(web.series("node_load1"), web.desk.now(), 4.5)
        web.desk.changes.frame("alpha")
        assert (await heard(socket, "tick"))["machines"] == []
        web.desk.turn("web", health="down")
        (view,) = (await heard(socket, "tick"))["machines"]
        assert view["figures"]["load1"] is None
        await socket.send('{"type":"subscribe","changes":true,"shown":["alpha"]}')
        while not (found := (await heard(socket, "tick"))["machines"]):
            pass
        assert found[0]["figures"]["load1"] == 4.5


async def test_output_is_followed_until_another_is_asked_for(web) -> None:
    """Lines come, asking for another server ends the first, asking for none ends it all, and the agent hears of it."""
    async with stream(web) as socket:
        await socket.send('{"type":"logs","machine":"alpha","server":"web","lines":2}')
        assert (await heard(socket, "logs"))["lines"] == ["two", "three"]
        assert (await heard(socket, "logs"))["lines"] == ["four"]
        await socket.send('{"type":"logs","machine":"alpha","server":"jobs","lines":1}')
        assert (await heard(socket, "logs", server="jobs"))["lines"] == ["three"]
        assert web.desk.log_readers == 1
        await socket.send('{"type":"logs","machine":"alpha","server":"nope"}')
        assert "there is no server" in (await heard(socket, "logs", server="nope"))["why"]
        await web.until(lambda: web.desk.log_readers == 0)
        await socket.send('{"type":"logs","machine":"alpha","server":"web","lines":2}')
        await heard(socket, "logs", server="web")
        await socket.send('{"type":"logs","machine":"","server":""}')
        await web.until(lambda: web.desk.log_readers == 0)
        await socket.send('{"type":"logs","machine":"alpha","server":"web","lines":2}')
        await heard(socket, "logs", server="web")
    await web.until(lambda: web.desk.log_readers == 0)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("{", 1007),
        ("[]", 1007),
        ('{"type":"explode"}', 1007),
        ('{"type":"subscribe","panels":"load"}', 1007),
        ('{"type":"subscribe","more":1}', 1007),
        (b"\x00\x01", 1007),
        ('{"type":"subscribe","machine":"' + "x" * 20_000 + '"}', 1009),
    ],
)
async def test_what_is_malformed_closes_the_stream(web, caplog: pytest.LogCaptureFixture, said: str | bytes, code: int) -> None:
    """With a code and a reason, and without a bug in the log."""
    async with stream(web) as socket:
        await socket.send(said)
        ended = await closed(socket)
    await web.until(lambda: not web.desk.changes.listeners)
    assert ended[0] == code
    assert ended[1]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_page_that_goes_leaves_nothing(web, caplog: pytest.LogCaptureFixture) -> None:
    """Closed politely or cut off in the middle of output: no listener, no reader and no bug is left."""
    for cut in (False, True):
        socket = await connect(f"ws://127.0.0.1:{web.port}/live", additional_headers=web.bearer, proxy=None)
        await socket.send('{"type":"logs","machine":"alpha","server":"web"}')
        await heard(socket, "logs")
        assert web.desk.changes.listeners == 1
        if cut:
            socket.transport.abort()
        else:
            await socket.close()
        async with asyncio.timeout(20):
            while web.desk.changes.listeners or web.desk.log_readers:
                web.desk.changes.status("alpha")
                await asyncio.sleep(0.01)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_stopping_hub_says_farewell(web) -> None:
    """The last message says why, and the close is the one for going away."""
    async with stream(web) as socket:
        await heard(socket, "tick")
        web.server.stop("the hub is stopping for a test")
        assert (await heard(socket, "bye"))["reason"] == "the hub is stopping for a test"
        assert (await closed(socket))[0] == 1001


async def test_a_page_that_does_not_read_costs_no_memory(web) -> None:
    """News for a slow page are dropped beyond a bound and counted; the newest are kept."""
    with web.desk.changes.listen() as listener:
        for number in range(WAITING + 25):
            web.desk.changes.event(Event(f"e{number}", number, EventKind.PROBE_FAILED, "no answer"))
        batch = await listener.wait_batch()
    assert (len(batch.events), batch.missed, batch.events[-1].id) == (WAITING, 25, f"e{WAITING + 24}")


async def test_who_may_not_read_is_refused_before_the_handshake(web) -> None:
    """Nobody, a wrong or a foreign kind of secret, one in the URL, another site's page, a foreign name: an HTTP status."""
    link = new_secret()
    await web.desk.journal.access.put_token("alpha", "link", link, 1)
    ended = await session(web, web.desk.now() - SESSION_LIFE - 1)
    good = await session(web)
    for status, path, headers in (
        (401, "/live", {"x-none": "1"}),
        (401, f"/live?token={web.token}", {"x-none": "1"}),
        (401, f"/live?access_token={web.token}", {"x-none": "1"}),
        (401, "/live", {"sec-websocket-protocol": f"bearer, {web.token}"}),
        (401, "/live", {"authorization": f"Bearer {new_secret()}"}),
        (403, "/live", {"authorization": f"Bearer {link}"}),
        (401, "/live", {"cookie": f"{COOKIE}={ended}", "origin": web.url}),
        (403, "/live", {"cookie": f"{COOKIE}={good}"}),
        (403, "/live", {"cookie": f"{COOKIE}={good}", "origin": "https://evil.example"}),
        (403, "/live", {"cookie": f"{COOKIE}={good}", "origin": "null"}),
        (403, "/live", {"cookie": f"{COOKIE}={good}", "origin": "http://[::1"}),
        (403, "/live", web.bearer | {"origin": "https://evil.example"}),
        (403, "/link", web.bearer),
        (401, "/link", {"x-none": "1"}),
        (401, f"/link?token={link}", {"x-none": "1"}),
        (403, "/link", {"cookie": f"{COOKIE}={good}", "origin": web.url}),
    ):
        with pytest.raises(InvalidStatus) as refused:
            async with stream(web, path, **headers):
                pass
        assert refused.value.response.status_code == status, (path, headers)
        assert refused.value.response.headers["content-security-policy"]
    async with stream(web, cookie=f"{COOKIE}={good}", origin=web.url) as socket:
        await heard(socket, "tick")


async def test_a_foreign_host_opens_no_stream(web) -> None:
    """DNS rebinding works on WebSockets too."""
    reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
    head = (
        "GET /live HTTP/1.1\r\nHost: evil.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nAuthorization: Bearer {web.token}\r\n\r\n"
    )
    writer.write(head.encode())
    async with asyncio.timeout(20):
        assert (await reader.readline()).split()[1] == b"421"
    writer.close()


async def test_a_session_that_ends_ends_its_stream(web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signed out in another tab: the stream is closed soon, and the page is told why."""
    monkeypatch.setattr(live, "RECHECK", 0.05)
    secret = await session(web)
    async with stream(web, cookie=f"{COOKIE}={secret}", origin=web.url) as socket:
        await heard(socket, "tick")
        await web.desk.journal.access.end_session(secret)
        assert await closed(socket) == (4401, "signed out")


async def test_an_agent_link_carries_bytes_both_ways(web) -> None:
    """Binary messages go through as they are, the hub knows whose token it was, and its close arrives cut to what fits."""
    link = new_secret()
    await web.desk.journal.access.put_token("alpha", "link", link, 1)
    async with stream(web, "/link", authorization=f"Bearer {link}") as socket:
        for message in (b"", b"\x00\xff" * 1000, b"x" * 200_000):
            await socket.send(message)
            assert await socket.recv() == message
        await socket.send(b"bye")
        code, reason = await closed(socket)
    assert code == 4000
    assert reason.startswith("as you say, ééé")
    assert len(reason.encode()) <= 120
    assert web.desk.heard[0] == b""


async def test_text_on_the_link_closes_it(web) -> None:
    """Packets are binary."""
    link = new_secret()
    await web.desk.journal.access.put_token("alpha", "link", link, 1)
    async with stream(web, "/link", authorization=f"Bearer {link}") as socket:
        await socket.send("hello")
        assert (await closed(socket))[0] == 1003


async def test_a_message_beyond_a_packet_closes_the_link(web) -> None:
    """What no agent of ours sends is not taken in."""
    link = new_secret()
    await web.desk.journal.access.put_token("alpha", "link", link, 1)
    async with stream(web, "/link", authorization=f"Bearer {link}") as socket:
        await socket.send(b"x" * (1 << 21))
        assert (await closed(socket))[0] == 1009


@pytest.mark.slow
async def test_a_page_that_asks_for_changes_is_told_them_alone(web) -> None:
    """The first tick is whole; then only what has changed is told, until something is gone."""
    async with stream(web) as socket:
        await socket.send('{"type":"subscribe","changes":true}')
        await heard(socket, "tick", partial=True)
        web.desk.turn("web", reason="as told")
        part = await heard(socket, "tick", partial=True)
        while not part["servers"]:
            part = await heard(socket, "tick", partial=True)
        assert "as told" in {one["status"]["reason"] for one in part["servers"]}
        del web.desk.servers["jobs"]
        web.desk.changes.status("alpha")
        assert len((await heard(socket, "tick", partial=False))["servers"]) == 1
