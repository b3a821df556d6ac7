"""One HTTP exchange where the status is what counts: a body that is too long or breaks off takes nothing from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from watchkeeper.errors import Failed
from watchkeeper.fetch import Unconnected, fetch


@asynccontextmanager
async def answering(said: bytes) -> AsyncIterator[str]:
    """A server that answers with these bytes and closes; its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + b"x" * 100_000,
        b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\nbreaks off",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_a_status_counts_without_its_body(said: bytes) -> None:
    """Cut where it is too long or broken; where the body was asked for, the same is a fault."""
    async with answering(said) as url:
        answer = await fetch(url, limit=1000, status_counts=True)
        assert answer.status == 200
        assert len(answer.body) <= 1000
        with pytest.raises(Failed):
            await fetch(url, limit=1000)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 20", b"220 smtp.example.org ESMTP\r\n"])
async def test_without_a_status_nothing_counts(said: bytes) -> None:
    """An answer that ends before its status, or is none, is a fault in any case; but something was sent."""
    async with answering(said) as url:
        with pytest.raises(Failed) as told:
            await fetch(url, status_counts=True)
    assert not isinstance(told.value, Unconnected)


async def test_no_connection_is_told_apart() -> None:
    """Nothing was sent: who must not send twice may send again."""
    for url in ("http://127.0.0.1:1/", f"http://{'a' * 70}.example/"):
        with pytest.raises(Unconnected):
            await fetch(url)


async def test_letters_that_no_address_has_are_told() -> None:
    """An address that was typed as people write it is refused in words, and ends nobody who asks."""
    async with asyncio.timeout(10), await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Failed, match="%") as told:
            await fetch(f"http://127.0.0.1:{port}/größe")
    assert not told.value.retry
