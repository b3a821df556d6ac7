"""Over real sockets: more waits than one WebSocket message may hold, two clients flood each other, a watcher comes back."""

from __future__ import annotations

import asyncio
from pathlib import Path

from cloudnet.client import connect
from cloudnet.keys import Identity
from rigs.cloud import Cable, cloud, take


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


async def test_a_watcher_that_comes_back_learns_what_has_changed(tmp_path: Path) -> None:
    """Whoever left while its connection was cut is told as gone once it has resumed."""
    ann, bob = Identity.new(), Identity.new()
    async with (
        cloud(tmp_path) as here,
        Cable(here.port).plugged() as cable,
        connect(cable.url, ann) as a,
        a.watch(bob.key) as changes,
    ):
        async with connect(here.url, bob):
            assert [(await asyncio.wait_for(anext(changes), 10)).state for _ in range(2)] == ["left", "came"]
            cable.is_down = True
            cable.cut()
        cable.is_down = False
        assert (await asyncio.wait_for(anext(changes), 10)).state == "left"
        assert a.resumed == 1
