"""What all pages show now: views of machines and servers with their headline figures, made once for all who look.

Everything is read from the store and the desk and kept for half a second, so fifty open pages cost as much as
one; a machine of which nothing new came in is shown as before, so three hundred cost as much as those that speak. Where all
pages together show the figures of a few (`watch`), a `glance` reads those few alone, and of the others how they stand. Figures
that are older than a few rounds are not known, never shown as if they were new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from watchkeeper.clock import milliseconds
from watchkeeper.config import nearest
from watchkeeper.errors import Refused
from watchkeeper.model import Health, Matcher, ServerStatus
from watchkeeper.web import applications, charts, headline, overview
from watchkeeper.web.desk import Desk, Presence
from watchkeeper.web.headline import Totals
from watchkeeper.web.panels import PANELS, Panel
from watchkeeper.web.shapes import MachineFigures, MachineView, Point, ServerFigures, ServerView

FRESH_FOR = 500
"""How long a reading serves everyone, in ms."""
DEAR = 40
"""So many questions one reading may put to charts for rates, where nobody has looked before; other rates come with the next
frame."""
UNASKED_FOR = 1.5
"""After so many rounds without a frame a machine is looked at all the same: its figures may have become too old."""

TOLD_FOR = 86_400_000
"""For so long, in ms, a server that tells nothing any more keeps the charts of what it has told."""


class Kept(NamedTuple):
    """What was last shown of a machine: its figures of `at` (ms), after `mark` changes; `risen` is what rates go on from.

    `revision` counts over all machines: what was made later has a greater one.
    """

    at: int
    mark: int
    health: Health
    machine: MachineView
    servers: tuple[ServerView, ...]
    risen: Totals
    statuses: tuple[ServerStatus, ...] = ()
    is_blank: bool = False
    revision: int = 0


UNREAD = -1
"""The mark of figures that have to be read again."""


class Reading(NamedTuple):
    """Everything the first screen needs, at one instant (`at`, ms), worst first."""

    at: int
    sentence: str
    wrong: int
    machines: tuple[MachineView, ...]
    servers: tuple[ServerView, ...]
    spoke_at: int = 0
    spoke_every: float = 0.0
    kept: Mapping[str, Kept] = {}
    revision: int = 0


class Board:
    """The views of one desk, shared by all who look."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._reading: Reading | None = None
        self._turn = 0
        self._glance: Reading | None = None
        self._glance_turn = 0
        self._watched: Counter[str] = Counter()
        self._revision = 0
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
            self._turn = self._glance_turn = turn
            self._reading = self._glance = self._read(now)
        return self._reading

    def glance(self) -> Reading:
        """The same with new figures of the machines that are watched; those of the others may be old."""
        now = self.now()
        turn = self._desk.changes.turns
        if self._glance is None or turn != self._glance_turn or not 0 <= now - self._glance.at < FRESH_FOR:
            self._glance_turn = turn
            self._glance = self._read(now, self._watched)
        return self._glance

    def watch(self, machines: Iterable[str], *, instead_of: Iterable[str] = ()) -> None:
        """Somebody shows the figures of these machines from now on, no longer those of the others."""
        self._watched.update(machines)
        self._watched.subtract(instead_of)
        self._watched = +self._watched
        self._glance = None

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

    def _read(self, now: int, watched: Counter[str] | None = None) -> Reading:
        machines: list[MachineView] = []
        servers: list[ServerView] = []
        kept: dict[str, Kept] = {}
        self._dear = DEAR
        spoke_at, spoke_every = 0, 0.0
        for presence in self._desk.machines():
            name = presence.machine.name
            kept[name] = self._look(presence, now, is_watched=watched is None or name in watched)
            if presence.seen_at > spoke_at:
                spoke_at, spoke_every = presence.seen_at, presence.period
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
            spoke_at,
            spoke_every,
            kept,
            self._revision,
        )

    def _look(self, presence: Presence, now: int, *, is_watched: bool) -> Kept:
        """A machine as it is to be shown; as before where nothing of it has changed that is looked at."""
        name = presence.machine.name
        health = overview.machine_health(presence, now)
        mark = self._desk.changes.stirred.get(name, 0)
        known = self._kept.get(name)
        if known is not None and not is_watched:
            return self._standing(known, presence, health, now)
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
        statuses = self._desk.statuses(name)
        for status in statuses:
            said = overview.server_health(status.health, health)
            shown = headline.server_figures(presence, status, found, risen, now) if health == "up" else ServerFigures()
            probes = tuple(headline.freshened(probe, status.name, found) for probe in status.probes)
            servers.append(ServerView(name, msgspec.structs.replace(status, probes=probes), said, shown))
        self._revision += 1
        return Kept(now, mark, health, machine, tuple(servers), risen, statuses, revision=self._revision)

    def _standing(self, known: Kept, presence: Presence, health: Health, now: int) -> Kept:
        """The same with how machine and servers stand now; the figures stay until they are old, for nobody shows them."""
        statuses = self._desk.statuses(presence.machine.name)
        is_old = health != "up" or now - known.at > max(presence.period, 1.0) * headline.ROUNDS * 1000
        same = known.health == health and known.statuses == statuses and known.machine.machine == presence.machine
        if same and is_old in (False, known.is_blank):
            return known
        figures = MachineFigures() if is_old else known.machine.figures
        machine = MachineView(presence.machine, health, presence.connected, presence.seen_at, presence.period, figures)
        before = {} if is_old else {view.status.name: view.figures for view in known.servers}
        servers = tuple(
            ServerView(
                presence.machine.name,
                status,
                overview.server_health(status.health, health),
                before.get(status.name, ServerFigures()) if status.pid else ServerFigures(),
            )
            for status in statuses
        )
        self._revision += 1
        shown = known._replace(mark=UNREAD, health=health, machine=machine, servers=servers, statuses=statuses)
        return shown._replace(is_blank=is_old, revision=self._revision)

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
        part, _, server = line.partition(" ")
        panel = "server_cpu" if server else "network" if part in {"receive", "transmit"} else "cpu"
        if (panel, machine, server) not in self._points or self.now() - self._points_at >= FRESH_FOR:
            if self._dear <= 0:
                return None
            self._dear -= 1
        point = self.point(panel, machine, server)
        if panel != "cpu":
            return point.values.get(part) if point else None
        shares = [share for share in point.values.values() if share is not None] if point else []
        if not shares:
            return None
        return 1.0 if part == "cpu" else 1.0 - sum(shares)
