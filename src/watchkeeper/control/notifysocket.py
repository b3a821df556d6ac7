"""The sd_notify protocol (sd_notify(3)): what servers say to us by themselves, each through a socket of its own.

A server finds the socket in ``NOTIFY_SOCKET``. It is abstract, so it needs no folder that the server could reach, and its
name stays the same over the agent's restarts, so that a server that goes on running goes on being heard. Who sends is
told by the kernel (SO_PASSCRED), and only a server's own processes are heard. Linux only.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import logging
import os
import socket
import struct
import sys
from collections.abc import Callable

import msgspec

from watchkeeper.control.logtext import clean

logger = logging.getLogger(__name__)

MESSAGE_BYTES = 4096
STATUS_CHARS = 200
LONGEST_SECONDS = 86_400.0
BURST = 32
"""So many messages are taken at once; then others have their turn."""
_CREDENTIALS = struct.Struct("3i")
_FILES = 16


class Said(msgspec.Struct, frozen=True):
    """One message, understood. `status` is None where nothing was said of it; 0 seconds: nothing was said."""

    ready: bool = False
    stopping: bool = False
    watchdog: bool = False
    trigger: bool = False
    status: str | None = None
    watchdog_seconds: float = 0.0
    extend_seconds: float = 0.0


def parse(message: bytes) -> Said:
    """Read a message: lines ``NAME=value``; what is not known or cannot be read is passed over, as the protocol wants."""
    said = {}
    for line in message.decode("utf-8", "replace").split("\n"):
        name, equals, value = line.partition("=")
        if equals:
            said[name] = value
    status = said.get("STATUS")
    return Said(
        ready=said.get("READY") == "1",
        stopping=said.get("STOPPING") == "1",
        watchdog=said.get("WATCHDOG") == "1",
        trigger=said.get("WATCHDOG") == "trigger",
        status=None if status is None else clean(status.encode()).strip()[:STATUS_CHARS],
        watchdog_seconds=_seconds(said.get("WATCHDOG_USEC", "")),
        extend_seconds=_seconds(said.get("EXTEND_TIMEOUT_USEC", "")),
    )


def _seconds(micros: str) -> float:
    return min(int(micros) / 1e6, LONGEST_SECONDS) if micros.isascii() and micros.isdecimal() and len(micros) < 20 else 0.0


class NotifySocket:
    """One server's socket."""

    def __init__(self, name: str, hear: Callable[[bytes, int], None]) -> None:
        """Open it; `hear(message, pid)` is called with each message and its sender. Raises OSError when the name is taken."""
        self.address = f"@{name}"
        self._hear = hear
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            self._socket.bind(f"\0{name}")
        except OSError:
            self._socket.close()
            raise
        self._loop: asyncio.AbstractEventLoop | None = None

    def listen(self) -> None:
        """Hear from now on, on the running loop; what was said before has waited."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._take)

    def close(self) -> None:
        """Hear nothing any more."""
        if self._loop is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._loop = None
        self._socket.close()

    def _take(self) -> None:
        room = socket.CMSG_SPACE(_CREDENTIALS.size) + socket.CMSG_SPACE(_FILES * 4)
        for _ in range(BURST):
            try:
                message, ancillary, flags, _ = self._socket.recvmsg(MESSAGE_BYTES, room, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                return
            except OSError as fault:
                logger.warning("what a server says could not be read: %s", fault)
                return
            pid, files = _ancillary(ancillary)
            try:
                if not flags & socket.MSG_TRUNC and pid > 0:
                    self._hear(message, pid)
            finally:
                # Closing what came along (BARRIER=1) tells a sender that waits that it was heard.
                for file in files:
                    with contextlib.suppress(OSError):
                        os.close(file)


def _ancillary(found: list[tuple[int, int, bytes]]) -> tuple[int, list[int]]:
    """Who sent it, and the descriptors that came along."""
    pid, files = 0, array.array("i")
    for level, kind, content in found:
        if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS and len(content) >= _CREDENTIALS.size:
            pid = _CREDENTIALS.unpack_from(content)[0]
        elif level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            files.frombytes(content[: len(content) - len(content) % files.itemsize])
    return pid, files.tolist()


def is_there() -> bool:
    """Whether this system has what the protocol needs."""
    return sys.platform == "linux"
