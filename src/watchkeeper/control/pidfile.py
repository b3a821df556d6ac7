"""The driver `pidfile`: a daemon that puts itself into the background and leaves its number in a file, as init scripts' do.

The number alone proves nothing: after a crash or a boot it may be a stranger's. It is the daemon's if it executes
`program`, or, without that, if it began before the file was written. Where neither can be told nobody is signalled and
nothing is started.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

from watchkeeper.argv import ask, check
from watchkeeper.control.elsewhere import Elsewhere, surroundings
from watchkeeper.control.identity import Identity, identify, same
from watchkeeper.errors import Failed
from watchkeeper.keeper import living
from watchkeeper.model import Seen, Verb

SLACK_SECONDS = 5.0
"""A daemon writes its file a moment after it began; the clock may have been set a little in between."""
LONGEST = 32


class Pidfile(Elsewhere, frozen=True, kw_only=True, tag_field="driver", tag="pidfile"):
    """``driver = "pidfile"``: a daemon that writes its number into the file `pidfile`.

    `start` is the command that starts it and returns; without one it is only watched and stopped. `stop` is the command
    that stops it; without one it is sent SIGTERM, and in any case SIGKILL after `stop_grace`. `program` is the path of
    what it executes: it tells the daemon from a stranger who has been given its number. `output` is the file that it logs
    to. Commands run in `folder` with `environment` added. It is looked at every `period`, its end is seen at once, and a
    start must show within `start_grace`. `autostart` and `restart`: only where they are set and there is a `start`. When
    the agent stops, it goes on.
    """

    pidfile: Path
    program: Path | None = None
    start: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    output: Path | None = None
    folder: Path | None = None
    environment: dict[str, str] = {}

    def __post_init__(self) -> None:
        """Refuse commands that could never be run."""
        check("start", self.start)
        check("stop", self.stop)
        super().__post_init__()

    @property
    def missing(self) -> frozenset[Verb]:
        """Without a command it cannot be started."""
        return frozenset() if self.start else frozenset({"start", "restart"})

    def lacks(self, verb: Verb) -> str:
        """See `AnyServer`."""
        return f"{super().lacks(verb)} without a command `start`" if verb in self.missing else ""

    @property
    def starting(self) -> str:
        """See `AnyServer`."""
        return f"start it with {self.start[0]!r}" if self.start else super().starting

    def stopping(self, pid: int) -> str:
        """See `AnyServer`."""
        how = f"run {self.stop[0]!r}" if self.stop else f"send SIGTERM to process {pid}"
        return f"{how}, and send SIGKILL to process {pid} after {self.stop_grace}"

    def open(self, server: str, log: Path, ring: Callable[[], None]) -> PidfileReach:
        """See `Elsewhere`."""
        del server, ring
        return PidfileReach(self, log)


class PidfileReach:
    """The driver at work."""

    def __init__(self, settings: Pidfile, log: Path) -> None:
        """`log` takes what the commands say."""
        self.log: Path | None = settings.output or log
        self._settings = settings
        self._said = log
        self._identity: Identity | None = None

    async def look(self) -> Seen:
        """Read the file, and see who has that number."""
        settings = self._settings
        if self._identity and same(self._identity) and pid_in(settings.pidfile) in {self._identity.pid, 0}:
            return _running(self._identity)  # the very process that was seen before, whatever became of the file
        self._identity = None
        if not (pid := pid_in(settings.pidfile)):
            return Seen("stopped", f"{settings.pidfile} names no process")
        try:
            found = identify(pid)
        except Failed:
            return Seen("stopped", f"process {pid} of {settings.pidfile} has ended", clean=False)
        if settings.program:
            if not found.executable and not living.of_the_kernel(pid):
                raise Failed(f"this agent may not see what process {pid} of {settings.pidfile} executes")
            if Path(found.executable) != settings.program.resolve():
                other = found.executable or "one of the kernel's own"
                return Seen("stopped", f"process {pid} of {settings.pidfile} is another program: {other}")
        elif began(found) > _written(settings.pidfile) + SLACK_SECONDS:
            raise Failed(f"process {pid} began after {settings.pidfile} was written: `program` would tell who it is")
        self._identity = found
        return _running(found)

    async def start(self) -> None:
        """Run the command."""
        answer = await self._ask(self._settings.start)
        if answer:
            raise Failed(f"{self._settings.start[0]} ended with {answer}")

    async def stop(self) -> None:
        """Run the command, or send SIGTERM."""
        if not self._settings.stop:
            await self.signal(signal.SIGTERM)
            await self.signal(getattr(signal, "SIGCONT", signal.SIGTERM))
        elif answer := await self._ask(self._settings.stop):
            raise Failed(f"{self._settings.stop[0]} ended with {answer}")

    async def renew(self) -> None:
        """There is no one go."""
        await self.stop()

    async def signal(self, number: int) -> None:
        """Signal the very process that was seen, and no other that has its number by now."""
        send(self._identity, number)

    async def tail(self, lines: int, *, follow: bool) -> AsyncGenerator[tuple[str, ...], None]:
        """Its output is a file."""
        del lines, follow
        if not self.log:
            yield ()

    async def close(self) -> None:
        """Nothing is held."""

    async def _ask(self, command: tuple[str, ...]) -> str:
        settings = self._settings
        answer = await ask(command, folder=settings.folder, environment=surroundings(settings.environment), log=self._said)
        await asyncio.sleep(0)
        return answer.told if answer.status else ""


def pid_in(path: Path) -> int:
    """The number that a pid file names; 0 for no file, or none in it."""
    try:
        with path.open("rb") as file:
            word = file.read(LONGEST).split()
    except OSError:
        return 0
    return int(word[0]) if word and word[0].isdigit() and 0 < int(word[0]) < 1 << 31 else 0


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def began(identity: Identity) -> float:
    """When a process began, in seconds since the epoch, as the clock stands now."""
    try:
        with open("/proc/stat", encoding="ascii") as file:  # noqa: PTH123  # as short as it gets
            boot = next(float(line.split()[1]) for line in file if line.startswith("btime "))
    except (OSError, StopIteration):
        return identity.start_ticks / 1000  # elsewhere the start is in milliseconds since the epoch
    return boot + identity.start_ticks / os.sysconf("SC_CLK_TCK")


def send(identity: Identity | None, number: int) -> None:
    """Signal one process, held fast so that it cannot become another in between; nobody, if it has ended."""
    if identity is None:
        return
    try:
        if not hasattr(os, "pidfd_open"):
            if same(identity):
                os.kill(identity.pid, number)
            return
        handle = os.pidfd_open(identity.pid)
        try:
            if same(identity):
                signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)
    except ProcessLookupError:
        return
    except PermissionError:
        raise Failed(f"process {identity.pid} may not be signalled by this agent", retry=False) from None


def _running(found: Identity) -> Seen:
    at = round(began(found) * 1000)
    return Seen("running", f"process {found.pid} runs", found.pid, at, f"{found.pid} {found.start_ticks} {found.boot_id}")
