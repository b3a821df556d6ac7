"""The frame of the drivers whose servers run elsewhere: to the supervisor a `Parent` as the keeper is, but nothing is forked.

Each server is looked at every `period`, when its driver rings, and when its process ends (a pidfd says so at once). What
is seen becomes what the life cycle knows: a start found done, an end, another run of it. An answer that does not come is
told and changes nothing: unknown is neither up nor down.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from watchkeeper.clock import Clock, milliseconds
from watchkeeper.control.elsewhere import SLACK_SECONDS, Elsewhere
from watchkeeper.control.endings import unknown
from watchkeeper.control.identity import Identity, boot_id
from watchkeeper.control.parentage import Ending, Found, Process, Spawn
from watchkeeper.errors import Failed
from watchkeeper.model import WELL, Seen

if TYPE_CHECKING:
    from watchkeeper.seams import Driver

logger = logging.getLogger(__name__)

LOOK_SECONDS = 10.0
UNSEEN_SECONDS = 2.0
"""Until the next look at one whose driver could not tell: its period may be long."""
FIRST_LOOK_SECONDS = 2.0
"""So long the start of an agent waits for what others say; the next look comes soon enough."""
SHORTEST_PAUSE = 0.05
STARTING_PAUSE = 0.2
APPEARS_SECONDS = 5.0
"""A daemon's start returns before the daemon has written its file, or answers: so long it may still seem to be stopped."""


class Abroad(NamedTuple):
    """What is called when something is seen that nobody has asked for."""

    appeared: Callable[[str, AbroadProcess, str, bool], None]
    """It runs (server, process, in words, whether it has failed before): called at each look, and nothing new most
    times."""
    moved: Callable[[str, Process], None]
    unseen: Callable[[str, str], None]
    """Why it cannot be seen (empty: it can)."""
    unheeded: Callable[[str, str], None]
    """Why it could not be stopped."""
    known: Callable[[str], None]
    """Which process it is has become known."""


class AbroadProcess:
    """A run of a server elsewhere."""

    def __init__(self, lookout: Lookout, seen: Seen) -> None:
        self._lookout = lookout
        self.mark = seen.mark
        self.started_at = seen.started_at
        self.identity = Identity(seen.pid, 0, boot_id())
        self._ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()

    @property
    def pid(self) -> int:
        """Its number; 0 where its driver does not know."""
        return self.identity.pid

    async def ended(self) -> Ending:
        """Wait for its end; may be cancelled and asked again."""
        return await asyncio.shield(self._ending)

    def end(self, ending: Ending) -> None:
        """It has ended."""
        if not self._ending.done():
            self._ending.set_result(ending)

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._ending.done()

    def signal(self, number: int, *, whole: bool = True) -> None:
        """Have its driver send a signal: to all of it, for that is what drivers know."""
        del whole
        self._lookout.do(lambda reach: reach.signal(number))

    def terminate(self) -> None:
        """Have it stopped."""
        self._lookout.do(lambda reach: reach.stop(), stops=True)

    def renew(self) -> None:
        """Have it stopped and started in one go."""
        self._lookout.do(lambda reach: reach.renew(), stops=True)

    def abort(self) -> None:
        """End it with a core."""
        self.signal(signal.SIGABRT)

    def kill(self) -> None:
        """End it at once."""
        if hasattr(signal, "SIGKILL"):
            self.signal(signal.SIGKILL)


class Lookout:
    """One server, looked at."""

    def __init__(self, server: str, settings: Elsewhere, log: Path, told: Abroad, clock: Clock) -> None:
        """Nothing is asked before `look`."""
        self.server = server
        self.settings = settings
        self.process: AbroadProcess | None = None
        self.unseen = ""
        self._told = told
        self._clock = clock
        self._rung = asyncio.Event()
        self._lock = asyncio.Lock()
        self._doing: set[asyncio.Task[None]] = set()
        self._failed = False
        self._starting = False
        self._is_new = True
        self._handle = -1
        self.reach: Driver = settings.open(server, log, self._rung.set)

    async def look(self, seconds: float = LOOK_SECONDS) -> Seen:
        """How it stands; what cannot be told is unknown, with the reason."""
        try:
            async with asyncio.timeout(seconds):
                seen = await self.reach.look()
        except TimeoutError:
            seen = Seen("unknown", f"{self.settings.driver} does not answer")
        except Failed as fault:
            seen = Seen("unknown", fault.why)
        self._is_new = False
        unseen = seen.words if seen.state == "unknown" else ""
        if unseen != self.unseen:
            self.unseen = unseen
            self._told.unseen(self.server, unseen)
        return seen

    async def watch(self) -> None:
        """Look again and again until cancelled."""
        while True:
            await asyncio.sleep(SHORTEST_PAUSE)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause()):
                    await self._rung.wait()
            self._rung.clear()
            async with self._lock:
                if not self._starting:
                    self.take(await self.look())
            if self.process and not self._starting and not self._doing:
                self._told.appeared(self.server, self.process, self.settings.driver, self._failed)

    def _pause(self) -> float:
        if self._is_new:
            return 0.0
        return min(float(self.settings.period), UNSEEN_SECONDS) if self.unseen else float(self.settings.period)

    def take(self, seen: Seen) -> AbroadProcess | None:
        """Go by what was seen; the run that there is now."""
        if seen.state == "unknown":
            return self.process
        process = self.process
        other = process is not None and bool(seen.mark and process.mark) and seen.mark != process.mark
        if process and (other or seen.state not in {"running", "stopping"}):
            if seen.state in {"running", "stopping"}:
                how, clean = f"another run of it has taken its place, as {self.settings.driver} sees it ({seen.words})", False
            else:
                how, clean = (f"{WELL}: {seen.words}" if seen.clean else seen.words), seen.clean
            self._let_go()
            self._failed = not clean
            process.end(Ending(how, clean=clean))
            self._rung.set()  # what runs now is told by the next look: after the end of what ran before
        elif process and seen.mark and not process.mark and seen.state in {"running", "stopping"}:
            process.mark = seen.mark  # only now is it known which run this is, as when a pid file comes after the first answer
            process.identity = Identity(seen.pid, 0, boot_id())
            self._hold(seen.pid)
            self._told.known(self.server)
        elif process and seen.pid and seen.pid != process.pid:
            process.identity = Identity(seen.pid, 0, boot_id())
            self._told.moved(self.server, process)
            self._hold(seen.pid)
        elif process is None and seen.state == "running":
            self.process = AbroadProcess(self, seen)
            self._hold(seen.pid)
        return self.process

    async def start(self) -> Process:
        """Start it, unless it runs, and wait until it does; raises Failed with what its driver says."""
        self._starting = True
        try:
            async with self._lock:
                await self._settle()
                seen = await self.look()
                if seen.state == "unknown":
                    raise Failed(f"nobody knows whether it runs: {seen.words}")
                if seen.state not in {"running", "starting"}:
                    await self._bounded(self.reach.start(), float(self.settings.start_grace))
                return await self._until_running()
        finally:
            self._starting = False
            self._failed = False

    def do(self, deed: Callable[[Driver], Awaitable[None]], *, stops: bool = False) -> None:
        """Have something done beside everything else; a stop that is refused is told."""
        if not stops and self._doing and self.process and not self.process.is_over:
            for task in self._doing:  # who is to be ended now is not asked to stop any more
                task.cancel()
        task = asyncio.get_running_loop().create_task(self._do(deed, stops=stops), name=f"see to {self.server}")
        self._doing.add(task)
        task.add_done_callback(self._doing.discard)

    async def close(self) -> None:
        """Look no more; the server goes on."""
        for task in list(self._doing):
            task.cancel()
        self._let_go()
        await self.reach.close()

    # -- leaves -------------------------------------------------------------------------------------

    async def _do(self, deed: Callable[[Driver], Awaitable[None]], *, stops: bool) -> None:
        try:
            await self._bounded(deed(self.reach), float(self.settings.stop_grace) + SLACK_SECONDS)
        except Failed as fault:
            logger.warning("%s: %s", self.server, fault.why)
            if stops:
                self._told.unheeded(self.server, fault.why)
        finally:
            self._rung.set()

    async def _bounded(self, deed: Awaitable[None], seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await deed
        except TimeoutError:
            raise Failed(f"{self.settings.driver} has not done it within {seconds:.0f} s") from None

    async def _settle(self) -> None:
        """Wait for what is under way: a stop and start in one go may be."""
        if self._doing:
            await asyncio.wait(self._doing)

    async def _until_running(self) -> Process:
        """Looks again and again; what has ended meanwhile is told by its driver's words."""
        now, grace = self._clock.monotonic(), float(self.settings.start_grace)
        deadline, appears = now + grace, now + min(APPEARS_SECONDS, grace)
        while True:
            seen = await self.look()
            if seen.state == "running" and (process := self.take(seen)):
                return process
            if seen.state == "failed" or (seen.state == "stopped" and self._clock.monotonic() > appears):
                self.take(seen)
                raise Failed(f"{self.settings.driver} says: {seen.words}")
            if self._clock.monotonic() > deadline:
                raise Failed(f"it does not run within {self.settings.start_grace}: {seen.words}")
            self._rung.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STARTING_PAUSE):
                    await self._rung.wait()

    def _hold(self, pid: int) -> None:
        """Be told at once when a process ends, where the system has that."""
        self._drop_handle()
        if not pid or not hasattr(os, "pidfd_open"):
            return
        with contextlib.suppress(OSError):
            self._handle = os.pidfd_open(pid)
            asyncio.get_running_loop().add_reader(self._handle, self._see)

    def _see(self) -> None:
        self._drop_handle()
        self._rung.set()

    def _let_go(self) -> None:
        self._drop_handle()
        self.process = None

    def _drop_handle(self) -> None:
        if self._handle >= 0:
            asyncio.get_running_loop().remove_reader(self._handle)
            os.close(self._handle)
            self._handle = -1


class Lookouts:
    """All servers that run elsewhere: the parent of what we do not fork."""

    def __init__(self, told: Abroad, clock: Clock) -> None:
        """There are none before `add`."""
        self._told = told
        self._clock = clock
        self._lookouts: dict[str, Lookout] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None

    def add(self, server: str, settings: Elsewhere, log: Path) -> Driver:
        """Watch one more; what reaches it."""
        lookout = self._lookouts[server] = Lookout(server, settings, log, self._told, self._clock)
        if self._group:
            self._tasks[server] = self._group.create_task(lookout.watch(), name=f"watch {server}")
        return lookout.reach

    def remove(self, server: str) -> None:
        """Watch one no more; it goes on."""
        if task := self._tasks.pop(server, None):
            task.cancel()
        if lookout := self._lookouts.pop(server, None):
            closing = asyncio.get_running_loop().create_task(lookout.close(), name=f"leave {server}")
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    def settle(self, server: str, settings: Elsewhere) -> None:
        """Go by other settings, where what it is run with is the same."""
        if lookout := self._lookouts.get(server):
            lookout.settings = settings

    def unseen(self, server: str) -> str:
        """Why it cannot be seen; empty when it can."""
        lookout = self._lookouts.get(server)
        return lookout.unseen if lookout else ""

    async def open(self) -> list[Found]:
        """What runs."""
        seen = await asyncio.gather(*(one.look(FIRST_LOOK_SECONDS) for one in self._lookouts.values()))
        found = []
        for lookout, one in zip(self._lookouts.values(), seen, strict=True):
            if process := lookout.take(one):
                at = process.started_at or milliseconds(self._clock.wall())
                found.append(Found(lookout.server, "", process, at, (), ""))
        return found

    async def run(self) -> None:
        """Watch all until cancelled; the servers go on."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for name, lookout in self._lookouts.items():
                    self._tasks[name] = group.create_task(lookout.watch(), name=f"watch {name}")
                await asyncio.get_running_loop().create_future()
        finally:
            self._group = None
            for lookout in self._lookouts.values():
                await lookout.close()

    async def spawn(self, spawn: Spawn) -> Process:
        """Have a server started."""
        if lookout := self._lookouts.get(spawn.server):
            return await lookout.start()
        raise Failed("it is no longer configured", retry=False)

    def heard(self, server: str, order: str) -> None:
        """Nothing is kept of an end."""

    def close(self) -> None:
        """Nothing is held."""


class Gone(AbroadProcess):
    """A run that nobody sees any more."""

    def __init__(self) -> None:
        self.mark = ""
        self.started_at = 0
        self.identity = Identity(0, 0, "")


def meanwhile(server: str, order: str, clock: Clock) -> Found:
    """What an agent finds of a server that ran when the one before it died and does not run now."""
    return Found(server, order, Gone(), 0, (), "", unknown("it does not run any more", milliseconds(clock.wall())))
