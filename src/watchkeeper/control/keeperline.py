"""The line to the keeper: start one where there is none, call it, and pass pages.

`bykeeper` comes in and knows what the pages mean. A keeper is started with nothing of ours but its lock, its socket and
its log, so that neither our death nor that of whoever reads our output reaches it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from watchkeeper import keeper
from watchkeeper.errors import Failed
from watchkeeper.keeper.living import started
from watchkeeper.keeper.page import LONGEST, Page, read, write

READY_SECONDS = 20.0
ASK_SECONDS = (0.2, 0.8, 2.0, 4.0)
"""The pauses between questions after a start."""
CALL_SECONDS = 0.01
LOG_BYTES = 64 << 10
"""The keeper's own log holds tracebacks alone; beyond so many bytes it begins anew."""
HOME = Path(keeper.__file__).parent
WANTED = ("LD_LIBRARY_PATH",)
"""What a keeper needs of our environment: where Python's library is. All else could only be a secret or a mark of others."""


class Line:
    """A connection to a keeper."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._asking: asyncio.TimerHandle | None = None
        self._turn = 0
        here: socket.socket = writer.get_extra_info("socket")
        self.peer = struct.unpack("iII", here.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        """The keeper's pid."""

    def send(self, page: Mapping[str, str | int | Sequence[str]]) -> None:
        """Send a page; what cannot be sent any more is seen by who reads."""
        self._writer.write(write(page))

    async def next(self) -> Page | None:
        """The next page; None once the keeper is gone."""
        try:
            return read((await self._reader.readuntil(b"\n\n"))[:-1])
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            return None

    def close(self) -> None:
        """Hang up."""
        self._writer.close()

    def ask_soon(self) -> None:
        """Ask a few times after a start: each time the keeper sees which servers have become another program by exec."""
        if self._asking and self._turn == 0:
            return  # many starts at once are one question
        if self._asking:
            self._asking.cancel()
        self._ask_in(0)

    def _ask_in(self, turn: int) -> None:
        self._turn = turn
        self._asking = asyncio.get_running_loop().call_later(ASK_SECONDS[turn], self._ask)

    def _ask(self) -> None:
        self._asking = None
        if self._writer.is_closing():
            return
        self.send({"op": "ping"})
        if self._turn + 1 < len(ASK_SECONDS):
            self._ask_in(self._turn + 1)

    def kill(self) -> None:
        """End a keeper that does not answer: while the line stands, its pid can be nobody else's."""
        with contextlib.suppress(OSError):
            handle = os.pidfd_open(self.peer)
            try:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            finally:
                os.close(handle)


async def call(folder: Path, awaited: int = 0) -> Line | None:
    """A line to the keeper of a run folder; None where there is none. The process `awaited` is about to listen, if it lives.

    Raises Failed where the folder is gone.
    """
    # The address of a unix socket holds 107 bytes, the path of a folder can be longer: /proc knows a short one.
    try:
        here = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    except OSError as fault:
        raise Failed(f"the run folder {folder} cannot be opened: {fault.strerror}") from None
    try:
        while True:
            try:
                return Line(*await asyncio.open_unix_connection(f"/proc/self/fd/{here}/keeper.socket", limit=LONGEST))
            except (FileNotFoundError, ConnectionError):
                if not awaited or not started(awaited):
                    return None
            await asyncio.sleep(CALL_SECONDS)
    finally:
        os.close(here)


async def start(folder: Path) -> None:
    """Start a keeper for a run folder; returns when it listens. Raises Failed with its own word why it cannot."""
    ready, told = os.pipe()
    try:
        try:
            with (folder / "keeper.log").open("ab") as log:
                if log.tell() > LOG_BYTES:
                    log.truncate(0)
                process = subprocess.Popen(  # noqa: ASYNC220  # a fork, and then no waiting
                    [*command(), "detach", str(folder), str(told), build()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    cwd="/",
                    env={name: os.environ[name] for name in WANTED if name in os.environ},
                    pass_fds=(told,),
                    start_new_session=True,
                )
        finally:
            os.close(told)
        try:
            async with asyncio.timeout(READY_SECONDS):
                said = await _said(ready)
        except TimeoutError:
            said = f"it has not said a word for {READY_SECONDS:.0f} s"
        finally:
            process.wait()  # what we have started ends as soon as the keeper has left it, long before it is ready
    except OSError as fault:
        raise Failed(f"the keeper cannot be started: {fault.strerror}") from None
    finally:
        os.close(ready)
    if said != "ready":
        raise Failed(f"the keeper cannot be started: {said or f'see {folder}/keeper.log'}")


def command() -> list[str]:
    """The keeper's program: Python alone, isolated, without what only tracebacks need."""
    return [sys.executable, "-I", "-S", "-X", "no_debug_ranges", str(HOME / "program.py")]


def build() -> str:
    """What tells this keeper's program from an older or newer one."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(HOME.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


async def _said(ready: int) -> str:
    """All that comes through the pipe until it ends."""
    loop = asyncio.get_running_loop()
    said = bytearray()
    ended: asyncio.Future[None] = loop.create_future()

    def hear() -> None:
        more = os.read(ready, 4096)
        said.extend(more)
        if not more and not ended.done():
            ended.set_result(None)

    loop.add_reader(ready, hear)
    try:
        await ended
    finally:
        loop.remove_reader(ready)
    return said.decode("utf-8", "replace")
