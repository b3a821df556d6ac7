"""The door: handshakes that never come or make no sense, TLS, and what a proxy of ours says of whom it brings."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from multidict import CIMultiDict
from websockets.asyncio.client import connect as dial

from cloudnet.accept import forwarded, listen
from cloudnet.client import connect
from cloudnet.codes import Close, Code
from cloudnet.errors import ConfigError, Refused
from cloudnet.keys import Identity
from rigs import certificates
from rigs.cloud import Cloud, CloudProgram, cloud, unharmed
from rigs.programs import free_port
from rigs.stranger import Stranger, stranger

UPGRADE = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"


async def answer(here: Cloud, said: bytes) -> bytes:
    """What comes back until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
    writer.write(said)
    try:
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def counted(here: Cloud, reason: str, times: int = 1) -> None:
    """Wait until so many were turned away for a reason, and all their connections are gone."""
    async with asyncio.timeout(10):
        while True:
            figures = await here.figures()
            if figures.get(f'cloud_turned_away_total{{reason="{reason}"}}') == times and figures["cloud_connections"] == 2:
                return
            await asyncio.sleep(0.02)


HANDSHAKES = {
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"HTTP/1.1 400 "),
    "no WebSocket": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 426 "),
    "another path": (
        b"GET /etc/passwd HTTP/1.1\r\nHost: x\r\n" + UPGRADE + b"Sec-WebSocket-Version: 13\r\n\r\n",
        b"HTTP/1.1 404 ",
    ),
    "an old version": (b"GET / HTTP/1.1\r\nHost: x\r\n" + UPGRADE + b"Sec-WebSocket-Version: 8\r\n\r\n", b"HTTP/1.1 426 "),
    "endless headers": (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 20_000, b""),
    "headers that are no text": (b"GET / HTTP/1.1\r\nHost: \xff\xfe\x00\r\n" + UPGRADE + b"\r\n\r\n", b"HTTP/1.1 400 "),
}


@pytest.mark.parametrize("what", HANDSHAKES)
async def test_a_bad_handshake_is_answered_in_http(tmp_path: Path, what: str) -> None:
    """And nothing of it is left."""
    said, expected = HANDSHAKES[what]
    async with cloud(tmp_path) as here, unharmed(here):
        assert (await answer(here, said)).startswith(expected)
        async with asyncio.timeout(5):
            while (await here.figures())["cloud_connections"] != 2:
                await asyncio.sleep(0.02)


async def test_health_is_told_to_anybody_at_the_clients_door(tmp_path: Path) -> None:
    """Load balancers ask there; the figures are not for everybody and stand on their own address."""
    async with cloud(tmp_path) as here, unharmed(here):
        ends = b" HTTP/1.1\r\nHost: x\r\n\r\n"
        assert (await answer(here, b"GET /healthz" + ends)).startswith(b"HTTP/1.1 200 OK\r\n")
        assert (await answer(here, b"GET /readyz?verbose" + ends)).endswith(b"ready\n")
        assert (await answer(here, b"GET /metrics" + ends)).startswith(b"HTTP/1.1 404 ")


async def test_a_handshake_that_drips_in_is_cut_off_at_its_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then buys no time."""
    monkeypatch.setattr("cloudnet.accept.GREETING_SECONDS", 0.5)
    async with cloud(tmp_path) as here, unharmed(here):
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises((ConnectionError, TimeoutError)):
            for byte in b"GET / HTTP/1.1\r\nHost: slow.example\r\n" * 100:
                writer.write(bytes((byte,)))
                await writer.drain()
                await asyncio.sleep(0.02)
                if reader.at_eof():
                    raise ConnectionError
        assert loop.time() - began >= 0.4
        writer.close()
        await counted(here, "no handshake")


async def test_a_connection_that_says_nothing_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without TLS, and with TLS before the first byte and after it."""
    monkeypatch.setattr("cloudnet.accept.GREETING_SECONDS", 0.3)
    async with cloud(tmp_path) as here, unharmed(here):
        assert await answer(here, b"") == b""
        await counted(here, "no handshake")


@asynccontextmanager
async def secure(folder: Path) -> AsyncIterator[tuple[Cloud, certificates.Certificate]]:
    """A server with a certificate."""
    shown = certificates.made(folder, "server")
    async with cloud(folder, tls_certificate=shown.certificate, tls_key=shown.key) as here:
        here.url = here.url.replace("ws://", "wss://")
        yield here, shown


async def test_messages_go_over_tls(tmp_path: Path) -> None:
    """Logins are bound to the certificate; who does not trust it does not talk."""
    ann, bob = Identity.new(), Identity.new()
    async with (
        secure(tmp_path) as (here, shown),
        connect(here.url, ann, tls=shown.trusted()) as a,
        connect(here.url, bob, tls=shown.trusted()) as b,
    ):
        sending = asyncio.create_task(a.send(bob.key, b"over TLS"))
        assert (await asyncio.wait_for(anext(b), 10)).body == b"over TLS"
        b.taken()
        await sending
        async with stranger(here.url, ssl=shown.trusted()) as one:
            await one.say(one.login(certificate=b""))
            assert (await one.end())[::2] == (Close.LOGIN_REFUSED, Code.WRONG_SERVER)


async def test_somebody_in_between_with_another_certificate_gets_no_login(tmp_path: Path) -> None:
    """Even one whom the client trusts: what it has signed names the certificate that it saw."""
    shown = certificates.made(tmp_path, "between")
    async with secure(tmp_path) as (here, true):

        async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(65536):
                writer.write(data)
            writer.close()

        async def between(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there = await asyncio.open_connection("127.0.0.1", here.port, ssl=true.trusted())
            await asyncio.gather(pump(reader, there[1]), pump(there[0], writer), return_exceptions=True)

        async with await asyncio.start_server(between, "127.0.0.1", 0, ssl=shown.served()) as server:
            url = f"wss://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            with pytest.raises(Refused) as fault:
                async with connect(url, Identity.new(), tls=shown.trusted()):
                    raise AssertionError
        assert fault.value.code == Code.WRONG_SERVER
        assert "another TLS certificate" in fault.value.why


async def test_no_tls_at_a_tls_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Garbage, silence and a TLS that is given up: each is counted, and nothing of it is left."""
    monkeypatch.setattr("cloudnet.accept.GREETING_SECONDS", 1.0)
    async with secure(tmp_path) as (here, shown):
        assert not (await answer(here, b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP")
        assert await answer(here, b"") == b""
        with pytest.raises(ssl.SSLError):
            await asyncio.open_connection("127.0.0.1", here.port, ssl=ssl.create_default_context())
        async with asyncio.timeout(10):
            while True:
                figures = await here.figures()
                turned = [figures.get(f'cloud_turned_away_total{{reason="{why}"}}', 0) for why in ("tls", "no handshake")]
                if sum(turned) == 3 and figures["cloud_connections"] == 0:
                    break
                await asyncio.sleep(0.05)
        async with connect(here.url, Identity.new(), tls=shown.trusted()) as client:
            assert await client.ping() < 5


async def test_broken_tls_fills_no_log(tmp_path: Path) -> None:
    """Strangers connect and go without a word of TLS, many at a time: each is counted, and none costs a line."""
    shown = certificates.made(tmp_path, "server")
    server = CloudProgram(tmp_path, "--tls-certificate", shown.certificate, "--tls-key", shown.key)
    await asyncio.to_thread(server.start)
    try:
        before = len(server.said())
        for _ in range(3):
            streams = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(50)]
            for _, writer in streams:
                writer.close()
        async with asyncio.timeout(15):
            while (await server.figures()).get('cloud_turned_away_total{reason="tls"}', 0) < 150:
                await asyncio.sleep(0.05)
        assert server.said()[before:] == ""
    finally:
        server.close()


FORWARDED = {
    "one": (["203.0.113.7"], "203.0.113.7"),
    "the last is ours": (["10.0.0.1, 198.51.100.9,203.0.113.7"], "203.0.113.7"),
    "a header of the client's before the proxy's": (["10.0.0.1", "203.0.113.7"], "203.0.113.7"),
    "IPv6": (["2001:db8::1"], "2001:db8::1"),
    "IPv6 in brackets": (["[2001:db8::1]:4711"], "2001:db8::1"),
    "none": ([], "127.0.0.1"),
    "an empty one": ([""], "127.0.0.1"),
    "no address": (["203.0.113.7, <script>"], "127.0.0.1"),
    "a line for the log": (["203.0.113.7\nERROR all is lost"], "127.0.0.1"),
}


@pytest.mark.parametrize("what", FORWARDED)
def test_only_what_our_own_proxy_says_is_believed(what: str) -> None:
    """The last address of the last header; what is none stands for the proxy's own."""
    values, expected = FORWARDED[what]
    assert forwarded(CIMultiDict([("X-Forwarded-For", value) for value in values]), "127.0.0.1") == expected


async def test_behind_a_proxy_the_limits_are_by_the_clients_address(tmp_path: Path) -> None:
    """The proxy's own is in no way, a made-up one before it neither; who is too many is told so, and another one comes in."""
    async with (
        cloud(tmp_path, behind_proxy=True, connections_per_address=2) as here,
        AsyncExitStack() as stack,
    ):
        for number in range(2):
            told = {"X-Forwarded-For": f"10.0.0.{number}, 203.0.113.7"}
            await stack.enter_async_context(stranger(here.url, additional_headers=told))
        one = await stack.enter_async_context(_silent(here, "10.9.9.9, 203.0.113.7"))
        assert one == (Close.OVERLOADED, Code.TOO_MANY)
        await stack.enter_async_context(stranger(here.url, additional_headers={"X-Forwarded-For": "203.0.113.7, 203.0.113.8"}))
        assert (await here.figures())['cloud_turned_away_total{reason="too-many"}'] == 1
    async with (
        cloud(tmp_path, connections_per_address=1) as here,
        stranger(here.url, additional_headers={"X-Forwarded-For": "9.9.9.9"}),
    ):
        with pytest.raises((ConnectionError, EOFError)):
            async with stranger(here.url, additional_headers={"X-Forwarded-For": "8.8.8.8"}):
                raise AssertionError


@asynccontextmanager
async def _silent(here: Cloud, told: str) -> AsyncIterator[tuple[int, str]]:
    """How a connection ends that gets no challenge."""
    async with dial(here.url, proxy=None, additional_headers={"X-Forwarded-For": told}) as socket:
        yield (await Stranger(socket, "").end())[::2]


def test_an_address_that_cannot_be_listened_on_is_the_operators_to_see() -> None:
    """In use, or not ours: the address and the system's reason."""
    port = free_port()
    with listen("127.0.0.1", port), pytest.raises(ConfigError, match=f"127.0.0.1:{port}.*in use"):
        listen("127.0.0.1", port)
    with pytest.raises(ConfigError, match=r"192\.0\.2\.1"):
        listen("192.0.2.1", port)
