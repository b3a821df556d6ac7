"""Everything that is done about servers beyond keeping their processes: one object for the agent to hold, joined here.

`hearing` (signs of life), `upkeep` (pauses, schedules, limits), `acting` (what is done by itself), `orders` (what others
ask for) and the archive of evidence. Whoever runs an agent makes one beside its `Supervisor`, which asks it a few things back.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from pathlib import Path

import msgspec

from watchkeeper.clock import Clock
from watchkeeper.control.acting import Acting
from watchkeeper.control.archive import Archive, EvidenceSettings
from watchkeeper.control.enduring import endure
from watchkeeper.control.hearing import Hearing
from watchkeeper.control.holding import Holding
from watchkeeper.control.logbudget import LogsSettings
from watchkeeper.control.orders import Orders
from watchkeeper.control.permission import ControlSettings
from watchkeeper.control.remembered import Memory
from watchkeeper.control.server import KeptServer
from watchkeeper.control.settings import AnyServer
from watchkeeper.control.supervisor import Supervisor
from watchkeeper.control.upkeep import Upkeep
from watchkeeper.model import Action, Event, EventKind, Outcome, ServerState, ServerStatus

logger = logging.getLogger(__name__)

PART_BYTES = 256 << 10
"""Evidence travels in parts of this size: well below what one packet may hold."""


class Watch:
    """The servers of one machine, watched."""

    def __init__(
        self,
        servers: Mapping[str, AnyServer],
        folder: Path,
        clock: Clock,
        *,
        emit: Callable[[Event], None],
        changed: Callable[[str], None],
        ready: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """As `Supervisor`, which is made here; nothing is watched before `replace`. Raises what it raises."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._ready = ready
        self._key = _key(folder / "notify-key")
        self._report = changed
        memory = Memory(folder)
        self.archive = Archive(folder / "evidence", EvidenceSettings().space)
        self.acting = Acting(self.archive, memory, clock, emit, changed)
        self.upkeep = Upkeep(self._kept, self.acting, memory, clock, changed)
        self.hearing = Hearing(
            self._kept, self.acting, clock, changed=self._heard, expected=self.upkeep.expected, name=self._socket_name
        )
        self.supervisor = Supervisor(
            servers,
            folder,
            clock,
            emit=emit,
            changed=self._changed,
            ready=self.is_ready,
            environment=self.hearing.environment,
            before_kill=self._before_kill,
            paused=self.upkeep.paused,
        )
        self.orders = Orders(self.supervisor, self.upkeep, self.acting, Holding(folder), clock)

    def replace(
        self,
        servers: Mapping[str, AnyServer],
        *,
        control: ControlSettings | None = None,
        evidence: EvidenceSettings | None = None,
        logs: LogsSettings | None = None,
        marked: Mapping[str, Iterable[str]] | None = None,
        asked: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        """Watch these. By server, the names of its probes: those `marked` for liveness, and all that are `asked`."""
        self.archive.space = (evidence or EvidenceSettings()).space
        self.supervisor.logging.settings = logs or LogsSettings()
        self.orders.replace(control or ControlSettings(), servers)
        self.upkeep.replace(servers)
        self.hearing.replace(servers, marked or {}, asked or {})

    async def run(self) -> None:
        """Keep and watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.supervisor.run(), name="supervisor")
            group.create_task(endure("hearing signs of life", self.hearing.run, self._broke), name="signs of life")
            group.create_task(endure("upkeep", self.upkeep.run, self._broke), name="upkeep")

    async def order(self, action: Action) -> Outcome:
        """See `orders.Orders.order`."""
        return await self.orders.order(action)

    def is_ready(self, server: str) -> bool:
        """Whether those after it may start."""
        return self.hearing.is_ready(server) and self._ready(server)

    def annotate(self, status: ServerStatus) -> ServerStatus:
        """A status with all that is known here."""
        verdict, says = self.hearing.told(status.name)
        runs = status.state is ServerState.RUNNING and verdict is not None
        pause = self.upkeep.pause_of(status.name)
        return msgspec.structs.replace(
            status,
            liveness=verdict.state if runs and verdict else "",
            liveness_why=verdict.text if runs and verdict and verdict.state != "fine" else "",
            says=says,
            paused_until=0 if pause is None else pause.until or -1,
            paused_why=self.upkeep.paused(status.name),
            asks=self.acting.asks.get(status.name, ""),
            restart_at=self.upkeep.restart_at(status.name),
            allowed=self.orders.allowed(status.name),
        )

    async def evidence(self, identity: str) -> AsyncGenerator[bytes, None]:
        """One piece of evidence in parts; raises Refused (``no-evidence``) on the first step."""
        content = await asyncio.to_thread(self.archive.read, identity)
        for start in range(0, len(content), PART_BYTES):
            yield content[start : start + PART_BYTES]

    def close(self) -> None:
        """Give files and sockets back; what runs goes on."""
        self.hearing.close()
        self.supervisor.close()

    def _kept(self, name: str) -> KeptServer | None:
        return self.supervisor.kept(name)

    def _changed(self, server: str) -> None:
        self.hearing.changed(server)
        self._report(server)

    def _heard(self, server: str) -> None:
        self._report(server)
        self.supervisor.see_ready()

    def _broke(self, why: str) -> None:
        text = f"looking after servers broke, and is begun again: {why}"
        self.acting.tell(EventKind.SERVER_WARNED, "", text, "critical")

    async def _before_kill(self, server: KeptServer) -> None:
        await self.acting.look(server, f"{server.name} was asked to end and has not within its grace: {server.life.reason}")

    def _socket_name(self, server: str) -> str:
        return f"watchkeeper/{self._key}/{server}"


def _key(path: Path) -> str:
    """What makes our sockets' names ours: made once, and the same for every agent that works here."""
    try:
        if len(key := path.read_text(encoding="ascii").strip()) == 16:
            return key
    except (OSError, UnicodeDecodeError):
        pass
    key = os.urandom(8).hex()
    try:
        path.write_text(key + "\n", encoding="ascii")
        path.chmod(0o600)
    except OSError as fault:
        logger.warning("%s cannot be written (%s): servers that run on past this agent will not be heard", path, fault.strerror)
    return key
