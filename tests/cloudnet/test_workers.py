"""`cloud-server --workers N`: several processes on one address behave as one server, also while some of them die."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from cloudnet.client import connect
from cloudnet.keys import Identity
from rigs.cloud import CloudProgram, take
from rigs.programs import is_alive, until

WORKERS = 2


@pytest.fixture
def server(tmp_path: Path) -> Iterator[CloudProgram]:
    """A server of two processes."""
    one = CloudProgram(tmp_path, "--workers", str(WORKERS))
    one.start()
    yield one
    one.close()


async def figure(server: CloudProgram, name: str) -> float:
    """A figure, summed over the processes."""
    return sum(value for key, value in (await server.figures()).items() if key.partition("{")[0] == name)


async def all_there(server: CloudProgram, sessions: int) -> None:
    """Wait until so many clients are counted in all, and every process knows of them all."""
    async with asyncio.timeout(20):
        while await figure(server, "cloud_sessions") != sessions or await figure(server, "cloud_places") < WORKERS * sessions:
            await asyncio.sleep(0.1)


@pytest.mark.slow
async def test_processes_are_one_server(server: CloudProgram) -> None:
    """Sixteen clients land on both; each reaches each, in order, and the figures of both stand on one page."""
    people = [Identity.new() for _ in range(16)]
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connect(server.url, one)) for one in people]
        await all_there(server, 16)
        shares = [(await server.figures())[f'cloud_sessions{{worker="{worker}",state="ready"}}'] for worker in range(WORKERS)]
        assert all(shares), "the system gives each process some"
        receiving = [asyncio.create_task(take(client, 16 * 20)) for client in clients]
        for number in range(20):
            await asyncio.gather(*(a.send(to.key, b"%d %d" % (who, number)) for who, a in enumerate(clients) for to in people))
        for bodies in await asyncio.gather(*receiving):
            for who in range(16):
                mine = [body for body in bodies if body.split()[0] == b"%d" % who]
                assert mine == [b"%d %d" % (who, number) for number in range(20)]
    assert server.stop() == 0
    assert "Traceback" not in server.log.read_text()


@pytest.mark.slow
async def test_a_process_dies_and_nobody_loses_anything(server: CloudProgram) -> None:
    """Kill -9 of one: its clients come back by themselves, what was accepted arrives, and another process takes its place."""
    ann, people = Identity.new(), [Identity.new() for _ in range(8)]
    async with AsyncExitStack() as stack:
        a = await stack.enter_async_context(connect(server.url, ann))
        clients = [await stack.enter_async_context(connect(server.url, one)) for one in people]
        await all_there(server, 9)
        receiving = [asyncio.create_task(take(client, 60)) for client in clients]
        first = server.processes()
        for number in range(60):
            await asyncio.gather(*(a.send(to.key, b"%d" % number) for to in people))
            if number == 30:
                os.kill(first[0], signal.SIGKILL)
        for bodies in await asyncio.gather(*receiving):
            assert bodies == [b"%d" % number for number in range(60)]
        assert (
            len(await asyncio.to_thread(until, lambda: len(now := server.processes()) == WORKERS and now, "a successor")) == 2
        )
        async with asyncio.timeout(20):
            while await figure(server, "cloud_worker_restarts_total") != 1:
                await asyncio.sleep(0.1)


@pytest.mark.slow
async def test_a_process_that_hangs_is_ended_and_nobody_loses_anything(tmp_path: Path) -> None:
    """One stands still, and its sockets are open: it is killed, its clients come back, and what was accepted arrives once."""
    patience = "from cloudnet.programs import workers; workers.STALE_SECONDS = 1.0; workers.HUNG_SECONDS = 5.0"
    server = CloudProgram(tmp_path, "--workers", str(WORKERS), first=patience)
    await asyncio.to_thread(server.start)
    try:
        ann, people = Identity.new(), [Identity.new() for _ in range(8)]
        async with AsyncExitStack() as stack:
            a = await stack.enter_async_context(connect(server.url, ann))
            clients = [await stack.enter_async_context(connect(server.url, one)) for one in people]
            await all_there(server, 9)
            receiving = [asyncio.create_task(take(client, 20)) for client in clients]
            os.kill(server.processes()[-1], signal.SIGSTOP)
            for number in range(20):
                await asyncio.gather(*(a.send(to.key, b"%d" % number) for to in people))
            for bodies in await asyncio.gather(*receiving):
                assert bodies == [b"%d" % number for number in range(20)]
            async with asyncio.timeout(30):
                while (
                    await figure(server, "cloud_worker_restarts_total") != 1
                    or await figure(server, "cloud_worker_up") != WORKERS
                ):
                    await asyncio.sleep(0.1)
        assert "answered nothing for" in server.said()
    finally:
        server.close()


@pytest.mark.slow
def test_no_process_outlives_the_server(server: CloudProgram) -> None:
    """Kill -9 of the one that keeps them: they end by themselves, so that the next start finds its files free."""
    children = server.processes()
    server.kill()
    until(lambda: not any(is_alive(pid) for pid in children), "its processes to end")
    server.start()
    assert len(server.processes()) == WORKERS


@pytest.mark.slow
async def test_mail_of_processes_that_are_no_more_is_delivered(tmp_path: Path) -> None:
    """Kept by three processes, delivered by a server of one."""
    ann, people = Identity.new(), [Identity.new() for _ in range(12)]
    server = CloudProgram(tmp_path, "--workers", "3")
    await asyncio.to_thread(server.start)
    try:
        for one in people:
            async with connect(server.url, one):
                pass
        async with connect(server.url, ann) as a:
            async with asyncio.timeout(20):
                while await figure(server, "cloud_places") < 3 * 13:
                    await asyncio.sleep(0.1)
            await asyncio.gather(*(a.send(to.key, b"%d" % number) for to in people for number in range(5)))
        assert await asyncio.to_thread(server.stop) == 0
        assert len(list(server.data.glob("cloud*.db"))) == 3
        server.arguments = ()
        await asyncio.to_thread(server.start)
        assert [path.name for path in server.data.glob("cloud*.db")] == ["cloud.db"]
        for one in people:
            async with connect(server.url, one) as client:
                assert await take(client, 5) == [b"%d" % number for number in range(5)]
    finally:
        server.close()


def test_the_address_is_told_apart_from_another_servers(server: CloudProgram, tmp_path: Path) -> None:
    """Another server cannot slip in between the processes of this one."""
    command = [sys.executable, "-m", "cloudnet.programs.server", "--workers", "2", "--metrics", ""]
    command += ["--listen", f"127.0.0.1:{server.port}", "--data", str(tmp_path / "other")]
    other = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert other.returncode == 2
    assert f"cannot listen on 127.0.0.1:{server.port}: Address already in use" in other.stderr
