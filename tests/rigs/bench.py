"""A judge at its bench: a real store, journal and fleet, a clock that the test moves, and an outbox that remembers.

An agent is pretended by what its link would bring: frames, statuses, events. Time goes by when the test says so.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import numpy as np

from watchkeeper.alert.reading import read_alerting
from watchkeeper.clock import FakeClock, milliseconds
from watchkeeper.config import parse
from watchkeeper.errors import Failed
from watchkeeper.figures import hub_frame
from watchkeeper.fleet import Fleet, placed
from watchkeeper.journal import Journal, open_journal
from watchkeeper.journal.events import Sought
from watchkeeper.judging.bench import Bench
from watchkeeper.judging.messages import Sources
from watchkeeper.judging.showing import AlertDesk
from watchkeeper.model import (
    Dictionary,
    Event,
    Frame,
    LogLines,
    Machine,
    ProbeResult,
    Series,
    ServerState,
    ServerStatus,
    dictionary,
)
from watchkeeper.seams import Store
from watchkeeper.store import StoreSettings, open_store
from watchkeeper.telling import Bulletin
from watchkeeper.web.changes import Changes
from watchkeeper.wire.packets import Statuses

BEGIN = 1_760_000_000.0


class Link:
    """What the fleet sees of an agent's connection."""

    def __init__(self, machine: str, skew: int = 0, peer: str = "10.0.0.2:1") -> None:
        self.machine = machine
        self.skew = skew
        self.peer = peer
        self.taken = 0

    def leave(self, reason: str) -> None:
        """Nothing listens."""


class Rig:
    """One bench and what is around it."""

    def __init__(self, store: Store, journal: Journal, clock: FakeClock, rules: str, data: Path, *, stock: bool) -> None:
        self.clock = clock
        self.store = store
        self.journal = journal
        self.changes = Changes()
        self.told: list[tuple[Bulletin, tuple[str, ...]]] = []
        self.refuse = 0
        self.fleet = Fleet(store, clock, (), lambda _: None)
        head = f"[alert]\nstock = {str(stock).lower()}\n" if "[alert]" not in rules else ""
        head += "[witness]\ntargets = []\n" if "[witness]" not in rules else ""
        alerting = read_alerting(parse({"rules.toml": head + rules}))
        sources = Sources(store, journal, self._lines, self.fleet.statuses)
        self.bench = Bench(
            alerting, sources, self.fleet, self.changes, clock, self._tell, url="http://watch.example", data=data
        )
        self.desk = AlertDesk(self.bench)
        self.links: dict[str, Link] = {}
        self.layouts: dict[str, Dictionary] = {}

    async def _tell(self, bulletin: Bulletin, channels: tuple[str, ...]) -> None:
        if self.refuse:
            self.refuse -= 1
            raise Failed("the outbox cannot be written")
        self.told.append((bulletin, channels))

    async def _lines(self, machine: str, server: str, lines: int) -> AsyncIterator[LogLines]:
        yield LogLines("1", (f"{server} said its last words",), end=True)

    # -- what an agent does ---------------------------------------------------------------------------

    def connect(self, machine: str = "box", skew: int = 0, boot_at: int = 1, peer: str = "10.0.0.2:1") -> None:
        """An agent greets."""
        link = self.links[machine] = Link(machine, skew, peer)
        known = Machine(machine, "Linux", "6.1", "x86_64", 2, 1 << 30, boot_at, "0.1", 1)
        self.fleet.greet(link, known)  # type: ignore[arg-type]  # all that the fleet asks of it

    def part(self, machine: str = "box") -> None:
        """Its link ends."""
        self.fleet.part(self.links.pop(machine))  # type: ignore[arg-type]  # as above

    def frame(
        self,
        figures: Mapping[str, float],
        machine: str = "box",
        at: int = 0,
        stream: str = "5s",
        server: str = "",
        program: str = "",
    ) -> None:
        """A frame of these metrics, of now unless `at` (ms, the agent's clock) says otherwise."""
        labels = (("server", server),) if server else (("program", program),) if program else ()
        layout = dictionary(tuple(placed(Series(name, labels), machine) for name in figures))
        link = self.links[machine]
        at = at or self.now + link.skew
        self.store.define(machine, stream, layout)
        frame = Frame(stream, layout.id, at, np.array(list(figures.values())).tobytes())
        self.store.take(machine, frame)
        self.fleet._members[machine].seen_at = self.now
        self.bench.hearing.frame(link, layout, frame)  # type: ignore[arg-type]  # as above

    def status(
        self, state: str = "running", health: str = "up", restarts: int = 0, server: str = "web", **more: object
    ) -> None:
        """A server's status on box."""
        status = ServerStatus(
            server,
            "process",
            ServerState(state),
            health,  # type: ignore[arg-type]  # one of three
            self.now,
            pid=77 if state == "running" else 0,
            restarts=restarts,
            probes=(ProbeResult("http", "http", health == "up", self.now),),
        )
        status = msgspec.structs.replace(status, **more)
        self.fleet.take(self.links["box"], Statuses((status,), whole=False))  # type: ignore[arg-type]  # as above

    # -- time -------------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """The hub's clock, ms."""
        return milliseconds(self.clock.wall())

    async def turn(self, seconds: float = 0.0) -> None:
        """Let so much time go by, with a turn whenever one is due, and one at the end."""
        end = self.clock.wall() + seconds
        while (left := end - self.clock.wall()) > 0:
            self.clock.advance(min(left, max(0.001, self.bench._pause())))
            await self._turn()
        await self._turn()
        await self.journal.events.add(self.fleet.collect()[0])

    async def settle(self) -> None:
        """Let questions find what was taken."""
        await settled(self.store)

    async def _turn(self) -> None:
        await self.settle()
        await self.bench.turn()

    def observe(self) -> None:
        """The hub reads its own figures."""
        layout, frame = hub_frame(self.bench.figures(), self.now)
        self.bench.frame(layout, frame)

    # -- what the test looks at ------------------------------------------------------------------------

    def states(self) -> dict[str, str]:
        """The alerts that go on: name and state."""
        return {alert.name: alert.state.value for alert in self.bench.keeping.live.values()}

    def messages(self) -> list[tuple[str, str]]:
        """Kind and title of each message."""
        return [(bulletin.kind, bulletin.title) for bulletin, _ in self.told]

    async def events(self, *kinds: str) -> list[Event]:
        """Events of these kinds, the oldest first."""
        found = await self.journal.events.page(Sought(), 1000)
        return [event for event in reversed(found) if event.kind.value in kinds]


def opened(folder: Path, clock: FakeClock) -> Store:
    """The store that benches stand on: tests put its twin here to be held over that too."""
    return open_store(folder, StoreSettings(), clock)


async def settled(_: Store) -> None:
    """Frames are found as soon as they are taken; the twin must send them first."""


@asynccontextmanager
async def benched(folder: Path, rules: str = "", *, stock: bool = False, clock: FakeClock | None = None) -> AsyncIterator[Rig]:
    """A bench over what is in `folder`, restored, for the length of an ``async with``."""
    clock = clock or FakeClock(wall=BEGIN)
    store = opened(folder / "store", clock)
    try:
        async with open_journal(folder / "journal.db") as journal:
            rig = Rig(store, journal, clock, rules, folder, stock=stock)
            await rig.bench.restore()
            yield rig
    finally:
        store.close()
