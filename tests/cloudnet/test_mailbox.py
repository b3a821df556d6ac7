"""The mailbox: nothing settled is lost, whatever dies; what waits is counted exactly; a full disk is told and passes."""

from __future__ import annotations

import asyncio
import random
import resource
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudnet.client import connect
from cloudnet.codes import Code
from cloudnet.errors import ConfigError, Failed, Refused
from cloudnet.keys import Identity
from cloudnet.mailbox import ROW_BYTES, Mailbox
from cloudnet.mailfile import READ_BYTES, next_row
from cloudnet.packets import Deliver
from cloudnet.sealed import OVERHEAD_BYTES
from cloudnet.session import Flight
from rigs.cloud import CloudProgram, cloud, take
from rigs.programs import until

ANN, BOB = bytes(32), bytes([1] * 32)
LATER = time.time_ns() // 1_000_000 + 86_400_000


class Desk:
    """A mailbox, and what it has said of what was put."""

    def __init__(self, path: Path) -> None:
        self.settled: list[bytes] = []
        self.refused: list[bytes] = []
        self.mailbox = Mailbox(path, 0, self._settled, self._refused)

    def _settled(self, flight: Flight) -> None:
        assert flight.deliver is not None
        self.settled.append(flight.deliver.id)

    def _refused(self, flight: Flight, why: str) -> None:
        assert flight.deliver is not None
        assert why
        self.refused.append(flight.deliver.id)

    def put(self, name: bytes, body: bytes = b"body", *, expires: int = LATER) -> Flight:
        """A message from Ann to Bob."""
        flight = Flight(Deliver(0, ANN, name, 0, BOB, body), None, 0, 0.0, 0)
        self.mailbox.put(BOB, flight, expires)
        return flight

    def counted(self) -> tuple[int, int]:
        """Messages and bytes that wait for Bob, as it is known in memory."""
        waiting = self.mailbox.waiting(BOB)
        assert (waiting.messages if waiting else 0) == self.mailbox.total_messages
        assert (waiting.bytes if waiting else 0) == self.mailbox.total_bytes
        return self.mailbox.total_messages, self.mailbox.total_bytes

    async def written(self) -> tuple[int, int]:
        """The same, as it is in the file."""
        count = "SELECT count(*), coalesce(sum(size), 0) FROM mail WHERE recipient = ?"
        messages, size = await self.mailbox.do(lambda connection: connection.execute(count, (BOB,)).fetchone())
        return messages, size

    async def read(self) -> list[bytes]:
        """The ids of what waits, in order."""
        names, row, is_more = [], 0, True
        while is_more:
            mails, is_more = await self.mailbox.read(BOB, row, 10, 0)
            names += [mail.id for mail in mails]
            row = mails[-1].row if mails else row
        return names


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A mailbox of its own."""
    found = Desk(tmp_path / "cloud.db")
    yield found
    found.mailbox.close()


async def test_what_is_put_is_settled_once_it_is_written(desk: Desk) -> None:
    """Not before; then it can be read, in order, until it is deleted."""
    flights = [desk.put(b"%d" % number) for number in range(25)]
    assert desk.settled == []
    await desk.mailbox.flush()
    assert desk.settled == await desk.read() == [b"%d" % number for number in range(25)]
    for flight in flights:
        desk.mailbox.delete(BOB, flight)
    assert await desk.read() == []
    await desk.mailbox.flush()
    assert desk.counted() == (0, 0)


async def test_what_waits_is_counted_exactly(desk: Desk) -> None:
    """Put twice, deleted twice, expired and then taken: memory and file agree, also with what is still to be written."""
    desk.put(b"one", b"12345")
    again = desk.put(b"one", b"12345")
    old = desk.put(b"old", b"123", expires=1)
    await desk.mailbox.flush()
    desk.put(b"two", b"1")
    assert await desk.written() == (3, 9)
    assert desk.counted() == (3, 9)
    assert await desk.mailbox.expire(2) == 1
    desk.mailbox.delete(BOB, old)
    desk.mailbox.delete(BOB, again)
    three = desk.put(b"three")
    desk.mailbox.delete(BOB, three)
    desk.mailbox.delete(BOB, three)
    await desk.mailbox.flush()
    assert await desk.written() == desk.counted() == (2, 6)
    assert desk.settled == [b"one", b"one", b"old", b"two", b"three"]


async def test_a_place_that_is_anothers_harms_nobody(desk: Desk) -> None:
    """Two nodes may have given one place to two messages: the second has the next free one, and is deleted there."""
    first = desk.put(b"first")
    second = desk.put(b"second")
    await desk.mailbox.flush()
    brought = Flight(Deliver(0, ANN, b"brought", 0, BOB, b"body"), None, 0, 0.0, 0, first.row)
    desk.mailbox.put(BOB, brought, LATER)
    desk.put(b"innocent")
    found = await desk.read()
    assert found[0] == b"first"
    assert sorted(found) == [b"brought", b"first", b"innocent", b"second"]
    assert desk.refused == []
    again = Flight(Deliver(0, ANN, b"innocent", 0, BOB, b"body"), None, 0, 0.0, 0, second.row)
    desk.mailbox.put(BOB, again, LATER)
    await desk.mailbox.flush()
    assert desk.refused == []
    desk.mailbox.delete(BOB, brought)
    assert await desk.read() == [b"first", b"second", b"innocent"]
    assert await desk.written() == desk.counted()
    assert not desk.mailbox.trouble


async def test_reading_is_bounded_by_bytes(desk: Desk) -> None:
    """A page of long messages is a short one, and says that there is more."""
    for number in range(8):
        desk.put(b"%d" % number, bytes(READ_BYTES // 2))
    mails, is_more = await desk.mailbox.read(BOB, 0, 100, 0)
    assert [mail.id for mail in mails] == [b"0", b"1"]
    assert is_more
    assert len(await desk.read()) == 8


async def test_a_full_disk_refuses_what_is_put_and_does_the_rest(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was settled can be read and deleted; once there is room again, it is found out by itself."""
    monkeypatch.setattr("cloudnet.mailbox.AGAIN_SECONDS", 0.05)
    kept = desk.put(b"kept")
    pages = (await desk.mailbox.do(lambda connection: connection.execute("PRAGMA page_count").fetchone()))[0]
    await desk.mailbox.do(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages + 2}").fetchall())
    desk.put(b"refused", bytes(100_000))
    reading = asyncio.create_task(desk.read())
    assert await reading == [b"kept"]
    assert desk.refused == [b"refused"]
    assert "full" in desk.mailbox.trouble
    assert desk.counted() == (1, 4)
    desk.mailbox.delete(BOB, kept)
    await asyncio.sleep(0.2)
    assert "full" in desk.mailbox.trouble, "said to be well though nothing of any size can be written"
    await desk.mailbox.do(lambda connection: connection.execute("PRAGMA max_page_count = 1000000").fetchall())
    async with asyncio.timeout(5):
        while desk.mailbox.trouble:
            await asyncio.sleep(0.02)
    desk.put(b"after", bytes(100_000))
    assert await desk.read() == [b"after"]
    assert desk.settled == [b"kept", b"after"]


async def test_what_a_question_does_wrong_is_told_to_whoever_asked(desk: Desk) -> None:
    """And harms nothing that is written with it."""
    desk.put(b"one")
    with pytest.raises(ZeroDivisionError):
        await desk.mailbox.do(lambda _: 1 // 0)
    with pytest.raises(Failed, match="no such table"):
        await desk.mailbox.do(lambda connection: connection.execute("SELECT * FROM absent"))
    desk.put(b"two")
    assert await desk.read() in ([b"one", b"two"], [b"two"])
    assert set(desk.settled) | set(desk.refused) == {b"one", b"two"}


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2_000_000_000_000)), max_size=60))
def test_rows_rise_whatever_the_clock_does(steps: list[tuple[int, int]]) -> None:
    """For each of several writers, and no two of them ever give the same number, also when they begin from the same one."""
    given_: set[int] = set()
    last: dict[int, int] = {}
    for node, now in steps:
        row = next_row(last.get(node, max(given_, default=0)), now, node)
        assert row > last.get(node, 0)
        assert row not in given_
        assert row < 1 << 63
        given_.add(row)
        last[node] = row


def test_rows_rise_within_one_millisecond() -> None:
    """More than there is room for in one."""
    row, given_ = 0, set()
    for _ in range(40_000):
        row = next_row(row, 1_700_000_000_000, 5)
        given_.add(row)
    assert len(given_) == 40_000
    assert all(row >> 10 & 4095 == 5 for row in given_)


@pytest.mark.slow
@pytest.mark.parametrize("times", [4, pytest.param(20, marks=pytest.mark.long)])
async def test_kill_9_amid_commits_loses_nothing(tmp_path: Path, times: int) -> None:
    """At random moments under a stream of messages to an absent client: each arrives later, once, in order."""
    ann, bob = Identity.new(), Identity.new()
    server = CloudProgram(tmp_path)
    server.start()
    try:
        async with connect(server.url, bob):
            pass
        async with connect(server.url, ann) as a:
            accepted = 0
            is_over = False

            async def send() -> None:
                nonlocal accepted
                under_way: set[asyncio.Task[bytes]] = set()
                number = 0
                while not is_over:
                    under_way.add(asyncio.create_task(a.send(bob.key, b"%d" % number)))
                    number += 1
                    if len(under_way) >= 100 or not number % 7:
                        done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                        accepted += len(done)
                accepted += len(await asyncio.gather(*under_way))
                assert accepted == number

            sending = asyncio.create_task(send())
            for _ in range(times):
                await asyncio.sleep(random.uniform(0.1, 0.4))
                server.kill()
                await asyncio.to_thread(server.start)
            is_over = True
            await asyncio.wait_for(sending, 60)
        async with connect(server.url, bob) as b:
            for number in range(accepted):
                assert (await asyncio.wait_for(anext(b), 10)).body == b"%d" % number
            b.taken()
            async with asyncio.timeout(10):
                while (await b.status()).waiting:
                    await asyncio.sleep(0.05)
    finally:
        server.close()


async def test_a_disk_without_room_is_told_and_passes(tmp_path: Path) -> None:
    """Senders hear `no-room`, /readyz says why; with room again everything goes on, and what was accepted is there."""
    ann, bob = Identity.new(), Identity.new()
    server = CloudProgram(tmp_path)
    server.start()
    try:
        assert server.process is not None
        async with connect(server.url, bob):
            pass
        async with connect(server.url, ann) as a:
            await a.send(bob.key, b"first")
            wal = (server.data / "cloud.db-wal").stat().st_size
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (wal + 100_000, resource.RLIM_INFINITY))
            accepted = [b"first"]
            with pytest.raises(Refused) as fault:
                for number in range(100):
                    body = b"%d %s" % (number, bytes(8000))
                    await a.send(bob.key, body)
                    accepted.append(body)
            assert fault.value.code == Code.NO_ROOM
            answer = await asyncio.to_thread(httpx.get, f"http://127.0.0.1:{server.metrics_port}/readyz")
            assert answer.status_code == 503
            assert "mailbox cannot be written" in answer.text
            figures = await server.figures()
            assert figures["cloud_messages_kept_total"] == len(accepted), "what the disk did not take is not counted"
            assert figures["cloud_mailbox_up"] == 0
            assert figures['cloud_drops_total{reason="no-room"}'] >= 1
            assert await a.ping() < 5
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            await asyncio.to_thread(until, server.is_ready, "the server to find out that there is room")
            await a.send(bob.key, b"last")
        async with connect(server.url, bob) as b:
            for body in (*accepted, b"last"):
                assert (await asyncio.wait_for(anext(b), 10)).body == body
        assert server.stop() == 0
    finally:
        server.close()


async def test_the_mailbox_is_bounded_in_bytes_for_one_and_for_all(tmp_path: Path) -> None:
    """Each bound answers with its own code, and what was kept stays."""
    ann, bob, eve = Identity.new(), Identity.new(), Identity.new()
    async with cloud(tmp_path, mailbox_bytes=5_000, mailbox_total=8_300) as here, connect(here.url, ann) as a:
        for one in (bob, eve):
            async with connect(here.url, one):
                pass
        codes = []
        for to in (bob, bob, bob, bob, eve, eve, eve):
            try:
                await a.send(to.key, bytes(1_200))
                codes.append("")
            except Refused as fault:
                codes.append(fault.code)
        assert codes == ["", "", "", Code.MAILBOX_FULL, "", Code.NO_ROOM, Code.NO_ROOM]
        figures = await here.figures()
        assert figures["cloud_mailbox_messages"] == 4
        assert figures['cloud_drops_total{reason="no-room"}'] == 2
        async with connect(here.url, bob) as b:
            for _ in range(3):
                await asyncio.wait_for(anext(b), 10)


async def test_one_sender_does_not_take_the_room_of_all(tmp_path: Path) -> None:
    """The last quarter is for those of whom little waits; once there is room again, all may send."""
    ann, bob, eve = Identity.new(), Identity.new(), Identity.new()
    async with (
        cloud(tmp_path, mailbox_total=1_000_000) as here,
        connect(here.url, ann) as a,
        connect(here.url, eve) as e,
    ):
        async with connect(here.url, bob):
            pass
        codes = []
        for _ in range(30):
            try:
                await e.send(bob.key, bytes(50_000))
            except Refused as fault:
                codes.append(fault.code)
        assert codes
        assert set(codes) == {Code.NO_ROOM}
        assert 750_000 < (await here.figures())["cloud_mailbox_bytes"] < 850_000
        await a.send(bob.key, b"hello")
        async with connect(here.url, bob) as b:
            assert len(await take(b, 31 - len(codes))) == 31 - len(codes)
            async with asyncio.timeout(10):
                while (await here.figures())["cloud_mailbox_bytes"]:
                    await asyncio.sleep(0.05)
        await e.send(bob.key, bytes(50_000))


async def test_messages_without_a_body_are_bounded_too(tmp_path: Path) -> None:
    """Each takes room in the file beside its body, and is charged for it."""
    ann, bob = Identity.new(), Identity.new()
    async with cloud(tmp_path, mailbox_total=16 * (ROW_BYTES + OVERHEAD_BYTES)) as here, connect(here.url, ann) as a:
        async with connect(here.url, bob):
            pass
        sent = await asyncio.gather(*(a.send(bob.key, b"") for _ in range(100)), return_exceptions=True)
        refused = [fault for fault in sent if fault is not None and not isinstance(fault, bytes)]
        assert {fault.code for fault in refused if isinstance(fault, Refused)} == {Code.NO_ROOM}
        figures = await here.figures()
        assert 8 <= figures["cloud_mailbox_messages"] == 100 - len(refused) < 20
        assert figures["cloud_mailbox_bytes"] <= figures["cloud_mailbox_limit_bytes"]


async def test_what_is_too_old_is_dropped_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a minute; no sender may keep it for longer than the server grants."""
    monkeypatch.setattr("cloudnet.server.EXPIRE_SECONDS", 0.2)
    ann, bob = Identity.new(), Identity.new()
    async with cloud(tmp_path, mailbox_seconds=1) as here, connect(here.url, ann) as a:
        async with connect(here.url, bob):
            pass
        await a.send(bob.key, b"x", ttl=1_000_000)
        assert (await here.figures())["cloud_mailbox_messages"] == 1
        async with asyncio.timeout(5):
            while (await here.figures())["cloud_mailbox_messages"]:
                await asyncio.sleep(0.1)
        assert (await here.figures())['cloud_drops_total{reason="expired"}'] == 1


async def test_the_order_survives_clocks_that_jump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day back, two forward, a day back over a restart: all comes in the order in which it was sent."""
    ann, bob = Identity.new(), Identity.new()
    true = time.time_ns
    sent = []
    for number, days in enumerate((0, -1, 1, 0)):
        async with cloud(tmp_path) as here, connect(here.url, ann) as a:
            if not number:
                async with connect(here.url, bob):
                    pass
            for shift in (days, days - 0.5, days + 0.25):
                monkeypatch.setattr(time, "time_ns", lambda shift=shift: true() + int(shift * 86_400e9))
                for _ in range(5):
                    sent.append(b"%d" % len(sent))
                    await a.send(bob.key, sent[-1])
    async with cloud(tmp_path) as here, connect(here.url, bob) as b:
        assert [(await asyncio.wait_for(anext(b), 10)).body for _ in sent] == sent


@pytest.mark.parametrize("damage", ["no database", "a page of zeros", "cut short"])
def test_a_damaged_file_is_the_operators_to_see(tmp_path: Path, damage: str) -> None:
    """Exit 2 and a sentence that names the file; nothing is thrown away."""
    asyncio.run(_filled(tmp_path / "cloud.db"))
    file = tmp_path / "cloud.db"
    whole = file.read_bytes()
    match damage:
        case "no database":
            file.write_bytes(b"this is a letter to my aunt\n" * 1000)
        case "a page of zeros":
            file.write_bytes(whole[:4096] + bytes(len(whole) - 4096))
        case "cut short":
            file.write_bytes(whole[: len(whole) // 2])
    before = file.read_bytes()
    run = subprocess.run(
        [sys.executable, "-m", "cloudnet.programs.server", "--listen", "127.0.0.1:0", "--metrics", "", "--data", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert run.returncode == 2, run.stderr
    assert str(file) in run.stderr
    assert "Traceback" not in run.stderr
    assert file.read_bytes()[100:] == before[100:]  # SQLite counts in the first page that it was opened


async def _filled(path: Path) -> None:
    desk = Desk(path)
    for number in range(200):
        desk.put(b"%d" % number, bytes(2000))
    await desk.mailbox.flush()
    desk.mailbox.close()


async def test_a_folder_that_cannot_be_is_the_operators_to_see(tmp_path: Path) -> None:
    """A file in the way, said by name."""
    (tmp_path / "cloud").write_text("in the way")
    with pytest.raises(ConfigError, match="cloud"):
        async with cloud(tmp_path):
            raise AssertionError
