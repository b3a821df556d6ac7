"""Several servers as one network, over NATS and over unix sockets: what holds in one server holds among them."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from nats.aio.msg import Msg

from cloudnet.backbone import Beat, Carry, Published, ToNode, encode
from cloudnet.client import connect
from cloudnet.codes import Close, Code
from cloudnet.errors import Refused
from cloudnet.keys import Identity
from cloudnet.mesh import Mesh
from rigs.cloud import Cable, Cloud, CloudProgram, cloud, take
from rigs.nats import NatsProgram
from rigs.stranger import LEAVE, PING, PONG, WELCOME, stranger

Node = Callable[[], AbstractAsyncContextManager[Cloud]]


async def seen(what: Callable[[], object], seconds: float = 15.0) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.02)


async def figure(node: Cloud, name: str, wanted: float) -> None:
    """Wait until a node says so of itself."""
    async with asyncio.timeout(15):
        while (await node.figures()).get(name) != wanted:
            await asyncio.sleep(0.05)


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[NatsProgram]:
    """A NATS server for this test alone."""
    one = NatsProgram(tmp_path)
    one.start()
    yield one
    one.kill()


@pytest.fixture(params=["nats", "mesh"])
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Cloud, Cloud]]:
    """Two nodes that know of each other."""
    async with AsyncExitStack() as stack:
        if request.param == "nats":
            nats = request.getfixturevalue("nats")
            nodes = [await stack.enter_async_context(cloud(tmp_path / str(place), nats=nats.url)) for place in range(2)]
        else:
            waiting = [cloud(tmp_path, worker=place, workers=2) for place in range(2)]
            nodes = await asyncio.gather(*(stack.enter_async_context(one) for one in waiting))
        for node in nodes:
            await figure(node, "cloud_peers", 1)
        yield nodes[0], nodes[1]


async def test_a_message_reaches_a_client_of_another_node(pair: tuple[Cloud, Cloud]) -> None:
    """Found, written to, answered: with receipts, in order, and nobody notices that there are two servers."""
    here, there = pair
    ann, bob = Identity.new(), Identity.new()
    async with connect(here.url, ann) as a, connect(there.url, bob) as b:
        await b.register("bob", type="chat")

        async def found() -> list[bool]:
            return [entry.present async for entry in a.find(text="bob")]

        async with asyncio.timeout(10):
            while await found() != [True]:
                await asyncio.sleep(0.02)
        sending = asyncio.create_task(a.send(bob.key, b"hello", wait=True))
        message = await anext(b)
        assert (message.body, message.sender) == (b"hello", ann.key)
        assert not sending.done()
        b.taken()
        await asyncio.wait_for(sending, 10)
        sent = [str(number).encode() for number in range(2000)]
        burst = asyncio.gather(*(a.send(bob.key, body) for body in sent))
        assert await take(b, 2000) == sent
        await burst
    figures = await here.figures()
    assert figures['cloud_carried_total{way="out"}'] >= 2001
    assert figures["cloud_carried_under_way"] == 0


async def test_mail_follows_its_recipient(pair: tuple[Cloud, Cloud]) -> None:
    """Kept at the node where the recipient was last, brought to the one where it comes, before anything newer."""
    here, there = pair
    ann, bob = Identity.new(), Identity.new()
    async with connect(there.url, bob):
        await seen_by(here, 1)
    async with connect(here.url, ann) as a:
        await asyncio.gather(*(a.send(bob.key, b"%d" % number) for number in range(500)))
        assert (await there.figures())["cloud_mailbox_messages"] == 500
        async with connect(here.url, bob) as b:
            newer = asyncio.gather(*(a.send(bob.key, b"%d" % number) for number in range(500, 600)))
            assert await take(b, 600) == [b"%d" % number for number in range(600)]
            await newer
        for node in pair:
            await figure(node, "cloud_mailbox_messages", 0)


async def test_a_session_is_resumed_on_another_node(pair: tuple[Cloud, Cloud]) -> None:
    """A client whose connection is cut comes back elsewhere: same session, profiles, watches, nothing lost, nothing twice."""
    here, there = pair
    ann, bob, eve = Identity.new(), Identity.new(), Identity.new()
    async with (
        Cable(here.port).plugged() as cable,
        connect(here.url, ann) as a,
        connect([cable.url, there.url], bob) as b,
        connect(there.url, eve) as e,
    ):
        await b.register("bob")
        async with b.watch(eve.key) as eves, e.watch(bob.key) as bobs:
            assert (await anext(eves)).state == "came"
            assert (await asyncio.wait_for(anext(bobs), 10)).state == "came"
            receiving = asyncio.create_task(take(b, 200))
            for number in range(200):
                await a.send(bob.key, b"%d" % number)
                if number == 100:
                    cable.is_down = True
                    cable.cut()
            assert await receiving == [b"%d" % number for number in range(200)]
            assert (b.server, b.connections, b.resumed) == (there.url, 2, 1)
            states = []
            while "resumed" not in states:
                states.append((await asyncio.wait_for(anext(bobs), 10)).state)
            assert states[-2:] == ["away", "resumed"]
            await e.register("eve")
            assert (await asyncio.wait_for(anext(eves), 10)).state == "came"
            assert [entry.present async for entry in a.find(text="bob")] == [True]


async def test_a_key_has_one_session_in_the_network(pair: tuple[Cloud, Cloud]) -> None:
    """A second connection on another node is refused unless it takes over; then the first one ends."""
    here, there = pair
    bob = Identity.new()
    async with connect(here.url, bob) as first:
        await seen_by(there, 1)
        with pytest.raises(Refused) as fault:
            async with connect(there.url, bob):
                raise AssertionError
        assert fault.value.code == Code.ALREADY_CONNECTED
        async with connect(there.url, bob, takeover=True) as second:
            with pytest.raises(Refused) as fault:
                await asyncio.wait_for(anext(first), 10)
            assert fault.value.code == Code.TAKEN_OVER
            assert await second.ping() < 5


@pytest.mark.slow
@pytest.mark.parametrize("before", ["here", "there", "at once"])
async def test_a_login_that_was_held_up_takes_nothing_over(pair: tuple[Cloud, Cloud], before: str) -> None:
    """It comes from a network that had stood still, behind the login of its successor or beside it: the successor stays."""
    here, there = pair
    for turn in range(5):
        async with stranger(here.url) as late, stranger((here if before == "here" else there).url, after=0.01) as successor:
            successor.signing, successor.key = late.signing, late.key
            assert late.challenge[4] < successor.challenge[4]  # by the server's clock; what is of one millisecond is a draw
            await successor.say(successor.login(takeover=True))
            if before != "at once":
                await successor.hear(WELCOME)
                await seen_by(here, turn + 1)
            await late.say(late.login(takeover=True))
            assert (await late.end())[::2] == (Close.TAKEN_OVER, Code.TAKEN_OVER)
            await successor.say([PING, 7])
            assert (await successor.hear(PONG))[1] == 7
            await successor.say([LEAVE])
            await successor.end()


async def seen_by(node: Cloud, places: int) -> None:
    """Wait until a node knows of so many devices."""
    await figure(node, "cloud_places", places)


async def test_reasons_come_back_from_another_node(pair: tuple[Cloud, Cloud]) -> None:
    """Nobody anywhere, not to be kept, a full mailbox there: each with its code."""
    here, there = pair
    ann, bob = Identity.new(), Identity.new()
    async with connect(here.url, ann) as a:
        with pytest.raises(Refused) as fault:
            await a.send(bob.key, b"x")
        assert fault.value.code == Code.UNKNOWN_RECIPIENT
        async with connect(there.url, bob):
            await seen_by(here, 2)
        async with asyncio.timeout(10):
            while True:
                with pytest.raises(Refused) as fault:
                    await a.send(bob.key, b"x", keep=False)
                if fault.value.code == Code.UNKNOWN_RECIPIENT:
                    break
    assert (await here.figures())["cloud_carried_under_way"] == 0


@asynccontextmanager
async def programs(folder: Path, nats: NatsProgram, count: int) -> AsyncIterator[list[CloudProgram]]:
    """Real processes that can be killed, all over one NATS."""
    nodes = []
    for place in range(count):
        (folder / str(place)).mkdir()
        nodes.append(CloudProgram(folder / str(place), "--nats", nats.url))
    for node in nodes:
        node.arguments += ("--advertise", node.url)
        await asyncio.to_thread(node.start)
    try:
        for node in nodes:
            await figure(node, "cloud_peers", count - 1)
        yield nodes
    finally:
        for node in nodes:
            node.close()


@pytest.mark.slow
async def test_a_server_dies_and_its_clients_go_on_elsewhere(tmp_path: Path, nats: NatsProgram) -> None:
    """Kill -9: the others see it, its clients come back at one of them, nothing accepted is lost, and its mail comes later."""
    ann, bob, cat = Identity.new(), Identity.new(), Identity.new()
    async with programs(tmp_path, nats, 2) as (here, there):
        async with connect(there.url, cat):
            await seen_by(here, 1)
        async with connect(here.url, ann) as a, connect(there.url, bob) as b:
            await seen_by(here, 3)
            await a.send(cat.key, b"kept there")
            receiving = asyncio.create_task(take(b, 300))
            for number in range(150):
                await a.send(bob.key, b"%d" % number)
            async with a.watch(bob.key) as changes:
                assert (await anext(changes)).state == "came"
                there.kill()
                await asyncio.gather(*(a.send(bob.key, b"%d" % number) for number in range(150, 300)))
                assert await receiving == [b"%d" % number for number in range(300)]
                assert b.server == here.url, "turned to the address that the other one advertises"
                assert (await asyncio.wait_for(anext(changes), 10)).state in {"away", "came"}
            async with connect(here.url, cat) as c:
                await a.send(cat.key, b"kept here")
                assert await take(c, 1) == [b"kept here"]
                await asyncio.to_thread(there.start)
                assert await take(c, 1) == [b"kept there"]
        assert await asyncio.to_thread(here.stop) == 0


@pytest.mark.slow
async def test_nats_goes_away_and_comes_back(tmp_path: Path, nats: NatsProgram) -> None:
    """Each node serves its clients meanwhile and keeps what is for others; with NATS back, even an empty one, all arrives."""
    ann, bob, cat = Identity.new(), Identity.new(), Identity.new()
    async with (
        cloud(tmp_path / "a", nats=nats.url) as here,
        cloud(tmp_path / "b", nats=nats.url) as there,
        connect(here.url, ann) as a,
        connect(here.url, cat) as c,
        connect(there.url, bob) as b,
    ):
        await figure(here, "cloud_peers", 1)
        await seen_by(here, 3)
        await asyncio.gather(a.send(bob.key, b"0"), take(b, 1))
        nats.kill()
        await figure(here, "cloud_peers", 0)
        assert (await here.figures())["cloud_backbone_up"] == 0
        await asyncio.gather(a.send(cat.key, b"local", wait=True), take(c, 1))
        await asyncio.gather(*(a.send(bob.key, b"%d" % number) for number in range(1, 50)))
        (nats.folder / "jetstream").rename(nats.folder / "lost")
        await asyncio.to_thread(nats.start)
        assert await take(b, 49) == [b"%d" % number for number in range(1, 50)]
        dan = Identity.new()
        async with connect(there.url, dan):
            await seen_by(here, 4)


async def test_a_server_that_starts_while_nats_is_away_serves_its_own_clients(tmp_path: Path) -> None:
    """It answers on both ports, says that it is cut off, and joins once NATS is there: what it has kept goes on then."""
    ann, bob, cat = Identity.new(), Identity.new(), Identity.new()
    nats = NatsProgram(tmp_path)
    try:
        async with (
            cloud(tmp_path / "a", nats=nats.url) as here,
            connect(here.url, ann) as a,
            connect(here.url, cat) as c,
        ):
            async with connect(here.url, bob) as b:
                await b.ping()
            await asyncio.gather(a.send(cat.key, b"local", wait=True), take(c, 1))
            await a.send(bob.key, b"kept")
            async with httpx.AsyncClient() as asking:
                for port in (here.port, here.metrics_port):
                    assert (await asking.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200
                    assert (await asking.get(f"http://127.0.0.1:{port}/readyz")).status_code == 503
            assert (await here.figures())["cloud_backbone_up"] == 0
            await asyncio.to_thread(nats.start)
            await figure(here, "cloud_ready", 1)
            async with cloud(tmp_path / "b", nats=nats.url) as there, connect(there.url, bob) as b:
                await figure(there, "cloud_peers", 1)
                assert await take(b, 1) == [b"kept"]
                await seen_by(there, 3)
                await asyncio.gather(b.send(ann.key, b"back", wait=True), take(a, 1))
    finally:
        nats.kill()


async def test_a_server_joins_though_no_message_says_that_it_is_the_last(
    tmp_path: Path, nats: NatsProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What each tells of those still to come may be gone by then: the consumer itself is asked what it has left."""
    monkeypatch.setattr(
        Msg, "metadata", property(lambda one: dataclasses.replace(Msg.Metadata._from_reply(one.reply), num_pending=1))
    )
    async with cloud(tmp_path / "a", nats=nats.url) as here:
        await figure(here, "cloud_ready", 1)


class Silent:
    """An ear for whom only who is there counts."""

    def __init__(self) -> None:
        self.there: set[str] = set()

    def heard(self, node: str, items: Sequence[ToNode]) -> None:
        """See `backbone.Ear`."""

    def learnt(self, entries: Sequence[Published]) -> None:
        """See `backbone.Ear`."""

    def joined(self, beat: Beat) -> None:
        """See `backbone.Ear`."""
        self.there.add(beat.node)

    def lost(self, node: str) -> None:
        """See `backbone.Ear`."""
        self.there.discard(node)


async def test_a_process_that_reads_nothing_is_known_to_be_behind(tmp_path: Path) -> None:
    """What does not fit into its socket stands before it: nothing needs to be said to it again. It reads on, and is not."""
    mesh, ear, other = Mesh(tmp_path, "server", 0, 2), Silent(), "server.1"
    running = asyncio.create_task(mesh.run(ear, asyncio.Event()))
    try:
        await seen((tmp_path / "0.sock").exists)
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "0.sock"))
        beat = encode([Beat(other, 1)])
        writer.write(len(beat).to_bytes(4) + beat)
        await seen(lambda: other in ear.there)
        assert not mesh.is_behind(other)
        assert not mesh.is_behind("nobody")
        for ref in range(64):
            mesh.say(other, Carry(ref, bytes(32), bytes(32), bytes(16), 1, bytes(60_000), 1))
        await seen(lambda: mesh.is_behind(other))
        while mesh.is_behind(other):
            await asyncio.wait_for(reader.read(1 << 20), 15)
        writer.close()
        await seen(lambda: not ear.there)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_newer_messages_wait_for_a_process_that_is_down(tmp_path: Path) -> None:
    """Mail is at a process that is started again soon: wherever its recipient comes meanwhile, it stays first."""
    ann, bob = Identity.new(), Identity.new()

    def process(place: int) -> AbstractAsyncContextManager[Cloud]:
        return cloud(tmp_path, worker=place, workers=3)

    async with AsyncExitStack() as living:
        dying = AsyncExitStack()
        here, third, there = await asyncio.gather(
            living.enter_async_context(process(0)),
            living.enter_async_context(process(1)),
            dying.enter_async_context(process(2)),
        )
        await figure(here, "cloud_peers", 2)
        async with connect(there.url, bob):
            await seen_by(here, 1)
        a = await living.enter_async_context(connect(here.url, ann))
        await a.send(bob.key, b"0")
        assert (await there.figures())["cloud_mailbox_messages"] == 1
        await dying.aclose()
        await figure(here, "cloud_peers", 1)
        await a.send(bob.key, b"1")
        for _ in range(2):
            async with connect(here.url, bob) as b:
                await b.ping()
        async with connect(third.url, bob) as b:
            receiving = asyncio.create_task(take(b, 3))
            await a.send(bob.key, b"2")
            await b.ping()
            await living.enter_async_context(process(2))
            assert await receiving == [b"0", b"1", b"2"]
