"""Prometheus' remote write 1.0 as bytes: aligned columns into a WriteRequest message. Uncompressed; who sends it adds snappy.

    WriteRequest { 1: TimeSeries* }   TimeSeries { 1: Label*, 2: Sample* }
    Label { 1: name, 2: value }       Sample { 1: double value, 2: int64 time in ms }

Protocol buffers by hand, since it is these four messages and no more: a message is tags, lengths and bytes. A time
between 1971 and 2109 always takes six bytes, so that all samples of a series are one numpy array.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from watchkeeper.model import ABSENT_BITS, Block, Series
from watchkeeper.store.rolling import Floats, Times

_SAMPLE = np.dtype([("head", "u1", 3), ("value", "<f8"), ("tag", "u1"), ("time", "u1", 6)])
_HEAD = (0x12, 16, 0x09)
"""Field 2 of a series, of 16 bytes; field 1 of a sample, eight bytes."""
_TAG = 0x10
_SIX_BYTES = (1 << 35, 1 << 42)


def varint(number: int) -> bytes:
    """A number, seven bits a byte, least first; negative ones in ten bytes."""
    number &= (1 << 64) - 1
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def field(number: int, content: bytes) -> bytes:
    """A field that has a length."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def labels(series: Series) -> bytes:
    """A series' labels with its name among them, in the order of their names, as the specification wants."""
    pairs = sorted((("__name__", series.name), *series.labels))
    return b"".join(field(1, field(1, name.encode()) + field(2, value.encode())) for name, value in pairs)


def samples(times: Times, values: Floats) -> bytes:
    """Samples of one series: int64[n] in ms, float64[n]; NaN bits stay as they are (stale markers)."""
    if len(times) and not (_SIX_BYTES[0] <= int(times.min()) and int(times.max()) < _SIX_BYTES[1]):
        return b"".join(
            field(2, b"\x09" + value.tobytes() + b"\x10" + varint(at)) for at, value in zip(times.tolist(), values, strict=True)
        )
    rows = np.empty(len(times), _SAMPLE)
    rows["head"], rows["value"], rows["tag"] = _HEAD, values, _TAG
    for place in range(6):
        rows["time"][:, place] = times >> 7 * place & 0x7F | (0x80 if place < 5 else 0)
    return rows.tobytes()


def write_request(blocks: Iterable[Block]) -> bytes:
    """Everything in these blocks that is not absent, as one message; series without a sample are left out."""
    parts = []
    for block in blocks:
        for column, series in enumerate(block.series):
            values = np.ascontiguousarray(block.values[:, column])
            there = values.view(np.int64) != ABSENT_BITS
            if there.any():
                parts.append(field(1, labels(series) + samples(block.times[there], values[there])))
    return b"".join(parts)


def joined(blocks: Sequence[Block]) -> list[Block]:
    """Rows of one layout under one another, so that its labels are told once."""
    by_layout: dict[int, list[Block]] = {}
    for block in blocks:
        by_layout.setdefault(id(block.series), []).append(block)
    return [
        Block(some[0].series, np.concatenate([one.times for one in some]), np.concatenate([one.values for one in some]))
        for some in by_layout.values()
    ]
