"""What Apprise speaks, by a process of its own: it is delivered, it is bounded, and its address is nobody's to see."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from rigs.bulletins import full, numbered
from rigs.desk import until
from rigs.outgoing import at_work, kept
from rigs.receivers import Hook
from watchkeeper.errors import Failed
from watchkeeper.notify import Apprise
from watchkeeper.notify import lane as lane_room
from watchkeeper.notify.apprise import WORKER
from watchkeeper.notify.apprise_worker import fitting
from watchkeeper.outward import NotTaken
from watchkeeper.quantities import Duration


def channel(folder: Path, receiver: Hook, scheme: str = "json", path: str = "/hook", **settings: object) -> Apprise:
    """By a service that one hosts oneself."""
    url = f"{scheme}://watch:pa55w0rd@127.0.0.1:{receiver.port}{path}"
    return Apprise(url=kept(folder, url), **settings)  # type: ignore[arg-type]  # any of its fields


async def test_it_is_delivered_with_its_key(tmp_path: Path) -> None:
    """Title, text and kind arrive, and the idempotency key goes along with whatever request a plugin makes."""
    receiver = Hook()
    async with receiver.running():
        assert await channel(tmp_path, receiver).send(full(), "key-1") == "HTTP 200 from 127.0.0.1"
        await channel(tmp_path, receiver).send(full(resolved=True), "key-2")
    first, over = receiver.taken
    assert (first.key, first.told["title"], first.told["type"]) == ("key-1", "CRITICAL: The disk of alpha fills", "failure")
    assert "Top processes: postgres (4711)" in first.told["message"]
    assert over.told["type"] == "success"


@pytest.mark.slow
async def test_what_answers_mean(tmp_path: Path) -> None:
    """As for our own channels: not there and not now are safe to repeat, 500 may have been taken, 400 will not be."""
    receiver = Hook()
    await receiver.up()
    receiver.faults = ["unavailable", "gone", "before", "refuse", "redirect"]
    one = channel(tmp_path, receiver)
    for number in range(2):
        with pytest.raises(NotTaken, match=r"HTTP (503|404) from 127.0.0.1") as sure:
            await one.send(numbered(number), "key")
        assert sure.value.place == ("127.0.0.1", receiver.port)
    with pytest.raises(Failed, match="HTTP 500") as unsure:
        await one.send(numbered(3), "key")
    assert not isinstance(unsure.value, NotTaken)
    with pytest.raises(Failed, match="HTTP 400") as refused:
        await one.send(numbered(4), "key")
    assert not refused.value.retry
    with pytest.raises(Failed, match="HTTP 302"):
        await one.send(numbered(5), "key")
    await receiver.down()
    with pytest.raises(NotTaken, match=r"cannot connect to 127\.0\.0\.1") as away:
        await one.send(numbered(6), "key")
    assert "pa55w0rd" not in str(away.value)
    with pytest.raises(NotTaken, match="cannot read the address"):
        await Apprise(url=kept(tmp_path, "nosuchservice://pa55w0rd")).send(numbered(7), "key")


async def test_a_worker_that_hangs_is_killed_and_seen_by_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The channel's time is over, not Apprise's four seconds: the process is gone. Nobody saw its address while it ran."""
    monkeypatch.setattr(lane_room, "PARTING_SECONDS", 0.1)
    monkeypatch.setenv("SOME_SECRET_OF_OURS", "not-for-plugins")
    receiver = Hook()
    receiver.fault = "hang"
    async with receiver.running(), at_work(tmp_path, {"x": channel(tmp_path, receiver, timeout=Duration(6))}) as office:
        await office.outbox.tell(numbered(1), ["x"])
        await until(lambda: receiver.asked)
        (pid,) = workers()
        seen = shown(pid)
        assert b"pa55w0rd" not in seen
        assert b"not-for-plugins" not in seen
        await until(lambda: office.outbox.lanes["x"].tally.failed)
        assert workers() == []
        while not (row := (await office.rows())[0]).why:  # written after it is counted
            await asyncio.sleep(0.01)
        assert (row.why, row.unsure) == ("no answer within 6s", True)


def shown(pid: int) -> bytes:
    """What anybody sees of a process, and what its user sees."""
    return Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()


def workers() -> list[int]:
    """The workers that this process has."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            mine = int(path.joinpath("stat").read_text().rpartition(")")[2].split()[1]) == os.getpid()
            if mine and str(WORKER).encode() in path.joinpath("cmdline").read_bytes():
                found.append(int(path.name))
        except OSError:
            continue
    return found


async def test_through_an_outage_it_arrives_as_soon_as_its_receiver_is_back(tmp_path: Path) -> None:
    """Where it goes is known from its own attempt, so the frame looks there."""
    receiver = Hook()
    await receiver.up()
    await receiver.down()
    async with at_work(tmp_path, {"x": channel(tmp_path, receiver)}) as office:
        (row,) = await office.outbox.tell(numbered(1), ["x"])
        await until(lambda: office.outbox.lanes["x"].standing.seen_away)
        async with receiver.running():
            await office.settled()
    assert receiver.keys == [row.id]


@pytest.mark.parametrize(("most", "wanted"), [(2000, "x" * 1000), (600, "y" * 500), (150, "z" * 130), (20, "z" * 20)])
def test_a_short_service_gets_a_short_form(most: int, wanted: str) -> None:
    """The longest that it takes; cut only where none was made so short."""
    assert fitting(["x" * 1000, "y" * 500, "z" * 130], most) == wanted
