"""The running server as a whole: whatever a client says, it lives, serves the others, and ends as it should."""

from __future__ import annotations

import asyncio
import logging
import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed

from cloudnet.client import connect
from cloudnet.keys import Identity
from rigs.cloud import cloud, unharmed
from rigs.stranger import PING, PONG, stranger

NUMBERS = (0, 1, -1, 7, 100, 1 << 31, (1 << 63) - 1, -(1 << 63), (1 << 64) - 1)
FLOATS = (0.0, -0.0, 1.5, 90.0, 180.0, 1e308, float("inf"), float("-inf"), float("nan"))
TEXTS = ("", "device", "service", "identity", "x", "\x00", "%", "_", "ß" * 200, "x" * 201, "'); DROP TABLE mail; --", "\u202e")
BYTES = (b"", b"x", bytes(16), bytes(32), bytes([255] * 32), b"y" * 1024, b"z" * 1025, bytes(64))


def anything(depth: int = 0) -> Any:
    """Some value that MessagePack can hold."""
    kinds: list[Any] = [
        lambda: random.choice(NUMBERS),
        lambda: random.choice(FLOATS),
        lambda: random.choice(TEXTS),
        lambda: random.choice(BYTES),
        lambda: random.choice((None, True, False)),
    ]
    if depth < 3:
        kinds.append(lambda: [anything(depth + 1) for _ in range(random.randrange(4))])
    return random.choice(kinds)()


def place() -> Any:
    """A place, more or less."""
    return random.choice((None, [random.choice(FLOATS), random.choice(FLOATS)], [random.choice(NUMBERS), 1.0], [1.0]))


def profile(key: bytes) -> list[Any]:
    """A profile, often of the sender's own key, so that it is looked at further."""
    texts = [random.choice(TEXTS) for _ in range(3)]
    owner = random.choice((key, key, random.choice(BYTES)))
    return [
        owner,
        random.choice(("device", "service", "identity", "")),
        *texts,
        place(),
        random.choice(BYTES),
        random.choice(BYTES),
    ]


def packet(key: bytes) -> list[Any]:
    """A packet of the right shape with odd values, or of a wrong shape."""
    ask = random.choice(NUMBERS)
    keys = [random.choice((key, *BYTES)) for _ in range(random.randrange(4))]
    filters = [
        random.choice(TEXTS[:4]),
        random.choice(TEXTS),
        random.choice(TEXTS),
        random.choice((b"", key)),
        random.choice(BYTES),
    ]
    rest = [place(), random.choice(FLOATS), random.choice((True, False)), random.choice(NUMBERS), random.choice(BYTES)]
    made = random.choice(
        (
            [2, 1, random.choice((key, bytes(32))), random.choice(BYTES), random.choice(BYTES), True, random.choice(NUMBERS)],
            [3, ask],
            [4, ask, [profile(key) for _ in range(random.randrange(4))]],
            [5, ask, keys],
            [6, ask, *filters, *rest],
            [7, ask, keys, random.choice((True, False))],
            [8, ask],
            [9, ask],
        )
    )
    if random.random() < 0.1:
        made[random.randrange(1, len(made))] = anything()
    if random.random() < 0.1:
        del made[random.randrange(1, len(made))]
    return made


async def test_who_is_connected_is_not_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long ago its login was: the device and its profile stay in the file, which is all that a restart knows."""
    monkeypatch.setattr("cloudnet.server.EXPIRE_SECONDS", 1.0)
    monkeypatch.setattr("cloudnet.asking.SEEN_MILLISECONDS", 0)
    bob = Identity.new()
    async with cloud(tmp_path, forget_days=1) as here, connect(here.url, bob) as client:
        await client.register("Bob")
        with closing(sqlite3.connect(tmp_path / "cloud" / "cloud.db", timeout=5, isolation_level=None)) as file:
            file.execute("UPDATE device SET seen = 1")  # as if the login had been years ago
            async with asyncio.timeout(20):
                while file.execute("SELECT seen FROM device WHERE key = ?", (bob.key,)).fetchone() == (1,):
                    await asyncio.sleep(0.05)
            assert file.execute("SELECT count(*) FROM device WHERE key = ?", (bob.key,)).fetchone() == (1,)
            assert file.execute("SELECT count(*) FROM profile WHERE key = ?", (bob.key,)).fetchone() == (1,)


async def test_whatever_a_client_says_the_server_lives(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Hundreds of odd packets: each is answered or ends its connection; no fault is ours, and others are not touched."""
    seed = random.randrange(1 << 32)
    random.seed(seed)
    said: list[Any] = []
    async with cloud(tmp_path) as here, unharmed(here):
        for _ in range(100):
            async with stranger(here.url) as one:
                await one.enter()
                try:
                    for _ in range(12):
                        said.append(packet(one.key))
                        await one.socket.send(msgspec.msgpack.encode([said[-1]]))
                    await one.say([PING, 4711])
                    while (await one.hear(PONG))[1] != 4711:
                        pass
                except ConnectionClosed:
                    pass
        figures = await here.figures()
        assert figures.get('cloud_closes_total{reason="fault"}', 0) == 0, f"seed {seed}: {said[-12:]}"
        assert sum(value for name, value in figures.items() if name.startswith("cloud_closes_total")) >= 10
        assert figures['cloud_packets_total{packet="Register"}'] >= 1
    faults = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert not faults, f"seed {seed}: {faults}"
