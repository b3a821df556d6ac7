"""A line over NATS, against the real server: in order, both ways, and never with a hole in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from rigs.nats import NatsProgram, program
from watchkeeper.control.workers import carry
from watchkeeper.errors import Failed, Refused
from watchkeeper.stress import talk
from watchkeeper.stress.distant import Distant
from watchkeeper.stress.overnats import over_nats
from watchkeeper.wire.bus import Address, Bus, subject
from watchkeeper.wire.packets import WorkerPart, encode, worker_part

pytestmark = pytest.mark.skipif(not program(), reason="there is no nats-server here")


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[NatsProgram]:
    """A server."""
    found = NatsProgram(tmp_path)
    found.start()
    yield found
    found.kill()


class Link:
    """The line through a hub to an agent's `carry`, without either: what is left when the rest goes over NATS."""

    def __init__(self, nats: Address | None, *, allowed: bool = True) -> None:
        self.told: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()
        self.said: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.carried = 0
        self.task = asyncio.create_task(self._carry(nats, allowed=allowed))

    async def _carry(self, nats: Address | None, *, allowed: bool) -> None:
        why = ""
        try:
            await carry(1, self.told, self._say, allowed=allowed, nats=lambda: nats)
        except Refused as fault:
            why = fault.why
        await self.said.put(encode(WorkerPart("", -1, end=True, why=why)))

    async def _say(self, number: int, content: bytes) -> None:
        self.carried += len(content)
        await self.said.put(encode(WorkerPart("", number, content)))

    async def send(self, message: bytes) -> None:
        """See `overnats.Socket`."""
        part = worker_part(message)
        await self.told.put((part.number, part.content))

    async def receive(self) -> bytes | None:
        """See `overnats.Socket`."""
        return await self.said.get()

    async def close(self, reason: str = "") -> None:
        """As a hub does when the asker leaves."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_a_real_worker_is_spoken_to_past_the_hub(nats: NatsProgram) -> None:
    """It tells the time over NATS, ends when the line does, and not a byte of its words went through the hub."""
    address = Address(nats.url)
    link = Link(address)

    async def dial() -> Link:
        return link

    distant = Distant("far", 1, lambda: over_nats("far", address, dial))
    (member,) = await distant.start(0)
    assert distant.bound > 0
    assert abs(distant.ahead) <= distant.bound  # the same machine's clock
    member.order(talk.Clock(7))
    async with asyncio.timeout(10):
        said = await talk.report(member.reader)
    assert isinstance(said, talk.Clocked)
    assert said.sent == 7
    await distant.close()
    assert link.carried == 0
    assert link.task.done()


@pytest.mark.parametrize(("allowed", "told"), [(True, "nats under [agent]"), (False, "load = true")])
async def test_an_agent_that_was_told_of_no_server_refuses(nats: NatsProgram, allowed: bool, told: str) -> None:
    """Its own file decides, and the reason is its own."""
    link = Link(None, allowed=allowed)

    async def dial() -> Link:
        return link

    with pytest.raises(Failed) as caught:
        await over_nats("far", Address(nats.url), dial)
    assert told in caught.value.why


async def test_a_hole_and_an_end_are_told(nats: NatsProgram) -> None:
    """A message that is missing ends the line, and so does the server's death; what came before is in order."""
    name = subject()
    asker = await Bus.open(Address(nats.url), name, asks=True)
    worker = await Bus.open(Address(nats.url), name, asks=False)
    async with asyncio.timeout(10):
        for word in (b"one", b"two"):
            await worker.send(word)
        assert [await asker.receive(), await asker.receive()] == [b"one", b"two"]
        worker._sent += 1  # as if NATS had dropped it
        await worker.send(b"four")
        with pytest.raises(Failed, match="1 messages of the workers' line were lost"):
            await asker.receive()
        nats.kill()
        with pytest.raises(Failed, match="NATS"):
            await worker.receive()
    await asker.close()
    await worker.close()


@pytest.mark.slow
async def test_a_server_that_is_not_there_and_a_name_that_is_none(nats: NatsProgram) -> None:
    """Failed with its address; and no subject of somebody else's can be named."""
    with pytest.raises(Refused):
        await Bus.open(Address(nats.url), "watchkeeper.*", asks=True)
    nats.kill()
    with pytest.raises(Failed, match="does not do"):
        await Bus.open(Address(nats.url), subject(), asks=True)
