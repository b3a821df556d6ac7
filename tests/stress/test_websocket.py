"""WebSocket under load: every message is matched to its answer, and what does not match is counted."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeResponse, ws_create_server

from rigs.stress import floor, run_stage

Take = Callable[[WSTransport, WSFrame, int], None]


@asynccontextmanager
async def server(take: Take, **more: Any) -> AsyncIterator[str]:
    """A server that hands each message to `take(transport, frame, number)`; its address."""
    count = 0

    class Socket(WSListener):
        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            nonlocal count
            if frame.msg_type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                count += 1
                take(transport, frame, count)

    listening = await ws_create_server(more.get("factory", lambda _: Socket()), "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
    finally:
        listening.close()


def echo(transport: WSTransport, frame: WSFrame, _: int) -> None:
    """Send it back."""
    transport.send(frame.msg_type, frame.get_payload_as_bytes())


def in_pieces(transport: WSTransport, frame: WSFrame, _: int) -> None:
    """Send it back in three frames."""
    content = frame.get_payload_as_bytes()
    transport.send(frame.msg_type, content[:5], fin=False)
    transport.send(WSMsgType.CONTINUATION, content[5:20], fin=False)
    transport.send(WSMsgType.CONTINUATION, content[20:])


def backwards() -> Take:
    """Answer in pairs, the later one first."""
    held: list[tuple[WSMsgType, bytes]] = []

    def take(transport: WSTransport, frame: WSFrame, _: int) -> None:
        held.append((frame.msg_type, frame.get_payload_as_bytes()))
        if len(held) == 2:
            for kind, content in reversed(held):
                transport.send(kind, content)
            held.clear()

    return take


@pytest.mark.parametrize(
    ("take", "errors", "unexpected"),
    [
        (echo, {}, 0),
        (in_pieces, {}, 0),
        (backwards(), {}, 0),
        (lambda transport, frame, number: echo(transport, frame, number) if number % 4 else None, {"timeout": 5}, 0),
        (lambda t, f, number: (echo(t, f, number), None if number % 4 else echo(t, f, number)), {}, 5),
        (lambda t, f, _: t.send(f.msg_type, f.get_payload_as_bytes()[:-1] + b"!"), {"corrupt": 20}, 0),
        (lambda t, f, _: t.send(f.msg_type, f.get_payload_as_bytes()[:-1]), {"corrupt": 20}, 0),
    ],
)
async def test_each_message_has_one_end(take: Take, errors: dict[str, int], unexpected: int) -> None:
    """Whole or in pieces, in whichever order, missing, doubled, changed or cut short."""
    text = '[protocol]\nkind = "websocket"\n[[protocol.operation]]\nname = "echo"\nsize = "64B"\n'
    async with server(take) as url, floor(text, url, 1, patience=0.4) as found:
        sent = (await run_stage(found, 0.1, rate=200))["echo"]
        assert sent.started == 20
        assert sent.errors == errors
        assert sent.done == 20 - sum(errors.values())
        assert sum(tally.counts.get("unexpected", 0) for tally in found.tallies.all) == unexpected
        assert sent.sent == 20 * 64


async def test_text_and_sizes() -> None:
    """Messages may be text, and of changing size within bounds."""
    sizes = set()

    def take(transport: WSTransport, frame: WSFrame, number: int) -> None:
        assert frame.msg_type == WSMsgType.TEXT
        sizes.add(len(frame.get_payload_as_utf8_text()))
        echo(transport, frame, number)

    text = (
        '[protocol]\nkind = "websocket"\ntext = true\n[[protocol.operation]]\nname = "echo"\nsize = "20B"\nsize_most = "300B"\n'
    )
    async with server(take) as url, floor(text, url, 3) as found:
        assert (await run_stage(found, 0.2, rate=200))["echo"].done == 40
    assert len(sizes) > 10
    assert min(sizes) >= 20
    assert max(sizes) <= 300


@pytest.mark.parametrize(
    ("close", "code"),
    [
        (lambda t: (t.send_close(WSCloseCode.TRY_AGAIN_LATER), t.disconnect()), "closed-1013"),
        (lambda t: t.disconnect(graceful=False), "closed"),
    ],
)
async def test_a_close_is_told_and_the_connection_comes_back(close: Callable[[WSTransport], Any], code: str) -> None:
    """What was under way fails with the server's own code, and the next message goes over a new connection."""

    def take(transport: WSTransport, frame: WSFrame, number: int) -> None:
        if number == 5:
            close(transport)
        else:
            echo(transport, frame, number)

    async with server(take) as url, floor("", url, 1) as found:
        sent = (await run_stage(found, 0.5, rate=20))["echo"]
        assert sent.errors == {code: 1}
        assert sent.done == 9
        assert found.idle.spans["back"].histogram is not None
        assert found.idle.spans["back"].histogram.total == 1


async def test_a_handshake_that_is_refused() -> None:
    """By its own code; the run goes on trying."""
    factory = lambda _: WSUpgradeResponse.create_error_response(403, b"no")  # noqa: E731  # shorter than a function, and named for what it does
    async with server(echo, factory=factory) as url, floor("", url, 2) as found:
        assert found.keeper.first_tries == {"upgrade": 2}
        sent = (await run_stage(found, 0.1, rate=50))["echo"]
        assert sent.errors == {"upgrade": 5}


async def test_opening_and_closing_alone() -> None:
    """An operation that is a connection."""
    text = '[protocol]\nkind = "websocket"\n[[protocol.operation]]\nname = "open"\ndoes = "connect"\n'
    async with server(echo) as url, floor(text, url, 1) as found:
        assert (await run_stage(found, 0.2, rate=50))["open"].done == 10


async def test_opening_alone_holds_to_the_room_that_there_is() -> None:
    """A server that lets its two clients in and leaves all others hanging: three of these are there at a time, never more."""
    now = most = shaken = 0

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal now, most, shaken
        now += 1
        most = max(most, now)
        head = await reader.readuntil(b"\r\n\r\n")
        if shaken < 2:
            shaken += 1
            key = next(line[19:] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key: "))
            proof = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())  # RFC 6455
            upgrade = b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
            writer.write(upgrade + proof + b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            await reader.read()
        now -= 1
        writer.close()

    listening = await asyncio.start_server(take, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
    text = '[protocol]\nkind = "websocket"\n[[protocol.operation]]\nname = "open"\ndoes = "connect"\n'
    async with listening:
        async with floor(text, url, 2, patience=0.5, visits=3) as found:
            opened = (await run_stage(found, 0.2, rate=100))["open"]
            assert sum(opened.errors.values()) == opened.started == 20
            assert most == 2 + 3
        async with asyncio.timeout(10):
            while now:
                await asyncio.sleep(0.01)


async def test_pushes_are_counted_with_their_gaps() -> None:
    """What a server sends of its own accord is no error where it is expected."""

    def take(transport: WSTransport, frame: WSFrame, number: int) -> None:
        echo(transport, frame, number)
        transport.send(WSMsgType.BINARY, b"news")

    text = '[protocol]\nkind = "websocket"\npushes = true\n'
    async with server(take) as url, floor(text, url, 1) as found:
        assert (await run_stage(found, 0.2, rate=50))["echo"].done == 10
        assert found.idle.counts["pushed"] == 10
        assert len(found.idle.spans["gap"].values) or found.idle.spans["gap"].histogram


async def test_slow_readers_read_nothing_and_are_asked_nothing() -> None:
    """A share of the connections never reads; operations go over the others."""
    text = '[protocol]\nkind = "websocket"\nreading = 0.5\n'
    async with server(echo) as url, floor(text, url, 4) as found:
        assert [lane.room > 0 for lane in found.lanes] == [False, True, False, True]
        assert (await run_stage(found, 0.1, rate=100))["echo"].done == 10


async def test_a_storm_brings_all_back() -> None:
    """All connections are dropped at once: what was under way ends as `cut`, and each is back in its time."""

    def slow(transport: WSTransport, frame: WSFrame, _: int) -> None:
        kind, content = frame.msg_type, frame.get_payload_as_bytes()
        asyncio.get_running_loop().call_later(0.05, lambda: transport.send(kind, content))

    async with server(slow) as url, floor("", url, 20) as found:
        await run_stage(found, 0.2, rate=200)
        sent = (await run_stage(found, 0.5, rate=200, index=1, cut=True))["echo"]
        assert set(sent.errors) <= {"cut"}
        assert sent.done + sum(sent.errors.values()) == sent.started
        assert found.idle.spans["back"].histogram is not None or len(found.idle.spans["back"].values) == 20
        assert found.connected == 20
