"""Coming back: pauses that grow, are jittered and have an end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudnet import reaching as reaching_room
from cloudnet.client import connect
from cloudnet.codes import Code
from cloudnet.errors import Refused
from cloudnet.keys import Identity
from cloudnet.reaching import FIRST_PAUSE, LONGEST_PAUSE, pause_before
from rigs.cloud import Cable, Cloud, cloud


class Hole(Cable):
    """A cable on which one login reaches the server, its answer nobody: the client's end is reset, the server's stays open."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.is_filled = asyncio.Event()
        """The server is told that this connection is lost."""
        self._is_dug = True

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._is_dug:
            await super()._connect(reader, writer)
            return
        self._is_dug = False
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            far_writer.write(await reader.readuntil(b"\r\n\r\n"))
            writer.write(await far_reader.readuntil(b"\r\n\r\n"))
            writer.write(await far_reader.read(65536))  # the challenge
            far_writer.write(await reader.read(65536))  # the login
            await far_reader.read(65536)
            writer.transport.abort()
            await self.is_filled.wait()
        finally:
            far_writer.transport.abort()


async def visit(url: str, identity: Identity) -> int:
    """Log in, be answered and leave; how many logins worked."""
    async with connect(url, identity, timeout=300) as client:
        assert await client.ping() < 30
        return client.connections


async def turned_away(here: Cloud, count: int) -> None:
    """Wait until so many logins were refused since the key was connected already."""
    async with asyncio.timeout(90):
        while (await here.figures()).get('cloud_logins_total{outcome="already-connected"}', 0) < count:
            await asyncio.sleep(0.05)


@given(st.integers(1, 10**6), st.floats(0, 1))
def test_pauses_are_bounded_and_jittered(attempt: int, chance: float) -> None:
    """From nothing up to a bound that doubles, and never over the longest."""
    pause = pause_before(attempt, chance)
    assert 0 <= pause <= LONGEST_PAUSE
    assert pause == chance * pause_before(attempt, 1.0)
    assert pause_before(attempt, 1.0) == min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempt - 1, 100))


async def test_a_lost_welcome_does_not_keep_a_client_out(tmp_path: Path) -> None:
    """The server holds a session that its client knows nothing of: it is tried again until that is gone, and then works."""
    async with cloud(tmp_path) as here, Hole(here.port).plugged() as hole:
        coming = asyncio.create_task(visit(hole.url, Identity.new()))
        await turned_away(here, 2)
        assert not coming.done()
        hole.is_filled.set()
        assert await coming == 1


async def test_who_has_the_key_is_not_thrown_out_for_a_lost_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose session it is cannot be known: another client with this key stays, and once no doubt is left this one gives up."""
    bob = Identity.new()
    async with cloud(tmp_path) as here, Hole(here.port).plugged() as hole, connect(here.url, bob) as other:
        coming = asyncio.create_task(visit(hole.url, bob))
        await turned_away(here, 3)
        assert not coming.done()
        monkeypatch.setattr(reaching_room, "DOUBT_SECONDS", 0.0)
        with pytest.raises(Refused) as fault:
            await coming
        assert fault.value.code == Code.ALREADY_CONNECTED
        assert await other.ping() < 5
        assert other.connections == 1
