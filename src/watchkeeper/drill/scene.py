"""The scene of a drill: a pretended machine with an agent of its own, its canary, and a guardian that takes all of it away.

The agent is the real program, on a folder of the drill's own, and dials the hub as any other does. Everything that is started
carries the drill's mark in its environment; the guardian, which is started first, ends what carries it.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from watchkeeper.drill.closed import probe
from watchkeeper.drill.seam import CANARY, pretended
from watchkeeper.errors import Failed
from watchkeeper.model import ServerState, ServerStatus

ROOM = Path(__file__).parent
MARK = "WATCHKEEPER_DRILL"
COLLECTORS = (
    "cpu", "memory", "pressure", "vmstat", "load", "filesystem", "disk", "network", "netstat", "sockstat", "conntrack",
    "processes", "timex", "hwmon", "mdadm", "reboot",
)  # fmt: skip
"""All are off: what the machine itself is doing is the real agent's to tell."""
END_SECONDS = 15.0


class Outside(NamedTuple):
    """What the scene needs of the hub. `order(machine, server, verb, seconds)` returns the outcome in words or raises."""

    hub: Callable[[], str]
    """The hub's address, as an agent dials it."""
    token: Path
    statuses: Callable[[str], Sequence[ServerStatus]]
    is_connected: Callable[[str], bool]
    order: Callable[[str, str, str, float], Awaitable[str]]


class Stage:
    """A scene of our own; `machine` and `server` may be real ones, and then nothing is built."""

    def __init__(self, folder: Path, mark: str, outside: Outside, machine: str = "", server: str = "") -> None:
        """Nothing is started before `open`."""
        self.folder = folder
        self.mark = mark
        self.machine = machine or pretended(mark)
        self.server = server or CANARY
        self.is_real = bool(machine)
        self.port = 0
        self._outside = outside
        self._tables: dict[str, Any] = {}
        self._agent: asyncio.subprocess.Process | None = None
        self._guardian: asyncio.subprocess.Process | None = None
        self._apart = False

    # -- what a scenario does ----------------------------------------------------------------------------

    @property
    def agent(self) -> int:
        """The pid of its agent; raises Failed where it has ended."""
        if self._agent is None or self._agent.returncode is not None:
            raise Failed(f"the drill's agent has ended; see {self.folder / 'agent.log'}", retry=False)
        return self._agent.pid

    def canary(self) -> int:
        """The pid of the canary's process."""
        status = self.status()
        if status is None or not status.pid:
            raise Failed("the canary has no process", retry=False)
        return status.pid

    def status(self) -> ServerStatus | None:
        """How the server stands."""
        return next((one for one in self._outside.statuses(self.machine) if one.name == self.server), None)

    def signal(self, pid: int, name: str) -> None:
        """Send a signal."""
        try:
            os.kill(pid, getattr(signal, name))
        except (OSError, AttributeError) as fault:
            raise Failed(f"{name} cannot be sent to process {pid}: {fault}", retry=False) from None

    async def order(self, verb: str, seconds: float = 0.0) -> str:
        """An order to the server's agent."""
        return await self._outside.order(self.machine, self.server, verb, seconds)

    def configure(self, tables: Mapping[str, Any]) -> None:
        """Change the agent's configuration."""
        self._tables = merged(self._tables, tables)
        fresh = self.folder / "agent.toml.new"
        fresh.write_text(as_toml(self._tables), encoding="utf-8")
        fresh.replace(self.folder / "agent.toml")
        if self._agent is not None:
            self.signal(self.agent, "SIGHUP")

    def seen(self, path: Path) -> Path:
        """A path in the agent's own mount namespace, reached through the kernel's view of it."""
        return Path(f"/proc/{self.agent}/root{path}") if self._apart else path

    # -- building and taking down -------------------------------------------------------------------------

    async def guard(self, seconds: float) -> None:
        """Start the guardian, before anything else; raises Failed."""
        await asyncio.to_thread(_empty, self.folder, self.mark)
        self._guardian = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", str(ROOM / "guardian.py"), self.mark, str(self.folder), str(seconds),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True, env=_plain(),
        )  # fmt: skip
        assert self._guardian.stdout is not None
        if (await self._guardian.stdout.readline()).strip() != b"ready":
            raise Failed("the drill's guardian does not start, so nothing is done", retry=False)

    async def open(
        self, tables: Callable[[], Mapping[str, Any]], wrapper: Callable[[], tuple[str, ...]], seconds: float
    ) -> None:
        """Build it and wait until its canary answers; raises Failed."""
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = int(one.getsockname()[1])
        self._tables = self._basic()
        self.configure(await asyncio.to_thread(tables))
        before = wrapper()
        self._apart = bool(before)
        words = [*before, sys.executable, "-m", "watchkeeper", "agent"]
        words += ["--config", str(self.folder / "agent.toml"), "--data", str(self.folder / "data")]
        with (self.folder / "agent.log").open("ab") as log:
            self._agent = await asyncio.create_subprocess_exec(
                *words, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=_plain() | {MARK: self.mark},
                start_new_session=True,
            )  # fmt: skip
        try:
            async with asyncio.timeout(seconds):
                while not self.is_ready():
                    _ = self.agent
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise Failed(
                f"the drill's canary does not answer within {seconds:.0f} s: {self._last_words()}", retry=False
            ) from None

    def is_ready(self) -> bool:
        """Whether the machine is there and its server is well."""
        status = self.status()
        return (
            self._outside.is_connected(self.machine)
            and status is not None
            and status.state is ServerState.RUNNING
            and status.health == "up"
        )

    async def close(self) -> None:
        """Let the guardian undo all of it, and wait until it has."""
        if self._guardian is not None:
            assert self._guardian.stdin is not None
            self._guardian.stdin.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(END_SECONDS):
                    await self._guardian.wait()
                    if self._agent is not None:
                        await self._agent.wait()

    def _basic(self) -> dict[str, Any]:
        """The configuration of a machine that does nothing but keep a canary."""
        command = [sys.executable, "-I", "-S", str(ROOM / "canary.py"), str(self.port), str(self.folder)]
        canary = {"command": command, "restart": "never", "stop_grace": "1s", "probe": [probe(self.port)]}
        return {
            "machine": {"name": self.machine},
            "agent": {"period": "1s", "hub": self._outside.hub(), "token": {"file": str(self._outside.token)}},
            "collect": {name: {"enabled": False} for name in COLLECTORS},
            "server": {CANARY: canary},
        }

    def _last_words(self) -> str:
        try:
            lines = (self.folder / "agent.log").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return "its agent has said nothing"
        return lines[-1][:300] if lines else "its agent has said nothing"


def _empty(folder: Path, mark: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    (folder / "mark").write_text(mark, encoding="ascii")  # so that the next hub can undo what nobody else did


def _plain() -> dict[str, str]:
    """Our environment, without what is only for us."""
    return {name: text for name, text in os.environ.items() if not name.startswith(("WATCHKEEPER_", "NOTIFY_", "WATCHDOG_"))}


def merged(into: Mapping[str, Any], tables: Mapping[str, Any]) -> dict[str, Any]:
    """Tables with others laid over them; lists and plain values are replaced."""
    found = dict(into)
    for key, value in tables.items():
        known = found.get(key)
        found[key] = merged(known, value) if isinstance(known, dict) and isinstance(value, Mapping) else value
    return found


def as_toml(tables: Mapping[str, Any]) -> str:
    """Tables as TOML: each top-level table as one inline value a key, since nobody reads it. JSON's strings are TOML's too."""
    lines = []
    for table, content in tables.items():
        lines.append(f"[{table}]")
        lines += [f"{json.dumps(key)} = {_inline(value)}" for key, value in content.items()]
    return "\n".join(lines) + "\n"


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {_inline(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value)
