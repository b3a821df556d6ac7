"""What must hold before a server is started. The door of the conditions: each is one class here and one arm of `Condition`.

A condition only looks, and says in words what is missing; the frame (`unmet`) bounds its time. Looking may block where a
file system hangs or names are resolved, so it is done aside: a look that is stuck is the only one of its condition.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

from watchkeeper.config import Part
from watchkeeper.control.aside import Aside
from watchkeeper.quantities import Size

LOOK_SECONDS = 2.0
_LOOKS = Aside()


class FileThere(Part, frozen=True, kw_only=True, tag_field="kind", tag="file"):
    """``kind = "file"``: there is something at `path`, a file or a folder (a mount, a socket, a key)."""

    path: Path

    async def missing(self) -> str:
        """What is missing, in words; empty when it holds."""
        return "" if await _LOOKS.ask(self, self.path.exists) else f"there is {self.path}"


class PortAnswers(Part, frozen=True, kw_only=True, tag_field="kind", tag="port"):
    """``kind = "port"``: something accepts connections at `port` of `host`."""

    port: int
    host: str = "127.0.0.1"

    def __post_init__(self) -> None:
        """Refuse a port that does not exist."""
        if not 1 <= self.port <= 65535:
            raise ValueError(f"port: expected one from 1 to 65535, got {self.port}")

    async def missing(self) -> str:
        """See `FileThere.missing`."""
        wanted = f"something answers at {self.host}:{self.port}"
        try:
            found = await _LOOKS.ask(self, lambda: socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM))
        except OSError:
            return wanted
        for family, kind, protocol, _, address in found:
            with contextlib.suppress(OSError), socket.socket(family, kind, protocol) as line:
                line.setblocking(False)
                await asyncio.get_running_loop().sock_connect(line, address)
                return ""
        return wanted


class DiskRoom(Part, frozen=True, kw_only=True, tag_field="kind", tag="disk"):
    """``kind = "disk"``: the file system of `path` has so much `free`."""

    path: Path
    free: Size

    async def missing(self) -> str:
        """See `FileThere.missing`."""
        try:
            left = (await _LOOKS.ask(self, lambda: shutil.disk_usage(self.path))).free
        except OSError as fault:
            return f"the room on {self.path} can be told ({fault.strerror})"
        return "" if left >= self.free else f"{self.path} has {self.free} free (it has {left / (1 << 20):.0f} MiB)"


Condition = FileThere | PortAnswers | DiskRoom


async def unmet(conditions: Sequence[Condition]) -> str:
    """The first that does not hold, as what is waited for; empty when all do."""
    for condition in conditions:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                missing = await condition.missing()
        except TimeoutError:
            missing = f"looking at {condition} comes to an end"
        except (OSError, ValueError) as fault:
            # A folder that may not be entered, a name that is none: it may come right, and ends no other server meanwhile.
            missing = f"{condition} can be looked at ({getattr(fault, 'strerror', None) or fault})"
        if missing:
            return missing
    return ""
