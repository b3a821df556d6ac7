"""Workers for a hub: started only where the agent's own file says so, carried for both ways, and gone when the line is."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from pathlib import Path

import pytest

from watchkeeper.control.workers import MOST, carry
from watchkeeper.errors import Refused
from watchkeeper.stress import talk


def children() -> set[str]:
    """This process's living workers."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if b"watchkeeper.stress.worker" in path.read_bytes():
                stat = path.with_name("stat").read_text().rpartition(")")[2].split()
                if stat[1] == str(os.getpid()) and stat[0] != "Z":
                    found.add(path.parent.name)
    return found


async def test_who_has_not_agreed_makes_no_load() -> None:
    """The agent's own file has the last word, and there is a bound."""
    said: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()

    async def say(number: int, content: bytes) -> None:
        raise AssertionError((number, content))

    with pytest.raises(Refused, match="load = true"):
        await carry(1, said, say, allowed=False)
    with pytest.raises(Refused, match=f"at most {MOST}"):
        await carry(MOST + 1, said, say, allowed=True)


async def test_bytes_go_both_ways_and_nothing_is_left_behind() -> None:
    """Two workers tell the time when they are asked; when the line ends, so do they."""
    told: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()
    heard = {0: asyncio.StreamReader(), 1: asyncio.StreamReader()}

    async def say(number: int, content: bytes) -> None:
        heard[number].feed_data(content)

    task = asyncio.create_task(carry(2, told, say, allowed=True))
    async with asyncio.timeout(60):
        for number, reader in heard.items():
            told.put_nowait((number, talk.written(talk.Clock(number))))
            answer = await talk.report(reader)
            assert isinstance(answer, talk.Clocked)
            assert answer.sent == number
            assert abs(answer.now - time.monotonic_ns()) < 60e9
        assert len(children()) == 2
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert children() == set()
