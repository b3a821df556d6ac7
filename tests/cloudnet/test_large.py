"""Much at once over real sockets: what waits is more than one WebSocket message may hold, and two clients flood each other."""

from __future__ import annotations

import asyncio
from pathlib import Path

from cloudnet.client import Client, connect
from cloudnet.keys import Identity
from rigs.cloud import cloud


async def take(client: Client, count: int) -> list[bytes]:
    """The bodies of so many messages, each taken."""
    bodies: list[bytes] = []
    async with asyncio.timeout(30):
        while len(bodies) < count:
            bodies.append((await anext(client)).body)
        client.taken()
    return bodies


async def test_a_mailbox_of_long_messages_is_delivered(tmp_path: Path) -> None:
    """Two megabytes wait; they leave in messages that a client takes, on one connection."""
    ann, bob = Identity.new(), Identity.new()
    sent = [bytes((number,)) * 60_000 for number in range(40)]
    async with cloud(tmp_path) as here, connect(here.url, ann) as a:
        async with connect(here.url, bob):
            pass
        await asyncio.gather(*(a.send(bob.key, body) for body in sent))
        async with connect(here.url, bob) as b:
            assert await take(b, len(sent)) == sent
            assert b.connections == 1


async def test_two_clients_that_flood_each_other_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """Both have all that is granted under way, and more to send: acknowledgements are read all the same, without the disk."""
    ann, bob = Identity.new(), Identity.new()
    async with cloud(tmp_path, under_way=8) as here, connect(here.url, ann) as a, connect(here.url, bob) as b:
        sending = asyncio.gather(
            *(one.send(to, b"%d" % number) for number in range(400) for one, to in ((a, bob.key), (b, ann.key)))
        )
        numbers = [b"%d" % number for number in range(400)]
        assert await asyncio.gather(take(a, 400), take(b, 400)) == [numbers, numbers]
        await asyncio.wait_for(sending, 30)
        assert 'cloud_pauses_total{reason="too-many"}' not in await here.figures()
