"""The dead man's switch: heartbeats while the way from rule to channel lives, the bad news at once where it does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rigs.desk import until
from rigs.outgoing import kept
from watchkeeper.clock import SystemClock
from watchkeeper.heartbeat import outgoing
from watchkeeper.heartbeat.outgoing import DeadMan, vital, with_ending
from watchkeeper.heartbeat.settings import HeartbeatSettings
from watchkeeper.quantities import Duration, Secret


class Outside:
    """Who waits for the hub's heartbeat."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.status = 200
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(int(line.split(":")[1]) for line in head.lower().splitlines() if line.startswith("content-length"))
        self.heard.append((head.split()[1], (await reader.readexactly(length)).decode()))
        writer.write(b"HTTP/1.1 %d x\r\ncontent-length: 0\r\n\r\n" % self.status)
        writer.close()


@asynccontextmanager
async def switch(url: str | Secret, outside: Outside, trouble: list[str]) -> AsyncIterator[DeadMan]:
    """A dead man's switch at work, with a period that no test lives to see."""
    server = await asyncio.start_server(outside.serve, "127.0.0.1", outside.port)
    outside.port = server.sockets[0].getsockname()[1]
    if isinstance(url, str):
        url = url.replace("PORT", str(outside.port))
    man = DeadMan(HeartbeatSettings(url=url, period=Duration(600)), SystemClock(), lambda: "", lambda: "".join(trouble))
    task = asyncio.create_task(man.run())
    try:
        yield man
    finally:
        task.cancel()
        server.close()


def figures_of(man: DeadMan) -> dict[str, float]:
    """What it shows, by name."""
    return {family.name: values[0][1] for family, values in man.figures()}


@pytest.mark.parametrize(
    ("now", "beat_at", "stuck", "trouble", "said"),
    [
        (100, 99, "", "", ""),
        (50, 0, "", "", ""),
        (61, 0, "", "", "no rule has been judged for 61 s"),
        (200, 100, "", "", "no rule has been judged for 100 s"),
        (100, 99, "ops", "", "the channel ops is stuck"),
        (100, 99, "ops", "the disk is full", "the disk is full"),
    ],
)
def test_what_makes_the_hub_well(now: float, beat_at: float, stuck: str, trouble: str, said: str) -> None:
    """A fresh beat of the Watchdog, lanes that come round, and room to keep things; else the reason."""
    assert vital(now, began=0, beat_at=beat_at, stuck=stuck, trouble=trouble) == said


async def test_it_beats_as_long_as_the_watchdog_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start at the start, then nothing before the first judgement, then well; trouble is told at once, and its end."""
    monkeypatch.setattr(outgoing, "TICK_SECONDS", 0.02)
    outside, trouble = Outside(), []
    async with switch("http://127.0.0.1:PORT/ping/abc?a=b", outside, trouble) as man:
        await until(lambda: outside.heard)
        await asyncio.sleep(0.1)
        assert outside.heard == [("/ping/abc/start?a=b", "the hub has started")]
        man.beat()
        await until(lambda: len(outside.heard) == 2)
        assert outside.heard[1] == ("/ping/abc?a=b", "well")
        trouble.append("the disk is full")
        await until(lambda: len(outside.heard) == 3)
        assert outside.heard[2] == ("/ping/abc/fail?a=b", "the disk is full")
        trouble.clear()
        await until(lambda: len(outside.heard) == 4)
        assert outside.heard[3] == ("/ping/abc?a=b", "well")
        await until(lambda: figures_of(man)["watchkeeper_dead_man_sent_total"] == 4)
        assert figures_of(man)["watchkeeper_dead_man_well"] == 1


async def test_one_that_does_not_arrive_is_sent_again_soon(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Without waiting a period, with one line in the log, and without the address, which is a secret."""
    monkeypatch.setattr(outgoing, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(outgoing, "AGAIN_SECONDS", 0.05)
    outside = Outside()
    outside.status = 500
    server = await asyncio.start_server(outside.serve, "127.0.0.1", 0)
    outside.port = server.sockets[0].getsockname()[1]
    server.close()
    secret = kept(tmp_path, f"http://127.0.0.1:{outside.port}/ping/0f1e2d3c-s3cr3t")
    async with switch(secret, outside, []) as man:
        man.beat()
        await until(lambda: len(outside.heard) >= 3)
        outside.status = 200
        await until(lambda: figures_of(man)["watchkeeper_dead_man_sent_total"])
    assert caplog.text.count("does not arrive") == 1
    assert "s3cr3t" not in caplog.text


async def test_without_an_address_there_is_none() -> None:
    """It returns at once and shows no figures."""
    man = DeadMan(HeartbeatSettings(), SystemClock(), lambda: "")
    await man.run()
    assert man.figures() == []


def test_endings_go_behind_the_path() -> None:
    """Also where there is a question behind it, or a slash."""
    assert with_ending("https://h/a/", "/fail") == "https://h/a/fail"
    assert with_ending("https://h/a?x=1", "") == "https://h/a?x=1"
