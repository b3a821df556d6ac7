"""Bodies of remote write as any sender makes them, and who puts them together by hand."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import httpx

from watchkeeper.model import Series
from watchkeeper.store import snappy
from watchkeeper.store.remotewrite import field, labels, varint

HEADERS = {
    "content-type": "application/x-protobuf",
    "content-encoding": "snappy",
    "x-prometheus-remote-write-version": "0.1.0",
}
Told = tuple[Series, Sequence[tuple[int, float]]]


def series(name: str, **pairs: str) -> Series:
    """A series of some labels."""
    return Series(name, tuple(sorted(pairs.items())))


def sample(at: int, value: float) -> bytes:
    """One sample as most senders write it: what is nought is left out."""
    return field(2, (b"\x09" + struct.pack("<d", value) if value else b"") + (b"\x10" + varint(at) if at else b""))


def message(*told: Told) -> bytes:
    """A WriteRequest."""
    return b"".join(field(1, labels(one) + b"".join(sample(*pair) for pair in samples)) for one, samples in told)


def body(*told: Told) -> bytes:
    """The same, packed."""
    return snappy.pack(message(*told))


async def post(client: httpx.AsyncClient, content: bytes, **headers: str) -> httpx.Response:
    """Send a body to the receiver."""
    return await client.post(
        "/api/v1/write", content=content, headers=HEADERS | {name.replace("_", "-"): value for name, value in headers.items()}
    )
