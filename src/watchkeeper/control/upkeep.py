"""What time brings to servers: pauses that end, restarts by the clock, limits that are held against figures.

What a person has said (`remembered`) outlives this agent; what is decided here is decided by `schedule` and `limits`, which are
pure, and done by `acting`. One look a second, and none while there is nothing to look at.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from watchkeeper.clock import Clock, milliseconds
from watchkeeper.control import lifecycle
from watchkeeper.control.acting import Acting
from watchkeeper.control.limits import Over, figures, weigh
from watchkeeper.control.remembered import Memory, Saying
from watchkeeper.control.schedule import due, next_after
from watchkeeper.control.server import KeptServer
from watchkeeper.control.settings import AnyServer
from watchkeeper.model import EventKind, ServerState

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0


class Upkeep:
    """Pauses, expected work, schedules and limits of all servers."""

    def __init__(
        self,
        kept: Callable[[str], KeptServer | None],
        acting: Acting,
        memory: Memory,
        clock: Clock,
        changed: Callable[[str], None],
    ) -> None:
        """`changed(server)` is called when its status is another."""
        self._kept = kept
        self._acting = acting
        self._memory = memory
        self._clock = clock
        self._changed = changed
        self._servers: Mapping[str, AnyServer] = {}
        self._looked = clock.wall()
        self._next: dict[str, tuple[float, float]] = {}
        self._over: dict[tuple[str, str], Over] = {}
        self._read: dict[str, tuple[float, Mapping[str, float], int]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._rung = asyncio.Event()

    def replace(self, servers: Mapping[str, AnyServer]) -> None:
        """Care for these."""
        self._servers = servers
        self._over = {key: over for key, over in self._over.items() if key[0] in servers}
        self._next.clear()
        self._looked = self._clock.wall()
        self._rung.set()

    # -- what people say ----------------------------------------------------------------------------

    def pause(self, server: str, saying: Saying) -> str:
        """Let nothing happen to it by itself; returns why that may not outlast the agent (empty: it does)."""
        fault = self._memory.keep(msgspec.structs.replace(self._memory.now, paused=self._memory.now.paused | {server: saying}))
        if kept := self._kept(server):
            kept.give(lifecycle.Pause(told(saying)))
        self._acting.tell(EventKind.SERVER_PAUSED, server, f"{server} is {told(saying)}", "warning", _facts(saying))
        self._changed(server)
        self._rung.set()
        return fault

    def resume(self, server: str, by: str) -> bool:
        """Let things happen again; False when it was not paused."""
        paused = dict(self._memory.now.paused)
        if paused.pop(server, None) is None:
            return False
        self._memory.keep(msgspec.structs.replace(self._memory.now, paused=paused))
        if kept := self._kept(server):
            kept.give(lifecycle.Resume(f"resumed by {by}"))
        self._acting.tell(
            EventKind.SERVER_RESUMED, server, f"{server} is looked after again: resumed by {by}", facts={"by": by}
        )
        self._changed(server)
        return True

    def expect(self, server: str, saying: Saying) -> None:
        """Heavy work is announced: while it lasts, silence is no hang."""
        expected = {name: one for name, one in self._memory.now.expected.items() if one.holds(self._now())}
        self._memory.keep(msgspec.structs.replace(self._memory.now, expected=expected | {server: saying}))
        text = f"{saying.by} expects heavy work of {server} until {clock_time(saying.until)}: {saying.why or 'no reason given'}"
        self._acting.tell(EventKind.LOAD_EXPECTED, server, text, facts=_facts(saying))

    def paused(self, server: str) -> str:
        """Why nothing happens to it by itself (empty: it is not paused)."""
        saying = self._memory.now.paused.get(server)
        return told(saying) if saying and saying.holds(self._now()) else ""

    def pause_of(self, server: str) -> Saying | None:
        """The pause that holds now."""
        saying = self._memory.now.paused.get(server)
        return saying if saying and saying.holds(self._now()) else None

    def expected(self, server: str) -> str:
        """Why heavy work is to be expected of it now (empty: it is not)."""
        saying = self._memory.now.expected.get(server)
        return (
            f"{saying.by} has announced it, {saying.why or 'without a reason'}" if saying and saying.holds(self._now()) else ""
        )

    # -- what time and figures bring ----------------------------------------------------------------

    def restart_at(self, server: str) -> int:
        """When it is restarted next by its schedule (ms; 0: never)."""
        settings = self._servers.get(server)
        if settings is None or settings.schedule is None:
            return 0
        now = self._clock.wall()
        found_at, found = self._next.get(server, (0.0, 0.0))
        if not found_at <= now < found:
            found = next_after(settings.schedule, now)
            self._next[server] = (now, found)
        return milliseconds(found)

    async def run(self) -> None:
        """Look once a second, while there is anything that time may bring."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            self._looked = self._clock.wall()
            try:
                while True:
                    self.look(self._clock.wall())
                    self._rung.clear()
                    idle = not self._memory.now.paused and not any(server.schedule for server in self._servers.values())
                    try:
                        async with asyncio.timeout(None if idle else LOOK_SECONDS):
                            await self._rung.wait()
                    except TimeoutError:
                        pass
                    if idle:
                        self._looked = self._clock.wall()
            finally:
                self._group = None

    def look(self, now: float) -> None:
        """What has come since the last look; `now` in Unix seconds."""
        last, self._looked = self._looked, now
        for name, saying in list(self._memory.now.paused.items()):
            if not saying.holds(milliseconds(now)):
                self.resume(name, "the end of its pause")
        for name, server in self._servers.items():
            if server.schedule is None:
                continue
            match due(server.schedule, last, now):
                case "due":
                    self._restart(name, f"it is restarted at {server.schedule.restart}, as its schedule has it")
                case "missed":
                    text = f"a restart of {name} by its schedule was missed: the agent was not there, or the clock was set"
                    self._acting.tell(EventKind.RESTART_MISSED, name, text, "warning")

    def weigh(self, server: str, read: Mapping[str, float], pid: int) -> None:
        """Hold what a round has read of a server (by metric) against its limits; `pid` tells its processes apart."""
        settings = self._servers.get(server)
        kept = self._kept(server)
        if settings is None or kept is None:
            return
        limits = tuple(settings.limits.each())
        if not limits:
            return
        now = self._clock.monotonic()
        at, before, was = self._read.get(server, (now, {}, pid))
        self._read[server] = (now, read, pid)
        if was != pid:
            before = {}
            for name, _ in limits:
                self._over.pop((server, name), None)
        seen = figures(read, before, now - at)
        for name, limit in limits:
            over, breach = weigh(name, limit, seen[name], self._over.get((server, name), Over()), now)
            self._over[server, name] = over
            if breach is None:
                continue
            facts = {"limit": name, "then": limit.then}
            if not breach.over:
                self._acting.tell(EventKind.LIMIT_KEPT, server, f"{server} {breach.text}: within its limit", facts=facts)
                continue
            self._acting.tell(EventKind.LIMIT_EXCEEDED, server, f"{server} {breach.text}", "warning", facts)
            if limit.then == "restart" and self._group is not None:
                why = f"it {breach.text}"
                given = lifecycle.Restart(f"watchkeeper restarts it, since {why}")
                deed = self._acting.see_through(server, self._acting.restart(kept, given, why))
                self._group.create_task(deed, name=f"limit {name} of {server}")

    def _restart(self, server: str, why: str) -> None:
        kept = self._kept(server)
        if kept is None or self._group is None:
            return
        if kept.life.paused or kept.life.state is not ServerState.RUNNING:
            state = kept.life.paused or kept.life.state.value
            text = f"a restart of {server} by its schedule was left out: it is {state}"
            self._acting.tell(EventKind.RESTART_MISSED, server, text)
            return
        deed = self._acting.see_through(server, self._acting.carry_out(kept, lifecycle.Restart(why), why))
        self._group.create_task(deed, name=f"schedule of {server}")

    def _now(self) -> int:
        return milliseconds(self._clock.wall())


def told(saying: Saying) -> str:
    """A pause in words."""
    until = f"until {clock_time(saying.until)}" if saying.until else "until somebody resumes it"
    return f"paused by {saying.by} {until}" + (f" ({saying.why})" if saying.why else "")


def clock_time(at: int) -> str:
    """An instant (ms) in the agent's own zone, with the zone."""
    return f"{datetime.fromtimestamp(at / 1000).astimezone():%Y-%m-%d %H:%M %z}"


def _facts(saying: Saying) -> dict[str, str]:
    return {"by": saying.by, "reason": saying.why, "until": str(saying.until)}
