"""The agent: what runs on a watched machine. One straight page, read from `serve` down.

Rounds read figures, probes and pages are asked, servers are kept alive; all of it goes through the
spool to the hub, whose orders come back the same way. The agent works as well without a hub: nothing
here waits for one. It loads no store, query, journal or web room, and no numpy: it shares its machine
with the servers that it is there for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import signal
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from watchkeeper.clock import Clock, SystemClock, milliseconds
from watchkeeper.collect import CollectSettings, leaves
from watchkeeper.collect.itself import FAMILIES as ITSELF_FAMILIES
from watchkeeper.collect.itself import Itself
from watchkeeper.collect.openmetrics import OpenMetrics
from watchkeeper.collect.process import ProcessReader, Supervised
from watchkeeper.collect.rounds import Rounds
from watchkeeper.collect.scraping import Scraping, Source
from watchkeeper.config import NAME, Document, Part
from watchkeeper.control import ServerSettings
from watchkeeper.control.supervisor import Supervisor
from watchkeeper.errors import ConfigError, Failed
from watchkeeper.introduce import introduce, machine_name
from watchkeeper.model import (
    Action,
    Dictionary,
    Event,
    EventKind,
    Family,
    Frame,
    Health,
    Machine,
    Outcome,
    Series,
    ServerState,
    ServerStatus,
    Severity,
    new_id,
)
from watchkeeper.probe import Leaf
from watchkeeper.probe.probing import Probing, name_probes
from watchkeeper.quantities import Duration, Secret, Size
from watchkeeper.wire.spool import Spool
from watchkeeper.wire.uplink import Uplink

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 2.0
"""How long a stopping agent waits for the hub to take what it has still to say."""

FAMILIES = (
    Family("watchkeeper_server_up", "gauge", "Whether the server is up (1) or down (0); no value: not known."),
    Family("watchkeeper_server_restarts_total", "counter", "Unexpected ends of the server since the agent's start."),
)
LINK_FAMILIES = (
    Family("watchkeeper_agent_link_up", "gauge", "Whether the agent is connected to its hub."),
    Family("watchkeeper_agent_connections_total", "counter", "Connections to the hub since the agent's start."),
    Family("watchkeeper_agent_spool_records", "gauge", "Frames and events that the hub has not acknowledged yet."),
    Family("watchkeeper_agent_spool_bytes", "gauge", "What these take on the agent's disk."),
    Family("watchkeeper_agent_spool_dropped_total", "counter", "Records given up because the spool was full."),
)


class MachineSettings(Part, frozen=True, kw_only=True):
    """``[machine]``: `name` is what this machine is called everywhere; left out, its host name."""

    name: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be a label, a file name and a part of an address."""
        if self.name and not NAME.fullmatch(self.name):
            raise ValueError("name: expected 1 to 63 letters, digits, dots, dashes or underscores")


class AgentSettings(Part, frozen=True, kw_only=True):
    """``[agent]``: how often it reads (`period`), where its hub is, and what becomes of the servers when it stops.

    Without `hub` (``https://…``) it talks to the hub on this machine, with that one's own token; another
    hub needs a `token`. `on_stop` is ``stop`` or ``leave`` (the servers go on and are taken over by the next
    agent). `spool` bounds what waits on the disk while the hub is away.
    """

    period: Duration = Duration(5)
    hub: str = ""
    token: Secret | None = None
    on_stop: Literal["stop", "leave"] = "stop"
    spool: Size = Size(64 << 20)

    def __post_init__(self) -> None:
        """Refuse what could never work."""
        if not 0.1 <= self.period <= 3600:
            raise ValueError("period: expected 100ms to 1h")
        if self.hub and not self.hub.startswith(("http://", "https://")):
            raise ValueError(f"hub: expected an http:// or https:// address, got {self.hub!r}")
        if self.hub and self.token is None:
            raise ValueError('token: another hub wants one: { file = "path" } or { env = "NAME" }')


class WatchedServer(ServerSettings, frozen=True, kw_only=True):
    """``[server.NAME]``: how one server is run, asked whether it answers (`probe`) and read (`metrics`).

    `command` is program and arguments, run in `folder` with `environment` added to the agent's own. It starts
    with the agent if `autostart`, once those in `after` are ready, and again by `restart` (always, on-failure,
    never) when it ends by itself. A stop is SIGTERM to its whole group, and SIGKILL after `stop_grace`.
    """

    probe: tuple[Leaf, ...] = ()
    metrics: tuple[OpenMetrics, ...] = ()


SECTIONS: dict[str, Any] = {
    "machine": MachineSettings,
    "agent": AgentSettings,
    "collect": CollectSettings,
    "server": dict[str, WatchedServer],
    "probe": dict[str, Leaf],
}
"""Each top-level table of the agent's and its type."""


class Settings(msgspec.Struct, frozen=True):
    """All tables that the agent owns."""

    machine: MachineSettings
    agent: AgentSettings
    collect: CollectSettings
    server: dict[str, WatchedServer]
    probe: dict[str, Leaf]


def read_settings(document: Document) -> Settings:
    """The agent's part of a configuration, relative folders made whole; raises ConfigError."""
    from watchkeeper.control.order import levels  # noqa: PLC0415  # checked here as well, where no process runs

    servers = {
        name: msgspec.structs.replace(server, folder=document.folder / (server.folder or ""))
        for name, server in document.named("server", WatchedServer).items()
    }
    levels({name: server.after for name, server in servers.items()})
    return Settings(
        document.part("machine", MachineSettings),
        document.part("agent", AgentSettings),
        document.part("collect", CollectSettings),
        servers,
        document.named("probe", Leaf),
    )


class Agent:
    """The parts, joined; also the `Duty` that the hub's orders go to."""

    def __init__(self, settings: Settings, data: Path, clock: Clock) -> None:
        """Put the parts together; nothing runs yet. Raises Refused when another agent works in `data`."""
        self.settings = settings
        self._data = data
        self._clock = clock
        self._started_at = milliseconds(clock.wall())
        self._name = settings.machine.name or machine_name()
        self.probing = Probing(clock, wanted=self._is_awake, changed=self._probed, emit=self.tell)
        self.scraping = Scraping(clock, self._is_awake)
        self.supervisor = Supervisor(
            settings.server, data / "agent", clock, emit=self.tell, changed=self._changed, ready=self._is_ready
        )
        self.spool = Spool(data / "agent" / "spool", settings.agent.spool)
        self.uplink = Uplink(self._hub_address, self._hub_token, self._introduce, self.spool, self, clock)
        self.rounds = Rounds(clock, self._take)
        self.processes = ProcessReader(Path("/"), self._servers, self._processes)
        self.itself = Itself()
        self.rounds.add("process", self.processes, self.processes.families)
        self.rounds.add("server", _ServerFigures(self.statuses), lambda: FAMILIES)
        self.rounds.add("probe", self.probing, self.probing.families)
        self.rounds.add("openmetrics", self.scraping, self.scraping.families)
        self.rounds.add("agent", self.itself, lambda: ITSELF_FAMILIES)
        self.rounds.add("link", _LinkFigures(self.uplink, self.spool), lambda: LINK_FAMILIES)
        self._apply()

    # -- the duty: what the hub asks ----------------------------------------------------------------

    async def order(self, action: Action) -> Outcome:
        """See `wire.uplink.Duty`."""
        return await self.supervisor.order(action)

    def logs(self, server: str, lines: int, *, follow: bool) -> AsyncGenerator[tuple[str, ...], None]:
        """See `wire.uplink.Duty`."""
        return self.supervisor.logs(server, lines, follow=follow)

    def statuses(self) -> tuple[ServerStatus, ...]:
        """See `wire.uplink.Duty`; with the probes' word on each server's health."""
        return tuple(self._with_health(status) for status in self.supervisor.statuses())

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

    async def stop(self) -> None:
        """Stop the servers, if that is wanted, and let the hub hear of it."""
        if self.settings.agent.on_stop == "stop":
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
        self.supervisor.close()

    # -- leaves -------------------------------------------------------------------------------------

    def _apply(self) -> None:
        """Ask and read what the settings say."""
        settings = self.settings
        period = float(settings.agent.period)
        collectors = leaves(settings.collect)
        periods = {name: float(leaf.period) for name, leaf in collectors.items() if leaf.period}
        self.rounds.open(collectors, periods, period, Path("/"))
        askings = [asking for name, server in settings.server.items() for asking in name_probes(name, server.probe, period)]
        for name, leaf in settings.probe.items():
            askings += name_probes("", [msgspec.structs.replace(leaf, name=leaf.name or name)], period)
        self.probing.replace(askings)
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
            self.uplink.status(self._with_health(status))

    def _probed(self, server: str, _health: Health, _why: str) -> None:
        if server:
            self._changed(server)
            self.supervisor.see_ready()

    def _with_health(self, status: ServerStatus) -> ServerStatus:
        """A server that runs is as its probes say, or up if it has none; one that is being started is not known yet."""
        health: Health = "down"
        reason = status.reason
        match status.state:
            case ServerState.RUNNING if self._has_probes(status.name):
                health, why = self.probing.health(status.name)
                reason = why if health == "down" else reason
            case ServerState.RUNNING:
                health = "up"
            case ServerState.STARTING | ServerState.WAITING:
                health = "unknown"
        return msgspec.structs.replace(status, health=health, reason=reason, probes=self.probing.results(status.name))

    def _has_probes(self, server: str) -> bool:
        settings = self.settings.server.get(server)
        return bool(settings and settings.probe)

    def _is_ready(self, server: str) -> bool:
        return not self._has_probes(server) or self.probing.health(server)[0] == "up"

    def _is_awake(self, server: str) -> bool:
        return not server or self.supervisor.state(server) in {ServerState.RUNNING, ServerState.STARTING}

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


def link_address(hub: str) -> str:
    """Where agents dial at a hub's address: ``https://hub.example/`` is ``wss://hub.example/link``."""
    return f"ws{hub.removeprefix('http').rstrip('/')}/link"


class _ServerFigures:
    """A reader of how each server stands."""

    def __init__(self, statuses: Callable[[], tuple[ServerStatus, ...]]) -> None:
        self.series: tuple[Series, ...] = ()
        self._statuses = statuses
        self._names: list[str] = []

    def read(self) -> list[float]:
        """See `seams.Reader`."""
        statuses = self._statuses()
        names = [status.name for status in statuses]
        if names != self._names:
            self._names = names
            self.series = tuple(Series(family.name, (("server", name),)) for name in names for family in FAMILIES)
        values: list[float] = []
        for status in statuses:
            values += ({"up": 1.0, "down": 0.0}.get(status.health, math.nan), float(status.restarts))
        return values

    def close(self) -> None:
        """See `seams.Reader`."""


class _LinkFigures:
    """A reader of how the link and the spool do."""

    def __init__(self, uplink: Uplink, spool: Spool) -> None:
        self.series = tuple(Series(family.name) for family in LINK_FAMILIES)
        self._uplink = uplink
        self._spool = spool

    def read(self) -> list[float]:
        """See `seams.Reader`."""
        spool = self._spool.statistics()
        link = (float(self._uplink.connected), float(self._uplink.connections))
        return [*link, float(spool.pending), float(spool.disk_bytes), float(spool.dropped)]

    def close(self) -> None:
        """See `seams.Reader`."""


async def serve(read_document: Callable[[], Document], data: Path) -> None:
    """Run the agent until SIGTERM or SIGINT; SIGHUP reads the configuration again."""
    agent = Agent(read_settings(read_document()), data, SystemClock())
    with contextlib.closing(agent):
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, agent.reload, read_document)
        agent.happen(EventKind.AGENT_STARTED, f"{agent.settings.machine.name or machine_name()}'s agent has started")
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(agent.supervisor.run(), name="supervisor"),
                group.create_task(agent.probing.run(), name="probes"),
                group.create_task(agent.scraping.run(), name="pages"),
                group.create_task(agent.rounds.run(), name="rounds"),
                group.create_task(agent.uplink.run(), name="uplink"),
            ]
            await stop.wait()
            logger.info("stopping")
            await agent.stop()
            for task in tasks:
                task.cancel()


def run(read_document: Callable[[], Document], data: Path) -> None:
    """Run the agent in this process until it is told to stop; raises ConfigError and Refused."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    asyncio.run(serve(read_document, data))
