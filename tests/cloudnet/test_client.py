"""Client and server together over real sockets: what an application may rely on, through losses of every kind."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cloudnet.client import Client, connect
from cloudnet.codes import Code
from cloudnet.courier import Courier
from cloudnet.errors import ConfigError, Failed, Refused
from cloudnet.keys import Identity, load
from cloudnet.packets import Deliver
from cloudnet.sealed import Letter
from rigs.cloud import Cable, CloudProgram, cloud, take


async def test_a_message_reaches_its_recipient_with_a_receipt(tmp_path: Path) -> None:
    """Sent, received with its sender's name, and the sender knows that the application has it."""
    ann, bob = Identity.new(), Identity.new()
    async with cloud(tmp_path) as here, connect(here.url, ann) as a, connect(here.url, bob) as b:
        sending = asyncio.create_task(a.send(bob.key, b"hello", wait=True))
        message = await anext(b)
        assert (message.body, message.sender, message.author, message.to) == (b"hello", ann.key, ann.key, bob.key)
        assert not sending.done()
        b.taken()
        assert await asyncio.wait_for(sending, 10) == message.id


async def test_order_is_kept_between_two(tmp_path: Path) -> None:
    """Hundreds of messages in a burst, more than may be in flight, arrive in the order in which they were sent, once."""
    ann, bob = Identity.new(), Identity.new()
    async with cloud(tmp_path, under_way=64) as here, connect(here.url, ann) as a, connect(here.url, bob) as b:
        sent = [str(number).encode() for number in range(700)]
        sending = asyncio.gather(*(a.send(bob.key, body) for body in sent))
        assert await take(b, 700) == sent
        await sending


async def test_what_waits_for_an_absent_client_comes_in_order(tmp_path: Path) -> None:
    """Accepted while nobody was there, delivered later, before what is sent then."""
    ann, bob = Identity.new(), Identity.new()
    async with cloud(tmp_path) as here:
        async with connect(here.url, bob):
            pass
        async with connect(here.url, ann) as a:
            await asyncio.gather(*(a.send(bob.key, str(number).encode()) for number in range(300)))
            async with connect(here.url, bob) as b:
                sending = asyncio.gather(*(a.send(bob.key, str(number).encode()) for number in range(300, 400)))
                assert await take(b, 400) == [str(number).encode() for number in range(400)]
                await sending


async def test_a_killed_server_loses_nothing_accepted(tmp_path: Path) -> None:
    """Kill -9 with messages in the mailbox: the next server on the folder delivers them, the clients come back."""
    ann, bob = Identity.new(), Identity.new()
    server = CloudProgram(tmp_path)
    server.start()
    try:
        async with connect(server.url, bob):
            pass
        async with connect(server.url, ann) as a:
            await asyncio.gather(*(a.send(bob.key, str(number).encode()) for number in range(50)))
            server.kill()
            later = asyncio.create_task(a.send(bob.key, b"sent while it was down"))
            await asyncio.to_thread(server.start)
            await asyncio.wait_for(later, 40)
            assert a.connections == 2
            async with connect(server.url, bob) as b:
                assert await take(b, 51) == [*(str(number).encode() for number in range(50)), b"sent while it was down"]
        assert server.stop() == 0
    finally:
        server.close()


async def test_a_cut_connection_is_resumed(tmp_path: Path) -> None:
    """The session is found again: no second registration, no message lost or twice, those who watch see away and resumed."""
    ann, bob, eve = Identity.new(), Identity.new(), Identity.new()
    async with (
        cloud(tmp_path) as here,
        Cable(here.port).plugged() as cable,
        connect(here.url, eve) as e,
        connect(here.url, ann) as a,
        connect(cable.url, bob) as b,
    ):
        await b.register("bob")
        async with e.watch(bob.key) as changes:
            assert (await anext(changes)).state == "came"
            receiving = asyncio.create_task(take(b, 60))
            for number in range(60):
                await a.send(bob.key, str(number).encode())
                if number in {20, 40}:
                    cable.cut()
            assert await receiving == [str(number).encode() for number in range(60)]
            assert b.connections == b.resumed + 1 >= 2
            states = [(await asyncio.wait_for(anext(changes), 10)).state for _ in range(2)]
            assert states == ["away", "resumed"]
        assert (await here.figures())['cloud_packets_total{packet="Register"}'] == 1


async def test_a_message_in_hand_is_not_acknowledged(tmp_path: Path) -> None:
    """An application that dies with a message in hand gets it again; one that had taken it does not."""
    ann, bob = Identity.new(), Identity.new()
    async with cloud(tmp_path) as here, connect(here.url, ann) as a, Cable(here.port).plugged() as cable:
        with contextlib.suppress(Failed):
            async with connect(cable.url, bob, linger=0) as b:
                await asyncio.gather(a.send(bob.key, b"one"), take(b, 1))
                sending = asyncio.create_task(a.send(bob.key, b"two"))
                message = await anext(b)
                assert message.body == b"two"
                cable.is_down = True
                cable.cut()
                b._handed = None  # it died before it was done
        await asyncio.wait_for(sending, 20)
        async with connect(here.url, bob, takeover=True) as b:
            assert (await asyncio.wait_for(anext(b), 10)).body == b"two"


@pytest.mark.parametrize("fault", [OSError("the disk is full"), asyncio.CancelledError()], ids=["failed", "cancelled"])
async def test_a_message_whose_handling_fails_comes_again(tmp_path: Path, fault: BaseException) -> None:
    """Left with an exception, or cancelled, the message in hand is not taken: no receipt, and the next run gets it."""
    ann, bob = Identity.new(), Identity.new()
    async with cloud(tmp_path) as here, connect(here.url, ann) as a:
        async with connect(here.url, bob):
            pass
        sending = asyncio.create_task(a.send(bob.key, b"pay", wait=True))
        with pytest.raises(type(fault)):
            async with connect(here.url, bob) as b:
                assert (await asyncio.wait_for(anext(b), 10)).body == b"pay"
                raise fault
        assert await a.ping() < 5
        assert not sending.done()
        async with connect(here.url, bob) as b:
            assert (await asyncio.wait_for(anext(b), 10)).body == b"pay"
            assert not sending.done()
        await asyncio.wait_for(sending, 10)  # left as planned: taken


async def test_what_was_seen_in_an_earlier_run_is_not_handed_over_again(tmp_path: Path) -> None:
    """With the ids of its own log an application gets each message once, also across its own death."""
    ann, bob = Identity.new(), Identity.new()
    async with cloud(tmp_path) as here, connect(here.url, ann) as a:
        async with connect(here.url, bob):
            pass
        first = await a.send(bob.key, b"one")
        await a.send(bob.key, b"two")
        async with connect(here.url, bob, seen=[(ann.key, first)]) as b:
            assert await take(b, 1) == [b"two"]


async def test_a_receipt_that_died_with_its_sender_is_sent_by_its_next_life(tmp_path: Path) -> None:
    """Whoever waits for it is not left waiting; the application is not troubled again."""
    ann, bob = Identity.new(), Identity.new()
    async with cloud(tmp_path) as here, connect(here.url, ann) as a, Cable(here.port).plugged() as cable:
        with contextlib.suppress(Failed):
            async with connect(cable.url, bob, linger=0) as b:
                sending = asyncio.create_task(a.send(bob.key, b"did you get it?", wait=True))
                await asyncio.wait_for(anext(b), 10)
                cable.is_down = True
                cable.cut()
                b.taken()
                seen = b.seen
        async with connect(here.url, bob, takeover=True, seen=seen) as b:
            await asyncio.wait_for(sending, 10)
            await a.send(bob.key, b"next")
            assert await take(b, 1) == [b"next"]


@pytest.mark.slow
async def test_the_same_id_twice_arrives_once(tmp_path: Path) -> None:
    """A sender that is not sure may send again under the id of its first attempt."""
    ann, bob = Identity.new(), Identity.new()
    async with cloud(tmp_path) as here, connect(here.url, ann) as a:
        async with connect(here.url, bob):
            pass
        once = await a.send(bob.key, b"once")
        await a.send(bob.key, b"once", identity=once)
        async with connect(here.url, bob) as b:
            await a.send(bob.key, b"once", identity=once)
            await a.send(bob.key, b"end")
            assert await take(b, 2) == [b"once", b"end"]


async def test_who_is_no_longer_waited_for_may_be_sent_again(tmp_path: Path) -> None:
    """A send that was given up and one under the same id: both are told, the message arrives once."""
    ann, bob = Identity.new(), Identity.new()
    async with (
        cloud(tmp_path) as here,
        connect(here.url, bob) as b,
        Cable(here.port).plugged() as cable,
        connect(cable.url, ann) as a,
    ):
        cable.hold()
        name = bytes(range(16))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(a.send(bob.key, b"once", identity=name), 0.3)
        again = asyncio.create_task(a.send(bob.key, b"once", identity=name, wait=True))
        await asyncio.sleep(0)
        cable.release()
        assert await take(b, 1) == [b"once"]
        assert await asyncio.wait_for(again, 10) == name
        nobody = Identity.new().key
        both = await asyncio.gather(*(a.send(nobody, b"x", identity=name) for _ in range(2)), return_exceptions=True)
        assert [type(one) for one in both] == [Refused, Refused]


@contextlib.asynccontextmanager
async def by_cable(folder: Path, outbox: int = 1024) -> AsyncIterator[tuple[Client, Client, Cable]]:
    """Ann behind a cable, Bob beside the server, and the cable."""
    async with (
        cloud(folder) as here,
        connect(here.url, Identity.new()) as bob,
        Cable(here.port).plugged() as cable,
        connect(cable.url, Identity.new(), outbox=outbox) as ann,
    ):
        yield ann, bob, cable


async def part(cable: Cable, client: Client) -> None:
    """Cut the cable for as long as the test wants; returns once the client knows."""
    cable.is_down = True
    cable.cut()
    async with asyncio.timeout(10):
        while client.server:
            await asyncio.sleep(0.01)


async def test_the_outbox_bounds_what_was_given_up_too(tmp_path: Path) -> None:
    """While the server cannot be reached, sends that time out leave behind what the outbox holds, however many there are."""
    async with by_cable(tmp_path, outbox=10) as (a, b, cable):
        await part(cable, a)
        for number in range(30):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(a.send(b.identity.key, b"%d" % number), 0.01)
        assert a._courier.under_way == 10
        cable.is_down = False
        sending = asyncio.create_task(a.send(b.identity.key, b"after"))
        assert await take(b, 11) == [*(b"%d" % number for number in range(10)), b"after"]
        await asyncio.wait_for(sending, 10)


async def test_what_is_sent_again_after_it_was_given_up_keeps_its_place_in_the_order(tmp_path: Path) -> None:
    """Under its old id it arrives once, before what was sent after its first attempt."""
    async with by_cable(tmp_path) as (a, b, cable):
        await part(cable, a)
        name = bytes(range(16))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(a.send(b.identity.key, b"first", identity=name), 0.01)
        sending = asyncio.gather(
            a.send(b.identity.key, b"second"), a.send(b.identity.key, b"first", identity=name), a.send(b.identity.key, b"third")
        )
        await asyncio.sleep(0)
        cable.is_down = False
        assert await take(b, 3) == [b"first", b"second", b"third"]
        await asyncio.wait_for(sending, 10)


async def test_what_was_given_up_on_its_way_keeps_its_place(tmp_path: Path) -> None:
    """Two sends were cancelled after they were written: the third waits until the server has settled them, and all arrive."""
    async with by_cable(tmp_path, outbox=2) as (a, b, cable):
        cable.hold()
        for body in (b"one", b"two"):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(a.send(b.identity.key, body), 0.3)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(a.send(b.identity.key, b"without a place"), 0.3)
        assert a._courier.under_way == 2
        sending = asyncio.create_task(a.send(b.identity.key, b"three"))
        cable.release()
        assert await take(b, 3) == [b"one", b"two", b"three"]
        await asyncio.wait_for(sending, 10)


async def test_who_waits_for_a_place_is_told_of_the_end(tmp_path: Path) -> None:
    """The client ends while one message is on its way and another waits behind it: both are told why."""
    ann, bob = Identity.new(), Identity.new()
    async with (
        cloud(tmp_path) as here,
        Cable(here.port).plugged() as cable,
        connect(cable.url, ann, outbox=1) as a,
    ):
        cable.is_down = True
        cable.cut()
        sending = asyncio.gather(*(a.send(bob.key, b"x") for _ in range(3)), return_exceptions=True)
        async with connect(here.url, ann, takeover=True):
            cable.is_down = False
            told = await asyncio.wait_for(sending, 60)
        assert [one.code for one in told if isinstance(one, Refused)] == [Code.ALREADY_CONNECTED] * 3


async def test_reasons_come_back(tmp_path: Path) -> None:
    """Nobody there, not to be kept, too long, no key: each with its code, and the connection goes on."""
    ann, bob = Identity.new(), Identity.new()
    async with cloud(tmp_path, body_bytes=1000) as here, connect(here.url, ann) as a:
        with pytest.raises(Refused) as fault:
            await a.send(bob.key, b"x")
        assert fault.value.code == Code.UNKNOWN_RECIPIENT
        with pytest.raises(Refused) as fault:
            await a.send(bob.key, b"x" * 1000)
        assert fault.value.code == Code.TOO_BIG
        with pytest.raises(Refused):
            await a.send(b"no key", b"x")
        async with connect(here.url, bob):
            pass
        with pytest.raises(Refused, match="not to be kept"):
            await a.send(bob.key, b"x", keep=False)
        assert await a.ping() < 5
        assert (await here.figures())['cloud_drops_total{reason="unknown-recipient"}'] == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"ttl": 1.5},
        {"ttl": -1},
        {"ttl": True},
        {"ttl": 1 << 64},
        {"body": "text"},
        {"to": bytearray(32)},
        {"keep": 1},
        {"wait": 1},
        {"identity": b"short"},
        {"identity": bytearray(16)},
    ],
    ids=str,
)
async def test_what_is_no_message_is_refused_before_it_is_sent(tmp_path: Path, wrong: dict[str, Any]) -> None:
    """The caller's mistake is the caller's: nothing of it is sent, it takes no place, and what comes behind goes its way."""
    ann, bob = Identity.new(), Identity.new()
    async with cloud(tmp_path) as here, connect(here.url, ann, outbox=1) as a, connect(here.url, bob) as b:
        with pytest.raises(Refused) as fault:
            await asyncio.wait_for(a.send(**({"to": bob.key, "body": b"x"} | wrong)), 10)
        assert fault.value.code == Code.MALFORMED
        sending = asyncio.create_task(a.send(bob.key, b"innocent"))
        assert await take(b, 1) == [b"innocent"]
        await asyncio.wait_for(sending, 10)
        assert a.connections == 1


async def test_what_is_no_question_is_refused_before_it_is_asked(tmp_path: Path) -> None:
    """Told with the field that is wrong; a server would end the connection over it, again and again."""
    many = [number.to_bytes(32) for number in range(40_000)]
    async with cloud(tmp_path) as here, connect(here.url, Identity.new()) as a:
        with pytest.raises(Refused, match=r"Find.text: Expected `str`, got `int`"):
            await anext(a.find(text=5))  # type: ignore[arg-type]  # the mistake
        with pytest.raises(Refused, match=r"Find.near: Expected `array` of length 2"):
            await anext(a.find(near=(1.0,)))  # type: ignore[arg-type]  # the mistake
        with pytest.raises(Refused, match=r"Find: .*surrogates"):
            await anext(a.find(text="\udc80"))
        with pytest.raises(Refused, match=r"Watch.keys: Expected `bytes`"):
            async with a.watch("bob"):  # type: ignore[arg-type]  # the mistake
                raise AssertionError
        with pytest.raises(Refused, match=r"Watch: \d+ bytes are more"):
            async with a.watch(*many):
                raise AssertionError
        async with a.watch(many[0], many[0]) as changes:
            assert (await anext(changes)).state == "left"
        assert await a.ping() < 5
        assert a.connections == 1


async def test_a_full_mailbox_refuses_with_its_reason(tmp_path: Path) -> None:
    """By count and by bytes; what was accepted stays."""
    ann, bob = Identity.new(), Identity.new()
    async with cloud(tmp_path, mailbox_messages=5) as here, connect(here.url, ann) as a:
        async with connect(here.url, bob):
            pass
        done = await asyncio.gather(*(a.send(bob.key, b"%d" % number) for number in range(8)), return_exceptions=True)
        refused = [one for one in done if isinstance(one, Refused)]
        assert [one.code for one in refused] == [Code.MAILBOX_FULL] * 3
        async with connect(here.url, bob) as b:
            assert await take(b, 5) == [b"%d" % number for number in range(5)]


async def test_a_message_that_is_too_old_is_gone(tmp_path: Path) -> None:
    """`ttl` bounds the keeping."""
    ann, bob = Identity.new(), Identity.new()
    async with cloud(tmp_path) as here, connect(here.url, ann) as a:
        async with connect(here.url, bob):
            pass
        await a.send(bob.key, b"short-lived", ttl=1)
        await a.send(bob.key, b"lasting")
        await asyncio.sleep(1.2)
        async with connect(here.url, bob) as b:
            assert await take(b, 1) == [b"lasting"]


async def test_a_key_has_one_session(tmp_path: Path) -> None:
    """A second connection is refused unless it takes over; then the first one ends and does not fight back."""
    bob = Identity.new()
    async with cloud(tmp_path) as here, connect(here.url, bob) as first:
        with pytest.raises(Refused) as fault:
            async with connect(here.url, bob):
                raise AssertionError
        assert fault.value.code == Code.ALREADY_CONNECTED
        async with connect(here.url, bob, takeover=True) as second:
            with pytest.raises(Refused) as fault:
                await asyncio.wait_for(anext(first), 10)
            assert fault.value.code == Code.TAKEN_OVER
            assert await second.ping() < 5


async def test_another_server_than_the_one_meant_is_refused(tmp_path: Path) -> None:
    """A pinned key protects from a server in between."""
    async with cloud(tmp_path) as here:
        with pytest.raises(Refused, match="not the server"):
            async with connect(here.url, Identity.new(), server_key=Identity.new().key):
                raise AssertionError


async def test_with_a_pinned_key_a_backup_of_another_is_passed_over(tmp_path: Path) -> None:
    """Its server is restarted, the backup is up and has another key: the client waits for the server that it trusts."""
    (tmp_path / "b").mkdir()
    async with cloud(tmp_path / "b") as other:
        server = CloudProgram(tmp_path, "--backups", other.url)
        server.start()
        try:
            pinned = load(server.data / "server.key").key
            async with connect(server.url, Identity.new(), server_key=pinned) as client:
                server.kill()
                async with asyncio.timeout(30):
                    while not (await other.figures())["cloud_accepts_total"]:
                        await asyncio.sleep(0.05)
                await asyncio.to_thread(server.start)
                assert await asyncio.wait_for(client.ping(), 60) < 5
                assert client.server == server.url
            assert server.stop() == 0
        finally:
            server.close()


async def test_one_wrong_server_of_several_ends_only_that_address(tmp_path: Path) -> None:
    """The next one is turned to; all of them wrong is told at once, and one wrong beside one that is down by both reasons."""
    (tmp_path / "b").mkdir()
    bob = Identity.new()
    async with cloud(tmp_path) as here, cloud(tmp_path / "b") as other:
        pinned = load(tmp_path / "b" / "cloud" / "server.key").key
        async with connect([here.url, other.url], bob, server_key=pinned) as client:
            assert client.server == other.url
        with pytest.raises(Refused, match="not the server"):
            async with connect([here.url, other.url], bob, server_key=bob.key, timeout=3600):
                raise AssertionError
        with pytest.raises(Failed, match=rf"Connection refused; {here.url}: this is not the server"):
            async with connect([here.url, "ws://127.0.0.1:1"], bob, server_key=bob.key, tries=2, timeout=3600):
                raise AssertionError


async def test_no_server_is_told_in_time() -> None:
    """The address and how long it was tried; a wrong address at once."""
    with pytest.raises(Failed, match="no Cloud Server answered"):
        async with connect("ws://127.0.0.1:1", Identity.new(), timeout=0.3):
            raise AssertionError
    with pytest.raises(ConfigError, match="not a ws"):
        async with connect("http://127.0.0.1:1", Identity.new()):
            raise AssertionError
    with pytest.raises(ConfigError, match="no address"):
        async with connect([], Identity.new()):
            raise AssertionError


async def test_a_backup_is_turned_to(tmp_path: Path) -> None:
    """The next address of the list is tried, and one that a server names when it moves."""
    (tmp_path / "b").mkdir()
    bob = Identity.new()
    async with cloud(tmp_path / "b") as other:
        async with connect(["ws://127.0.0.1:1", other.url], bob) as client:
            assert client.server == other.url
        async with cloud(tmp_path, backups=(other.url,)) as here:
            ann = connect(here.url, Identity.new())
            client = await ann.__aenter__()
            assert client.server == here.url
        async with asyncio.timeout(20):
            while client.server != other.url:
                await asyncio.sleep(0.05)
        assert await client.ping() < 5
        await ann.__aexit__(None, None, None)


async def test_a_service_answers_under_its_own_key(tmp_path: Path) -> None:
    """Found, written to and answered for by a device, signed with the service's key; nobody else can claim it."""
    ann, device, service = Identity.new(), Identity.new(), Identity.new()
    async with cloud(tmp_path) as here, connect(here.url, device, identities=[service]) as d, connect(here.url, ann) as a:
        await d.register("time", kind="service", type="clock", identity=service)
        found = [entry async for entry in a.find(type="clock")]
        assert [(entry.profile.name, entry.present) for entry in found] == [("time", True)]
        sending = asyncio.create_task(a.send(service.key, b"what time is it?", wait=True))
        message = await anext(d)
        assert message.to == service.key
        await asyncio.gather(d.send(message.author, b"late", author=service), take(a, 0 + 1), return_exceptions=False)
        d.taken()
        await asyncio.wait_for(sending, 10)
        with pytest.raises(Refused) as fault:
            stolen = Identity.new()
            stolen.key = service.key
            await a.register("thief", kind="service", identity=stolen)
        assert fault.value.code == Code.BAD_SIGNATURE


async def test_the_directory_outlives_the_server(tmp_path: Path) -> None:
    """Who was registered is found after a restart, as absent, until it comes back."""
    ann, bob = Identity.new(), Identity.new()
    async with cloud(tmp_path) as here, connect(here.url, bob) as b:
        await b.register("bob", place=(52.5, 13.4))
    async with cloud(tmp_path) as here, connect(here.url, ann) as a:
        entry = await anext(a.find(near=(52.4, 13.4), radius=20_000))
        assert entry.profile.key == bob.key
        assert not entry.present
        assert entry.distance == pytest.approx(11_119, rel=0.01)
        assert [one async for one in a.find(text="BO", present=True)] == []


async def test_giving_up_tells_why(tmp_path: Path) -> None:
    """After so many tries, or when the time is over, with the reason of the last one; by itself it would try for ever."""
    with pytest.raises(Failed, match=r"no login at ws://127.0.0.1:1: Connection refused"):
        async with connect("ws://127.0.0.1:1", Identity.new(), tries=2, timeout=3600):
            pass
    with pytest.raises(Failed, match=r"within 0\.5 s at ws://127.0.0.1:1; the last one: Connection refused"):
        async with connect("ws://127.0.0.1:1", Identity.new(), timeout=0.5):
            pass


async def test_a_handshake_that_is_broken_off_leaves_no_connection_open() -> None:
    """Somebody listens and never speaks: giving up closes the socket, seen from the other side."""
    ended = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read()
        ended.set()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        with pytest.raises(Failed, match=r"within 0.3 s"):
            async with connect(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", Identity.new(), timeout=0.3):
                pass
        await asyncio.wait_for(ended.wait(), 3)


def test_what_comes_twice_is_handed_over_once_and_counted() -> None:
    """Waiting, in hand or taken: a second copy is no second message, but it is seen."""
    ann, bob = Identity.new(), Identity.new()
    courier = Courier(bob)
    identity, body = Courier(ann).seal(bob.key, Letter("data", 1, b"x", ann.key))

    def copy(position: int) -> None:
        courier.deliver(Deliver(position, ann.key, identity, 1, bob.key, body))

    copy(1)
    copy(2)
    message = courier.next()
    assert message is not None
    assert courier.next() is None
    copy(3)
    courier.taken(message)
    copy(4)
    assert courier.next() is None
    assert courier.repeated == 3
