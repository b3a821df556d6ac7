"""Hears every server's signs of life, and sees to those that hang.

Answers of probes come in through `probed`, messages through sockets that are opened here, heartbeat files are looked at
here. After each sign, and after each that fails to come, the server's `Pulse` gives its verdict: a change is told, and one that
hangs is helped by `acting`, if its settings say so; else it is told of and left alone. A server that nobody has asked us to
restart (it has a probe, and no more) is only told of.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from watchkeeper.clock import Clock
from watchkeeper.control import heartbeat, lifecycle
from watchkeeper.control.acting import Acting
from watchkeeper.control.activity import SHORTEST, look
from watchkeeper.control.aside import Aside
from watchkeeper.control.hang import Verdict
from watchkeeper.control.liveness import LivenessSettings, Pulse
from watchkeeper.control.notifysocket import NotifySocket, is_there, parse
from watchkeeper.control.parentage import Process
from watchkeeper.control.processtree import belongs, kin
from watchkeeper.control.server import KeptServer
from watchkeeper.control.settings import AnyServer
from watchkeeper.model import EventKind, ServerState, Severity

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
SHORTEST_TICK = 0.05
SILENT_SECONDS = 0.5
"""How often a silent server is looked at again when no probe does so."""
EARLY_MESSAGES = 16
"""So many messages are kept of a server that speaks before it is told that its process runs."""
BLIND_SECONDS = 5.0
"""A look at a heartbeat file that takes longer is told: until it ends nobody knows whether the server beats."""
SEES_THREADS = sys.platform in {"linux", "darwin", "win32"}


class Heard:
    """One server as it is heard: its pulse, its socket, what was last told of it, and whether it is being helped."""

    def __init__(self, pulse: Pulse, *, acts: bool) -> None:
        """`acts`: it is restarted when it hangs."""
        self.pulse = pulse
        self.acts = acts
        self.process: Process | None = None
        self.told: Verdict | None = None
        self.stamp: heartbeat.Stamp = None
        self.looking: asyncio.TimerHandle | None = None
        self.helped = False
        self.peering = False
        """Whether its heartbeat file is being looked at."""
        self.blind = False
        """Whether it was told that this does not come to an end."""
        self.early: list[tuple[bytes, frozenset[int]]] = []
        """Messages that came before its process was known, and whose they may be."""


class Hearing:
    """All servers of this machine."""

    def __init__(
        self,
        kept: Callable[[str], KeptServer | None],
        acting: Acting,
        clock: Clock,
        *,
        changed: Callable[[str], None],
        expected: Callable[[str], str],
        name: Callable[[str], str],
    ) -> None:
        """`expected(server)`: why heavy work is to be expected now; `name(server)`: what its socket is called, for ever."""
        self._kept = kept
        self._acting = acting
        self._clock = clock
        self._changed = changed
        self._expected = expected
        self._name = name
        self._heard: dict[str, Heard] = {}
        self._sockets: dict[str, NotifySocket] = {}
        self._group: asyncio.TaskGroup | None = None
        self._rung = asyncio.Event()
        self._looks = Aside()

    def replace(
        self, servers: Mapping[str, AnyServer], marked: Mapping[str, Iterable[str]], asked: Mapping[str, Iterable[str]]
    ) -> None:
        """Hear these: by server, its probes that are `marked` for liveness, and all that are `asked`."""
        for name in [name for name in self._sockets if name not in servers]:
            self._sockets.pop(name).close()
        fresh: dict[str, Heard] = {}
        for name, server in servers.items():
            self._open(name)
            settings, probes = server.liveness or LivenessSettings(then="report"), frozenset(marked.get(name, ()))
            if probes and server.liveness is None:
                settings = LivenessSettings()
            if not probes and not (settings.watchdog or settings.heartbeat):
                probes = frozenset(asked.get(name, ()))
            old = self._heard.get(name)
            if old and old.pulse.settings == settings and old.pulse.probes == probes:
                fresh[name] = old
                continue
            acts = settings.then == "restart" and "restart" in server.verbs
            heard = fresh[name] = Heard(Pulse(settings, probes, self._clock.monotonic()), acts=acts)
            heard.early = old.early if old else []
            if old and old.process and old.pulse.alive:  # the same process under other rules
                heard.process = old.process
                heard.pulse.adopt()
        self._heard = fresh
        for name in fresh:
            self.changed(name)
        self._rung.set()

    def environment(self, server: str) -> dict[str, str]:
        """What a server is told of where to say something."""
        told: dict[str, str] = {}
        if socket := self._sockets.get(server):
            told["NOTIFY_SOCKET"] = socket.address
        heard = self._heard.get(server)
        if heard and (within := heard.pulse.settings.watchdog):
            told["WATCHDOG_USEC"] = str(round(within * 1_000_000))
        return told

    def changed(self, server: str) -> None:
        """Its life has taken a step: another process has a pulse of its own."""
        heard, kept = self._heard.get(server), self._kept(server)
        if heard is None or kept is None:
            return
        if kept.process is heard.process:
            if kept.life.state is not ServerState.STARTING:
                heard.early.clear()
            return
        heard.process = kept.process
        heard.told = None
        heard.helped = False
        heard.pulse.begin(self._clock.monotonic())
        if kept.adopted and kept.process:
            heard.pulse.adopt()
        early, heard.early = heard.early, []
        for message, leaders in early:
            if kept.process and kept.process.pid in leaders:
                self._understand(kept, heard, message)
        self._rung.set()

    def probed(self, server: str, probe: str, ok: bool, why: str) -> None:  # noqa: FBT001  # as a probe's frame tells it
        """A probe was answered (`ok`), or was not, or is not yet though it is time."""
        if heard := self._heard.get(server):
            now = self._clock.monotonic()
            heard.pulse.probed(probe, ok=ok, why=why, now=now)
            if not ok and probe in heard.pulse.probes and heard.process:
                heard.pulse.looked(look(heard.process.pid, now))
            self._consider(server, heard)

    def is_ready(self, server: str) -> bool:
        """Whether it has said so, if it is one that says."""
        heard = self._heard.get(server)
        return heard is None or not heard.pulse.settings.notify or heard.pulse.ready

    def told(self, server: str) -> tuple[Verdict | None, str]:
        """The last verdict, and what it says of itself."""
        heard = self._heard.get(server)
        return (heard.told, heard.pulse.status) if heard and heard.process else (None, "")

    async def run(self) -> None:
        """Hear until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for socket in self._sockets.values():
                socket.listen()
            try:
                while True:
                    timed = [(name, heard) for name, heard in self._heard.items() if heard.process and heard.pulse.timed]
                    for name, heard in timed:
                        if heard.pulse.settings.heartbeat and not heard.peering:
                            group.create_task(self._beat(name, heard), name=f"heartbeat file of {name}")
                        self._consider(name, heard)
                    self._rung.clear()
                    try:
                        async with asyncio.timeout(self._pause([heard.pulse for _, heard in timed])):
                            await self._rung.wait()
                    except TimeoutError:
                        pass
            finally:
                self._group = None
                for heard in self._heard.values():
                    if heard.looking:
                        heard.looking.cancel()

    def close(self) -> None:
        """Hear nothing any more."""
        for socket in self._sockets.values():
            socket.close()
        self._sockets.clear()

    # -- leaves -------------------------------------------------------------------------------------

    def _open(self, server: str) -> None:
        if server in self._sockets or not is_there():
            return
        try:
            socket = NotifySocket(self._name(server), lambda message, pid: self._hear(server, message, pid))
        except OSError as fault:
            logger.warning("%s cannot say anything to the agent: its socket is taken (%s)", server, fault.strerror)
            return
        self._sockets[server] = socket
        if self._group is not None:
            socket.listen()

    def _hear(self, server: str, message: bytes, pid: int) -> None:
        heard = self._heard.get(server)
        kept = self._kept(server)
        if heard is None or kept is None:
            return
        if kept.process is None:
            # It is quick: its program is executed before the agent hears of that. Who has spoken is asked now; it may end.
            if kept.life.state is ServerState.STARTING and len(heard.early) < EARLY_MESSAGES:
                heard.early.append((message, frozenset(kin(pid))))
            return
        if not belongs(pid, kept.process.pid):
            return
        self.changed(server)  # what is heard of another process must not be taken back when that is told
        self._understand(kept, heard, message)

    def _understand(self, kept: KeptServer, heard: Heard, message: bytes) -> None:
        said = parse(message)
        was_ready, status = heard.pulse.ready, heard.pulse.status
        heard.pulse.said(said, self._clock.monotonic())
        if said.extend_seconds:
            kept.give(lifecycle.Extend(said.extend_seconds))
        if (was_ready, status) != (heard.pulse.ready, heard.pulse.status):
            self._changed(kept.name)
        self._consider(kept.name, heard)
        self._rung.set()

    async def _beat(self, server: str, heard: Heard) -> None:
        """Look at its heartbeat file once: none waits for another's; until it ends the server is neither alive nor silent."""
        kept = self._kept(server)
        settings = heard.pulse.settings.heartbeat
        if settings is None or kept is None:
            return
        folder = getattr(kept.settings, "folder", None)
        path = (folder / settings.file) if folder else settings.file
        heard.peering = True
        began = self._clock.monotonic()
        heard.pulse.peers(began)
        late = asyncio.get_running_loop().call_later(BLIND_SECONDS, self._tell_blind, server, heard, path)
        try:
            fresh = await self._looks.ask(path, lambda: heartbeat.stamp(path))
        except (OSError, ValueError):
            fresh = None
        finally:
            late.cancel()
            heard.peering = False
        if heard is not self._heard.get(server):
            return
        now = self._clock.monotonic()
        heard.pulse.peered(began, now)
        if heard.blind:
            heard.blind = False
            self._acting.tell(EventKind.SERVER_LIVES, server, f"it is known again whether {server} beats")
        if fresh is not None and fresh != heard.stamp:
            if heard.stamp is not None:  # what an earlier process has left is no sign of this one
                heard.pulse.beat(now)
            heard.stamp = fresh
        self._consider(server, heard)

    def _tell_blind(self, server: str, heard: Heard, path: Path) -> None:
        heard.blind = True
        text = f"nobody knows whether {server} beats: looking at {path} does not come to an end"
        self._acting.tell(EventKind.SERVER_WARNED, server, text, "warning")

    def _pause(self, pulses: list[Pulse]) -> float | None:
        """Until when nothing can change by time alone; None: for ever."""
        if not pulses:
            return None
        now = self._clock.monotonic()
        pauses = [TICK_SECONDS]
        for pulse in pulses:
            if pulse.settings.heartbeat:
                pauses.append(pulse.settings.heartbeat.within / 4)
            if any(sign.silent for sign in pulse.signs(now)):
                pauses.append(SILENT_SECONDS)
            pauses.append(pulse.due(now) - now + 0.001)
        return max(min(pauses), SHORTEST_TICK)

    def _consider(self, server: str, heard: Heard) -> None:
        """Ask for the verdict, tell a change of it, and help one that hangs."""
        kept = self._kept(server)
        if (
            kept is None
            or kept.process is None
            or kept.life.state is not ServerState.RUNNING
            or heard.process is not kept.process
        ):
            return
        now = self._clock.monotonic()
        verdict = heard.pulse.verdict(now, self._expected(server), seen=_seen(heard))
        silent = any(sign.silent for sign in heard.pulse.signs(now))
        if silent and heard.pulse.timed:
            heard.pulse.looked(look(kept.process.pid, now))
        if verdict.reason == "looking":
            self._look_soon(server, heard)
            return
        if heard.told is None or verdict.state != heard.told.state or verdict.reason != heard.told.reason:
            self._narrate(server, heard, verdict)
            heard.told = verdict
            self._changed(server)
        if verdict.state == "hung" and not heard.helped and self._group is not None:
            heard.helped = True
            helping = self._acting.see_through(server, self._help(kept, heard, verdict))
            self._group.create_task(helping, name=f"help {server}")

    def _look_soon(self, server: str, heard: Heard) -> None:
        """One more look, so that there are two to compare."""

        def again() -> None:
            heard.looking = None
            if heard.process and heard is self._heard.get(server):
                heard.pulse.looked(look(heard.process.pid, self._clock.monotonic()))
                self._consider(server, heard)

        if heard.looking is None:
            heard.looking = asyncio.get_running_loop().call_later(SHORTEST * 1.1, again)

    async def _help(self, kept: KeptServer, heard: Heard, verdict: Verdict) -> None:
        process = heard.process
        try:
            if not heard.acts:
                await self._acting.look(kept, f"it {verdict.text}")
                return

            def sure() -> bool:
                now = heard.pulse.verdict(
                    self._clock.monotonic(),
                    self._expected(kept.name),
                    seen=_seen(heard),
                )
                return heard.process is process and now.state == "hung"

            await self._acting.restart(kept, lifecycle.Hung(f"it {verdict.text}"), f"it {verdict.text}", sure=sure)
        finally:
            # One that was only told of is looked at once; one that was not helped (paused, asked about, late) may be later.
            if heard.process is process and heard.acts:
                await asyncio.sleep(TICK_SECONDS)
                heard.helped = False

    def _narrate(self, server: str, heard: Heard, verdict: Verdict) -> None:
        before = heard.told.state if heard.told else "fine"
        facts: dict[str, str] = {"reason": verdict.reason}
        text = f"{server} {verdict.text}"
        if verdict.state == "hung":
            severity: Severity = "critical" if heard.acts else "warning"
            text = f"{server} hangs: it {verdict.text}" + ("" if heard.acts else "; it is only told of, not restarted")
            self._acting.tell(EventKind.SERVER_HUNG, server, text, severity, facts)
        elif verdict.state == "busy":
            self._acting.tell(EventKind.SERVER_BUSY, server, f"{server} is busy: it {verdict.text}", "warning", facts)
        elif before != "fine":
            self._acting.tell(EventKind.SERVER_LIVES, server, f"{server} is well again: it {verdict.text}", facts=facts)


def _seen(heard: Heard) -> bool:
    """Whether anybody can tell what its threads do."""
    return SEES_THREADS and heard.process is not None and heard.process.pid > 0
