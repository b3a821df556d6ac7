"""Servers that are held for a drill: stopped by SIGSTOP, and let go by a program of its own, whoever dies.

`orders` comes in, after the server's own table has consented. What was held when agent and that program were killed together
is let go by the next agent.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from watchkeeper.control.identity import Identity, identify, same
from watchkeeper.errors import Failed

LONGEST_SECONDS = 900.0
PROGRAM = Path(__file__).with_name("held.py")


class Holding:
    """All that are held by one agent."""

    def __init__(self, folder: Path) -> None:
        """Let go what an earlier agent has left held. `folder` is the agent's own."""
        self._folder = folder / "held"
        self._held: dict[str, asyncio.subprocess.Process] = {}
        for path in sorted(self._folder.glob("*.json")) if self._folder.is_dir() else ():
            with suppress(OSError, msgspec.MsgspecError):
                identity = msgspec.json.decode(path.read_bytes(), type=Identity)
                if same(identity):
                    with suppress(OSError):
                        os.killpg(identity.pid, signal.SIGCONT)
                    os.kill(identity.pid, signal.SIGCONT)
            with suppress(OSError):
                path.unlink()

    async def hold(self, server: str, pid: int, seconds: float) -> None:
        """Hold a server's process for so long; raises Failed where that cannot be."""
        if sys.platform == "win32":
            raise Failed("a process cannot be held on this system", retry=False)
        await self.let_go(server)
        identity = identify(pid)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self._folder / f"{server}.json").write_bytes(msgspec.json.encode(identity))
        except OSError as fault:
            raise Failed(f"it is not held, since that cannot be noted down: {fault.strerror}") from None
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", str(PROGRAM), str(pid), str(identity.start_ticks), str(min(seconds, LONGEST_SECONDS)),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        assert process.stdout is not None
        self._held[server] = process  # from now on, also if we are cancelled: whoever lets go ends it
        is_held = (await process.stdout.readline()).strip() == b"held"
        if self._held.get(server) is not process:
            raise Failed(f"{server}'s process {pid} was let go again before it was held", retry=False)
        if not is_held:
            del self._held[server]
            await process.wait()
            raise Failed(f"{server}'s process {pid} cannot be held", retry=False)

    async def let_go(self, server: str) -> bool:
        """Let it go on; false when it was not held (any more)."""
        process = self._held.pop(server, None)
        was = process is not None and process.returncode is None
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()
        with suppress(OSError):
            (self._folder / f"{server}.json").unlink()
        return was
