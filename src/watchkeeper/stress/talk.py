"""What coordinator and workers say to each other: MessagePack structs over a socket pair, each behind its length.

Orders go one way, reports the other. Histograms travel as places and counts (`Recorder.drain`), to be added up at the other
end.
"""

from __future__ import annotations

import asyncio
import struct

import msgspec

from watchkeeper.stress.run import Health, Stage

LENGTH = struct.Struct(">I")
MOST = 64 << 20
"""Bytes of one message; a second of one worker has a few hundred kilobytes at the most."""

Drained = tuple[bytes, bytes] | None
"""Places (uint16) and counts (uint32) of a histogram, little-endian."""


class Said(msgspec.Struct, array_like=True, tag_field="what"):
    """The frame of all."""


class Prepare(Said, tag=1):
    """The first order: who this worker is and what it is to load. `plan` is TOML, decoded by the rules it was checked by.

    `zero`: ns of the monotonic clock at the run's zero; `spin`: ns; `visits`: connections open at a time beside the lanes' own.
    """

    plan: str
    worker: int
    workers: int
    url: str
    address: tuple[str, int]
    server_name: str
    sources: tuple[str, ...]
    seed: int
    zero: int
    spin: int
    visits: int = 0


class Connect(Said, tag=2):
    """Have so many lanes, connecting `rate` a second."""

    count: int
    rate: float


class Begin(Said, tag=3):
    """Run a stage from this instant (ns) on."""

    stage: Stage
    at: int


class Stop(Said, tag=4):
    """Schedule no more; `now`: end what is under way too."""

    now: bool


class Quit(Said, tag=5):
    """Go."""


class Clock(Said, tag=6):
    """Say what your clock is. `sent`: ns of the asker's, to come back as it is."""

    sent: int


Order = Prepare | Connect | Begin | Stop | Quit | Clock


class Ready(Said, tag=64):
    """Prepared. `operations` of the mix, in order."""

    operations: tuple[str, ...]


class Connected(Said, tag=65):
    """All lanes have had their first try: by code (empty: connected)."""

    tries: dict[str, int]


class Row(Said, tag=66):
    """What one tally has seen since it was last told."""

    second: int
    stage: int
    operation: str
    scheduled: int
    started: int
    done: int
    late: int
    dropped: int
    errors: dict[str, int]
    counts: dict[str, int]
    sent: int
    received: int
    latency: Drained
    service: Drained
    starved: Drained
    failed: Drained
    spans: dict[str, Drained]
    samples: list[tuple[str, str]]


class Tick(Said, tag=67):
    """A second is over (`whole`), or a stage begins, is over or settled. `part`: seconds that it covers."""

    health: Health
    lag: Drained
    lag_starved: Drained
    rows: list[Row]
    part: float
    whole: bool = False


class Over(Said, tag=68):
    """A stage schedules no more; everything seen up to now was told before. `missing`: connections, by why they are."""

    stage: int
    missing: dict[str, int] = {}


class Settled(Said, tag=69):
    """Everything that the stage has started has ended and was told."""

    stage: int


class Broken(Said, tag=70):
    """A mistake of ours, or of a protocol's code: this worker cannot go on."""

    why: str


class Clocked(Said, tag=71):
    """The answer to it: `now`, ns of this worker's monotonic clock."""

    sent: int
    now: int


Report = Ready | Connected | Tick | Over | Settled | Broken | Clocked

_encode = msgspec.msgpack.Encoder().encode
_orders: msgspec.msgpack.Decoder[Order] = msgspec.msgpack.Decoder(Order)
_reports: msgspec.msgpack.Decoder[Report] = msgspec.msgpack.Decoder(Report)


def written(said: Order | Report | Row) -> bytes:
    """A message as it travels."""
    content = _encode(said)
    return LENGTH.pack(len(content)) + content


async def order(reader: asyncio.StreamReader) -> Order | None:
    """The coordinator's next word; None once it is gone."""
    content = await _content(reader)
    return None if content is None else _orders.decode(content)


async def report(reader: asyncio.StreamReader) -> Report | None:
    """A worker's next word; None once it is gone."""
    content = await _content(reader)
    return None if content is None else _reports.decode(content)


async def _content(reader: asyncio.StreamReader) -> bytes | None:
    try:
        (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
        return await reader.readexactly(min(length, MOST))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
