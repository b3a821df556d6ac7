"""The link end to end over real sockets: everything arrives once acknowledged, whatever is cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import ClassVar

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from watchkeeper.clock import SystemClock
from watchkeeper.errors import Failed, Refused
from watchkeeper.model import (
    Action,
    Event,
    EventKind,
    Frame,
    Machine,
    Outcome,
    Series,
    ServerState,
    ServerStatus,
    dictionary,
)
from watchkeeper.wire import downlink, packets
from watchkeeper.wire.downlink import Downlink
from watchkeeper.wire.socket import dial
from watchkeeper.wire.spool import Spool
from watchkeeper.wire.uplink import LONGEST_PAUSE, Uplink, pause_before

MACHINE = Machine("box", "Linux", "6.1", "x86_64", 2, 1 << 30, 0, "0.1", 0)
LAYOUT = dictionary((Series("a"),))
STATUS = ServerStatus("web", "process", ServerState.RUNNING, "up", 1)


class Socket:
    """A connection of the `websockets` library as the hub's link sees it: a server that is not ours."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self.peer = "test"

    async def receive(self) -> bytes | None:
        """The next binary message."""
        try:
            message = await self._connection.recv()
        except ConnectionClosed:
            return None
        return message if isinstance(message, bytes) else message.encode()

    async def send(self, message: bytes) -> None:
        """One message, silently dropped after the end."""
        with suppress(ConnectionClosed):
            await self._connection.send(message)

    async def close(self, code: int, reason: str) -> None:
        """Close it."""
        await self._connection.close(code, reason[:120])


class Hub:
    """A hub that only remembers."""

    def __init__(self) -> None:
        self.facts: list[object] = []
        self.link: Downlink | None = None
        self.links = 0
        self.news = asyncio.Condition()

    def greet(self, link: Downlink, machine: Machine) -> None:
        """Remember the newest link."""
        self.link = link
        self.links += 1

    def take(self, link: Downlink, packet: object) -> None:
        """Remember the fact."""
        self.facts.append(packet)

    def part(self, link: Downlink) -> None:
        """Forget the link if it is the newest."""
        if self.link is link:
            self.link = None

    def frames(self) -> list[int]:
        """The instants of all frames, in the order taken."""
        return [fact.frame.at for fact in self.facts if isinstance(fact, packets.Figures)]


class Duty:
    """An agent that obeys at once and has three lines of log."""

    async def order(self, action: Action) -> Outcome:
        """Done."""
        return Outcome(action.id, 1, ok=True, text=f"{action.verb} done")

    async def logs(self, server: str, lines: int, *, follow: bool) -> AsyncGenerator[tuple[str, ...], None]:
        """Three lines, then silence when following."""
        if server != "web":
            raise Refused("no such server", code="unknown-server")
        yield ("one", "two")[-lines:]
        yield ("three",)
        if follow:
            await asyncio.Event().wait()

    def statuses(self) -> tuple[ServerStatus, ...]:
        """One server."""
        return (STATUS,)

    async def evidence(self, identity: str) -> AsyncGenerator[bytes, None]:
        """Some parts, without end for one id."""
        if identity == "none":
            raise Refused("it is gone", code="no-evidence")
        for _ in range(3 if identity != "endless" else 1000):
            yield identity.encode() * 1000

    async def carry(
        self, count: int, told: asyncio.Queue[tuple[int, bytes]], say: Callable[[int, bytes], Awaitable[None]]
    ) -> None:
        """Two workers that say back what they are told; more are too many."""
        if count > 2:
            raise Refused("too many", code="too-many")
        try:
            while True:
                number, content = await told.get()
                await say(number, content.upper())
        finally:
            self.ended.append(count)

    ended: ClassVar[list[int]] = []


@asynccontextmanager
async def hub_listening(hub: Hub, port: int = 0) -> AsyncIterator[int]:
    """Serve `hub` on a loopback port."""

    async def on_connection(connection: ServerConnection) -> None:
        await Downlink(Socket(connection), hub, SystemClock()).serve()

    async with serve(on_connection, "127.0.0.1", port, max_size=packets.PACKET_BYTES) as server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def agent_joined(port: int, spool: Spool) -> AsyncIterator[Uplink]:
    """An agent that keeps itself joined to that port."""
    uplink = Uplink(lambda: f"ws://127.0.0.1:{port}/link", lambda: "t", lambda: MACHINE, spool, Duty(), SystemClock())
    async with asyncio.TaskGroup() as group:
        task = group.create_task(uplink.run())
        yield uplink
        task.cancel()


async def until(condition: object) -> None:
    """Wait until a condition holds, at most 20 s."""
    async with asyncio.timeout(20):
        while not condition():  # type: ignore[operator]  # any callable
            await asyncio.sleep(0.01)


def fill(uplink: Uplink, spool: Spool, start: int, end: int) -> None:
    """Let the agent have frames."""
    spool.keep_layout(LAYOUT)
    for at in range(start, end):
        uplink.record(Frame("1s", LAYOUT.id, at, bytes(8)))


async def test_facts_arrive_in_order_and_leave_the_spool_when_acknowledged(tmp_path: Path) -> None:
    """Statuses whole first, the layout before its frames, and nothing is kept that the hub has."""
    hub, spool = Hub(), Spool(tmp_path, 8 << 20)
    async with hub_listening(hub) as port, agent_joined(port, spool) as uplink:
        fill(uplink, spool, 0, 1500)
        uplink.record(Event("e", 1, EventKind.SERVER_EXITED, "gone"))
        await until(lambda: len(hub.facts) > 300 and hub.link)
        assert hub.facts[:2] == [packets.Statuses((STATUS,), whole=True), packets.Define(LAYOUT)]
        assert spool.pending == 1501
        while spool.pending:
            await hub.link.acknowledge(hub.link.taken)
            await asyncio.sleep(0.01)
        assert hub.frames() == list(range(1500))
        uplink.status(STATUS)
        await until(lambda: isinstance(hub.facts[-1], packets.Statuses) and not hub.facts[-1].whole)


async def test_what_was_not_acknowledged_comes_again_after_a_cut(tmp_path: Path) -> None:
    """The hub dies with frames unacknowledged: its successor gets them, then the newer ones, with the layout again."""
    spool = Spool(tmp_path, 8 << 20)
    first, second = Hub(), Hub()
    async with hub_listening(first) as port, agent_joined(port, spool) as uplink:
        fill(uplink, spool, 0, 20)
        await until(lambda: len(first.frames()) == 20)
        await first.link.acknowledge(10)
        await until(lambda: spool.pending == 10)
    async with hub_listening(second) as port, agent_joined(port, spool) as uplink:
        fill(uplink, spool, 20, 25)
        await until(lambda: second.frames() and second.frames()[-1] == 24)
        assert second.frames() == list(range(10, 25))
        assert packets.Define(LAYOUT) in second.facts


async def test_orders_have_outcomes_and_logs_have_ends(tmp_path: Path) -> None:
    """An order is answered by its outcome; a log comes in parts with an end; an unknown server is said so."""
    hub, spool = Hub(), Spool(tmp_path, 8 << 20)
    async with hub_listening(hub) as port, agent_joined(port, spool):
        await until(lambda: hub.link)
        await hub.link.order(Action("a1", 0, "box", "web", "restart", "me"))
        await until(lambda: packets.Done(Outcome("a1", 1, ok=True, text="restart done")) in hub.facts)
        parts = [part async for part in hub.link.logs("web", 2, follow=False)]
        assert [line for part in parts for line in part.lines] == ["one", "two", "three"]
        assert parts[-1].end
        (refused,) = [part async for part in hub.link.logs("nope", 2, follow=False)]
        assert refused.end
        assert refused.why == "no such server"
        follow = hub.link.logs("web", 2, follow=True)
        assert (await anext(follow)).lines == ("one", "two")
        await follow.aclose()


async def test_evidence_travels_when_it_is_asked_for(tmp_path: Path) -> None:
    """Whole, several at once; what is gone is said so, what has no end is given up, a lost link ends the waiting."""
    hub, spool = Hub(), Spool(tmp_path, 8 << 20)
    async with hub_listening(hub) as port, agent_joined(port, spool):
        await until(lambda: hub.link)
        link = hub.link
        found = await asyncio.gather(link.evidence("a"), link.evidence("b"))
        assert found == [b"a" * 3000, b"b" * 3000]
        with pytest.raises(Refused, match="it is gone"):
            await link.evidence("none")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("watchkeeper.wire.downlink.EVIDENCE_BYTES", 100_000)
            with pytest.raises(Refused) as refused:
                await link.evidence("endless")
            assert refused.value.code == "too-large"
        assert await link.evidence("a") == b"a" * 3000
        link._socket.send = lambda _: asyncio.sleep(0)
        waiting = asyncio.create_task(link.evidence("a"))
        await asyncio.sleep(0)
        link.leave("the test is over")
        with pytest.raises(Refused, match="link has ended"):
            await waiting


async def test_a_superseded_link_is_told_why(tmp_path: Path) -> None:
    """`leave` says goodbye with its reason, and the agent comes back by itself."""
    hub, spool = Hub(), Spool(tmp_path, 8 << 20)
    async with hub_listening(hub) as port, agent_joined(port, spool) as uplink:
        await until(lambda: hub.link)
        hub.link.leave("another one came")
        await until(lambda: hub.links == 2)
        await until(lambda: uplink.connected)


@pytest.mark.parametrize("noise", [b"\xc1\xff", packets.encode(packets.Statuses((), whole=True))])
async def test_a_malformed_packet_closes_the_link_with_a_reason(noise: bytes) -> None:
    """Noise, and a packet before the greeting: the hub answers Bye with why, and closes."""
    async with hub_listening(Hub()) as port:
        socket = await dial(f"ws://127.0.0.1:{port}/link", "t")
        await socket.send(noise)
        answer = packets.from_hub(await socket.receive() or b"")
        assert isinstance(answer, packets.Bye)
        assert answer.code == "malformed"
        assert await socket.receive() is None
        await socket.close()


@pytest.mark.parametrize(
    ("url", "said", "retry"),
    [
        ("http://127.0.0.1:1/", "not a ws://", False),
        ("ws://127.0.0.1:1/link", "cannot connect", True),
    ],
)
async def test_a_hub_that_cannot_be_reached_is_said_why(url: str, said: str, retry: bool) -> None:
    """A wrong address is the operator's to mend, a closed port is time's."""
    with pytest.raises(Failed, match=said) as caught:
        await dial(url, "t")
    assert caught.value.retry is retry


async def test_a_refused_token_is_told_apart() -> None:
    """HTTP 401 at the handshake names the token, and trying again is not thought sane."""

    async def refuse(connection: ServerConnection, request: object) -> object:
        return connection.respond(401, "no\n")

    async def never(connection: ServerConnection) -> None:
        raise AssertionError

    async with serve(never, "127.0.0.1", 0, process_request=refuse) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Failed, match="refused the agent's token") as caught:
            await dial(f"ws://127.0.0.1:{port}/link", "t")
    assert not caught.value.retry


@pytest.mark.parametrize("token", ["two\nlines", "two words", "caf\u00e9"])
async def test_a_token_that_is_no_word_is_told_without_it(token: str) -> None:
    """A file with more in it than the token must not end the agent, and its words must not be told."""
    with pytest.raises(Failed, match="not one word") as caught:
        await dial("ws://127.0.0.1:1/link", token)
    assert token not in caught.value.why
    assert not caught.value.retry


def test_pauses_grow_with_full_jitter_up_to_a_cap() -> None:
    """The ceiling doubles to the cap, and chance spreads below it."""
    assert pause_before(1, 1) == pytest.approx(0.4)
    assert pause_before(50, 1) == LONGEST_PAUSE
    assert pause_before(3, 0) == 0


async def test_workers_are_carried_both_ways_and_end_with_whoever_asked(tmp_path: Path) -> None:
    """Bytes go to each worker and come back; leaving ends them; what the agent refuses is told in its words."""
    hub = Hub()
    Duty.ended.clear()
    async with hub_listening(hub) as port, agent_joined(port, Spool(tmp_path, 1 << 20)):
        await until(lambda: hub.link is not None)
        async with hub.link.workers(2) as line, asyncio.timeout(20):
            await line.send(1, b"one")
            await line.send(0, b"two")
            parts = [await line.receive(), await line.receive()]
            assert [(part.number, part.content) for part in parts] == [(1, b"ONE"), (0, b"TWO")]
        await until(lambda: Duty.ended == [2])
        async with hub.link.workers(3) as line, asyncio.timeout(20):
            part = await line.receive()
            assert (part.end, part.why) == (True, "too many")


async def test_a_reader_who_is_too_slow_hears_that_it_is_over(tmp_path: Path) -> None:
    """Nothing of what workers say may be missing in the middle: so the line ends, with the reason."""
    line = downlink.WorkerLine(Socket(None), "a")  # type: ignore[arg-type]  # nothing is sent
    for number in range(downlink.WORKER_PARTS + 1):
        downlink._add(line, packets.WorkerPart("a", number))  # the one who hears the agent
    part = await line.receive()
    assert part.end
    assert "not taken in time" in part.why
