"""Too much of everything: newcomers are refused early, slow readers are shed, those who are in go on, and it ends."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from cloudnet.client import Client, connect
from cloudnet.codes import Close, Code
from cloudnet.errors import Failed, Refused
from cloudnet.keys import Identity
from rigs.cloud import Cloud, CloudProgram, cloud, unharmed
from rigs.stranger import BYE, MOVING, Stranger, stranger

STORM = Path(__file__).parents[1] / "rigs" / "storm.py"
QUICK = "import cloudnet.sweeping\ncloudnet.sweeping.DRAIN_SECONDS = 1.0"
"""A slow reader need not be waited for so long in a test."""


@contextmanager
def program(folder: Path, *arguments: str, **more: Any) -> Iterator[CloudProgram]:
    """The real program, for the length of a ``with``."""
    server = CloudProgram(folder, *arguments, **more)
    try:
        server.start()
        yield server
    finally:
        server.close()


async def eventually(look: Callable[[], Awaitable[bool]], what: str, seconds: float = 15.0) -> None:
    """Look again and again."""
    deadline = time.monotonic() + seconds
    while not await look():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        await asyncio.sleep(0.05)


async def refused(here: Cloud) -> bool:
    """Whether a newcomer is reset before its handshake."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(b"GET / HTTP/1.1\r\n")
        async with asyncio.timeout(1):
            return not await reader.read(1)
    except ConnectionResetError:
        return True
    except TimeoutError:
        writer.close()
        return False


@pytest.mark.parametrize(("limit", "code"), [("connections_per_address", Code.TOO_MANY), ("connections", Code.OVERLOADED)])
async def test_one_too_many_is_reset_before_its_handshake(tmp_path: Path, limit: str, code: str) -> None:
    """Counted by its reason; when one has gone the next one may come."""
    async with cloud(tmp_path, **{limit: 3}) as here, unharmed(here):
        async with stranger(here.url):
            for _ in range(5):
                assert await refused(here)
            figures = await here.figures()
            assert figures[f'cloud_turned_away_total{{reason="{code}"}}'] == 5
            assert figures["cloud_connections"] == 3

        async def has_gone() -> bool:
            return (await here.figures())["cloud_connections"] == 2

        await eventually(has_gone, "the third connection's end")
        async with stranger(here.url):
            pass


async def test_who_connects_too_fast_is_reset(tmp_path: Path) -> None:
    """By address; a while later it may come again."""
    async with cloud(tmp_path, handshakes_per_second=2.0) as here, unharmed(here):
        gone = await asyncio.gather(*(refused(here) for _ in range(20)))
        assert 10 <= gone.count(True) <= 12, "ten at once and two a second may come, and two are in already"
        assert (await here.figures())['cloud_turned_away_total{reason="too-fast"}'] == gone.count(True)
        await asyncio.sleep(0.6)
        async with stranger(here.url):
            pass


@pytest.mark.slow
@pytest.mark.parametrize("count", [1500, pytest.param(9500, marks=pytest.mark.long)])
async def test_a_storm_of_connections_passes(tmp_path: Path, count: int) -> None:
    """Thousands at once that never say a word: who is in goes on, the lag is told, and all of it is given back."""
    with program(tmp_path) as server:
        async with unharmed(server), connect(server.url, Identity.new()) as client:
            before = await server.figures()
            with subprocess.Popen(
                [sys.executable, str(STORM), str(server.port), str(count)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            ) as process:
                assert process.stdout is not None
                said = asyncio.create_task(asyncio.to_thread(process.stdout.readline))
                pings = []
                while not said.done():
                    pings.append(await asyncio.wait_for(client.ping(), 10))
                    await asyncio.sleep(0.02)
                opened, refused_, _ = map(int, (await said).split())
                assert (opened, refused_) == (count, 0)

                async def has_all() -> bool:
                    return (await server.figures())["cloud_accepts_total"] >= before["cloud_accepts_total"] + count

                await eventually(has_all, "all connections to be accepted")

                async def tells_lag() -> bool:
                    return (await server.figures())["cloud_loop_lag_seconds_count"] > before["cloud_loop_lag_seconds_count"]

                await eventually(tells_lag, "the loop's lag to be told")

                async def is_over() -> bool:
                    after = await server.figures()
                    same = ("cloud_connections", 'cloud_sessions{state="ready"}', "process_open_fds", "cloud_greetings")
                    return all(after[name] <= before[name] for name in same)

                await eventually(is_over, "the silent ones to be sent away at their deadline")
                assert (await server.figures())['cloud_turned_away_total{reason="no handshake"}'] == count
                process.stdin.close() if process.stdin else None
        assert server.stop() == 0


@pytest.mark.slow
async def test_a_slow_reader_is_shed_and_gets_everything_later(tmp_path: Path) -> None:
    """It is closed with 1013, what it has not taken waits on the disk, in order; the server's memory stays as it was."""
    with program(tmp_path, "--mailbox-bytes", "200m", "--mailbox-messages", "100000", first=QUICK) as server:
        async with connect(server.url, Identity.new()) as a, stranger(server.url, max_queue=1, ping_interval=None) as slow:
            await slow.enter()
            slow.socket.transport.pause_reading()
            before = server.resident()
            peak = 0
            body = os.urandom(20_000)
            for start in range(0, 2000, 100):
                bodies = [b"%d %s" % (number, body) for number in range(start, start + 100)]
                await asyncio.wait_for(asyncio.gather(*(a.send(slow.key, one) for one in bodies)), 30)
                peak = max(peak, server.resident())

            async def is_shed() -> bool:
                return (await server.figures()).get('cloud_closes_total{reason="slow-reader"}') == 1

            await eventually(is_shed, "the slow reader's end")
            assert peak - before < 32 << 20, f"it grew by {(peak - before) >> 20} MiB for 40 MB that nobody reads"
            slow.socket.transport.resume_reading()
            with pytest.raises(ConnectionClosed) as fault:
                while (await slow.hear())[0] != BYE:
                    pass
                await slow.hear()
            assert fault.value.rcvd is None or fault.value.rcvd.code == Close.OVERLOADED
            identity = Identity(bytes(slow.signing))
            async with connect(server.url, identity) as b:
                for number in range(2000):
                    message = await asyncio.wait_for(anext(b), 10)
                    assert message.body.startswith(b"%d " % number)
            assert server.resident() - before < 60 << 20
        assert server.stop() == 0


@pytest.mark.slow
async def test_who_reads_slowly_but_reads_is_not_shed(tmp_path: Path) -> None:
    """A client on a thin line takes its bytes for longer than the bound, and stays; it goes once it takes none any more."""
    quick = "import cloudnet.sweeping\ncloudnet.sweeping.DRAIN_SECONDS = 3.0"
    with program(tmp_path, first=quick) as server:
        thin = socket.socket()
        thin.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        thin.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
        thin.connect(("127.0.0.1", server.port))
        async with connect(server.url, Identity.new()) as a, stranger(server.url, sock=thin, max_queue=1) as slow:
            await slow.enter()
            slow.socket.transport.pause_reading()
            await asyncio.gather(*(a.send(slow.key, os.urandom(60_000)) for _ in range(100)))
            await eventually(lambda: _is(server, "cloud_clients_clogged", 1), "the line to be full")
            loop = asyncio.get_running_loop()
            until = loop.time() + 10
            while loop.time() < until:
                await asyncio.to_thread(thin_read, thin)
                await asyncio.sleep(0.1)
            figures = await server.figures()
            assert figures["cloud_clients_clogged"] == 1
            assert 'cloud_closes_total{reason="slow-reader"}' not in figures
            await eventually(lambda: _is(server, 'cloud_closes_total{reason="slow-reader"}', 1), "its end", 30)
            slow.socket.transport.abort()


def thin_read(line: socket.socket) -> None:
    """Take a few kilobytes past the client that the socket belongs to."""
    with suppress(BlockingIOError):
        os.read(line.fileno(), 4096)


async def _is(server: CloudProgram, figure: str, value: float) -> bool:
    return (await server.figures()).get(figure) == value


async def test_who_asks_much_and_reads_nothing_costs_no_memory(tmp_path: Path) -> None:
    """Whoever does not take its answers is not read any more either, and shed at last."""
    with program(tmp_path, first=QUICK) as server:
        others = [Identity.new() for _ in range(100)]
        async with connect(server.url, Identity.new(), identities=others) as a, unharmed(server):
            await asyncio.gather(*(a.register("x" * 100, kind="service", extra=bytes(1000), identity=one) for one in others))
            async with stranger(server.url, max_queue=1, ping_interval=None) as greedy:
                await greedy.enter()
                greedy.socket.transport.pause_reading()
                before = server.resident()
                asking = asyncio.create_task(_ask_much(greedy, 3000))

                async def is_shed() -> bool:
                    return (await server.figures()).get('cloud_closes_total{reason="slow-reader"}') == 1

                await eventually(is_shed, "the end of one who asks and does not read")
                grown = server.resident() - before
                asking.cancel()
                greedy.socket.transport.abort()
                await asyncio.gather(asking, return_exceptions=True)
                assert grown < 16 << 20, f"it grew by {grown >> 20} MiB for 300 MB of answers that nobody reads"


async def _ask_much(greedy: Stranger, times: int) -> None:
    for number in range(times):
        await greedy.say([6, number, "service", "", "", b"", b"", None, 0.0, False, 100])


async def test_over_the_memory_bound_newcomers_are_refused(tmp_path: Path) -> None:
    """Those who are in go on; /readyz says why; under the bound again, newcomers are let in."""
    async with cloud(tmp_path, memory=1) as here, unharmed(here):

        async def is_closed() -> bool:
            return (await here.figures())["cloud_ready"] == 0

        await eventually(is_closed, "the memory bound")
        assert await refused(here)
        answer = await asyncio.to_thread(httpx.get, f"http://127.0.0.1:{here.metrics_port}/readyz")
        assert (answer.status_code, answer.text) == (503, "overloaded\n")
        with pytest.raises(httpx.TransportError):  # it costs nothing there, as any newcomer
            await asyncio.to_thread(httpx.get, f"http://127.0.0.1:{here.port}/readyz")
        assert (await here.figures())['cloud_turned_away_total{reason="overloaded"}'] == 2


@pytest.mark.slow
async def test_when_the_loop_is_late_newcomers_are_refused(tmp_path: Path) -> None:
    """Until it is in time again."""
    async with cloud(tmp_path, lag_seconds=0.3) as here, unharmed(here):

        async def is_closed() -> bool:
            time.sleep(0.6)  # noqa: ASYNC251  # the very fault: somebody holds the event loop up
            return (await here.figures())["cloud_ready"] == 0

        async def is_open() -> bool:
            return (await here.figures())["cloud_ready"] == 1

        await eventually(is_closed, "the lag bound")
        assert (await here.figures())["cloud_loop_lag_newest_seconds"] > 0.3
        assert await refused(here)
        await eventually(is_open, "newcomers to be let in again")
        async with stranger(here.url):
            pass


async def test_few_descriptors_leave_room_for_the_figures(tmp_path: Path) -> None:
    """With 100 open files there are fewer connections; whoever asks how it goes is answered all the same."""
    with program(tmp_path, descriptors=100) as server:
        async with unharmed(server), AsyncExitStack() as stack:
            room = 100 - 64 - 2
            for _ in range(room):
                await stack.enter_async_context(stranger(server.url))
            assert await refused(server)
            assert (await server.figures())['cloud_turned_away_total{reason="overloaded"}'] == 1
            assert "leaves room for 36 connections" in server.said()


async def test_out_of_descriptors_it_waits_and_goes_on(tmp_path: Path) -> None:
    """When the system gives no more, accepting is paused; newcomers wait, and come in once there is room."""
    take_all = "import cloudnet.accept\ncloudnet.accept.KEPT_DESCRIPTORS = -1000"
    with program(tmp_path, descriptors=60, first=take_all) as server:
        async with unharmed(server):
            async with AsyncExitStack() as stack:
                with pytest.raises(TimeoutError):
                    for _ in range(60):
                        await stack.enter_async_context(asyncio.timeout(1))
                        await stack.enter_async_context(stranger(server.url, open_timeout=0.5))
            async with stranger(server.url, open_timeout=10):
                pass
            assert (await server.figures())['cloud_turned_away_total{reason="no descriptors"}'] >= 1
            assert "no connection can be accepted for a moment" in server.said()


async def test_the_end_is_told_and_loses_nothing(tmp_path: Path) -> None:
    """SIGTERM amid traffic: clients hear where to go, everything accepted is there for the next server, exit 0."""
    backup = "ws://127.0.0.1:1"
    ann, bob = Identity.new(), Identity.new()
    with program(tmp_path, "--backups", backup) as server:
        async with connect(server.url, bob):
            pass
        async with stranger(server.url) as one:
            await one.enter()
            accepted: set[bytes] = set()

            async def send(client: Client, sender: int) -> None:
                for number in range(100_000):
                    body = b"%d %d" % (sender, number)
                    try:
                        await client.send(bob.key, body)
                    except (Refused, Failed):
                        return
                    accepted.add(body)

            async with connect(server.url, ann, linger=0) as a:
                sending = [asyncio.create_task(send(a, sender)) for sender in range(8)]
                await eventually(lambda: _true(len(accepted) > 200), "traffic")
                stopping = asyncio.create_task(asyncio.to_thread(server.stop))
                moving = await one.hear(MOVING)
                assert moving[2] == [backup]
                assert (await one.end())[::2] == (Close.MOVING, Code.MOVING)
                assert await stopping == 0
            await asyncio.gather(*sending)
        await asyncio.to_thread(server.start)
        found = []
        async with connect(server.url, bob) as b:
            while not accepted <= set(found):
                found.append((await asyncio.wait_for(anext(b), 10)).body)
        assert len(found) == len(set(found))
        assert server.stop() == 0


async def _true(found: bool) -> bool:
    return found
