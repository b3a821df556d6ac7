"""Bad frames, packets and logins: each gets its close code, its reason and its counter, and nobody else notices."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cloudnet.client import connect
from cloudnet.codes import Close, Code
from cloudnet.connection import Connection
from cloudnet.keys import Identity
from rigs.cloud import Cable, CloudProgram, cloud, unharmed
from rigs.stranger import (
    ACCEPTED,
    ACK,
    BYE,
    DELIVER,
    PING,
    PONG,
    REFUSAL,
    REJECTED,
    SEND,
    WELCOME,
    Stranger,
    close_code,
    frame,
    raw,
    stranger,
)

NOBODY = bytes(range(32))
ID = bytes(16)


def packed(*packets: list[Any]) -> bytes:
    """A message of packets."""
    return msgspec.msgpack.encode(list(packets))


MESSAGES = {
    "no MessagePack": (b"\xc1", Code.MALFORMED),
    "nothing": (b"", Code.MALFORMED),
    "no array": (msgspec.msgpack.encode({"a": 1}), Code.MALFORMED),
    "an array of numbers": (msgspec.msgpack.encode([1, 2, 3]), Code.MALFORMED),
    "cut short": (packed([SEND, 1, NOBODY, ID, b"body"])[:-3], Code.MALFORMED),
    "something behind it": (packed([PING, 1]) + b"\x00", Code.MALFORMED),
    "no such packet": (packed([99, 1]), Code.MALFORMED),
    "a server's packet": (packed([DELIVER, 1, NOBODY, ID, 0, NOBODY, b""]), Code.MALFORMED),
    "fields missing": (packed([SEND, 1]), Code.MALFORMED),
    "a field too many": (packed([PING, 1, 2]), Code.MALFORMED),
    "a number as a key": (packed([SEND, 1, 7, ID, b""]), Code.MALFORMED),
    "a number too large": (packed([ACK, 1 << 63]), Code.OUT_OF_ORDER),
    "a short key": (packed([SEND, 1, b"short", ID, b""]), Code.MALFORMED),
    "a long id": (packed([SEND, 1, NOBODY, bytes(17), b""]), Code.MALFORMED),
    "too many packets": (packed(*[[PING, 1]] * 1025), Code.MALFORMED),
    "deep nesting": (b"\x91" * 100_000, Code.MALFORMED),
    "a huge array that is not there": (b"\xdd\xff\xff\xff\xff", Code.MALFORMED),
    "a huge body that is not there": (b"\x91\x95\x02\x01\xc6\xff\xff\xff\xff", Code.MALFORMED),
    "the second message first": (packed([SEND, 2, NOBODY, ID, b""]), Code.OUT_OF_ORDER),
    "the same number twice": (packed([SEND, 1, NOBODY, ID, b""], [SEND, 1, NOBODY, ID, b""]), Code.OUT_OF_ORDER),
    "a position never given": (packed([ACK, 1]), Code.OUT_OF_ORDER),
}


@pytest.mark.parametrize("what", MESSAGES)
async def test_a_bad_packet_ends_its_connection_alone(tmp_path: Path, what: str) -> None:
    """The reason comes in a Bye and in the close frame, and is counted."""
    message, code = MESSAGES[what]
    async with cloud(tmp_path) as here, unharmed(here), stranger(here.url) as one:
        await one.enter()
        await one.socket.send(message)
        assert await one.end() == (Close.MALFORMED, pytest.approx(one.socket.close_reason), code)
        assert one.socket.close_reason
        figures = await here.figures()
        assert figures[f'cloud_closes_total{{reason="{code}"}}'] == 1
        assert figures[f'cloud_refusals_total{{reason="{code}"}}'] == 1


async def test_a_second_login_ends_the_connection(tmp_path: Path) -> None:
    """Who is logged in cannot become somebody else."""
    async with cloud(tmp_path) as here, unharmed(here), stranger(here.url) as one:
        await one.enter()
        await one.say(one.login())
        assert (await one.end())[::2] == (Close.MALFORMED, Code.OUT_OF_ORDER)


async def test_what_was_sent_before_a_bad_packet_counts(tmp_path: Path) -> None:
    """A message in front of garbage is delivered all the same."""
    bob = Identity.new()
    async with cloud(tmp_path) as here, connect(here.url, bob) as b, stranger(here.url) as one:
        await one.enter()
        await one.say([SEND, 1, bob.key, ID, b"unreadable, but counted"])
        await one.say([99])
        await one.end()
        async with asyncio.timeout(10):
            while not b.unreadable:
                await asyncio.sleep(0.01)


FRAMES: dict[str, tuple[Callable[[], bytes], int, str]] = {
    "text": (lambda: frame(1, b"[]"), Close.TEXT, Code.MALFORMED),
    "text that is not UTF-8": (lambda: frame(1, b"\xff"), 1007, Code.MALFORMED),
    "no mask": (lambda: frame(2, b"x", masked=False), Close.MALFORMED, Code.MALFORMED),
    "a reserved bit": (lambda: frame(2, b"x", bits=4), Close.MALFORMED, Code.MALFORMED),
    "an opcode that is none": (lambda: frame(3, b"x"), Close.MALFORMED, Code.MALFORMED),
    "a continuation of nothing": (lambda: frame(0, b"x"), Close.MALFORMED, Code.MALFORMED),
    "a long ping": (lambda: frame(9, bytes(126)), Close.MALFORMED, Code.MALFORMED),
    "a close code that is none": (lambda: frame(8, (1006).to_bytes(2, "big")), Close.MALFORMED, Code.MALFORMED),
    "too long a frame": (lambda: frame(2, bytes((1 << 20) + 1)), Close.TOO_BIG, Code.TOO_BIG),
    "a length of 2^62": (lambda: b"\x82\xff" + (1 << 62).to_bytes(8, "big") + bytes(4), Close.TOO_BIG, Code.TOO_BIG),
    "too long a message": (
        lambda: frame(2, bytes(900_000), fin=False) + frame(0, bytes(900_000)),
        Close.TOO_BIG,
        Code.TOO_BIG,
    ),
}


@pytest.mark.parametrize("what", FRAMES)
async def test_a_bad_frame_ends_its_connection_alone(tmp_path: Path, what: str) -> None:
    """With the code that RFC 6455 names, counted, whether it was found by us or by picows."""
    made, close, code = FRAMES[what]
    async with cloud(tmp_path) as here, unharmed(here):
        reader, writer = await raw(here.port)
        writer.write(made())
        assert await close_code(reader) == close
        writer.close()
        codes = {code, Code.MALFORMED}  # picows reads on behind a frame that is too long, and may find it malformed too
        async with asyncio.timeout(5):
            while sum([(await here.figures()).get(f'cloud_closes_total{{reason="{word}"}}', 0) for word in codes]) != 1:
                await asyncio.sleep(0.02)


FLOODS = {
    "pings": frame(9, b""),
    "pongs": frame(10, b""),
    "empty fragments": frame(2, b"", fin=False) + frame(0, b"", fin=False),
}


@pytest.mark.parametrize("is_in", [False, True], ids=["before the login", "after it"])
@pytest.mark.parametrize("what", FLOODS)
async def test_a_flood_of_frames_ends_its_connection_alone(tmp_path: Path, what: str, is_in: bool) -> None:
    """What is no message costs as well: whoever sends nothing else is closed with 1008, soon and not worked through first."""
    server = CloudProgram(tmp_path)
    await asyncio.to_thread(server.start)
    try:
        async with unharmed(server):
            reader, writer = await raw(server.port)
            if is_in:
                await enter(reader, writer, server.port)
            flooding = asyncio.create_task(flood(writer, FLOODS[what], FLOODS[what][-6:] * 20_000))
            assert await close_code(reader) in {Close.POLICY, 0}  # a reset may overtake the close frame
            flooding.cancel()
            await asyncio.gather(flooding, return_exceptions=True)
            writer.close()
            assert (await server.figures())['cloud_closes_total{reason="too-fast"}'] == 1
    finally:
        server.close()


async def test_who_pings_and_fragments_as_anybody_does_is_not_touched(tmp_path: Path) -> None:
    """Pings are answered, many at once and before the login; 1 MiB may come in pieces of 64 bytes, 20 in those of 1 KiB."""
    async with cloud(tmp_path) as here, unharmed(here), stranger(here.url) as one:
        await asyncio.gather(*[await one.socket.ping() for _ in range(20)])
        await one.enter()
        await asyncio.gather(*[await one.socket.ping() for _ in range(40)])
        first = 1
        for size in (64, *(20 * [1024])):
            long = packed(*([SEND, seq, NOBODY, ID, bytes(65_000)] for seq in range(first, first + 16)))
            await one.socket.send(long[start : start + size] for start in range(0, len(long), size))
            for seq in range(first, first + 16):
                assert (await one.hear(REJECTED))[1] == seq
            first += 16
        figures = await here.figures()
        assert 'cloud_closes_total{reason="too-fast"}' not in figures
        assert 'cloud_pauses_total{reason="too-fast"}' not in figures


async def flood(writer: asyncio.StreamWriter, first: bytes, more: bytes) -> None:
    """Write without end."""
    writer.write(first)
    while True:
        writer.write(more)
        await writer.drain()


async def enter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, host: str = "127.0.0.1") -> None:
    """Log in on a raw connection; the welcome is read."""
    one = Stranger(None, f"{host}:{port}")  # type: ignore[arg-type]  # nothing is said through it
    one.challenge = msgspec.msgpack.decode(await _message(reader))[0]
    writer.write(frame(2, packed(one.login())))
    assert msgspec.msgpack.decode(await _message(reader))[0][0] == WELCOME


@pytest.mark.parametrize("is_in", [False, True], ids=["before the login", "after it"])
async def test_a_connection_that_is_gone_holds_nothing(tmp_path: Path, is_in: bool) -> None:
    """What it had begun to say, its buffers and all of it are given back at once, not at some later collection."""
    async with cloud(tmp_path) as here, unharmed(here):
        before = connections()
        gc.disable()
        try:
            reader, writer = await raw(here.port)
            if is_in:
                await enter(reader, writer, here.port)
            writer.write(frame(2, bytes(5000), fin=False))
            await writer.drain()
            assert connections() == before + 1
            writer.transport.abort()
            async with asyncio.timeout(10):
                while connections() > before:
                    await asyncio.sleep(0.02)
        finally:
            gc.enable()


def connections() -> int:
    """How many there are in memory."""
    return sum(type(one) is Connection for one in gc.get_objects())


SPEECHES = {
    "one frame": frame(2, bytes(100_000)),
    "half a frame": frame(2, bytes(100_000))[:60_000],
    "fragments": frame(2, bytes(2000), fin=False) + frame(0, bytes(2000), fin=False) * 50,
}


@pytest.mark.parametrize("what", SPEECHES)
async def test_a_stranger_is_listened_to_for_a_few_kilobytes(tmp_path: Path, what: str) -> None:
    """A login has a few hundred bytes: whoever says more before it is told so, and no more of it is read."""
    async with cloud(tmp_path) as here, unharmed(here):
        reader, writer = await raw(here.port)
        writer.write(SPEECHES[what])
        assert await close_code(reader) in {Close.TOO_BIG, 0}  # a reset may overtake the close frame
        writer.close()
        assert (await here.figures())['cloud_closes_total{reason="too-big"}'] == 1


async def test_a_message_that_is_begun_has_to_become_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At its deadline the connection ends, pings or not; one that became whole in time has none any more."""
    monkeypatch.setattr("cloudnet.frames.WHOLE_SECONDS", 0.5)
    async with cloud(tmp_path) as here, unharmed(here), stranger(here.url) as one:
        await one.enter()
        await one.socket.send([packed([PING, 1])[:2], packed([PING, 1])[2:]])
        await one.hear(PONG)
        reader, writer = await raw(here.port)
        await enter(reader, writer, here.port)
        writer.write(frame(2, packed([PING, 1])[:2], fin=False) + frame(9, b""))
        assert await close_code(reader) == Close.DEADLINE
        writer.close()
        assert (await here.figures())['cloud_closes_total{reason="deadline"}'] == 1
        await one.say([PING, 2])
        await one.hear(PONG)


LOGINS: dict[str, tuple[Callable[[Any], list[Any]], str]] = {
    "for another authority": (lambda one: one.login(authority="elsewhere.example:443"), Code.WRONG_SERVER),
    "for another server": (lambda one: one.login(server=bytes(32)), Code.BAD_SIGNATURE),
    "with another certificate than none": (lambda one: one.login(certificate=b"short"), Code.MALFORMED),
    "signed by somebody else": (lambda one: [*one.login()[:1], NOBODY, *one.login()[2:]], Code.BAD_SIGNATURE),
    "with a flag that was not signed": (lambda one: [*one.login()[:6], True, None, ""], Code.BAD_SIGNATURE),
    "with a short key": (lambda one: [*one.login()[:1], b"short", *one.login()[2:]], Code.MALFORMED),
    "with a key of small order": (lambda one: [*one.login()[:1], bytes(32), *one.login()[2:]], Code.BAD_SIGNATURE),
    "with a short signature": (lambda one: [*one.login()[:5], b"short", False, None, ""], Code.BAD_SIGNATURE),
    "with a text for a key": (lambda one: [*one.login()[:1], "text", *one.login()[2:]], Code.MALFORMED),
    "that is a message": (lambda _: [SEND, 1, NOBODY, ID, b""], Code.NOT_LOGGED_IN),
    "that is a ping": (lambda _: [PING, 1], Code.NOT_LOGGED_IN),
}


@pytest.mark.parametrize("what", LOGINS)
async def test_a_bad_login_is_refused(tmp_path: Path, what: str) -> None:
    """With 4001, the reason and a counter by outcome."""
    made, code = LOGINS[what]
    async with cloud(tmp_path) as here, unharmed(here), stranger(here.url) as one:
        await one.say(made(one))
        assert (await one.end())[::2] == (Close.LOGIN_REFUSED, code)
        figures = await here.figures()
        assert figures[f'cloud_closes_total{{reason="{code}"}}'] == 1
        assert (
            sum(value for name, value in figures.items() if name.startswith("cloud_logins_total") and '"ok"' not in name) == 1
        )


async def test_a_login_that_another_server_passes_on_is_refused(tmp_path: Path) -> None:
    """Whoever passes it on chooses the Host header to fit: a server that knows its names takes those for its own alone."""
    names = ("cloud.example", "LocalHost:1")
    async with cloud(tmp_path, names=names) as here, stranger(here.url) as one:
        await one.say(one.login())  # signed for the address in the Host header, which is none of the names
        assert (await one.end())[::2] == (Close.LOGIN_REFUSED, Code.WRONG_SERVER)
        reader, writer = await raw(here.port, host="localhost:1")
        await enter(reader, writer, 1, host="localhost")
        writer.close()


async def test_a_recorded_login_opens_nothing(tmp_path: Path) -> None:
    """Whoever has overheard a login cannot use it: the challenge is another one each time."""
    async with cloud(tmp_path) as here, unharmed(here), stranger(here.url) as one, stranger(here.url) as thief:
        recorded = one.login()
        await one.say(recorded)
        await one.hear(65)
        await thief.say(recorded)
        assert (await thief.end())[::2] == (Close.LOGIN_REFUSED, Code.BAD_SIGNATURE)
        await one.say([PING, 1])
        await one.hear(PONG)


async def test_a_login_and_something_else_is_no_login(tmp_path: Path) -> None:
    """Nothing may ride along with a login."""
    async with cloud(tmp_path) as here, unharmed(here), stranger(here.url) as one:
        await one.say(one.login(), [PING, 1])
        assert (await one.end())[::2] == (Close.LOGIN_REFUSED, Code.NOT_LOGGED_IN)


async def test_who_never_logs_in_is_sent_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At its deadline, with 4002; until then it is a figure of its own."""
    monkeypatch.setattr("cloudnet.greeting.GREETING_SECONDS", 0.2)
    async with cloud(tmp_path) as here, unharmed(here), stranger(here.url) as one:
        assert (await here.figures())["cloud_greetings"] == 1
        assert (await one.end())[::2] == (Close.DEADLINE, Code.DEADLINE)
        figures = await here.figures()
        assert figures["cloud_greetings"] == 0
        assert figures['cloud_closes_total{reason="deadline"}'] == 1


async def test_a_message_that_cannot_go_is_rejected_and_the_next_one_goes(tmp_path: Path) -> None:
    """An unknown recipient and too long a body are answered by number; the connection stays."""
    async with cloud(tmp_path, body_bytes=400) as here, unharmed(here), stranger(here.url) as one:
        await one.enter()
        await one.say([SEND, 1, NOBODY, ID, b"x"], [SEND, 2, one.key, ID, bytes(401)], [SEND, 3, one.key, ID, bytes(400)])
        assert (await one.hear())[:3] == [REJECTED, 1, Code.UNKNOWN_RECIPIENT]
        assert (await one.hear())[:3] == [REJECTED, 2, Code.TOO_BIG]
        await one.hear(DELIVER)
        await one.say([ACK, 1])
        assert await one.hear() == [ACCEPTED, [3]]
        figures = await here.figures()
        assert figures['cloud_drops_total{reason="unknown-recipient"}'] == figures['cloud_drops_total{reason="too-big"}'] == 1


async def test_a_question_that_is_wrong_is_refused_by_its_number(tmp_path: Path) -> None:
    """A profile that cannot be is no reason to end the connection."""
    async with cloud(tmp_path) as here, unharmed(here), stranger(here.url) as one:
        await one.enter()
        await one.say([4, 7, [[b"short", "service", "", "name"]]])
        assert (await one.hear())[:3] == [REFUSAL, 7, Code.MALFORMED]
        assert (await here.figures())['cloud_refusals_total{reason="malformed"}'] == 1


async def test_a_flood_is_held_back_and_not_killed(tmp_path: Path) -> None:
    """Who sends faster than granted is not read for a while; everything is taken in the end, at the rate."""
    async with cloud(tmp_path, messages_per_second=200) as here, unharmed(here), stranger(here.url) as one:
        await one.enter()
        loop = asyncio.get_running_loop()
        began = loop.time()
        for start in range(0, 800, 100):
            await one.say(*([SEND, start + number, NOBODY, ID, b"x"] for number in range(1, 101)))
        rejected = [await one.hear(REJECTED) for _ in range(800)]
        assert [packet[1] for packet in rejected] == list(range(1, 801))
        assert loop.time() - began > (800 - 2 * 200) / 200 - 0.6, "the rate was not kept"
        assert (await here.figures())['cloud_pauses_total{reason="too-fast"}'] >= 1


async def test_who_has_too_much_under_way_is_not_read_until_it_is_less(tmp_path: Path) -> None:
    """Messages that nobody takes hold their sender back; once they are on the disk it goes on."""
    async with cloud(tmp_path, under_way=10) as here, unharmed(here), stranger(here.url) as one, stranger(here.url) as sink:
        await sink.enter()
        await one.enter()
        for number in range(1, 101):
            await one.say([SEND, number, sink.key, number.to_bytes(16, "big"), b"x"])
        accepted: list[int] = []
        while len(accepted) < 100:
            accepted += (await one.hear(ACCEPTED))[1]
        assert sorted(accepted) == list(range(1, 101))
        assert (await here.figures())['cloud_pauses_total{reason="too-many"}'] >= 1
        taken = 0
        while taken < 100:
            packet = await sink.hear(DELIVER)
            taken += 1
            assert packet[3] == taken.to_bytes(16, "big")
            await sink.say([ACK, packet[1]])


async def test_who_is_not_read_is_not_taken_for_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A burst is made good for longer than a silent client is waited for: it stays connected, and goes on then."""
    monkeypatch.setattr("cloudnet.session.PING_SECONDS", 1.0)
    monkeypatch.setattr("cloudnet.session.SILENCE_SECONDS", 2.0)
    async with cloud(tmp_path, messages_per_second=5, behind_proxy=True) as here, stranger(here.url) as one:
        await one.enter()
        await one.say(*([SEND, seq, NOBODY, ID, b"x"] for seq in range(1, 41)))
        while (await one.hear(REJECTED))[1] != 40:
            pass
        await one.say([PING, 7])
        assert (await one.hear(PONG))[1] == 7
        figures = await here.figures()
        assert figures['cloud_pauses_total{reason="too-fast"}'] >= 1
        assert 'cloud_closes_total{reason="deadline"}' not in figures


@pytest.mark.slow
async def test_a_half_open_peer_is_found_out_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cable that holds everything: senders do not wait for long, the peer is asked, taken for gone, and gets all later."""
    monkeypatch.setattr("cloudnet.session.PING_SECONDS", 1.0)
    monkeypatch.setattr("cloudnet.session.SILENCE_SECONDS", 2.5)
    bob = Identity.new()
    async with (
        cloud(tmp_path) as here,
        unharmed(here),
        Cable(here.port).plugged() as cable,
        connect(cable.url, bob) as b,
        connect(here.url, Identity.new()) as a,
    ):
        cable.hold()
        await asyncio.wait_for(asyncio.gather(*(a.send(bob.key, b"%d" % number) for number in range(20))), 5)
        async with asyncio.timeout(60):
            while (await here.figures()).get('cloud_closes_total{reason="deadline"}') != 1:
                await asyncio.sleep(0.05)
            cable.release()
            bodies = [(await anext(b)).body async for _ in _times(20)]
        assert bodies == [b"%d" % number for number in range(20)]


PULLED = """
import asyncio, logging, subprocess, sys
import cloudnet.accept, cloudnet.session
cloudnet.session.PING_SECONDS, cloudnet.session.SILENCE_SECONDS = 1.0, 100.0
cloudnet.accept.UNACKNOWLEDGED_MILLISECONDS = 1500
from cloudnet.keys import Identity
from cloudnet.client import connect
from cloudnet.server import serve
from cloudnet.settings import Settings
import uvloop
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
async def main():
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    settings = Settings(listen="127.0.0.1:9100", metrics="127.0.0.1:9101", data=sys.argv[1])
    asyncio.get_running_loop().call_later(15, lambda: sys.exit("nothing was found out"))
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(settings, print))
        while True:
            try:
                async with asyncio.timeout(5), connect("ws://127.0.0.1:9100", Identity.new()):
                    await asyncio.sleep(1.5)  # a sign of life arrives
                    print("pulled", flush=True)
                    subprocess.run(["ip", "link", "set", "lo", "down"], check=True)
                    await asyncio.sleep(60)
            except OSError:
                await asyncio.sleep(0.05)
uvloop.run(main())
"""


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("unshare"),
    reason="a network of its own wants Linux, root, ip and unshare",
)
def test_the_kernel_tells_of_a_peer_whose_cable_is_pulled(tmp_path: Path) -> None:
    """Signs of life that nobody acknowledges end the connection, long before any answer to a ping would be missed."""
    arguments = ["unshare", "--net", sys.executable, "-c", PULLED, str(tmp_path / "cloud")]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        assert child.stdout is not None
        try:
            said = []
            for line in child.stdout:
                said.append(line)
                if "acknowledges nothing" in line:
                    break
            else:
                raise AssertionError("".join(said))
            assert "pulled\n" in said
        finally:
            child.kill()


async def test_many_long_messages_at_once_are_not_too_long_together(tmp_path: Path) -> None:
    """A turn's packets go in as many WebSocket messages as the bound of both sides needs."""
    ann, bob = Identity.new(), Identity.new()
    async with cloud(tmp_path) as here, connect(here.url, ann) as a, connect(here.url, bob) as b:
        sending = asyncio.gather(*(a.send(bob.key, bytes(60_000)) for _ in range(60)))
        async with asyncio.timeout(20):
            for _ in range(60):
                assert (await anext(b)).body == bytes(60_000)
            b.taken()
            await sending
        assert a.connections == b.connections == 1


async def test_nothing_follows_a_close_frame(tmp_path: Path) -> None:
    """What is accepted after the goodbye is not told any more, whoever waits for it (RFC 6455 section 5.5.1)."""
    async with cloud(tmp_path) as here, stranger(here.url) as sink:
        await sink.enter()
        reader, writer = await raw(here.port)
        one = type(sink)(sink.socket, f"127.0.0.1:{here.port}")
        one.challenge = msgspec.msgpack.decode(await _message(reader))[0]
        writer.write(frame(2, packed(one.login())))
        await _message(reader)
        writer.write(frame(2, packed([SEND, 1, sink.key, ID, b"x"])) + frame(2, packed([99])))
        last = [packet[0] for packet in msgspec.msgpack.decode(await _message(reader))]
        assert last == [BYE]
        await sink.hear(DELIVER)
        await sink.say([ACK, 1])
        rest = await asyncio.wait_for(reader.read(), 10)
        assert rest[0] == 0x88
        assert len(rest) == 2 + rest[1]
        writer.close()


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(2)
    size = int.from_bytes(await reader.readexactly(2), "big") if head[1] == 126 else head[1]
    return await reader.readexactly(size)


async def _times(count: int) -> Any:
    for number in range(count):
        yield number
