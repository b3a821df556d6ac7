"""Encrypted targets: the same load through TLS, and a certificate that nobody vouches for is an answer of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from picows import ws_create_server

from rigs import known
from rigs.certificates import made
from rigs.cloud import cloud
from rigs.stress import plan_of, run_stage
from watchkeeper.fetch import tls_context
from watchkeeper.stress.floor import Floor
from watchkeeper.stress.lane import Ground
from watchkeeper.stress.plan import place


@asynccontextmanager
async def floor(url: str, text: str = "", *, verify: bool = False) -> AsyncIterator[Floor]:
    """A floor with two lanes to a TLS target."""
    plan = plan_of(text + '\n[[phase]]\nkind = "pause"\n', url)
    assert plan.protocol is not None
    found = Floor(plan.mix, 5.0, 0, 1)
    ground = Ground(url, place(url), tls_context(verify=verify), "localhost", 5.0, 0, 1, 1)
    found.make(plan.protocol.prepare(ground))
    found.grow(2)
    async with asyncio.timeout(10):
        while sum(found.keeper.first_tries.values()) < 2:
            await asyncio.sleep(0.005)
    try:
        yield found
    finally:
        await found.close()


class Echo(asyncio.Protocol):
    """Sends back what comes."""

    def connection_made(self, transport: Any) -> None:
        """A client."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Send it back."""
        self.transport.write(data)


@asynccontextmanager
async def server(kind: str, folder: Path) -> AsyncIterator[str]:
    """A target with a certificate of its own making; its address."""
    context = made(folder, "server").served()
    loop = asyncio.get_running_loop()
    behaviour = known.Behaviour("errors", {"nth": 1e9})
    if kind == "wss":
        listening = await ws_create_server(lambda _: known.Socket(behaviour, set()), "127.0.0.1", 0, ssl=context)
    else:
        make = Echo if kind == "tls" else lambda: known.Http(behaviour)
        listening = await loop.create_server(make, "127.0.0.1", 0, ssl=context)
    try:
        yield f"{kind}://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()


@pytest.mark.parametrize("kind", ["https", "wss", "tls"])
async def test_a_load_through_tls(kind: str, tmp_path: Path) -> None:
    """Everything ends well where the certificate is not looked at."""
    async with server(kind, tmp_path) as url, floor(url) as found:
        assert found.keeper.first_tries == {"": 2}
        (tally,) = [one for one in (await run_stage(found, 0.2, rate=100)).values() if one.name]
        assert (tally.done, tally.errors) == (20, {})


@pytest.mark.parametrize("kind", ["https", "wss", "tls"])
async def test_a_certificate_that_nobody_vouches_for(kind: str, tmp_path: Path) -> None:
    """Is told as such, and nothing is sent."""
    async with server(kind, tmp_path) as url, floor(url, verify=True) as found:
        assert found.keeper.first_tries == {"tls": 2}
        (tally,) = [one for one in (await run_stage(found, 0.1, rate=50)).values() if one.name]
        assert tally.errors == {"tls": 5}


async def test_logins_are_bound_to_the_certificate(tmp_path: Path) -> None:
    """Clients of a Cloud Server with TLS sign what they have seen of it."""
    shown = made(tmp_path, "cloud")
    async with cloud(tmp_path, tls_certificate=shown.certificate, tls_key=shown.key) as here:
        url = here.url.replace("ws://", "wss://")
        async with floor(url, '[protocol]\nkind = "cloud"\n') as found:
            assert found.keeper.first_tries == {"": 2}
            assert (await run_stage(found, 0.2, rate=50))["pair"].done == 10
