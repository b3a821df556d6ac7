"""A desk to sit at: a store in memory, a real journal, a real server on a loopback port.

The web's own tests come in, and those that open its page in a browser. What the hub would be is pretended here,
nothing of the web is.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import get_args

import httpx
import msgspec
import numpy as np

from watchkeeper.alert.reading import read_alerting
from watchkeeper.clock import SystemClock, milliseconds
from watchkeeper.config import parse
from watchkeeper.drill.drills import Drills, Ends
from watchkeeper.drill.scene import Outside
from watchkeeper.drill.settings import DrillSettings
from watchkeeper.errors import Refused
from watchkeeper.fleet import Fleet
from watchkeeper.journal import Journal, open_journal
from watchkeeper.journal.audit import Entry
from watchkeeper.judging.bench import Bench
from watchkeeper.judging.messages import Sources
from watchkeeper.judging.showing import AlertDesk
from watchkeeper.model import (
    Action,
    Block,
    Dictionary,
    Event,
    Family,
    Frame,
    LogLines,
    Machine,
    Matcher,
    Outcome,
    Rollup,
    Series,
    ServerState,
    ServerStatus,
    Verb,
)
from watchkeeper.office import Office, OfficeSettings, empty_office, open_office
from watchkeeper.query import QuerySettings
from watchkeeper.seams import Admit
from watchkeeper.stress.hubside.lab import Lab
from watchkeeper.stress.hubside.launching import Launcher
from watchkeeper.telling import Bulletin
from watchkeeper.web.access import local_token
from watchkeeper.web.app import build
from watchkeeper.web.changes import Changes
from watchkeeper.web.desk import Figure, LinkSocket, Presence
from watchkeeper.web.hall import Told
from watchkeeper.web.listen import address, bind
from watchkeeper.web.page import Asset
from watchkeeper.web.serve import WebServer
from watchkeeper.web.settings import WebSettings

VERBS = get_args(Verb)


async def until(true: Callable[[], object], seconds: float = 10) -> None:
    """Wait until a condition holds; fails after a deadline."""
    async with asyncio.timeout(seconds):
        while not true():  # the conditions of tests are not events
            await asyncio.sleep(0.005)


def series(name: str, **labels: str) -> Series:
    """A series of machine alpha."""
    return Series(name, tuple(sorted((labels | {"machine": "alpha"}).items())))


class MemoryStore:
    """The store's protocol over plain lists: what was put in comes out, nothing is kept on disk."""

    def __init__(self) -> None:
        self._layouts: dict[tuple[str, int], Dictionary] = {}
        self._columns: dict[Series, list[tuple[int, float]]] = {}

    def define(self, machine: str, stream: str, layout: Dictionary) -> None:
        """Make a layout known."""
        self._layouts[machine, layout.id] = layout

    def take(self, machine: str, frame: Frame) -> bool:
        """Keep a frame."""
        layout = self._layouts[machine, frame.dictionary]
        for series, value in zip(layout.series, np.frombuffer(frame.values, "<f8"), strict=True):
            self.put(series, frame.at, float(value))
        return True

    def put(self, series: Series, at: int, value: float) -> None:
        """Keep one sample."""
        self._columns.setdefault(series, []).append((at, value))

    async def commit(self) -> None:
        """Nothing to do in memory."""

    def latest(self, matchers: Sequence[Matcher]) -> list[tuple[Series, int, float]]:
        """The newest value of each."""
        return [(series, *self._columns[series][-1]) for series in self.series(matchers)]

    def series(self, matchers: Sequence[Matcher], start: int = 0, end: int = 0) -> list[Series]:
        """Those that match."""
        return [series for series in self._columns if all(_matches(one, series) for one in matchers)]

    def select(self, matchers: Sequence[Matcher], start: int, end: int, admit: Admit | None = None) -> list[Block]:
        """A block of its own for each series, which is the hardest case for who joins them."""
        if admit is not None:
            counts = [sum(start <= at <= end for at, _ in self._columns[one]) for one in self.series(matchers)]
            admit(sum(counts), sum(count > 0 for count in counts))
        blocks = []
        for series in self.series(matchers):
            inside = [(at, value) for at, value in self._columns[series] if start <= at <= end]
            if inside:
                times, values = zip(*inside, strict=True)
                blocks.append(Block((series,), np.array(times, np.int64), np.array(values, np.float64)[:, None]))
        return blocks

    def recent(self, matchers: Sequence[Matcher], start: int, end: int) -> list[Block]:
        """All of it is at hand."""
        return self.select(matchers, start, end)

    def rollups(self, matchers: Sequence[Matcher], start: int, end: int, step: int) -> list[Rollup]:
        """Windows from the raw samples."""
        found = []
        for block in self.select(matchers, start, end - 1):
            slots = block.times // step
            edges = np.unique(slots)
            parts = [block.values[slots == edge, 0] for edge in edges]
            figures = [np.array([[work(part)] for part in parts]) for work in (np.min, np.max, np.sum, len)]
            found.append(Rollup(block.series, edges * step, step, *(one.astype(np.float64) for one in figures)))
        return found


def _matches(matcher: Matcher, series: Series) -> bool:
    value = series.name if matcher.label == "__name__" else series.label(matcher.label)
    hit = value == matcher.value if matcher.op in {"=", "!="} else bool(re.fullmatch(matcher.value, value))
    return hit == (matcher.op in {"=", "=~"})


def lab_of(data: Path, desk: StandInDesk, program: Sequence[str] = ("false",)) -> Lab:
    """A lab that keeps runs below `data`, hands its figures to the desk, and starts `program` for a run."""
    launcher = Launcher(data, None, program)
    return Lab(
        data / "stress", launcher, lambda *frame: desk.frames.append(frame), lambda one, _: desk.stressed.append(one.run)
    )


class StandInDesk:
    """What the hub would be: two servers on one machine, an order that ends as told, output of three lines."""

    def __init__(self, journal: Journal) -> None:
        self.clock = SystemClock()
        self.told: list[Event] = []
        self.office: Office = empty_office(journal, self.clock, self.told.append)
        self.acknowledged: list[tuple[str, str]] = []
        self.store = MemoryStore()
        self.journal = journal
        self.changes = Changes()
        self.connected = True
        self.trouble = ""
        self.hold: asyncio.Event | None = None
        self.log_readers = 0
        self.heard: list[bytes] = []
        self.saved: dict[str, bytes] = {}
        self.written: asyncio.Queue[str] = asyncio.Queue()
        self.rules = ""
        self.told: list[tuple[Bulletin, tuple[str, ...]]] = []
        self._alerting: AlertDesk | None = None
        self._drills: Drills | None = None
        self.frames: list[tuple[str, Dictionary, Frame]] = []
        self.stressed: list[str] = []
        self.lab = lab_of(Path("/nonexistent"), self)
        self.servers = {
            "web": ServerStatus(
                "web", "process", ServerState.RUNNING, "up", 1, pid=42, started_at=1, allowed=VERBS, group="edge"
            ),
            "jobs": ServerStatus("jobs", "process", ServerState.STOPPED, "down", 1, allowed=VERBS),
        }
        self.machine = Machine("alpha", "Linux", "6.1", "x86_64", 4, 1 << 33, self.now() - 60_000, "0.1.0", self.now())

    def now(self) -> int:
        """Milliseconds since the epoch."""
        return round(self.clock.wall() * 1000)

    def machines(self) -> list[Presence]:
        """The one machine."""
        return [Presence(self.machine, self.connected, self.now() - 500, 1.0)]

    def statuses(self, machine: str) -> tuple[ServerStatus, ...]:
        """Its servers."""
        return tuple(self.servers.values()) if machine == "alpha" else ()

    def turn(self, name: str, **changes: object) -> None:
        """Have a server's agent say something new of it, and tell all who listen."""
        self.servers[name] = msgspec.structs.replace(self.servers[name], **changes)
        self.changes.status("alpha")

    @property
    def bench(self) -> Bench:
        """The judge behind the desk."""
        return self.alerting._bench

    @property
    def alerting(self) -> AlertDesk:
        """A real judge over this store and journal, by the rules of the test; it takes turns when the test says so."""
        if self._alerting is None:
            alerting = read_alerting(parse({"rules.toml": f"[alert]\nstock = false\n[witness]\ntargets = []\n{self.rules}"}))
            sources = Sources(self.store, self.journal, lambda *_: self.logs("alpha", "web", 3, follow=False), self.statuses)
            fleet = Fleet(self.store, self.clock, (), lambda _: None)
            url, here = "http://watch.example", Path()
            bench = Bench(alerting, sources, fleet, self.changes, self.clock, self._tell, url=url, data=here)
            self._alerting = AlertDesk(bench)
        return self._alerting

    async def _tell(self, bulletin: Bulletin, channels: tuple[str, ...]) -> None:
        self.told.append((bulletin, channels))

    @property
    def drills(self) -> Drills:
        """Real drills, with this desk's channels and servers, that nobody runs."""
        if self._drills is None:
            outside = Outside(lambda: "http://127.0.0.1:1", Path("token"), self.statuses, lambda _: True, self._held)
            channels = self.office.channels
            ends = Ends(outside, lambda: tuple(channels), lambda _: 30.0, lambda: 0.0, lambda _: None, lambda _: None)
            self._drills = Drills(DrillSettings(), self.journal, self.clock, Path("data"), ends)
        return self._drills

    async def _held(self, machine: str, server: str, verb: str, seconds: float) -> str:
        return f"{verb} {server} on {machine} for {seconds}"

    def families(self) -> dict[str, Family]:
        """One family."""
        return {"node_load1": Family("node_load1", "gauge", "1m load average.")}

    def figures(self) -> list[Figure]:
        """One figure of the hub's own."""
        return [Figure(Family("watchkeeper_hub_pages", "gauge", "Open pages."), [((), float(self.changes.listeners))])]

    def ready(self) -> str:
        """Whatever the test says."""
        return self.trouble

    async def acknowledge(self, incident: str, by: str, peer: str) -> None:
        """As a hub does."""
        if await self.journal.notifications.newest_of(incident) is None:
            raise Refused(f"there is no incident {incident!r}", code="unknown-incident")
        await self.office.outbox.acknowledged(incident, by)
        await self.journal.audit.add(Entry(milliseconds(self.clock.wall()), by, peer, "acknowledge", incident))
        self.acknowledged.append((incident, by))

    async def order(self, action: Action) -> Outcome:
        """Write what a hub writes; wait while the test holds it."""
        if not self.connected:
            raise Refused("alpha's agent is not connected", code="not-connected")
        self.changes.action(await self.journal.actions.sent(action.id, self.now()))
        if self.hold:
            await self.hold.wait()
        outcome = Outcome(action.id, self.now(), ok=True, text=f"{action.server} did {action.verb}")
        self.changes.action(await self.journal.actions.end(outcome))
        return outcome

    async def logs(self, machine: str, server: str, lines: int, *, follow: bool) -> AsyncIterator[LogLines]:
        """Three lines, then one more when followed, then whatever the test has written until closed."""
        if server not in self.servers:
            raise Refused(f"there is no server {server!r}", code="unknown-server")
        self.log_readers += 1
        try:
            yield LogLines("1", ("one", "two", "three")[-lines:], end=not follow)
            if follow:
                yield LogLines("1", ("four",), end=False)
                while True:
                    yield LogLines("1", (await self.written.get(),), end=False)
        finally:
            self.log_readers -= 1

    async def evidence(self, machine: str, identity: str) -> bytes:
        """What the test has put there."""
        if identity not in self.saved:
            raise Refused(f"there is no evidence {identity!r}", code="no-evidence")
        return self.saved[identity]

    async def workers(self, machine: str, count: int, socket: LinkSocket) -> None:
        """Nobody makes load here."""

    async def link(self, socket: LinkSocket) -> None:
        """Echo until the agent says bye or goes."""
        while (message := await socket.receive()) is not None:
            self.heard.append(message)
            if message == b"bye":
                await socket.close(4000, "as you say, " + "é" * 100)
                return
            await socket.send(message)


class Web:
    """A running server and the ways into it."""

    def __init__(self, desk: StandInDesk, server: WebServer, port: int, token: str) -> None:
        self.desk = desk
        self.server = server
        self.port = port
        self.token = token
        self.url = f"http://127.0.0.1:{port}"

    @property
    def bearer(self) -> dict[str, str]:
        """The header of the local admin token."""
        return {"authorization": f"Bearer {self.token}"}

    until = staticmethod(until)
    series = staticmethod(series)

    def client(self, **more: object) -> httpx.AsyncClient:
        """An HTTP client that is let in by the token."""
        return httpx.AsyncClient(base_url=self.url, headers=self.bearer, **more)  # type: ignore[arg-type]  # any of its fields

    def stranger(self) -> httpx.AsyncClient:
        """An HTTP client that nobody knows."""
        return httpx.AsyncClient(base_url=self.url)


@asynccontextmanager
async def running(
    folder: Path,
    settings: WebSettings,
    files: dict[str, Asset] | None = None,
    port: int = 0,
    query: QuerySettings | None = None,
    office: OfficeSettings | None = None,
    told: Told = Told(),  # noqa: B008  # frozen
) -> AsyncIterator[Web]:
    """A server over the journal in `folder`, fresh if there is none, for the length of an ``async with``."""
    async with open_journal(folder / "journal.db") as journal:
        desk = StandInDesk(journal)
        token = await local_token(journal, folder / "token", "local", "admin", desk.now())
        with bind("127.0.0.1", port) as bound:
            server = WebServer(build(desk, settings, bound, query=query, files=files, told=told), desk.changes, bound)
            port = int(address(bound).rpartition(":")[2])
            outside = settings.url or f"http://127.0.0.1:{port}"
            desk.office = await open_office(
                office or OfficeSettings(), folder, outside, journal, desk.clock, desk.told.append, desk.ready
            )
            async with asyncio.TaskGroup() as group:
                group.create_task(server.run_on_bound(), name="web")
                working = group.create_task(desk.office.run(), name="office")
                await until(lambda: server.started)
                try:
                    yield Web(desk, server, port, token)
                finally:
                    server.stop()
                    working.cancel()
