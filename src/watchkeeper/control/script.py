"""The driver `script`: a server that is started, stopped and asked by commands, whatever stands behind them."""

from __future__ import annotations

import signal
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

from watchkeeper.argv import ask, check
from watchkeeper.control.elsewhere import Elsewhere, surroundings
from watchkeeper.control.identity import Identity, identify
from watchkeeper.control.pidfile import began, pid_in, send
from watchkeeper.errors import Failed
from watchkeeper.model import Seen, Verb

STOPPED = frozenset({1, 2, 3})
"""Exit statuses of a status command, as LSB's init scripts have them: dead with a pid file, dead with a lock, not
running."""


class Script(Elsewhere, frozen=True, kw_only=True, tag_field="driver", tag="script"):
    """``driver = "script"``: `status` is a command that tells whether the server runs.

    It exits with 0 if it does, with 1, 2 or 3 if it does not (LSB); anything else is no answer. `start` and `stop` are
    the commands for that; without one of them the server cannot be started, or stopped, from here. With `kill` it is
    ended if it does not heed its stop within `stop_grace`. `pidfile` names its process, for figures, for evidence and,
    without `kill`, for SIGKILL. `output` is the file that it logs to; left out, what its commands say is kept. Commands
    run in `folder` with `environment` added. It is asked every `period`, and must run within `start_grace`. `autostart`
    and `restart`: only where they are set. When the agent stops, it goes on.
    """

    status: tuple[str, ...]
    start: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    kill: tuple[str, ...] = ()
    pidfile: Path | None = None
    output: Path | None = None
    folder: Path | None = None
    environment: dict[str, str] = {}

    def __post_init__(self) -> None:
        """Refuse commands that could never be run."""
        if not self.status:
            raise ValueError('status: expected a command, such as ["/etc/init.d/web", "status"]')
        for name in ("status", "start", "stop", "kill"):
            check(name, getattr(self, name))
        super().__post_init__()

    @property
    def missing(self) -> frozenset[Verb]:
        """What there is no command for."""
        needs: dict[Verb, object] = {"start": self.start, "stop": self.stop, "restart": self.start and self.stop}
        return frozenset(verb for verb, command in needs.items() if not command)

    def lacks(self, verb: Verb) -> str:
        """See `AnyServer`."""
        if verb not in self.missing:
            return ""
        wanted = {"start": "`start`", "stop": "`stop`"}.get(verb, "`start` and one `stop`")
        return f"{super().lacks(verb)} without a command {wanted}"

    @property
    def starting(self) -> str:
        """See `AnyServer`."""
        return f"start it with {self.start[0]!r}" if self.start else super().starting

    def stopping(self, pid: int) -> str:
        """See `AnyServer`."""
        return f"run {self.stop[0]!r}" if self.stop else super().stopping(pid)

    def open(self, server: str, log: Path, ring: Callable[[], None]) -> ScriptReach:
        """See `Elsewhere`."""
        del server, ring
        return ScriptReach(self, log)


class ScriptReach:
    """The driver at work."""

    def __init__(self, settings: Script, log: Path) -> None:
        """`log` takes what the commands say."""
        self.log: Path | None = settings.output or log
        self._settings = settings
        self._said = log
        self._identity: Identity | None = None

    async def look(self) -> Seen:
        """Run the status command."""
        settings = self._settings
        answer = await ask(settings.status, folder=settings.folder, environment=surroundings(settings.environment))
        if answer.status == 0:
            self._identity = self._identified()
            if found := self._identity:
                mark = f"{found.pid} {found.start_ticks}"
                return Seen("running", answer.words or "it runs", found.pid, round(began(found) * 1000), mark)
            return Seen("running", answer.words or "it runs")
        self._identity = None
        if answer.status in STOPPED:
            return Seen("stopped", answer.told, clean=answer.status == 3)
        raise Failed(f"{settings.status[0]} gives no answer: {answer.told}")

    async def start(self) -> None:
        """Run the start command."""
        await self._ask(self._settings.start)

    async def stop(self) -> None:
        """Run the stop command."""
        await self._ask(self._settings.stop)

    async def renew(self) -> None:
        """There is no one go."""
        await self.stop()

    async def signal(self, number: int) -> None:
        """End it by its command, or signal the process of its pid file."""
        if number == getattr(signal, "SIGKILL", 9) and self._settings.kill:
            await self._ask(self._settings.kill)
        else:
            send(self._identity, number)

    async def tail(self, lines: int, *, follow: bool) -> AsyncGenerator[tuple[str, ...], None]:
        """Its output is a file."""
        del lines, follow
        if not self.log:
            yield ()

    async def close(self) -> None:
        """Nothing is held."""

    def _identified(self) -> Identity | None:
        """The process of its pid file, if that file is of this run."""
        path = self._settings.pidfile
        if path is None or not (pid := pid_in(path)):
            return None
        try:
            found = identify(pid)
            return found if began(found) <= path.stat().st_mtime + 5.0 else None
        except (Failed, OSError):
            return None

    async def _ask(self, command: tuple[str, ...]) -> None:
        settings = self._settings
        answer = await ask(command, folder=settings.folder, environment=surroundings(settings.environment), log=self._said)
        if answer.status:
            raise Failed(f"{command[0]} ended with {answer.told}")
