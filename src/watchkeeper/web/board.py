"""What all pages show now: views of machines and servers with their headline figures, made once for all who look.

Everything is read from the store and the desk and kept for half a second, so fifty open pages cost as much as
one; a machine of which nothing new came in is shown as before, so three hundred cost as much as those that speak. Figures
that are older than a few rounds are not known, never shown as if they were new.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from watchkeeper.clock import milliseconds
from watchkeeper.config import nearest
from watchkeeper.errors import Refused
from watchkeeper.model import Health, Matcher
from watchkeeper.web import applications, charts, headline, overview
from watchkeeper.web.desk import Desk, Presence
from watchkeeper.web.headline import Totals
from watchkeeper.web.panels import PANELS, Panel
from watchkeeper.web.shapes import MachineFigures, MachineView, Point, ServerFigures, ServerView

FRESH_FOR = 500
"""How long a reading serves everyone, in ms."""
DEAR = 40
"""So many rates one reading may take from charts, where nobody has looked before; the others are known with the next frame."""
UNASKED_FOR = 1.5
"""After so many rounds without a frame a machine is looked at all the same: its figures may have become too old."""

TOLD_FOR = 86_400_000
"""For so long, in ms, a server that tells nothing any more keeps the charts of what it has told."""


class Kept(NamedTuple):
    """What was last shown of a machine: at `at` (ms), after `mark` changes; `risen` is what rates go on from."""

    at: int
    mark: int
    health: Health
    machine: MachineView
    servers: tuple[ServerView, ...]
    risen: Totals


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
        self._kept: dict[str, Kept] = {}
        self._dear = 0
        self._periods: dict[str, float] = {}

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
        if (known := self._periods.get(machine)) is not None:
            return known
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
        machines: list[MachineView] = []
        servers: list[ServerView] = []
        kept: dict[str, Kept] = {}
        self._dear = DEAR
        for presence in self._desk.machines():
            name = presence.machine.name
            kept[name] = self._look(presence, now)
            self._periods[name] = presence.period
            machines.append(kept[name].machine)
            servers += kept[name].servers
        self._kept = kept
        return Reading(
            now,
            overview.sentence(machines, servers),
            overview.wrong_count(machines, servers),
            overview.worst_first_machines(machines),
            overview.worst_first_servers(servers),
        )

    def _look(self, presence: Presence, now: int) -> Kept:
        """A machine as it is to be shown; as before where nothing of it has changed."""
        name = presence.machine.name
        health = overview.machine_health(presence, now)
        mark = self._desk.changes.stirred.get(name, 0)
        known = self._kept.get(name)
        young = known is not None and 0 <= now - known.at < presence.period * UNASKED_FOR * 1000
        if known is not None and young and known.mark == mark and known.health == health:
            return known
        found: headline.Newest = {}
        risen: Totals = {}
        if health == "up":
            found = headline.newest(self._desk.store, name, now)
            risen = self._risen(presence, found, known)
        figures = headline.machine_figures(presence, found, risen, now) if health == "up" else MachineFigures()
        machine = MachineView(presence.machine, health, presence.connected, presence.seen_at, presence.period, figures)
        servers = []
        for status in self._desk.statuses(name):
            said = overview.server_health(status.health, health)
            shown = headline.server_figures(presence, status, found, risen, now) if health == "up" else ServerFigures()
            probes = tuple(headline.freshened(probe, status.name, found) for probe in status.probes)
            servers.append(ServerView(name, msgspec.structs.replace(status, probes=probes), said, shown))
        return Kept(now, mark, health, machine, tuple(servers), risen)

    def _risen(self, presence: Presence, found: headline.Newest, known: Kept | None) -> Totals:
        """How fast things rise: since the last look, or, where that is too long ago, as the charts have it."""
        name = presence.machine.name
        risen = headline.totals(found, known.risen if known else {}, presence.period)
        unknown = {line for line, total in risen.items() if total.rate is None}
        if unknown & {"cpu", "idle"}:
            unknown |= {"cpu", "idle"} & risen.keys()  # one is a share of the other, so both come from one source
        return risen | {line: risen[line]._replace(rate=self._drawn(name, line)) for line in unknown}

    def _drawn(self, machine: str, line: str) -> float | None:
        """The same rate from the chart that draws it: dearer, and right without an earlier look."""
        if self._dear <= 0:
            return None
        self._dear -= 1
        part, _, server = line.partition(" ")
        if server:
            point = self.point("server_cpu", machine, server)
            return point.values.get("cpu") if point else None
        if part in {"receive", "transmit"}:
            point = self.point("network", machine, "")
            return point.values.get(part) if point else None
        point = self.point("cpu", machine, "")
        shares = [share for share in point.values.values() if share is not None] if point else []
        if not shares:
            return None
        return 1.0 if part == "cpu" else 1.0 - sum(shares)
