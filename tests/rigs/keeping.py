"""Servers' parents for tests: a run folder with the keeper or ourselves behind it, and what they have told."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from rigs.programs import is_alive, until
from watchkeeper.clock import SystemClock
from watchkeeper.control.bykeeper import ByKeeper
from watchkeeper.control.byourselves import Ourselves
from watchkeeper.control.parentage import Ending, Found, Parent, Process, Spawn, Told
from watchkeeper.control.runfile import RunFile

SLEEP = ("sleep", "1000")


def python(code: str, *words: str) -> tuple[str, ...]:
    """A program."""
    return (sys.executable, "-I", "-u", "-c", textwrap.dedent(code), *words)


class Home:
    """One agent's parent over a run folder."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder = folder
        self.warned: list[tuple[str, str]] = []
        self.moved: list[int] = []
        self.replaced: list[str] = []
        self.runfile = RunFile(folder / "run")
        told = Told(
            lambda server, words: self.warned.append((server, words)),
            lambda _, process: self.moved.append(process.pid),
            lambda words, _: self.replaced.append(words),
        )
        self.parent: Parent = ByKeeper(self.runfile, told) if kind == "keeper" else Ourselves(self.runfile, SystemClock())
        self.found: list[Found] = []

    def order(self, server: str, command: tuple[str, ...], order: str = "", **options: str | tuple[str, ...]) -> Spawn:
        """An order for a server."""
        environment = {"PATH": os.environ["PATH"], "HOME": "/nowhere"}
        log = self.folder / f"{server}.log"
        return Spawn(server, order or os.urandom(4).hex(), command, environment, log, self.folder, options=options)

    async def spawn(self, command: tuple[str, ...], server: str = "web", **options: str | tuple[str, ...]) -> Process:
        """Start one."""
        return await self.parent.spawn(self.order(server, command, **options))

    def said(self, server: str = "web") -> str:
        """What it has written, once it has."""
        return until((self.folder / f"{server}.log").read_text, "the program's first word")

    def close(self) -> None:
        """Die as an agent does: the servers go on."""
        self.parent.close()
        self.runfile.close()


@contextlib.asynccontextmanager
async def home(folder: Path, kind: str = "keeper") -> AsyncIterator[Home]:
    """An agent's parent at work, until the end of the block."""
    one = Home(folder, kind)
    try:
        one.found = await one.parent.open()
        task = asyncio.create_task(one.parent.run())
        try:
            yield one
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
    finally:
        one.close()


async def finish(process: Process) -> Ending:
    """How it ended."""
    async with asyncio.timeout(20):
        return await process.ended()


async def soon(look: Callable[[], object], what: str, seconds: float = 15) -> None:
    """Wait for it."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not look():
        assert loop.time() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.01)


def keepers(folder: Path) -> list[int]:
    """The keepers of a run folder; there is at most one."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if b"keep" in words and str(folder / "run").encode() in words:
                found.append(int(path.parent.name))
    return [pid for pid in found if is_alive(pid)]


def sweep(folder: Path) -> None:
    """End what a test has left: the servers whose mark is that of its run folder, and its keeper."""
    keep = folder / "run" / "keep"
    mark = f"WATCHKEEPER_KEEP={keep.read_text()}".encode() if keep.exists() else b"\xff"
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark in path.read_bytes().split(b"\0"):
                os.kill(int(path.parent.name), signal.SIGKILL)
    for entry in (folder / "run").glob("*.json"):
        for pid in re.findall(r'"pid":(\d+)', entry.read_text()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
    for pid in keepers(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
