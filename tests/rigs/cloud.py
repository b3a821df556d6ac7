"""A Cloud Server to talk to: in this process or as the real program, and a cable between that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from cloudnet.client import Client, connect
from cloudnet.keys import Identity
from cloudnet.server import serve
from cloudnet.settings import Settings
from rigs.programs import free_port, until

OPEN_DOOR = {"connections_per_address": 0, "handshakes_per_second": 0.0}
"""Tests all come from one address."""


class Cloud:
    """Where a server answers, and what it says of itself."""

    def __init__(self, port: int, metrics_port: int) -> None:
        self.port = port
        self.metrics_port = metrics_port
        self.url = f"ws://127.0.0.1:{port}"

    async def figures(self) -> dict[str, float]:
        """Its page of figures."""
        return read_page(await self.page())

    async def page(self) -> str:
        """The same, as it stands there."""
        async with httpx.AsyncClient(verify=False) as client:  # nothing to verify, and loading what would takes a while
            return (await client.get(f"http://127.0.0.1:{self.metrics_port}/metrics")).text


def read_page(text: str) -> dict[str, float]:
    """Name with labels to value."""
    return {found[1]: float(found[2]) for found in re.finditer(r"^([a-z_]+(?:\{[^}]*\})?) (\S+)$", text, re.MULTILINE)}


@asynccontextmanager
async def cloud(folder: Path, *, worker: int = 0, **more: object) -> AsyncIterator[Cloud]:
    """A server on this very loop, drained at the end; or one of the processes of a server."""
    here = Cloud(free_port(), free_port())
    settings = Settings(  # type: ignore[arg-type]  # any of its fields
        **(
            {"listen": f"127.0.0.1:{here.port}", "metrics": f"127.0.0.1:{here.metrics_port}", "data": str(folder / "cloud")}
            | OPEN_DOOR
            | more
        )
    )
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(serve(settings, lambda *_: ready.set(), stop, worker=worker))
    try:
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            waiting.cancel()
            await task
        yield here
    finally:
        stop.set()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def unharmed(here: Cloud) -> AsyncIterator[None]:
    """Two clients who talk before and after, on the same connections: whatever is within must not touch them."""
    ann, bob = Identity.new(), Identity.new()
    async with connect(here.url, ann) as a, connect(here.url, bob) as b:
        for again in (True, False):
            sending = asyncio.create_task(a.send(bob.key, b"hello"))
            assert (await asyncio.wait_for(anext(b), 10)).body == b"hello"
            b.taken()
            await sending
            if again:
                yield
        assert a.connections == b.connections == 1


async def take(client: Client, count: int) -> list[bytes]:
    """The bodies of so many messages, each taken by the application."""
    bodies: list[bytes] = []
    async with asyncio.timeout(30):
        while len(bodies) < count:
            bodies.append((await anext(client)).body)
    client.taken()
    return bodies


class CloudProgram(Cloud):
    """The real program, which can be killed and started again on the same address and folder."""

    def __init__(self, folder: Path, *arguments: str, first: str = "", descriptors: int = 0) -> None:
        """`first`: Python that runs before it; `descriptors`: the system's limit on open files."""
        super().__init__(free_port(), free_port())
        self.data = folder / "cloud"
        self.log = folder / "cloud.log"
        self.arguments = arguments
        limit = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({descriptors}, {descriptors}))\n"
        main = "from cloudnet.programs.server import main\nraise SystemExit(main())"
        self.program = ["-c", (limit if descriptors else "") + first + "\n" + main]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [
            sys.executable,
            *self.program,
            "--listen",
            f"127.0.0.1:{self.port}",
            "--data",
            str(self.data),
        ]
        command += [
            "--metrics",
            f"127.0.0.1:{self.metrics_port}",
            "--connections-per-address",
            "0",
            "--handshakes-per-second",
            "0",
        ]
        if self.process is not None and self.process.poll() is None:  # somebody else has just begun to
            until(self.is_ready, "the cloud server", 60)
            return
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*command, *self.arguments], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            until(self.is_ready, "the cloud server", 60)
        except AssertionError as late:
            said = self.log.read_text(errors="replace")[-2000:]
            ended = self.process.poll()
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{late}; it ended with {ended} and said: {said}") from None

    def is_ready(self) -> bool:
        """Whether it answers."""
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"http://127.0.0.1:{self.metrics_port}/readyz", timeout=2).status_code == 200
        return False

    def resident(self) -> int:
        """Bytes of memory that it has now."""
        assert self.process is not None
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def said(self) -> str:
        """What it has logged."""
        return self.log.read_text()

    def processes(self) -> list[int]:
        """The pids of those that it has started itself (`--workers`)."""
        assert self.process is not None
        tasks = Path(f"/proc/{self.process.pid}/task")
        return [int(word) for path in tasks.glob("*/children") for word in path.read_text().split()]

    def kill(self) -> None:
        """Kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; its exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def close(self) -> None:
        """Whatever it takes."""
        if self.process is not None and self.process.poll() is None:
            self.kill()


class Cable:
    """A TCP proxy on loopback to one port, whose connections can be cut or held up."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.port = 0
        self.url = ""
        self.is_down = False

    @asynccontextmanager
    async def plugged(self) -> AsyncIterator[Cable]:
        """In use for the length of an ``async with``."""
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}"
        try:
            yield self
        finally:
            server.close()
            self._flowing.set()
            self.cut()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Reset every connection."""
        for pair in list(self._pairs):
            for writer in pair:
                writer.transport.abort()

    def hold(self) -> None:
        """Let nothing through, either way, and close nothing: the half-open kind of loss."""
        self._flowing.clear()

    def release(self) -> None:
        """Let everything through again."""
        self._flowing.set()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_down:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, far_writer)
        self._pairs.add(pair)
        ways = [asyncio.create_task(self._pump(reader, far_writer)), asyncio.create_task(self._pump(far_reader, writer))]
        self._tasks.update(ways)
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            self._tasks.difference_update(ways)
            self._pairs.discard(pair)
            for one in pair:
                one.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
