"""Keeps all servers of one machine: starts them in order, restarts, stops, adopts, rotates their logs.

The agent's own tasks come in through `order`, `statuses`, `logs`, `reload`. What is to be done with a
single server is `lifecycle`'s to decide and `server`'s to do; what must never happen here is waiting for
one server while another needs care.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from pathlib import Path

from watchkeeper.clock import Clock, milliseconds, until_together
from watchkeeper.config import nearest
from watchkeeper.control import ServerSettings, lifecycle
from watchkeeper.control.abroad import Abroad, AbroadProcess, Lookouts, meanwhile
from watchkeeper.control.carrying import START_SECONDS, STOP_MARGIN_SECONDS, carry_out
from watchkeeper.control.conditions import unmet
from watchkeeper.control.elsewhere import Elsewhere
from watchkeeper.control.foreignlog import ForeignLog
from watchkeeper.control.lifecycle import ALIVE
from watchkeeper.control.logfile import LogFile
from watchkeeper.control.logging import Logging
from watchkeeper.control.opening import opened, within
from watchkeeper.control.order import levels
from watchkeeper.control.parentage import Found, Process, Told
from watchkeeper.control.process import parent
from watchkeeper.control.runfile import RunFile
from watchkeeper.control.server import KeptServer
from watchkeeper.control.settings import AnyServer
from watchkeeper.control.waiting import blocked, dependents, down
from watchkeeper.errors import Refused
from watchkeeper.model import Action, Event, EventKind, Outcome, ServerState, ServerStatus, Severity, new_id

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
"""How often it is looked whether what a server waits for holds."""
ROTATE_SECONDS = 5.0


class Supervisor:
    """All servers of this machine."""

    def __init__(
        self,
        servers: Mapping[str, AnyServer],
        folder: Path,
        clock: Clock,
        *,
        emit: Callable[[Event], None],
        changed: Callable[[str], None],
        ready: Callable[[str], bool] = lambda _: True,
        environment: Callable[[str], Mapping[str, str]] = lambda _: {},
        before_kill: Callable[[KeptServer], Awaitable[None]] | None = None,
        paused: Callable[[str], str] = lambda _: "",
    ) -> None:
        """`folder` holds run/ and logs/; `ready(server)`: of one that runs, whether those after it may start.

        `paused(server)`: why nothing is to happen to it by itself (empty: it may). `environment` and `before_kill` are as
        `server` has them. Raises ConfigError for a wrong `after`, Refused when another agent has the folder.
        """
        self._levels = levels({name: server.before for name, server in servers.items()})
        self._environment = environment
        self._before_kill = before_kill
        self._paused = paused
        self._ending = False
        self._waiting: dict[str, asyncio.Task[None]] = {}
        self._clock = clock
        self._emit = emit
        self._tell_changed = changed
        self._ready = ready
        self._logs = folder / "logs"
        self.logging = Logging(self._logs, clock, emit)
        self._logs.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._runfile = RunFile(folder / "run")
        self._parent = parent(self._runfile, clock, Told(self._warned, self._moved, self._replaced))
        self._lookouts = Lookouts(Abroad(self._appeared, self._moved, self._unseen, self._unheeded, self._changed), clock)
        self._warnings: dict[str, str] = {}
        self._taken_over = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._kept = {name: self._keep(name, server) for name, server in servers.items()}

    async def run(self) -> None:
        """Keep everything until cancelled; the servers' processes then go on without us (`stop_all` ends them first)."""
        ours = await opened(self._parent, lambda why: self._tell(EventKind.KEEPER_LOST, why, "critical"))
        self._take_over(ours + await self._lookouts.open())
        self._taken_over.set()
        for name in self._kept:
            self._tell_changed(name)  # the link may be up already, and have told that nobody knows yet
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(self._parent.run(), name="parent")
            group.create_task(self._lookouts.run(), name="servers elsewhere")
            for name in self._kept:
                self._tasks[name] = group.create_task(self._kept[name].live(), name=f"keep {name}")
            for level in self._levels:
                for name in level:
                    self._begin(self._kept[name], "the agent starts")
            self._see_ready()
            while True:
                await asyncio.sleep(until_together(self._clock.wall(), ROTATE_SECONDS))
                await self.logging.look(self._kept)

    async def order(self, action: Action) -> Outcome:
        """Carry out an operator's order and wait until it is done; never raises for what the caller did wrong."""
        server = self._kept.get(action.server)
        if server is None:
            hint = nearest(action.server, sorted(self._kept))
            return self._outcome(action, ok=False, text=f"there is no server {action.server!r} on this machine{hint}")
        if not await self._knows(START_SECONDS):
            return self._outcome(
                action, ok=False, text=f"{action.server}: the agent does not know yet what runs on this machine"
            )
        ok, text = await carry_out(action, server)
        return self._outcome(action, ok=ok, text=text)

    def statuses(self) -> tuple[ServerStatus, ...]:
        """How all servers stand."""
        return tuple(server.status() for server in self._kept.values())

    def status(self, name: str) -> ServerStatus | None:
        """How one stands; None for a server that is no more."""
        server = self._kept.get(name)
        return server.status() if server else None

    def state(self, name: str) -> ServerState:
        """One server's state."""
        server = self._kept.get(name)
        return server.life.state if server else ServerState.STOPPED

    def kept(self, name: str) -> KeptServer | None:
        """One server with all that is known of it; None when there is none."""
        return self._kept.get(name)

    def names(self) -> tuple[str, ...]:
        """All servers."""
        return tuple(self._kept)

    def blocked(self, name: str) -> str:
        """What a start of it would wait for now (empty: nothing of other servers)."""
        kept = self._kept.get(name)
        return blocked(kept, self._kept, self._ready) if kept else ""

    def dependents(self, name: str) -> tuple[str, ...]:
        """Those that are held when this one goes down, and those that are then."""
        return dependents(name, self._kept)

    def supervised(self) -> list[tuple[str, int, int]]:
        """Servers that have a process: name, pid and when it was started (ms)."""
        kept = self._kept.items()
        return [(name, one.process.pid, one.started_at) for name, one in kept if one.process and one.process.pid]

    def unseen(self, name: str) -> str:
        """Why nobody knows how it stands; empty when that is known."""
        return self._lookouts.unseen(name)

    def logs(self, server: str, lines: int, *, follow: bool) -> AsyncGenerator[tuple[str, ...], None]:
        """A server's output; raises Refused for one that there is not."""
        kept = self._kept.get(server)
        if kept is None:
            raise Refused(
                f"there is no server {server!r} on this machine{nearest(server, sorted(self._kept))}", code="unknown-server"
            )
        return kept.log.tail(lines, follow=follow)

    def see_ready(self) -> None:
        """Something may have become ready (a probe has answered): start what has waited for it."""
        self._see_ready()

    def reload(self, servers: Mapping[str, AnyServer]) -> None:
        """Take new settings: gone servers stop, new ones start, changed ones restart, the others notice nothing."""
        self._levels = levels({name: server.before for name, server in servers.items()})
        for name in [name for name in self._kept if name not in servers]:
            self._remove(name)
        for name, settings in servers.items():
            kept = self._kept.get(name)
            if kept and kept.removed and self._group:
                kept.successor = settings
                if kept.life.state not in ALIVE:
                    self._drop(name)  # else once its process has ended: there is one at a time
                continue
            if kept is None or kept.removed:
                self._add(name, settings)
                continue
            restart = kept.settings.process != settings.process
            if restart and isinstance(kept.settings, Elsewhere) | isinstance(settings, Elsewhere):
                self._remove(name, settings)  # it is not the same server any more, or not in the same hands
                continue
            kept.settings = settings
            if isinstance(settings, Elsewhere):
                self._lookouts.settle(name, settings)
            kept.log.size, kept.log.keep = settings.log.size, settings.log.keep
            if restart and kept.life.state in ALIVE:
                kept.give(lifecycle.Restart("its configuration has changed"))

    async def stop_all(self) -> None:
        """Stop every server, those first that others do not need; each has its own grace. The next agent begins anew."""
        await self._knows(STOP_MARGIN_SECONDS)
        self._ending = True
        ours = {name: one for name, one in self._kept.items() if not isinstance(one.settings, Elsewhere)}
        for one in ours.values():
            one.done = True
            one.save()
        for level in reversed(self._levels):
            for name in level:
                if name in ours:
                    ours[name].give(lifecycle.Stop("the agent stops"))
            for name in level:
                if name not in ours:
                    continue  # what runs elsewhere goes on there
                kept = ours[name]
                # Until it is idle there may be a start before the stop that has not taken effect yet.
                await kept.wait_until(lambda kept=kept: kept.idle and kept.life.state not in ALIVE)  # type: ignore[misc]  # bound now; mypy gives such a lambda no type

    def close(self) -> None:
        """Let another agent have the folder; what still runs goes on and can be adopted."""
        self._parent.close()
        self._runfile.close()

    # -- leaves -------------------------------------------------------------------------------------

    def _keep(self, name: str, settings: AnyServer) -> KeptServer:
        path = self._logs / f"{name}.log"
        log = LogFile(path, settings.log.size, settings.log.keep)
        if isinstance(settings, Elsewhere):
            reach = self._lookouts.add(name, settings, path)
            log = log if reach.log == path else ForeignLog(reach)
        return KeptServer(
            name,
            settings,
            log,
            self._lookouts if isinstance(settings, Elsewhere) else self._parent,
            self._runfile,
            self._clock,
            self._emit,
            self._changed,
            environment=self._environment,
            before_kill=self._before_kill,
        )

    def _add(self, name: str, settings: AnyServer) -> None:
        self._kept[name] = self._keep(name, settings)
        if self._group is not None:
            self._kept[name].resume()
            self._tasks[name] = self._group.create_task(self._kept[name].live(), name=f"keep {name}")
            self._begin(self._kept[name], "it is newly configured")

    def _begin(self, server: KeptServer, why: str) -> None:
        """What comes first: its start, if it starts with the agent; what is paused is held, and adopted as it is."""
        if self._ending:
            return
        starts = server.settings.autostart and not server.resumed and server.life.state not in ALIVE
        if paused := self._paused(server.name):
            server.give(lifecycle.Pause(paused, wanted=starts), first=True)  # before what happened meanwhile takes effect
            return
        if starts:
            server.give(lifecycle.Start(why))
        if server.life.paused:
            server.give(lifecycle.Resume("its pause ended while no agent was there"))

    async def _knows(self, seconds: float) -> bool:
        """Whether it is known what runs, within so many seconds."""
        return await within(seconds, self._taken_over.wait())

    def _take_over(self, found: list[Found]) -> None:
        """Go on where an earlier agent was; what runs and is not configured any more is stopped."""
        histories = self._runfile.histories()
        ended = {one.server: one for one in found if one.ending}
        for one in found:
            if one.ending:
                continue
            if one.server not in self._kept:
                self._kept[one.server] = self._keep(one.server, ServerSettings(command=one.command or ("?",), autostart=False))
                self._levels.append([one.server])
                self._kept[one.server].removed = True
                self._kept[one.server].give(lifecycle.Stop("it is no longer configured"))
            self._kept[one.server].adopt(one, histories.get(one.server))
        for name, kept in self._kept.items():
            if kept.process is None:
                history = histories.get(name)
                end = ended.get(name)
                if history and history.life.state in ALIVE and isinstance(kept.settings, Elsewhere):
                    # Where nobody can tell, what is seen later is told then.
                    unseen = self._lookouts.unseen(name)
                    history, end = (None, None) if unseen else (history, meanwhile(name, history.order, self._clock))
                # Of an earlier start's end the agent that died knew already, and had gone on from there.
                news = end if end and history and end.order == history.order and history.life.state in ALIVE else None
                kept.resume(history, news)
                if news:
                    ended.pop(name, None)
        for one in ended.values():
            self._parent.heard(one.server, one.order)
        for name in histories.keys() - self._kept.keys():
            self._runfile.forget_history(name)

    def _warned(self, name: str, words: str) -> None:
        if self._warnings.get(name) != words:
            self._tell(EventKind.SERVER_WARNED, f"{name}: {words}", "warning", server=name)
        self._warnings[name] = words

    def _appeared(self, name: str, process: AbroadProcess, driver: str, again: bool) -> None:  # noqa: FBT001  # as `Abroad` has it
        if kept := self._kept.get(name):
            kept.appear(process, f"running, as its driver {driver} sees it", again=again)

    def _unseen(self, name: str, why: str) -> None:
        if why:
            self._tell(EventKind.SERVER_WARNED, f"nobody knows how {name} stands: {why}", "warning", server=name)
        else:
            self._tell(EventKind.SERVER_LIVES, f"it is known again how {name} stands", "info", server=name)
        if name in self._kept:
            self._tell_changed(name)

    def _unheeded(self, name: str, why: str) -> None:
        if kept := self._kept.get(name):
            kept.refuse(why)

    def _moved(self, name: str, process: Process) -> None:
        if kept := self._kept.get(name):
            kept.follow(process)

    def _replaced(self, words: str, again: bool) -> None:  # noqa: FBT001  # as `Told` has it
        logger.warning("%s", words)
        self._tell(EventKind.KEEPER_REPLACED if again else EventKind.KEEPER_LOST, words, "info" if again else "warning")

    def _tell(self, kind: EventKind, text: str, severity: Severity, server: str = "") -> None:
        at = milliseconds(self._clock.wall())
        self._emit(Event(new_id(at), at, kind, text, server=server, severity=severity))

    def _changed(self, name: str) -> None:
        kept = self._kept[name]
        if kept.removed and kept.life.state not in ALIVE:
            self._drop(name)
        self._see_ready()
        self._tell_changed(name)

    def _remove(self, name: str, successor: AnyServer | None = None) -> None:
        """Stop one and forget it; one that runs elsewhere goes on. Then another of the name comes, if there is one."""
        kept = self._kept[name]
        kept.removed = True
        kept.successor = successor
        if isinstance(kept.settings, Elsewhere) or (self._group and kept.idle and kept.life.state is ServerState.STOPPED):
            self._drop(name)
        else:
            kept.give(lifecycle.Stop("it is no longer configured" if successor is None else "its driver is another now"))

    def _drop(self, name: str) -> None:
        kept = self._kept.pop(name)
        self._lookouts.remove(name)
        self._runfile.forget_history(name)
        if task := self._tasks.pop(name, None):
            task.cancel()
        if kept.successor:
            self._add(name, kept.successor)
        else:
            self._levels = [[one for one in level if one != name] for level in self._levels]

    def _see_ready(self) -> None:
        for kept in self._kept.values():
            if kept.life.state is ServerState.WAITING and not (what := blocked(kept, self._kept, self._ready)):
                self._clear(kept)
            elif kept.life.state is ServerState.WAITING:
                kept.give(lifecycle.Waits(f"waits until {what}"))
            elif why := down(kept, self._kept, self._ready):
                kept.give(lifecycle.Hold(f"it requires {why}, which is down"))

    def _clear(self, kept: KeptServer) -> None:
        """Let it start, once its conditions hold."""
        if not kept.settings.start_when:
            kept.give(lifecycle.Clear())
        elif self._group is not None and (kept.name not in self._waiting or self._waiting[kept.name].done()):
            self._waiting[kept.name] = self._group.create_task(self._wait(kept), name=f"conditions of {kept.name}")

    async def _wait(self, kept: KeptServer) -> None:
        """Look at the conditions of one that waits until they hold, or it waits no more."""
        while kept.life.state is ServerState.WAITING and not blocked(kept, self._kept, self._ready):
            missing = await unmet(kept.settings.start_when)
            if not missing:
                kept.give(lifecycle.Clear())
                return
            kept.give(lifecycle.Waits(f"waits until {missing}"))
            await asyncio.sleep(LOOK_SECONDS)

    def _outcome(self, action: Action, *, ok: bool, text: str) -> Outcome:
        return Outcome(action.id, milliseconds(self._clock.wall()), ok, text)
