"""All servers' output, looked at together: rotated, held within its total budget, and told of when one floods it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from watchkeeper.clock import Clock, milliseconds
from watchkeeper.control.flood import Flow, flow
from watchkeeper.control.foreignlog import ForeignLog
from watchkeeper.control.logbudget import LogsSettings, choose, rotated
from watchkeeper.control.server import KeptServer
from watchkeeper.model import Event, EventKind, Severity, new_id

logger = logging.getLogger(__name__)

TRIM_SECONDS = 60.0
"""How often the budget is looked at though nothing was rotated: files grow old."""


class Logging:
    """The logs of one machine's servers."""

    def __init__(self, folder: Path, clock: Clock, emit: Callable[[Event], None]) -> None:
        """`settings` may be set anew at any time."""
        self.settings = LogsSettings()
        self._folder = folder
        self._clock = clock
        self._emit = emit
        self._flows: dict[str, Flow] = {}
        self._trim_due = 0.0
        self._trimmed_by: LogsSettings | None = None

    async def look(self, servers: Mapping[str, KeptServer]) -> None:
        """Rotate what has grown, give up what is beyond the budget, tell floods."""
        rotated = False
        for server in list(servers.values()):
            if server.log.has_grown:
                rotated |= await asyncio.to_thread(server.log.rotate_if_needed)  # a copy of many megabytes takes a while
        now = self._clock.monotonic()
        if rotated or now >= self._trim_due or self.settings is not self._trimmed_by:
            self._trim_due, self._trimmed_by = now + TRIM_SECONDS, self.settings
            await asyncio.to_thread(self._trim)
        for name in self._flows.keys() - servers.keys():
            del self._flows[name]
        for name, server in servers.items():
            if not isinstance(server.log, ForeignLog):
                self._weigh(name, server.log.end, float(server.settings.log.flood))

    def written(self) -> dict[str, int]:
        """Bytes that each server has written, as last seen."""
        return {name: found.written for name, found in self._flows.items()}

    def _weigh(self, name: str, written: int, most: float) -> None:
        before = self._flows.get(name)
        now = self._flows[name] = flow(before, written, most, self._clock.monotonic())
        if now.told == (before is not None and before.told):
            return
        per_second = f"{now.rate / (1 << 20):.1f} MiB a second"
        if now.told:
            self._tell(EventKind.LOG_FLOODED, name, f"{name} floods its log: {per_second} for half a minute", "warning")
        else:
            self._tell(EventKind.LOG_CALM, name, f"{name} has been calm for a minute: {per_second} to its log", "info")

    def _trim(self) -> None:
        """Remove what is beyond the budget; blocks. No rotation is under way: they are made one after the other by `look`."""
        try:
            found = rotated(self._folder)
            for one in choose(found, self.settings.space, float(self.settings.age), self._clock.wall()):
                one.path.unlink(missing_ok=True)
        except OSError as fault:
            logger.error("old logs cannot be removed: %s", fault.strerror)  # noqa: TRY400  # the disk's fault, not ours

    def _tell(self, kind: EventKind, server: str, text: str, severity: Severity) -> None:
        at = milliseconds(self._clock.wall())
        self._emit(Event(new_id(at), at, kind, text, server=server, severity=severity))
