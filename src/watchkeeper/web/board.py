"""What all pages show now: views of machines and servers with their headline figures, made once for all who look.

Everything is read from the store and the desk and kept for half a second, so fifty open pages cost as much as
one. Figures that are older than a few rounds are not known, never shown as if they were new.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from watchkeeper.clock import milliseconds
from watchkeeper.config import nearest
from watchkeeper.errors import Refused
from watchkeeper.model import Matcher, ProbeResult, Series, ServerStatus
from watchkeeper.web import applications, charts, overview
from watchkeeper.web.desk import Desk, Presence
from watchkeeper.web.panels import PANELS, Panel
from watchkeeper.web.shapes import MachineFigures, MachineView, Point, ServerFigures, ServerView

FRESH_FOR = 500
"""How long a reading serves everyone, in ms."""
SLOW_ROUND = 300
"""The longest round, in seconds, of figures that change slowly (file systems): older ones are not shown."""

TOLD_FOR = 86_400_000
"""For so long, in ms, a server that tells nothing any more keeps the charts of what it has told."""

_NEWEST = (
    "node_memory_MemTotal_bytes",
    "node_memory_MemAvailable_bytes",
    "node_filesystem_avail_bytes",
    "node_filesystem_size_bytes",
    "node_load1",
    "process_proportional_memory_bytes",
    "process_resident_memory_bytes",
    "process_threads",
    "process_open_fds",
    "process_max_fds",
    "watchkeeper_server_processes",
    "probe_success",
    "probe_duration_seconds",
)


class Sample(NamedTuple):
    """The newest value of a series, of `at` (ms)."""

    series: Series
    at: int
    value: float


Newest = dict[tuple[str, str, str], list[Sample]]
"""Fresh samples by machine, server and metric."""


class Reading(NamedTuple):
    """Everything the first screen needs, at one instant (`at`, ms), worst first."""

    at: int
    sentence: str
    wrong: int
    machines: tuple[MachineView, ...]
    servers: tuple[ServerView, ...]


class Board:
    """The views of one desk, shared by all who look."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._reading: Reading | None = None
        self._turn = 0
        self._points: dict[tuple[str, str, str], Point | None] = {}
        self._points_at = 0

    def now(self) -> int:
        """The hub's wall clock, ms."""
        return milliseconds(self._desk.clock.wall())

    def reading(self) -> Reading:
        """The first screen, at most `FRESH_FOR` ms old."""
        now = self.now()
        turn = self._desk.changes.turns
        if self._reading is None or turn != self._turn or not 0 <= now - self._reading.at < FRESH_FOR:
            self._turn = turn
            self._reading = self._read(now)
        return self._reading

    def machine(self, name: str) -> MachineView:
        """One machine; raises `Refused` (``unknown-machine``) with the nearest name."""
        views = {view.machine.name: view for view in self.reading().machines}
        if name not in views:
            raise Refused(f"there is no machine {name!r}{nearest(name, sorted(views))}", code="unknown-machine")
        return views[name]

    def servers(self, machine: str) -> tuple[ServerView, ...]:
        """One machine's servers, worst first; raises `Refused` as `machine` does."""
        self.machine(machine)
        return tuple(view for view in self.reading().servers if view.machine == machine)

    def server(self, machine: str, name: str) -> ServerView:
        """One server; raises `Refused` (``unknown-machine``, ``unknown-server``) with the nearest name."""
        views = {view.status.name: view for view in self.servers(machine)}
        if name not in views:
            known = nearest(name, sorted(views))
            raise Refused(f"there is no server {name!r} on {machine}{known}", code="unknown-server")
        return views[name]

    def period(self, machine: str) -> float:
        """The round of a machine's agent, in seconds."""
        return next((one.period for one in self._desk.machines() if one.machine.name == machine), 5.0)

    def panel(self, name: str) -> Panel | None:
        """The panel of this name, of those that all have or of a server's own figures; None when there is none."""
        return PANELS.get(name) or applications.application_panel(name, self._desk.families())

    def own_panels(self, machine: str, server: str) -> list[Panel]:
        """The charts of what a server tells of itself; raises `Refused` as `server` does."""
        self.server(machine, server)
        now = self.now()
        here = [Matcher("machine", "=", machine), Matcher("server", "=", server)]
        names = {series.name for series, at, _ in self._desk.store.latest(here) if now - at < TOLD_FOR}
        return applications.found(names, self._desk.families())

    def point(self, panel: str, machine: str, server: str) -> Point | None:
        """A panel's newest point, read once for all who want it within `FRESH_FOR` ms."""
        now = self.now()
        if not 0 <= now - self._points_at < FRESH_FOR:
            self._points.clear()
            self._points_at = now
        key = (panel, machine, server)
        if key not in self._points:
            known = self.panel(panel)
            period = self.period(machine)
            self._points[key] = charts.newest(self._desk.store, known, machine, server, now, period) if known else None
        return self._points[key]

    def _read(self, now: int) -> Reading:
        newest = self._newest(now)
        machines: list[MachineView] = []
        servers: list[ServerView] = []
        for presence in self._desk.machines():
            name = presence.machine.name
            health = overview.machine_health(presence, now)
            figures = self._machine_figures(presence, newest, now) if health == "up" else MachineFigures()
            machines.append(
                MachineView(presence.machine, health, presence.connected, presence.seen_at, presence.period, figures)
            )
            for status in self._desk.statuses(name):
                said = overview.server_health(status.health, health)
                shown = self._server_figures(name, status, newest) if health == "up" else ServerFigures()
                probes = tuple(_freshened(probe, name, status.name, newest) for probe in status.probes)
                servers.append(ServerView(name, msgspec.structs.replace(status, probes=probes), said, shown))
        return Reading(
            now,
            overview.sentence(machines, servers),
            overview.wrong_count(machines, servers),
            overview.worst_first_machines(machines),
            overview.worst_first_servers(servers),
        )

    def _newest(self, now: int) -> Newest:
        found: Newest = {}
        for series, at, value in self._desk.store.latest([Matcher("__name__", "=~", "|".join(_NEWEST))]):
            if now - at <= SLOW_ROUND * 1000 and value == value:  # noqa: PLR0124  # NaN is no value
                key = (series.label("machine"), series.label("server"), series.name)
                found.setdefault(key, []).append(Sample(series, at, value))
        return found

    def _machine_figures(self, presence: Presence, newest: Newest, now: int) -> MachineFigures:
        name = presence.machine.name

        def one(metric: str) -> float | None:
            found = newest.get((name, "", metric))
            return found[0].value if found else None

        total, available = one("node_memory_MemTotal_bytes"), one("node_memory_MemAvailable_bytes")
        used = total - available if total is not None and available is not None else None
        cpu = self.point("cpu", name, "")
        network = self.point("network", name, "")
        shares = [share for share in cpu.values.values() if share is not None] if cpu else []
        fullest = _fullest(newest, name)
        boot_at = presence.machine.boot_at
        return MachineFigures(
            cpu_ratio=sum(shares) if shares else None,
            memory_ratio=used / total if used is not None and total else None,
            memory_used_bytes=used,
            memory_total_bytes=total,
            disk_ratio=fullest[0] if fullest else None,
            disk_mountpoint=fullest[1] if fullest else None,
            disk_free_bytes=fullest[2] if fullest else None,
            load1=one("node_load1"),
            network_receive_bytes_per_second=network.values.get("receive") if network else None,
            network_transmit_bytes_per_second=network.values.get("transmit") if network else None,
            uptime_seconds=(now - boot_at) / 1000 if boot_at else None,
        )

    def _server_figures(self, machine: str, status: ServerStatus, newest: Newest) -> ServerFigures:
        if not status.pid:
            return ServerFigures()  # its last figures would be those of a process that is gone

        def one(metric: str) -> float | None:
            found = newest.get((machine, status.name, metric))
            return found[0].value if found else None

        cpu = self.point("server_cpu", machine, status.name)
        proportional = one("process_proportional_memory_bytes")
        return ServerFigures(
            cpu_ratio=cpu.values.get("cpu") if cpu else None,
            memory_bytes=proportional if proportional is not None else one("process_resident_memory_bytes"),
            threads=one("process_threads"),
            open_fds=one("process_open_fds"),
            max_fds=one("process_max_fds"),
            processes=one("watchkeeper_server_processes"),
        )


def _freshened(probe: ProbeResult, machine: str, server: str, newest: Newest) -> ProbeResult:
    """A probe's last attempt as its figures have it: the agent tells of an attempt in words only when the verdict changes."""
    told: dict[str, Sample] = {}
    for metric in ("probe_success", "probe_duration_seconds"):
        for sample in newest.get((machine, server, metric), ()):
            if sample.series.label("probe") == probe.name:
                told[metric] = sample
    if len(told) < 2 or told["probe_success"].at <= probe.at or (told["probe_success"].value == 1) != probe.ok:
        return probe
    took = told["probe_duration_seconds"]
    return msgspec.structs.replace(probe, at=took.at, duration=took.value)


def _fullest(newest: Newest, machine: str) -> tuple[float, str, float] | None:
    """The fullest file system: how full, where, and the bytes left; the worst and not the mean, which hides a full one."""
    left = {series.labels: value for series, _, value in newest.get((machine, "", "node_filesystem_avail_bytes"), ())}
    found = [
        (1 - left[series.labels] / size, series.label("mountpoint"), left[series.labels])
        for series, _, size in newest.get((machine, "", "node_filesystem_size_bytes"), ())
        if size > 0 and series.labels in left and series.label("fstype") not in {"tmpfs", "squashfs", "overlay", "ramfs"}
    ]
    # One file system may be mounted at several places: the shortest name is the one that people know.
    return max(found, key=lambda one: (one[0], -len(one[1]))) if found else None
