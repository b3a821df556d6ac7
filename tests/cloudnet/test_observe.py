"""The page of figures: well formed, and every message's fate is in it."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from pathlib import Path

import httpx

from cloudnet.client import connect
from cloudnet.errors import Refused
from cloudnet.keys import Identity
from rigs.cloud import Cable, Cloud, cloud
from rigs.stranger import stranger

SAMPLE = re.compile(r'([a-z_]+)(\{[a-z]+="[^"\n]*"\})? (NaN|[+-]?[0-9.e+-]+)')


async def page(here: Cloud) -> httpx.Response:
    """As a scraper gets it."""
    async with httpx.AsyncClient(verify=False) as client:
        return await client.get(f"http://127.0.0.1:{here.metrics_port}/metrics")


async def test_the_page_is_open_metrics(tmp_path: Path) -> None:
    """Each family once, with type and help before its samples; counters end on _total; the end is marked."""
    async with cloud(tmp_path) as here, connect(here.url, Identity.new()) as one:
        await one.ping()
        answer = await page(here)
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    lines = answer.text.splitlines()
    assert lines.pop() == "# EOF"
    families: dict[str, str] = {}
    helped, sampled, newest = set(), Counter[str](), ""
    for written in lines:
        match written.split(" ", 3):
            case "#", "TYPE", name, kind:
                assert name not in families
                families[name], newest = kind, name
            case "#", "HELP", name, about:
                assert name == newest
                assert about.endswith(".")
                helped.add(name)
            case _:
                found = SAMPLE.fullmatch(written)
                assert found, written
                assert found[1].startswith(newest)
                ends = {"counter": {"_total"}, "gauge": {""}, "histogram": {"_bucket", "_sum", "_count"}}[families[newest]]
                assert found[1].removeprefix(newest) in ends, written
                sampled[found[1] + (found[2] or "")] += 1
    assert helped == families.keys()
    assert max(sampled.values()) == 1


async def test_every_message_has_one_fate(tmp_path: Path) -> None:
    """What clients have sent was forwarded, kept or dropped with a reason, and none is under way in the end."""
    ann, bob, eve = Identity.new(), Identity.new(), Identity.new()
    async with cloud(tmp_path, mailbox_messages=20) as here, Cable(here.port).plugged() as cable:
        async with connect(here.url, eve):
            pass
        async with connect(here.url, ann) as a, connect(cable.url, bob) as b:
            sends = [a.send(key, b"%d" % number) for number in range(40) for key in (bob.key, eve.key, bytes(32))]
            sending = asyncio.gather(*sends, return_exceptions=True)
            for _ in range(40):
                await asyncio.wait_for(anext(b), 10)
            b.taken()
            done = await sending
            figures = await here.figures()
            refused = Counter(fault.code for fault in done if isinstance(fault, Refused))
            # Nobody's key is no point of the curve: the client does not even send to it.
            assert figures["cloud_messages_received_total"] == 80
            assert figures["cloud_messages_forwarded_total"] == figures["cloud_messages_taken_total"] == 40
            assert figures["cloud_messages_kept_total"] == figures["cloud_mailbox_messages"] == 20
            assert figures['cloud_drops_total{reason="mailbox-full"}'] == refused["mailbox-full"] == 20
            assert figures["cloud_messages_under_way"] == 0
            assert figures["cloud_delay_seconds_count"] == 40


async def test_sockets_without_sessions_are_to_be_seen(tmp_path: Path) -> None:
    """Connected and not logged in, logged in, away: each has its figure."""
    async with cloud(tmp_path) as here, stranger(here.url) as one:
        figures = await here.figures()
        assert (figures["cloud_connections"], figures["cloud_greetings"]) == (1, 1)
        await one.enter()
        figures = await here.figures()
        assert (figures["cloud_greetings"], figures['cloud_sessions{state="ready"}']) == (0, 1)
        one.socket.transport.abort()
        async with asyncio.timeout(5):
            while (await here.figures())['cloud_sessions{state="away"}'] != 1:
                await asyncio.sleep(0.02)
        assert (await here.figures())["cloud_connections"] == 0
