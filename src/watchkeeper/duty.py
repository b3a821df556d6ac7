"""An agent's parts, joined: what is read, asked, kept alive and said, and the duty that the hub's orders go to.

`agent` makes one and runs its tasks. The configuration is an immutable value; a reload hands over a
new one, and one that cannot be used changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.clock import Clock, milliseconds
from watchkeeper.collect import leaves, periods, tasks
from watchkeeper.collect.itself import FAMILIES as ITSELF_FAMILIES
from watchkeeper.collect.itself import Itself
from watchkeeper.collect.process import ProcessReader, Supervised
from watchkeeper.collect.rounds import Rounds
from watchkeeper.collect.scraping import Scraping, Source
from watchkeeper.config import Document
from watchkeeper.control.watch import Watch
from watchkeeper.control.workers import carry
from watchkeeper.errors import ConfigError, Failed
from watchkeeper.introduce import introduce, machine_name
from watchkeeper.lost import Lost
from watchkeeper.model import (
    Action,
    Dictionary,
    Event,
    EventKind,
    Frame,
    Health,
    Machine,
    Outcome,
    ServerState,
    ServerStatus,
    Severity,
    new_id,
)
from watchkeeper.probe.probing import Asking, Probing, name_probes
from watchkeeper.standing import (
    BUILD_FAMILIES,
    LINK_FAMILIES,
    LOG_FAMILIES,
    SERVER_FAMILIES,
    BuildFigures,
    LinkFigures,
    LogFigures,
    ServerFigures,
    Subject,
    Weighed,
)
from watchkeeper.watched import Settings, is_handed_over, loadable, nats_of, read_settings, subject_of
from watchkeeper.wire.spool import Spool
from watchkeeper.wire.uplink import Uplink

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 2.0
"""How long a stopping agent waits for the hub to take what it has still to say."""


class Agent:
    """The parts, joined; also the `Duty` that the hub's orders go to."""

    def __init__(self, settings: Settings, data: Path, clock: Clock) -> None:
        """Put the parts together; nothing runs yet. Raises Refused when another agent works in `data`."""
        self.settings = settings
        self._data = data
        self._clock = clock
        self._started_at = milliseconds(clock.wall())
        self._leaving = False
        self._starts: dict[str, int] = {}
        self._name = settings.machine.name or machine_name()
        self.probing = Probing(
            clock,
            data / "agent" / "probe",
            wanted=self._is_awake,
            changed=self._probed,
            emit=self.tell,
            answered=self._answered,
        )
        self.scraping = Scraping(clock, self._is_awake)
        self.watch = Watch(settings.server, data / "agent", clock, emit=self.tell, changed=self._changed, ready=self._is_ready)
        self.supervisor = self.watch.supervisor
        self.spool = Spool(data / "agent" / "spool", settings.agent.spool)
        self.uplink = Uplink(self._hub_address, self._hub_token, self._introduce, self.spool, self, clock)
        self.lost = Lost(lambda: self._name, lambda: self.uplink.connected, clock)
        self.rounds = Rounds(clock, self._take)
        self.processes = ProcessReader(tasks(), self._servers, self._processes)
        self.itself = Itself()
        self.rounds.add("process", Weighed(self.processes, self.watch.upkeep.weigh, self._processes), self.processes.families)
        self.rounds.add("log", LogFigures(self.supervisor.logging.written), lambda: LOG_FAMILIES)
        self.rounds.add("server", ServerFigures(self.statuses), lambda: SERVER_FAMILIES)
        self.rounds.add("build", BuildFigures(self._subjects, self._introduce), lambda: BUILD_FAMILIES)
        self.rounds.add("probe", self.probing, self.probing.families)
        self.rounds.add("openmetrics", self.scraping, self.scraping.families)
        self.rounds.add("agent", self.itself, lambda: ITSELF_FAMILIES)
        self.rounds.add("link", LinkFigures(self.uplink, self.spool, self.lost), lambda: LINK_FAMILIES)
        self._apply()

    # -- the duty: what the hub asks ----------------------------------------------------------------

    async def order(self, action: Action) -> Outcome:
        """See `wire.uplink.Duty`."""
        return await self.watch.order(action)

    def logs(self, server: str, lines: int, *, follow: bool) -> AsyncGenerator[tuple[str, ...], None]:
        """See `wire.uplink.Duty`."""
        return self.supervisor.logs(server, lines, follow=follow)

    def statuses(self) -> tuple[ServerStatus, ...]:
        """See `wire.uplink.Duty`; with the probes' word on each server's health."""
        return tuple(self._with_health(status) for status in self.supervisor.statuses())

    def evidence(self, identity: str) -> AsyncGenerator[bytes, None]:
        """See `wire.uplink.Duty`."""
        return self.watch.evidence(identity)

    async def carry(
        self, count: int, told: asyncio.Queue[tuple[int, bytes]], say: Callable[[int, bytes], Awaitable[None]]
    ) -> None:
        """See `wire.uplink.Duty`."""
        await carry(count, told, say, allowed=self.settings.agent.load, nats=lambda: nats_of(self.settings.agent))

    # -- changes ------------------------------------------------------------------------------------

    def tell(self, event: Event) -> None:
        """Send an event on its way."""
        self.uplink.record(msgspec.structs.replace(event, machine=self._name))

    def happen(self, kind: EventKind, text: str, severity: Severity = "info") -> None:
        """An event of the agent's own."""
        at = milliseconds(self._clock.wall())
        self.tell(Event(new_id(at), at, kind, text, severity=severity))

    def reload(self, read_document: Callable[[], Document]) -> None:
        """Take a changed configuration; one that cannot be used is told, and the present one stays."""
        try:
            settings = read_settings(read_document())
        except ConfigError as fault:
            logger.error("the configuration was not taken, the present one stays: %s", fault)  # noqa: TRY400  # the operator's to mend
            self.happen(EventKind.CONFIG_REJECTED, f"the changed configuration cannot be used: {fault}", "warning")
            return
        self.settings = settings
        self.supervisor.reload(settings.server)
        self._apply()
        logger.info("the configuration was read again")
        self.happen(EventKind.CONFIG_RELOADED, "the configuration was read again")

    def leave(self, stop: asyncio.Event) -> None:
        """Whoever kept this agent has died: end, but do not touch the servers for it; the next agent takes them over."""
        self._leaving = True
        stop.set()

    async def stop(self) -> None:
        """Stop the servers, if that is wanted, and let the hub hear of it."""
        leaving = self._leaving or is_handed_over(self._data, self._clock.wall())
        if self.settings.agent.on_stop == "stop" and not leaving:
            await self.supervisor.stop_all()
        self.happen(EventKind.AGENT_STOPPED, f"{self._name}'s agent stops")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_SECONDS if self.uplink.connected else 0):
                while self.spool.pending:  # noqa: ASYNC110  # for two seconds at the end, once
                    await asyncio.sleep(0.02)

    def close(self) -> None:
        """Give files and folders back."""
        self.rounds.close()
        self.processes.close()
        self.itself.close()
        self.spool.close()
        self.watch.close()

    # -- leaves -------------------------------------------------------------------------------------

    def _apply(self) -> None:
        """Ask and read what the settings say."""
        settings = self.settings
        self.lost.settings = settings.agent.lost
        period = float(settings.agent.period)
        self.rounds.open(leaves(settings.collect), periods(settings.collect), period, Path("/"))
        askings = [asking for name, server in settings.server.items() for asking in name_probes(name, server.probe, period)]
        for name, leaf in settings.probe.items():
            askings += name_probes("", [msgspec.structs.replace(leaf, name=leaf.name or name)], period)
        self.probing.replace(askings)
        self.watch.replace(
            settings.server,
            control=settings.agent.control,
            evidence=settings.agent.evidence,
            logs=settings.agent.logs,
            marked=_names(asking for asking in askings if asking.leaf.liveness),
            asked=_names(askings),
        )
        self.scraping.replace(
            Source(name, leaf.name or f"{leaf_number}", leaf, float(leaf.period or period))
            for name, server in settings.server.items()
            for leaf_number, leaf in enumerate(server.metrics, 1)
        )

    def _take(self, layout: Dictionary | None, frame: Frame) -> None:
        if layout is not None:
            self.spool.keep_layout(layout)
        self.uplink.record(frame)

    def _changed(self, server: str) -> None:
        if status := self.supervisor.status(server):
            if status.started_at and status.started_at != self._starts.get(server, status.started_at):
                self.probing.renew(server)
            self._starts[server] = status.started_at or self._starts.get(server, 0)
            self.uplink.status(self._with_health(status))

    def _probed(self, server: str, _health: Health, _why: str) -> None:
        if server:
            self._changed(server)
            self.supervisor.see_ready()

    def _answered(self, server: str, probe: str, ok: bool, why: str) -> None:  # noqa: FBT001  # as the frame of the probes tells it
        self.watch.hearing.probed(server, probe, ok, why)

    def _with_health(self, status: ServerStatus) -> ServerStatus:
        """A server that runs is as its probes say, or up if it has none; one that is being started is not known yet."""
        health: Health = "down"
        reason = status.reason
        if unseen := self.supervisor.unseen(status.name):
            unknown = msgspec.structs.replace(status, health="unknown", reason=f"nobody knows how it stands: {unseen}")
            return self.watch.annotate(unknown)
        match status.state:
            case ServerState.RUNNING if self._has_probes(status.name):
                health, why = self.probing.health(status.name)
                reason = why if health == "down" else reason
            case ServerState.RUNNING:
                health = "up"
            case ServerState.STARTING | ServerState.WAITING:
                health = "unknown"
        probes = self.probing.results(status.name)
        settings = self.settings.server.get(status.name)
        stress = loadable(settings) if settings else ()
        return self.watch.annotate(msgspec.structs.replace(status, health=health, reason=reason, probes=probes, stress=stress))

    def _has_probes(self, server: str) -> bool:
        settings = self.settings.server.get(server)
        return bool(settings and settings.probe)

    def _is_ready(self, server: str) -> bool:
        return not self._has_probes(server) or self.probing.health(server)[0] == "up"

    def _is_awake(self, server: str) -> bool:
        return not server or self.supervisor.state(server) in {ServerState.RUNNING, ServerState.STARTING}

    def _subjects(self) -> dict[str, Subject]:
        return {name: Subject(*subject_of(server)) for name, server in self.settings.server.items()}

    def _servers(self) -> Sequence[str]:
        return tuple(self.settings.server)

    def _processes(self) -> list[Supervised]:
        return [Supervised(*one) for one in self.supervisor.supervised()]

    def _introduce(self) -> Machine:
        return introduce(self._name, self._started_at)

    def _hub_address(self) -> str:
        """Where the hub's link is now; the hub on this machine says so in a file."""
        if self.settings.agent.hub:
            return link_address(self.settings.agent.hub)
        try:
            return link_address(msgspec.json.decode((self._data / "hub.json").read_bytes(), type=dict[str, Any])["url"])
        except (OSError, msgspec.MsgspecError, KeyError):
            raise Failed(f"no hub runs on this machine with the data folder {self._data}") from None

    def _hub_token(self) -> str:
        if self.settings.agent.token is not None:
            return self.settings.agent.token.reveal()
        try:
            return (self._data / "link-token").read_text(encoding="ascii").strip()
        except OSError as fault:
            raise Failed(f"the token for the hub on this machine cannot be read: {fault.strerror}") from None


def _names(askings: Iterable[Asking]) -> dict[str, list[str]]:
    """The names of these probes, by server."""
    found: dict[str, list[str]] = {}
    for asking in askings:
        if asking.server:
            found.setdefault(asking.server, []).append(asking.name)
    return found


def link_address(hub: str) -> str:
    """Where agents dial at a hub's address: ``https://hub.example/`` is ``wss://hub.example/link``."""
    return f"ws{hub.removeprefix('http').rstrip('/')}/link"
