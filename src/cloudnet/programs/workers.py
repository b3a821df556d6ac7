"""A Cloud Server of several processes: starts them on one address, keeps them alive, and shows their figures as one page.

Each process is a node of its own with its own file for mail; `mesh` joins them. This one relays nothing and listens to no
client: it only holds the address, so that nobody else takes it while processes come and go, and asks each for its figures once
a second.
"""

from __future__ import annotations

import asyncio
import logging
import random
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from picows import WSUpgradeRequest

from cloudnet import lock
from cloudnet.accept import Answer, Street, http, listen
from cloudnet.errors import ConfigError
from cloudnet.figures import EXPOSITION, Figures, merged
from cloudnet.keys import load_or_create
from cloudnet.limits import Admission
from cloudnet.settings import Settings, split_address

logger = logging.getLogger(__name__)

LONGEST_PAUSE = 5.0
STABLE_SECONDS = 10.0
"""A process that ran for so long is started again at once when it dies."""
END_SECONDS = 15.0
"""How long they may take to end."""
ASK_SECONDS = 1.0
STALE_SECONDS = 5.0
"""Figures older than this are not shown: their process does not answer."""
HUNG_SECONDS = 20.0
"""A process that has answered nothing for so long hangs, and is killed: its clients wait for it, and so do the other ones;"""
HUNG_QUESTIONS = 4
"""but not before so many questions had no answer, since it may be us who stood still."""


class Worker:
    """One process, again and again."""

    def __init__(self, number: int, command: list[str]) -> None:
        """Not started yet."""
        self.number = number
        self.page = ""
        self.asked_at = -STALE_SECONDS
        self.restarts = 0
        self.figures = ""
        """Where it answers, HOST:PORT; empty before it has said so, and after its end."""
        self.is_ready = asyncio.Event()
        self._command = command
        self._process: asyncio.subprocess.Process | None = None

    @property
    def is_up(self) -> bool:
        """Whether it has answered lately."""
        return time.monotonic() - self.asked_at < STALE_SECONDS

    async def run(self) -> None:
        """Keep it alive until cancelled; raises ConfigError when it says that it cannot run."""
        pause = 0.0
        while True:
            began = time.monotonic()
            status = await self._live()
            if status == 2:
                raise ConfigError(f"process {self.number} cannot run; it has said why")
            self.restarts += 1
            pause = 0.0 if time.monotonic() - began > STABLE_SECONDS else min(LONGEST_PAUSE, max(0.1, pause * 2))
            logger.error("process %d has ended with status %s; started again in %.1f s", self.number, status, pause)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  # jitter, not a secret

    async def ask(self) -> None:
        """Ask it for its figures, once a second, until cancelled; one that hangs is killed."""
        whom, since, missed = "", 0.0, 0
        while True:
            await asyncio.sleep(ASK_SECONDS)
            if whom != self.figures:
                whom, since, missed = self.figures, time.monotonic(), 0
            if not whom:
                continue
            try:
                async with asyncio.timeout(STALE_SECONDS):
                    self.page = await fetched(*split_address(whom), "/metrics")
            except (OSError, TimeoutError, ValueError):
                missed += 1
                if whom == self.figures and missed >= HUNG_QUESTIONS and time.monotonic() - since > HUNG_SECONDS:
                    self._kill(time.monotonic() - since)
            else:
                since, missed = time.monotonic(), 0
                self.asked_at = since

    def end(self) -> None:
        """Ask it to stop."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()

    def _kill(self, seconds: float) -> None:
        """End it as it ends itself at the worst: what it has kept is on its disk."""
        if self._process is not None and self._process.returncode is None:
            logger.error("process %d has answered nothing for %.0f s and is killed", self.number, seconds)
            self._process.kill()

    async def _live(self) -> int:
        """One life; its exit status. Cancelled, it is asked to end, and killed when it does not."""
        process = self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        try:
            assert process.stdout is not None
            said = (await process.stdout.readline()).decode("ascii", "replace").split()
            if said[:1] == ["worker"]:
                self.figures = said[1]
                self.is_ready.set()
            return await process.wait()
        finally:
            self.figures = ""
            if process.returncode is None:
                self.end()
                try:
                    async with asyncio.timeout(END_SECONDS):
                        await process.wait()
                except TimeoutError:
                    process.kill()
                    await process.wait()


async def run(settings: Settings, arguments: list[str], announce: Callable[[str], None]) -> None:
    """All of them, until SIGTERM or SIGINT. Raises ConfigError."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    load_or_create(Path(settings.data) / "server.key")
    await _gone(Path(settings.data))
    held = hold(*split_address(settings.listen))
    host, port = held.getsockname()[:2]
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    workers = [
        Worker(number, [sys.executable, "-m", "cloudnet.programs.worker", str(number), address, *arguments])
        for number in range(settings.workers)
    ]
    own = listen(*split_address(settings.metrics, "metrics")) if settings.metrics else None
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work(), name=f"worker {one.number}") for one in workers for work in (one.run, one.ask)]
        if own is not None:
            street = Street(own, Admission(64, 0, 0), Figures(), lambda request, _: tell(request, workers), None, group)
            street.open()
        ready = asyncio.gather(*(one.is_ready.wait() for one in workers))
        stopping = asyncio.ensure_future(stop.wait())
        either: set[asyncio.Future[Any]] = {ready, stopping}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            announce(f"{'wss' if settings.tls_certificate else 'ws'}://{address}")
            logger.info("%d processes serve", settings.workers)
            await stop.wait()
        ready.cancel()
        for one in workers:
            one.end()
        for task in tasks:
            task.cancel()
        if own is not None:
            street.close()
    held.close()


async def _gone(data: Path) -> None:
    """Wait for processes whose keeper was killed: they have seen it, and are about to end."""
    deadline = time.monotonic() + END_SECONDS
    for folder in sorted(data.glob("worker-*")):  # noqa: ASYNC240  # at the start, before anybody is served
        while time.monotonic() < deadline:
            try:
                with lock.held(folder):
                    break
            except ConfigError:
                await asyncio.sleep(0.05)


def hold(host: str, port: int) -> socket.socket:
    """The address, ours alone and taken by nobody else while our processes come and go. Raises ConfigError."""
    listen(host, port).close() if port else None  # refused when another server shares it among its own processes
    return listen(host, port, share=True, is_only_held=True)


def tell(request: WSUpgradeRequest, workers: list[Worker]) -> Answer:
    """Answer a question about the server as a whole."""
    up = [one for one in workers if one.is_up]
    match request.path.partition(b"?")[0]:
        case b"/healthz":
            return http(200 if up else 503, "alive\n" if up else "no process answers\n")
        case b"/readyz":
            ready = sum("\ncloud_ready 1\n" in one.page for one in up)
            return http(200 if ready else 503, f"{ready} of {len(workers)} processes are ready\n")
        case b"/metrics":
            pages = {str(one.number): one.page for one in up}
            own = {str(one.number): (float(one.is_up), float(one.restarts)) for one in workers}
            return http(200, merged(pages, own), EXPOSITION)
    return None


async def fetched(host: str, port: int, path: str) -> str:
    """The body of a page of one of our own processes; raises OSError or ValueError."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head.partition(b"\r\n")[0]:
        raise ValueError("not the page of figures")
    return body.decode()
