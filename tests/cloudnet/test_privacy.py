"""What the server can know: its whole memory, its folder and its log hold neither a message's text nor anybody's secret key."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from cloudnet.client import connect
from cloudnet.codes import Close
from cloudnet.keys import Identity
from rigs.cloud import CloudProgram
from rigs.stranger import close_code, frame, raw


def memory(pid: int) -> Iterator[bytes]:
    """Everything that a process can read of its own memory, mapping by mapping."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as file:
        for start, end in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) r", maps, re.MULTILINE):
            with contextlib.suppress(OSError, ValueError, OverflowError):  # the kernel's own pages cannot be read
                file.seek(int(start, 16))
                yield file.read(int(end, 16) - int(start, 16))


def places(server: CloudProgram, wanted: bytes) -> set[str]:
    """Where these bytes are found: memory, files of the folder, log."""
    assert server.process is not None
    found = {"memory"} if any(wanted in part for part in memory(server.process.pid)) else set()
    found |= {path.name for path in server.data.rglob("*") if wanted in path.read_bytes()}
    return found | ({"log"} if wanted in server.log.read_bytes() else set())


async def test_the_server_holds_no_text_and_no_secret(tmp_path: Path) -> None:
    """After messages to somebody who is there and to somebody who is not, with everything logged that there is."""
    ann, bob, eve = Identity.new(), Identity.new(), Identity.new()
    text = secrets.token_hex(24).encode()
    server = CloudProgram(tmp_path, "--log-level", "debug")
    server.start()
    try:
        async with connect(server.url, eve):
            pass
        async with connect(server.url, ann) as a, connect(server.url, bob) as b:
            await a.register("ann")
            for _ in range(20):
                sending = asyncio.create_task(a.send(bob.key, text * 10))
                assert text in (await asyncio.wait_for(anext(b), 10)).body
                b.taken()
                await sending
                await a.send(eve.key, text * 10)
            in_hand = asyncio.create_task(a.send(bob.key, text))
            await asyncio.wait_for(anext(b), 10)
            assert {"memory", "cloud.db-wal"} <= places(server, eve.key) | places(server, bob.key), "the search finds nothing"
            assert "memory" in places(server, b"cloudnet.relay"), "the search finds nothing"
            assert places(server, text) == set()
            for one in (ann, bob, eve):
                seed = bytes(one.signing)
                assert places(server, seed) == set()
                assert places(server, base64.b32encode(seed).rstrip(b"=").lower()) == set()
            own = base64.b32decode((server.data / "server.key").read_text().strip().upper() + "====")
            assert places(server, own) == {"memory"}, "its own secret key belongs into its memory and its file of letters alone"
            b.taken()
            await in_hand
    finally:
        server.close()


async def test_files_are_the_operators_alone(tmp_path: Path) -> None:
    """Nobody else on the machine may read who is known and what waits."""
    server = CloudProgram(tmp_path)
    server.start()
    try:
        assert server.data.stat().st_mode & 0o077 == 0
        for path in server.data.iterdir():
            assert path.stat().st_mode & 0o077 == 0, path
    finally:
        server.close()


async def test_strangers_cannot_fill_the_log(tmp_path: Path) -> None:
    """A flood of bad connections leaves a few lines, and the number of those that were left out."""
    server = CloudProgram(tmp_path)
    server.start()

    async def bad() -> None:
        reader, writer = await raw(server.port)
        writer.write(frame(2, os.urandom(20)))
        assert await close_code(reader) == Close.LOGIN_REFUSED
        writer.close()

    try:
        for _ in range(300):
            await bad()
        figures = await server.figures()
        assert sum(value for name, value in figures.items() if name.startswith("cloud_closes_total")) == 300
        assert server.said().count("closing 127.0.0.1") < 100
        await asyncio.sleep(0.6)
        await bad()
        async with asyncio.timeout(5):
            while "more like this were left out" not in server.said():
                await asyncio.sleep(0.05)
    finally:
        server.close()
