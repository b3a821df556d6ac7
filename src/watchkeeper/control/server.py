"""One server under care: its life, its process, its log, and the task that joins them.

Inputs (orders, ends of processes, time) go through one queue into `lifecycle.step`; what it decides is
done here, told as an event, and shown as a status. `supervisor` makes one of these per server.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime

from watchkeeper.clock import Clock, milliseconds
from watchkeeper.control import history, lifecycle
from watchkeeper.control.abroad import AbroadProcess
from watchkeeper.control.enduring import endure
from watchkeeper.control.history import History
from watchkeeper.control.identity import boot_id
from watchkeeper.control.lifecycle import Do, Life
from watchkeeper.control.logfile import LogFile
from watchkeeper.control.parentage import Found, Parent, Process
from watchkeeper.control.process import made, prepare
from watchkeeper.control.runfile import RunFile
from watchkeeper.control.settings import AnyServer
from watchkeeper.errors import Failed
from watchkeeper.model import Event, EventKind, ServerState, ServerStatus, Severity, new_id
from watchkeeper.quantities import Duration

logger = logging.getLogger(__name__)

Tell = Callable[[Event], None]

LAST_WORDS = 200
"""So many characters of the last line of its output are told when a server has given up by itself: most say there why."""


class KeptServer:
    """A server and everything that is known of it."""

    def __init__(
        self,
        name: str,
        settings: AnyServer,
        log: LogFile,
        parent: Parent,
        runfile: RunFile,
        clock: Clock,
        emit: Tell,
        changed: Callable[[str], None],
        *,
        environment: Callable[[str], Mapping[str, str]] = lambda _: {},
        before_kill: Callable[[KeptServer], Awaitable[None]] | None = None,
    ) -> None:
        """Nothing runs before `live`. `changed(name)` is called at each change of its status.

        `environment(name)` is added to what its process is started with. `before_kill` is awaited before it is killed for
        not having heeded a stop; it bounds its own time.
        """
        self.name = name
        self.settings = settings
        self.log = log
        self.life = Life()
        self.process: Process | None = None
        self.started_at = 0
        self.last_exit = ""
        self.removed = False
        self.found = False
        self.successor: AnyServer | None = None
        """Once it is gone, a server of the same name is kept in another way."""
        self.unheeded = ""
        """Why its last stop was refused."""
        self._appearing: AbroadProcess | None = None
        self.resumed = False
        self.done = False
        self._parent = parent
        self._runfile = runfile
        self._order = ""
        self._clock = clock
        self._emit = emit
        self._changed = changed
        self._environment = environment
        self._before_kill = before_kill
        self._killing = False
        self.adopted = False
        """Whether its present process was started by an earlier agent."""
        self._since = milliseconds(clock.wall())
        self._failure = ""
        self._output_from = 0
        self._busy = False
        self._broken = False
        self._inputs: deque[lifecycle.Input] = deque()
        self._rung = asyncio.Event()
        self._moved = asyncio.Condition()
        self._watch: asyncio.Task[None] | None = None

    def give(self, given: lifecycle.Input, *, first: bool = False) -> None:
        """Put in one input; it takes effect soon, after those that wait already unless it is to be the `first`."""
        if first:
            self._inputs.appendleft(given)
        else:
            self._inputs.append(given)
        self._rung.set()

    def status(self) -> ServerStatus:
        """How it stands; health is for whoever asks probes. Before `adopt` or `resume` nobody knows yet."""
        life = self.life if self.found else Life(state=ServerState.WAITING, reason="the agent looks for what runs")
        due = life.due - self._clock.monotonic() if life.state is ServerState.BACKOFF else 0.0
        return ServerStatus(
            name=self.name,
            driver=self.settings.driver,
            state=life.state,
            health="unknown",
            since=self._since,
            reason=life.reason,
            pid=self.process.pid if self.process else 0,
            started_at=self.started_at if self.process else 0,
            restarts=life.restarts,
            last_exit=self.last_exit,
            next_attempt_at=milliseconds(self._clock.wall() + due) if due > 0 else 0,
            group=self.settings.in_group,
        )

    @property
    def grace_left(self) -> float:
        """Seconds until it is forced to end; 0 when it is not asked to, or was forced already."""
        stopping = self.life.state is ServerState.STOPPING and not self.life.kills
        return max(0.0, self.life.due - self._clock.monotonic()) if stopping else 0.0

    @property
    def idle(self) -> bool:
        """Whether every input has taken effect."""
        return not self._inputs and not self._busy

    async def wait_until(self, settled: Callable[[], bool]) -> None:
        """Wait for a state; the caller bounds the time."""
        async with self._moved:
            await self._moved.wait_for(settled)

    def adopt(self, found: Found, before: History | None) -> None:
        """Take over a process that an earlier agent had started; before `live`."""
        now = self._clock.monotonic()
        self.process = found.process
        self.adopted = True
        self.started_at = found.started_at
        self._since = found.started_at
        self._order = found.order
        self.last_exit = before.last_exit if before else ""
        step = history.resumed(before, boot_id(), now, runs=True)
        spawned_at = now - max(0, milliseconds(self._clock.wall()) - found.started_at) / 1000
        self.life = step.life if step else history.running_since(before, spawned_at)
        self.found = self.resumed = True
        kept = "watched" if isinstance(found.process, AbroadProcess) else "kept"
        text = f"{self.name} was running already{numbered(found.process.pid)} and is {kept}"
        wanted = getattr(self.settings, "command", found.command)
        if found.made != made(self.settings) if found.made else found.command != wanted:
            text += "; it runs with older settings until it is restarted"
        self._tell(EventKind.SERVER_ADOPTED, text, facts={"pid": str(found.process.pid)})
        self.save()
        if step and step.do is Do.TERMINATE:
            found.process.terminate()

    def resume(self, before: History | None = None, ended: Found | None = None) -> None:
        """Go on where an earlier agent was, without a process; `ended`: what became of it meanwhile. Before `live`."""
        self.found = True
        self.last_exit = before.last_exit if before else ""
        step = history.resumed(before, boot_id(), self._clock.monotonic(), runs=ended is not None)
        if before is None or step is None:
            self.life = history.counted(before)
            return
        self.resumed = True
        self.life = step.life
        self._since = before.since
        self._order = before.order
        if ended and ended.ending:
            at = datetime.fromtimestamp(ended.ending.at / 1000, UTC)
            how = f"{ended.ending.how} (at {at:%Y-%m-%d %H:%M:%S} UTC, while no agent was there)"
            words = self.log.last_line(0)[:LAST_WORDS] if ended.ending.by_itself and not ended.ending.clean else ""
            self.give(lifecycle.Exited(how, ended.ending.clean, words))

    def save(self) -> None:
        """Write down how far it has come, for the next agent."""
        self._runfile.remember(self.name, History(boot_id(), self.life, self._since, self._order, self.last_exit, self.done))

    async def live(self) -> None:
        """Keep it until cancelled; then its process goes on without us. A fault of our own is told and costs a moment."""
        await endure(f"keeping {self.name}", self._live, self._broke)

    def _broke(self, why: str) -> None:
        self._broken = True
        self._tell(EventKind.SERVER_WARNED, f"keeping {self.name} broke, and is begun again: {why}", "critical")

    async def _live(self) -> None:
        async with asyncio.TaskGroup() as group:
            known = any(isinstance(one, lifecycle.Exited | lifecycle.SpawnFailed) for one in self._inputs)
            if self.process and not known:
                self._watch = group.create_task(self._see_end(self.process), name=f"watch {self.name}")
            elif self._broken and not known and self.life.state in lifecycle.ALIVE:
                # A start was under way: whoever starts it knows by its order whether that was done.
                self._watch = group.create_task(self._run(self._order, ""), name=f"run {self.name}")
            while True:
                self._busy = True
                while self._inputs:
                    self._take(self._inputs.popleft(), group)
                self._busy = False
                self._rung.clear()
                async with self._moved:
                    self._moved.notify_all()
                left = self.life.due - self._clock.monotonic()
                with suppress(TimeoutError):
                    async with asyncio.timeout(None if left == float("inf") else max(left, 0.0)):
                        await self._rung.wait()
                if self.life.due <= self._clock.monotonic():
                    self._inputs.append(lifecycle.Tick())

    def _take(self, given: lifecycle.Input, group: asyncio.TaskGroup) -> None:  # noqa: C901  # one step, in its order
        before, order = self.life, self._order
        if isinstance(given, lifecycle.Exited):
            self.last_exit = given.how
            self.process = None
        self.life, do = lifecycle.step(before, given, self.settings.policy, self._clock.monotonic(), random.random())  # noqa: S311  # jitter, not a secret
        if do is Do.SPAWN:
            self._order = new_id(milliseconds(self._clock.wall()))
        if self.life is not before:
            self._narrate(before, given)
            if self.life.state is not before.state or do is Do.SPAWN:
                self._since = milliseconds(self._clock.wall())
        if self.life is not before or isinstance(given, lifecycle.Exited):
            # Written before anything is done: whoever takes up here does it again under the same order, or knows of it.
            self.save()
        if isinstance(given, lifecycle.Exited) and do is not Do.SPAWN:
            self._parent.heard(self.name, order)
        if isinstance(given, lifecycle.Appeared) and self.life is not before and (process := self._appearing):
            self._failure = ""
            self.process, self.adopted = process, True
            self.started_at = process.started_at or milliseconds(self._clock.wall())
            self._watch = group.create_task(self._see_end(process), name=f"watch {self.name}")
        match do:
            case Do.SPAWN:
                self._watch = group.create_task(self._run(self._order, order), name=f"run {self.name}")
            case Do.ABORT if self.process:
                self.process.abort()
            case Do.TERMINATE if self.process:
                self._terminate(self.process)
            case Do.KILL if self.process and not self._killing:
                self._killing = True
                group.create_task(
                    self._kill(self.process, look=not self.life.hung and self.life.kills == 1), name=f"kill {self.name}"
                )
        if self.life is not before:
            self._changed(self.name)

    async def _run(self, order: str, before: str) -> None:
        """Have it started, and wait for its end; `before` is the start whose end led here, if one did."""
        try:
            self._output_from = self.log.end
            wanted = prepare(self.name, order, self.settings, self.log.path, self._environment(self.name))
            process = await self._parent.spawn(wanted)
        except Failed as fault:
            self.give(lifecycle.SpawnFailed(fault.why))
            return
        except OSError as fault:  # of the agent's own surroundings, such as its folder
            self.give(lifecycle.SpawnFailed(fault.strerror or str(fault)))
            return
        finally:
            if before:
                self._parent.heard(self.name, before)  # behind the start: nothing may stand before that
        self.process = process
        self.adopted = False
        self.started_at = (isinstance(process, AbroadProcess) and process.started_at) or milliseconds(self._clock.wall())
        self.give(lifecycle.Spawned())
        if self.life.state is ServerState.STOPPING:
            process.terminate()  # asked for while nobody was there to be asked
        await self._see_end(process)

    def _terminate(self, process: Process) -> None:
        """Ask it to end; where its driver can stop and start in one go, it is asked to do that if nothing comes in between."""
        self.unheeded = ""
        if isinstance(process, AbroadProcess) and self.life.again and not self.settings.policy.gated:
            process.renew()
        else:
            process.terminate()

    def appear(self, process: AbroadProcess, by: str, *, again: bool) -> None:
        """It runs, and nobody here has started it (`again`: after it had failed); said more than once it changes nothing."""
        if self.process is not process and self.idle and self.life.state in lifecycle.IDLE:
            self._appearing = process
            self.give(lifecycle.Appeared(by, again))

    def refuse(self, why: str) -> None:
        """Its stop was refused by whoever keeps it."""
        self.unheeded = why
        self.give(lifecycle.Unheeded(why))

    def follow(self, process: Process) -> None:
        """It goes on as another process."""
        if isinstance(process, AbroadProcess):
            text = f"{self.name} goes on as another process (pid {process.pid})"
        else:
            text = f"{self.name} has put itself into the background and is kept there (pid {process.pid})"
        self._tell(EventKind.SERVER_ADOPTED, text, facts={"pid": str(process.pid)})
        self._changed(self.name)

    async def _see_end(self, process: Process) -> None:
        ending = await process.ended()
        words = self.log.last_line(self._output_from)[:LAST_WORDS] if ending.by_itself and not ending.clean else ""
        self.give(lifecycle.Exited(ending.how, ending.clean, words))

    async def _kill(self, process: Process, *, look: bool) -> None:
        """End what has not heeded its stop; what it does instead is looked at once, unless that was done (it hung)."""
        try:
            if look and self._before_kill is not None:
                await self._before_kill(self)
            if self.process is process:
                logger.warning("%s has not ended within its grace; killing it", self.name)
                process.kill()
        finally:
            self._killing = False

    def _narrate(self, before: Life, given: lifecycle.Input) -> None:  # noqa: C901, PLR0912  # a table of what is told
        """Tell what has happened, for the journal; the same failure to start again and again is told once."""
        after = self.life
        pid = self.process.pid if self.process else 0
        match given, after.state:
            case lifecycle.Clear(), ServerState.STARTING:
                self._tell(EventKind.SERVER_STARTING, f"{self.name} is being started: {after.reason}")
            case lifecycle.Spawned(), ServerState.RUNNING:
                self._tell(EventKind.SERVER_STARTED, f"{self.name} runs{numbered(pid)}", facts={"pid": str(pid)})
            case lifecycle.Appeared(by), ServerState.RUNNING:
                pid = self._appearing.pid if self._appearing else 0
                self._tell(EventKind.SERVER_STARTED, f"{self.name} runs{numbered(pid)}: {by}", facts={"pid": str(pid)})
            case lifecycle.Unheeded(why), ServerState.RUNNING:
                self._tell(EventKind.SERVER_WARNED, f"{self.name} could not be stopped: {why}", "critical")
            case lifecycle.SpawnFailed(why), ServerState.BACKOFF | ServerState.EXITED:
                if why != self._failure:
                    text = f"{self.name} cannot be started: {why}" + (
                        "; it is tried again" if after.state is ServerState.BACKOFF else ""
                    )
                    self._tell(EventKind.SERVER_START_FAILED, text, "critical")
                elif after.state is ServerState.BACKOFF:
                    self._tell_plan(always=False)
            case lifecycle.Exited(how), _ if before.state is ServerState.STOPPING and not before.hung:
                self._tell(EventKind.SERVER_STOPPED, f"{self.name} has stopped ({how})", facts={"how": how})
            case lifecycle.Exited(how), _ if before.hung:
                self._tell(EventKind.SERVER_STOPPED, f"{self.name}, which hung, was ended ({how})", "warning", {"how": how})
                if after.state is ServerState.BACKOFF:
                    self._tell_plan()
            case lifecycle.Exited(), _ if after.held or lifecycle.worth_telling(after.failures, self.settings.policy):
                severity: Severity = "info" if after.state is ServerState.EXITED and given.clean else "critical"
                text = f"{self.name} has ended by itself: {given.told}"
                text += f"; it is not started again, since it is {after.paused}" if after.held else ""
                self._tell(EventKind.SERVER_EXITED, text, severity, {"how": given.how, "last_words": given.words})
                if after.state is ServerState.BACKOFF:
                    self._tell_plan()
            case lifecycle.Hold(why), ServerState.STOPPING | ServerState.WAITING if before.state is not after.state:
                self._tell(EventKind.SERVER_HELD, f"{self.name} is held: {why}", "warning")
            case lifecycle.Waits(why), _:
                self._tell(EventKind.SERVER_WAITING, f"{self.name} {why}")
            case _, ServerState.STOPPING if before.state is not ServerState.STOPPING:
                self._tell(EventKind.SERVER_STOPPING, f"{self.name} is being stopped: {after.reason}")
        self._failure = given.why if isinstance(given, lifecycle.SpawnFailed) else self._failure
        if isinstance(given, lifecycle.Spawned):
            self._failure = ""

    def _tell_plan(self, *, always: bool = True) -> None:
        """When it is tried again; the graver the longer it goes on, and at the cap ever more rarely."""
        life, policy = self.life, self.settings.policy
        if not always and not lifecycle.worth_telling(life.failures, policy):
            return
        now = self._clock.monotonic()
        text = f"{self.name} will be started again in {max(0.0, life.due - now):.1f} s"
        if lifecycle.at_cap(life.failures, policy):
            for_so_long = Duration(round(now - life.failing_since))
            text += f"; it has failed {life.failures} times in a row, for {for_so_long}, and goes on being tried"
        facts = {"failures": str(life.failures)}
        self._tell(EventKind.SERVER_RESTART_PLANNED, text, lifecycle.gravity(life.failures, policy), facts)

    def _tell(self, kind: EventKind, text: str, severity: Severity = "info", facts: dict[str, str] | None = None) -> None:
        at = milliseconds(self._clock.wall())
        self._emit(Event(new_id(at), at, kind, text, server=self.name, severity=severity, facts=facts or {}))


def numbered(pid: int) -> str:
    """A process's number as a sentence has it; nothing, where there is none."""
    return f" (pid {pid})" if pid else ""
