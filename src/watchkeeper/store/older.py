"""Chunks of the first kind, read and no longer written: their groups of 16 columns come out whole.

    header | directory (zstd) | times (pcodec) | group | group | …

`unpacking` comes here where a chunk begins with `MAGIC`; compaction writes what it joins anew, so they go in time.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pcodec import standalone

from watchkeeper.errors import Failed
from watchkeeper.store.codec import Read
from watchkeeper.store.integers import Floats, Reduced, restore_columns
from watchkeeper.store.zstd import stretch

MAGIC = b"WKC1"
HEADER = struct.Struct("<4sIIIIIII")
"""Magic, ticks, series, bytes of the directory packed and plain, its CRC, bytes of times, their CRC."""
CONSTANT, INTEGER, FLOAT = 0, 1, 2
PCODEC, ZSTD = 0, 1
_COLUMN = (
    ("kind", "u1"),
    ("exponent", "u1"),
    ("shift", "u1"),
    ("order", "u1"),
    ("slot", "u1"),
    ("gap", "u1"),
    ("group", "<u4"),
    ("first", "<i8"),
    ("centre", "<i8"),
)
_GROUP = (("coder", "u1"), ("width", "u1"), ("count", "u1"), ("gaps", "<u4"), ("length", "<u4"), ("crc", "<u4"))

Table = dict[str, NDArray[Any]]


class Directory(NamedTuple):
    """Where everything in a chunk is. `starts`: the offset of each group."""

    ticks: int
    columns: Table
    groups: Table
    starts: NDArray[np.int64]
    times: tuple[int, int, int]

    @property
    def series(self) -> int:
        """How many columns it has."""
        return len(self.columns["kind"])

    @property
    def bytes(self) -> int:
        """What keeping it costs, more or less."""
        return sum(table.nbytes + 100 for table in (*self.columns.values(), *self.groups.values(), self.starts))


def read_directory(read: Read) -> Directory:
    """Find out what is where; raises Failed on anything that is no sound chunk."""
    head = read(0, HEADER.size)
    if len(head) != HEADER.size:
        raise Failed("a chunk is cut short", retry=False)
    magic, ticks, series, packed, plain, crc, times, times_crc = HEADER.unpack(head)
    if magic != MAGIC:
        raise Failed("a chunk does not begin like one", retry=False)
    raw = stretch(_checked(read(HEADER.size, packed), packed, crc), plain)
    columns, offset = _unpack_table(raw, 0, _COLUMN, series)
    (count,) = struct.unpack_from("<I", raw, offset)
    groups, _ = _unpack_table(raw, offset + 4, _GROUP, count)
    begin = HEADER.size + packed
    starts = begin + times + np.concatenate(([0], np.cumsum(groups["length"], dtype=np.int64)))
    return Directory(ticks, columns, groups, starts, (begin, times, times_crc))


def read_times(read: Read, directory: Directory) -> NDArray[np.int64]:
    """The chunk's times: int64[ticks]."""
    offset, length, crc = directory.times
    return _pco(_checked(read(offset, length), length, crc), directory.ticks, np.dtype(np.int64))


def read_columns(read: Read, directory: Directory, wanted: Sequence[int]) -> Floats:
    """Some columns, in the order asked for: float64[len(wanted), ticks]; only their groups are read."""
    columns = directory.columns
    places = np.asarray(wanted, np.intp)
    result = np.empty((len(places), directory.ticks), np.float64)
    kinds = columns["kind"][places]
    constant = np.flatnonzero(kinds == CONSTANT)
    result[constant] = columns["first"][places[constant]].view(np.float64)[:, None]
    moving = np.flatnonzero(kinds != CONSTANT)
    for group in np.unique(columns["group"][places[moving]]):
        here = moving[columns["group"][places[moving]] == group]
        result[here] = _read_group(read, directory, int(group), places[here])
    return result


def _read_group(read: Read, directory: Directory, group: int, places: NDArray[np.intp]) -> Floats:
    table, columns = directory.groups, directory.columns
    length = int(table["length"][group])
    blob = _checked(read(int(directory.starts[group]), length), length, int(table["crc"][group]))
    if columns["kind"][places[0]] == FLOAT:
        return _pco(blob, directory.ticks, np.dtype(np.float64))[None, :]
    width, count, gaps = int(table["width"][group]), int(table["count"][group]), int(table["gaps"][group])
    total = count * directory.ticks
    kind = np.dtype(f"<u{width}")
    if table["coder"][group] == ZSTD:
        planes = np.frombuffer(stretch(blob[gaps:], total * width), np.uint8)
        words = planes if width == 1 else np.ascontiguousarray(planes.reshape(width, -1).T).view(kind).ravel()
    else:
        words = _pco(blob[gaps:], total, kind)
    slots = columns["slot"][places]
    reduced = Reduced(
        words.reshape(count, directory.ticks)[slots].astype(np.uint64),
        *(columns[name][places] for name in ("exponent", "shift", "order", "first", "centre")),
    )
    values = restore_columns(reduced)
    if gaps and columns["gap"][places].any():
        _cut_gaps(values, directory, group, places, blob[:gaps])
    return values


def _cut_gaps(values: Floats, directory: Directory, group: int, places: NDArray[np.intp], packed: bytes) -> None:
    """Put NaN back where there was none: the group's bitmap has a row for each of its members with gaps, by slot."""
    columns, ticks = directory.columns, directory.ticks
    members = np.flatnonzero((columns["group"] == group) & (columns["gap"] == 1) & (columns["kind"] == INTEGER))
    members = members[np.argsort(columns["slot"][members])]
    stride = -(-ticks // 8)
    bitmap = np.frombuffer(stretch(packed, stride * len(members)), np.uint8).reshape(len(members), stride)
    rows = {int(member): row for row, member in enumerate(members)}
    for line, place in enumerate(places):
        if (row := rows.get(int(place))) is not None:
            values[line][np.unpackbits(bitmap[row], count=ticks).view(np.bool_)] = np.nan


def _pco(blob: bytes, count: int, kind: np.dtype[Any]) -> NDArray[Any]:
    try:
        values = standalone.simple_decompress(blob)
    except RuntimeError as fault:
        raise Failed(f"a chunk cannot be unpacked ({fault})", retry=False) from None
    if values is None or len(values) != count or values.dtype != kind:
        raise Failed("a chunk holds other figures than it says", retry=False)
    found: NDArray[Any] = values
    return found


def _checked(blob: bytes, length: int, crc: int) -> bytes:
    if len(blob) != length:
        raise Failed("a chunk is cut short", retry=False)
    if zlib.crc32(blob) != crc:
        raise Failed("a chunk's checksum is wrong: its bytes have changed on the disk", retry=False)
    return blob


def _unpack_table(raw: bytes, offset: int, layout: tuple[tuple[str, str], ...], count: int) -> tuple[Table, int]:
    table: Table = {}
    for name, kind in layout:
        width = np.dtype(kind).itemsize
        planes = np.frombuffer(raw, np.uint8, count * width, offset)
        table[name] = (
            planes.view(kind) if width == 1 else np.ascontiguousarray(planes.reshape(width, count).T).view(kind).ravel()
        )
        offset += count * width
    return table, offset
