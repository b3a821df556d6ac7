"""How servers, link and spool stand, as figures: readers of the agent's rounds about the agent's own trade."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from watchkeeper.collect.process import ProcessReader, Supervised
from watchkeeper.failing import FAMILIES, figures, is_failing
from watchkeeper.lost import Lost
from watchkeeper.model import Family, Machine, Series, ServerStatus
from watchkeeper.wire.spool import Spool
from watchkeeper.wire.uplink import Uplink

SERVER_FAMILIES = FAMILIES
LOG_FAMILIES = (
    Family(
        "watchkeeper_server_log_bytes_total", "counter", "Bytes that the server has written to its log since the agent's start."
    ),
)
BUILD_FAMILIES = (
    Family("watchkeeper_server_build_info", "info", "Which build, configuration and machine the server is, as digests; 1."),
)
BUILD_SECONDS = 30.0
LINK_FAMILIES = (
    Family("watchkeeper_agent_link_up", "gauge", "Whether the agent is connected to its hub."),
    Family("watchkeeper_agent_connections_total", "counter", "Connections to the hub since the agent's start."),
    Family("watchkeeper_agent_spool_records", "gauge", "Frames and events that the hub has not acknowledged yet."),
    Family("watchkeeper_agent_spool_bytes", "gauge", "What these take on the agent's disk."),
    Family("watchkeeper_agent_spool_dropped_total", "counter", "Records given up because the spool was full."),
    Family("watchkeeper_agent_hub_unreachable", "gauge", "Whether the hub was away for longer than `[agent.lost] after`."),
)


class ServerFigures:
    """A reader of how each server stands."""

    def __init__(self, statuses: Callable[[], tuple[ServerStatus, ...]]) -> None:
        self.series: tuple[Series, ...] = ()
        self._statuses = statuses
        self._names: list[str] = []
        self._before: dict[str, ServerStatus] = {}
        self._failing: dict[str, bool] = {}

    def read(self) -> list[float]:
        """See `seams.Reader`."""
        statuses = self._statuses()
        names = [status.name for status in statuses]
        if names != self._names:
            self._names = names
            self.series = tuple(Series(family.name, (("server", name),)) for name in names for family in SERVER_FAMILIES)
        values: list[float] = []
        for status in statuses:
            failing = is_failing(self._before.get(status.name), self._failing.get(status.name, False), status)
            self._before[status.name], self._failing[status.name] = status, failing
            values += figures(status, failing=failing)
        return values

    def close(self) -> None:
        """See `seams.Reader`."""


class LogFigures:
    """A reader of how much servers write to their logs."""

    def __init__(self, written: Callable[[], Mapping[str, int]]) -> None:
        """`written()`: bytes by server."""
        self.series: tuple[Series, ...] = ()
        self._written = written
        self._names: tuple[str, ...] = ()

    def read(self) -> list[float]:
        """See `seams.Reader`."""
        found = self._written()
        if (names := tuple(found)) != self._names:
            self._names = names
            self.series = tuple(Series(family.name, (("server", name),)) for name in names for family in LOG_FAMILIES)
        return [float(count) for count in found.values()]

    def close(self) -> None:
        """See `seams.Reader`."""


class Subject(NamedTuple):
    """What a server is made of: the files that its command names, and its table of the configuration as text."""

    files: tuple[Path, ...]
    config: str


class BuildFigures:
    """A reader of which build, configuration and machine each server is: what was measured of one holds for these alone.

    A file is told apart by path, size and time of change: reading hundreds of megabytes for it would cost more than a
    needless "measure again" does.
    """

    def __init__(self, subjects: Callable[[], Mapping[str, Subject]], machine: Callable[[], Machine]) -> None:
        self.series: tuple[Series, ...] = ()
        self._subjects = subjects
        self._machine = machine
        self._due = 0.0
        self._told: list[tuple[tuple[str, str], ...]] = []

    def read(self) -> list[float]:
        """See `seams.Reader`."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + BUILD_SECONDS
            told = [self._labels(name, subject) for name, subject in self._subjects().items()]
            if told != self._told:
                self._told = told
                self.series = tuple(Series(BUILD_FAMILIES[0].name, labels) for labels in told)
        return [1.0] * len(self.series)

    def close(self) -> None:
        """See `seams.Reader`."""

    def _labels(self, name: str, subject: Subject) -> tuple[tuple[str, str], ...]:
        machine = self._machine()
        host = _digest(machine.os, machine.kernel, machine.architecture, str(machine.cpus), str(machine.memory_bytes >> 28))
        build = _digest(*(_seen(path) for path in subject.files))
        return (("build", build), ("config", _digest(subject.config)), ("host", host), ("server", name))


def _seen(path: Path) -> str:
    try:
        found = path.stat()
    except OSError:
        return f"{path} -"
    return f"{path} {found.st_size} {found.st_mtime_ns}"


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=6).hexdigest()


class Weighed:
    """The reader of what servers use, with an ear for whoever holds that against their limits."""

    def __init__(
        self,
        reader: ProcessReader,
        weigh: Callable[[str, Mapping[str, float], int], None],
        supervised: Callable[[], Sequence[Supervised]],
    ) -> None:
        """`weigh(server, figures by metric, pid)` is called at each read, for each server that has a process."""
        self.series = reader.series
        self._reader = reader
        self._weigh = weigh
        self._supervised = supervised

    def read(self) -> Sequence[float]:
        """See `seams.Reader`."""
        values = self._reader.read()
        self.series = self._reader.series
        pids = {one.server: one.pid for one in self._supervised()}
        found: dict[str, dict[str, float]] = {}
        for series, value in zip(self.series, values, strict=True):
            found.setdefault(series.labels[0][1], {})[series.name] = value
        for server, known in found.items():
            if server in pids:
                self._weigh(server, known, pids[server])
        return values

    def close(self) -> None:
        """See `seams.Reader`."""
        self._reader.close()


class LinkFigures:
    """A reader of how the link and the spool do."""

    def __init__(self, uplink: Uplink, spool: Spool, lost: Lost) -> None:
        self.series = tuple(Series(family.name) for family in LINK_FAMILIES)
        self._uplink = uplink
        self._spool = spool
        self._lost = lost

    def read(self) -> list[float]:
        """See `seams.Reader`."""
        spool = self._spool.statistics()
        link = (float(self._uplink.connected), float(self._uplink.connections))
        return [*link, float(spool.pending), float(spool.disk_bytes), float(spool.dropped), float(self._lost.unreachable)]

    def close(self) -> None:
        """See `seams.Reader`."""
