"""The hub's intake: who is there, what is taken, what is refused and counted, and what is handed on to be kept."""

from __future__ import annotations

import asyncio
import struct

import pytest

from rigs.desk import MemoryStore
from watchkeeper.clock import SystemClock
from watchkeeper.errors import Failed, Refused
from watchkeeper.fleet import FUTURE_SECONDS, MOST_SERIES, Fleet
from watchkeeper.journal.machines import KnownMachine
from watchkeeper.model import (
    Dictionary,
    Event,
    EventKind,
    Family,
    Frame,
    Machine,
    Matcher,
    Outcome,
    Series,
    ServerState,
    ServerStatus,
    dictionary,
)
from watchkeeper.wire.downlink import Downlink
from watchkeeper.wire.packets import Define, Done, Figures, Happened, Statuses

BOX = Machine("box", "Linux", "6.1", "x86_64", 2, 1 << 30, 0, "0.1", 0)
LAYOUT = dictionary((Series("a"), Series("node_b", (("server", "web"),))), (Family("a", "gauge", "An a."),))


class Silent:
    """A socket to nobody."""

    peer = "127.0.0.1:1"

    async def receive(self) -> bytes | None:
        """Nothing ever comes."""
        await asyncio.Event().wait()
        return None

    async def send(self, message: bytes) -> None:
        """Nobody listens."""

    async def close(self, code: int, reason: str) -> None:
        """Nothing to close."""


class Rig:
    """A fleet over a store in memory, with one agent greeted."""

    def __init__(self, *known: KnownMachine) -> None:
        self.store = MemoryStore()
        self.changed: list[str] = []
        self.clock = SystemClock()
        self.fleet = Fleet(self.store, self.clock, known, self.changed.append)
        self.link = self.greet(BOX)

    def greet(self, machine: Machine) -> Downlink:
        """Another agent comes."""
        link = Downlink(Silent(), self.fleet, self.clock)
        self.fleet.greet(link, machine)
        link.machine = machine.name
        return link

    def now(self) -> int:
        """In ms."""
        return round(self.clock.wall() * 1000)

    def define(self, layout: Dictionary = LAYOUT) -> None:
        """Make a layout known on the link."""
        self.fleet.take(self.link, Define(layout))

    def take(self, *values: float, at: int = 0, layout: Dictionary = LAYOUT) -> None:
        """A frame of these values."""
        self.fleet.take(
            self.link, Figures(1, Frame("5s", layout.id, at or self.now(), struct.pack(f"<{len(values)}d", *values)))
        )


@pytest.fixture
def rig() -> Rig:
    """A fleet with an agent."""
    return Rig()


def test_figures_come_out_with_the_labels_of_their_place(rig: Rig) -> None:
    """Machine, instance and job: what Prometheus' users ask by."""
    rig.define()
    rig.take(1.0, 2.0)
    found = {series.text(): value for series, _, value in rig.store.latest([Matcher("machine", "=", "box")])}
    assert found == {
        'a{instance="box",job="watchkeeper",machine="box"}': 1.0,
        'node_b{instance="box",job="web",machine="box",server="web"}': 2.0,
    }
    assert rig.fleet.families["a"].help == "An a."
    assert (rig.fleet.tally.frames, rig.fleet.tally.samples, rig.fleet.waiting_bytes) == (1, 2, 16)


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        (dictionary((Series("no name"),)), "not a metric's name"),
        (dictionary(tuple(Series(f"a{number}") for number in range(MOST_SERIES + 1))), "over the limit"),
    ],
)
def test_a_layout_that_cannot_be_is_refused_and_counted(rig: Rig, layout: Dictionary, said: str) -> None:
    """With the reason, which the agent is told when its link is closed."""
    with pytest.raises(Refused, match=said) as fault:
        rig.define(layout)
    assert fault.value.code == "malformed-packet"
    assert rig.fleet.tally.refused == 1


def test_a_frame_of_an_unknown_layout_is_refused(rig: Rig) -> None:
    """Figures that nobody can name are no figures."""
    with pytest.raises(Refused, match="unknown dictionary"):
        rig.take(1.0)
    assert rig.fleet.tally.refused == 1


def test_a_frame_from_the_future_is_dropped(rig: Rig) -> None:
    """It would block its stream until then; the next one of now is taken."""
    rig.define()
    rig.take(1.0, 2.0, at=rig.now() + FUTURE_SECONDS * 1000 + 60_000)
    assert rig.store.latest([]) == []
    rig.take(3.0, 4.0)
    assert len(rig.store.latest([])) == 2


def test_without_room_the_agent_keeps_what_it_has(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk ends the link with a reason: nothing is acknowledged, so nothing is lost."""
    rig.define()

    def full(*_: object) -> bool:
        raise Failed("the disk is full")

    monkeypatch.setattr(rig.store, "take", full)
    with pytest.raises(Refused, match="disk is full") as fault:
        rig.take(1.0, 2.0)
    assert fault.value.code == "no-room"


def test_the_newer_of_two_with_one_name_wins(rig: Rig) -> None:
    """The older link is most often dead; its end then says nothing of the machine."""
    older = rig.link
    newer = rig.greet(BOX)
    assert rig.fleet.link("box") is newer
    rig.fleet.part(older)
    assert rig.fleet.link("box") is newer
    rig.fleet.part(newer)
    assert rig.fleet.link("box") is None
    kinds = [event.kind for event in rig.fleet.collect()[0]]
    assert kinds == [EventKind.MACHINE_CONNECTED, EventKind.MACHINE_LOST]


def test_a_name_that_cannot_be_is_turned_away(rig: Rig) -> None:
    """It would be a path and a label."""
    with pytest.raises(Refused, match="not a name"):
        rig.greet(Machine("../etc", "Linux", "6.1", "x86_64", 2, 1 << 30, 0, "0.1", 0))
    with pytest.raises(Refused):
        rig.greet(Machine("_hub", "Linux", "6.1", "x86_64", 2, 1 << 30, 0, "0.1", 0))


def test_statuses_whole_and_in_part(rig: Rig) -> None:
    """A part adds to what is known, the whole replaces it."""
    web, jobs = (ServerStatus(name, "process", ServerState.RUNNING, "up", 1) for name in ("web", "jobs"))
    rig.fleet.take(rig.link, Statuses((web,), whole=True))
    rig.fleet.take(rig.link, Statuses((jobs,), whole=False))
    assert {status.name for status in rig.fleet.statuses("box")} == {"web", "jobs"}
    rig.fleet.take(rig.link, Statuses((jobs,), whole=True))
    assert rig.fleet.statuses("box") == (jobs,)


def test_what_could_not_be_kept_leads_the_next_batch(rig: Rig) -> None:
    """In its order, before what has come since; an agent speaks for its own machine alone."""
    rig.fleet.collect()
    rig.fleet.take(rig.link, Happened(1, Event("1", 1, EventKind.SERVER_EXITED, "first", machine="another")))
    rig.fleet.take(rig.link, Done(Outcome("x", 1, ok=True, text="done")))
    assert rig.fleet.news_waits
    events, outcomes, links = rig.fleet.collect()
    assert [link for link, _ in links] == [rig.link]
    assert not rig.fleet.news_waits
    rig.fleet.take(rig.link, Happened(2, Event("2", 2, EventKind.SERVER_STARTED, "second")))
    rig.fleet.give_back(events, outcomes)
    events, outcomes, _ = rig.fleet.collect()
    assert [(event.text, event.machine) for event in events] == [("first", "box"), ("second", "box")]
    assert len(outcomes) == 1


def test_machines_of_earlier_runs_are_known_and_absent() -> None:
    """After a restart of the hub a machine that has not come back yet is missed, not forgotten."""
    rig = Rig(KnownMachine(Machine("attic", "Linux", "6.1", "x86_64", 2, 1, 0, "0.1", 0), 7, 1.0))
    assert {known.machine.name: known.seen_at > 7 for known in rig.fleet.known()} == {"attic": False, "box": True}
    assert rig.fleet.link("attic") is None
    assert rig.fleet.statuses("nowhere") == ()
