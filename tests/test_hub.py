"""The hub's own promises: kept before acknowledged, an order ends in every case, a full disk loses nothing."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from watchkeeper import desk as hub_room
from watchkeeper.clock import SystemClock
from watchkeeper.errors import Failed, Refused
from watchkeeper.fleet import Fleet
from watchkeeper.hub import Hub
from watchkeeper.journal import open_journal
from watchkeeper.journal.events import Sought
from watchkeeper.model import Action, Event, EventKind, Frame, Machine, Matcher, Outcome, Series, dictionary, new_id
from watchkeeper.store import StoreSettings, open_store
from watchkeeper.web.changes import Changes
from watchkeeper.wire import packets
from watchkeeper.wire.packets import Ack, FromHub, Order
from watchkeeper.wire.session import AgentSession

BOX = Machine("box", "Linux", "6.1", "x86_64", 2, 1 << 30, 0, "0.1", 0)
LAYOUT = dictionary((Series("a"),))
EXITED = Event(new_id(1), 1, EventKind.SERVER_EXITED, "web exited", "box", "web")


class Pipe:
    """An agent's socket without a network: what it sends is put in, what the hub says comes out."""

    peer = "127.0.0.1:1"

    def __init__(self) -> None:
        self.inward: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.outward: asyncio.Queue[FromHub] = asyncio.Queue()
        self.closed = ""

    async def receive(self) -> bytes | None:
        """What the agent sends."""
        return await self.inward.get()

    async def send(self, message: bytes) -> None:
        """What the hub says."""
        await self.outward.put(packets.from_hub(message))

    async def close(self, code: int, reason: str) -> None:
        """Remember why."""
        self.closed = reason


class Rig:
    """A hub over a real store and journal, an agent's session with it."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.pipe = Pipe()
        self.session = AgentSession(BOX, 0)

    async def greet(self) -> None:
        """Shake hands and make the layout known."""
        self.pipe.inward.put_nowait(self.session.hello())
        self.session.receive(packets.encode(await self.said()))
        self.pipe.inward.put_nowait(self.session.define(LAYOUT))

    def frame(self, value: float) -> None:
        """Send a figure of now."""
        at = round(self.hub.clock.wall() * 1000)
        self.pipe.inward.put_nowait(self.session.number(Frame("5s", LAYOUT.id, at, struct.pack("<d", value))))

    async def said(self) -> FromHub:
        """The hub's next word."""
        async with asyncio.timeout(10):
            return await self.pipe.outward.get()

    async def action(self, verb: str = "restart") -> Action:
        """An order, written down as the web does it."""
        at = round(self.hub.clock.wall() * 1000)
        action = Action(new_id(at), at, "box", "web", verb, "admin")  # type: ignore[arg-type]  # each is one of the verbs
        await self.hub.journal.actions.request(action)
        return action


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Rig]:
    """A hub with an agent greeted, its commits running."""
    clock, changes = SystemClock(), Changes()
    store = open_store(folder / "store", StoreSettings(), clock)
    try:
        async with open_journal(folder / "journal.db") as journal:
            fleet = Fleet(store, clock, (), lambda machine: hub.ring(machine))  # noqa: PLW0108  # the hub needs the fleet first
            hub = Hub(store, journal, fleet, changes, clock)
            rig = Rig(hub)
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(hub.commit_forever()), group.create_task(hub.link(rig.pipe))]
                await rig.greet()
                yield rig
                for task in tasks:
                    task.cancel()
    finally:
        store.close()


async def test_an_acknowledged_figure_is_in_the_store_and_on_the_disk(tmp_path: Path) -> None:
    """The acknowledgement comes after the commit: a store opened anew has it."""
    async with running(tmp_path) as rig:
        rig.frame(42.0)
        assert await rig.said() == Ack(1)
    store = open_store(tmp_path / "store", StoreSettings(), SystemClock())
    assert [value for _, _, value in store.latest([Matcher("machine", "=", "box")])] == [42.0]
    store.close()


async def test_news_do_not_wait_for_the_next_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event is kept and acknowledged at once, though figures may wait for long."""
    monkeypatch.setattr(hub_room, "COMMIT_SECONDS", 60.0)
    async with running(tmp_path) as rig:
        rig.pipe.inward.put_nowait(rig.session.number(EXITED))
        assert await rig.said() == Ack(1)
        assert "web exited" in [one.text for one in await rig.hub.journal.events.page(Sought())]


async def test_a_full_disk_acknowledges_nothing_and_keeps_all_for_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While nothing can be written the hub says why it is not ready; once there is room, all that came is kept."""
    monkeypatch.setattr(hub_room, "COMMIT_SECONDS", 0.05)
    full = True
    async with running(tmp_path) as rig:
        commit = rig.hub.store.commit

        async def refuse_while_full() -> None:
            if full:
                raise Failed("no space left")
            await commit()

        monkeypatch.setattr(rig.hub.store, "commit", refuse_while_full)
        rig.frame(1.0)
        rig.pipe.inward.put_nowait(rig.session.number(EXITED))
        async with asyncio.timeout(10):
            while not rig.hub.ready():
                await asyncio.sleep(0.01)
        assert "no space left" in rig.hub.ready()
        assert rig.pipe.outward.empty()
        full = False
        while (await rig.said()) != Ack(2):
            pass
        assert rig.hub.ready() == ""
        assert "web exited" in [one.text for one in await rig.hub.journal.events.page(Sought())]


async def test_an_order_ends_with_its_outcome(tmp_path: Path) -> None:
    """Sent to the agent, awaited, written down."""
    async with running(tmp_path) as rig:
        action = await rig.action()
        waiting = asyncio.create_task(rig.hub.order(action))
        order = await rig.said()
        assert isinstance(order, Order)
        assert order.action.id == action.id
        done = packets.Done(Outcome(action.id, action.at + 5, ok=True, text="web runs again"))
        rig.pipe.inward.put_nowait(packets.encode(done))
        assert (await waiting).text == "web runs again"
        kept = await rig.hub.journal.actions.one(action.id)
        assert (kept.state, kept.outcome.ok if kept.outcome else None) == ("done", True)


async def test_an_order_without_an_answer_is_unknown_not_forever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for an agent that never says how it went; what is known is written down."""
    monkeypatch.setattr(hub_room, "ORDER_SECONDS", 0.0)
    monkeypatch.setattr(hub_room, "COMMIT_SECONDS", 0.05)
    async with running(tmp_path) as rig:
        action = await rig.action()
        waiting = asyncio.create_task(rig.hub.order(action))
        assert isinstance(await rig.said(), Order)
        rig.frame(1.0)
        assert not (await waiting).ok
        assert (await rig.hub.journal.actions.one(action.id)).state == "unknown"


async def test_an_order_to_nobody_is_refused(tmp_path: Path) -> None:
    """Nothing is sent later behind the operator's back."""
    async with running(tmp_path) as rig:
        rig.pipe.inward.put_nowait(None)
        async with asyncio.timeout(10):
            while rig.hub.fleet.link("box"):
                await asyncio.sleep(0.01)
        with pytest.raises(Refused, match="not connected"):
            await rig.hub.order(await rig.action())


async def test_a_malformed_packet_closes_the_link_with_its_reason(tmp_path: Path) -> None:
    """The agent is told why, and the hub goes on."""
    async with running(tmp_path) as rig:
        rig.pipe.inward.put_nowait(b"\xc1noise")
        said = await rig.said()
        assert isinstance(said, packets.Bye)
        assert (said.code, "not a packet" in said.reason) == ("malformed", True)
        assert "not a packet" in rig.pipe.closed
