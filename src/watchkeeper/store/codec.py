"""One chunk: some ticks of one layout as a blob that gives back single columns without unpacking the rest.

    header | directory (zstd) | times (pcodec) | group | group | …

Constant columns live in the directory alone. Integer columns (see `integers`) are sorted by size and
cut into groups of 16, each one stream, by pcodec or by zstd, whichever is smaller: noise favours the
one, sparse real figures the other. What is no integer is one pcodec stream a column. Directory, times
and groups carry a CRC32 each, so a rotten byte is told from a wrong figure. Lossless, bit for bit, NaN
being the gap. `store/chunks` writes and reads these; nothing here knows a file.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pcodec import ChunkConfig, DeltaSpec, ModeSpec, standalone

from watchkeeper.errors import Failed
from watchkeeper.store.integers import Floats, Reduced, fill_gaps, reduce_columns, restore_columns, whole_numbers
from watchkeeper.store.zstd import squeeze, stretch

Read = Callable[[int, int], bytes]
"""Gives `length` bytes at `offset` of a chunk: of a blob in memory, or of one in a file."""

MAGIC = b"WKC1"
HEADER = struct.Struct("<4sIIIIIII")
"""Magic, ticks, series, bytes of the directory packed and plain, its CRC, bytes of times, their CRC."""
GROUP = 16
SLICE = 320
"""Columns encoded at a time: what keeps the work in the second-level cache and still leaves full groups."""

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
_NATIVE = ChunkConfig(compression_level=8)
_CENTRED = ChunkConfig(compression_level=8, mode_spec=ModeSpec.classic(), delta_spec=DeltaSpec.no_op(), enable_8_bit=True)
_NAN = np.frombuffer(struct.pack("<d", float("nan")), np.int64)[0]

Table = dict[str, NDArray[Any]]


class Directory(NamedTuple):
    """Where everything in a chunk is. `starts`: the offset of each group."""

    ticks: int
    columns: Table
    groups: Table
    starts: NDArray[np.int64]
    times: tuple[int, int, int]


def encode(times: NDArray[np.int64], values: Floats) -> bytes:
    """Pack `times` (int64[ticks]) and `values` (float64[ticks, series]) into a chunk."""
    ticks, series = values.shape
    columns: Table = {name: np.zeros(series, kind) for name, kind in _COLUMN}
    groups: list[tuple[int, int, int, int, bytes]] = []
    for start in range(0, series, SLICE):
        _encode_slice(np.ascontiguousarray(values[:, start : start + SLICE].T), start, columns, groups)
    table: Table = {name: np.array([group[place] for group in groups], kind) for place, (name, kind) in enumerate(_GROUP[:4])}
    table["length"] = np.array([len(group[4]) for group in groups], "<u4")
    table["crc"] = np.array([zlib.crc32(group[4]) for group in groups], "<u4")
    plain = _pack_table(columns, _COLUMN) + struct.pack("<I", len(groups)) + _pack_table(table, _GROUP)
    directory = squeeze(plain)
    when = standalone.simple_compress(np.ascontiguousarray(times, np.int64), _NATIVE)
    header = HEADER.pack(MAGIC, ticks, series, len(directory), len(plain), zlib.crc32(directory), len(when), zlib.crc32(when))
    return b"".join((header, directory, when, *(group[4] for group in groups)))


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
    """Some columns, in the order asked for: float64[ticks, len(wanted)]; only their groups are read."""
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
    return result.T


def decode(read: Read) -> tuple[NDArray[np.int64], Floats]:
    """A whole chunk: its times and all its columns, float64[ticks, series]."""
    directory = read_directory(read)
    return read_times(read, directory), read_columns(read, directory, range(len(directory.columns["kind"])))


def _encode_slice(block: Floats, start: int, columns: Table, groups: list[tuple[int, int, int, int, bytes]]) -> None:
    """Encode some columns (float64[columns, ticks]) that begin at `start`; fill in the directory, append the groups."""
    bits = block.view(np.int64)
    columns["first"][start : start + len(block)] = bits[:, 0]
    moving = np.flatnonzero((bits != bits[:, :1]).any(axis=1))
    if not len(moving):
        return
    block = block[moving]
    bits = bits[moving]
    # A NaN of other bits than Python's own is not a gap but a value, and so is kept raw; so is a column of NaNs alone.
    odd = np.isnan(block)
    blank = (odd & (bits != _NAN)).any(axis=1) | odd.all(axis=1)
    candidates = np.flatnonzero(~blank)
    filled, gaps = fill_gaps(block[candidates])
    integers, exponents, proven = whole_numbers(filled)
    sound = np.flatnonzero(proven)
    for place in np.concatenate((np.flatnonzero(blank), candidates[~proven])):
        column = start + moving[place]
        columns["kind"][column] = FLOAT
        columns["group"][column] = len(groups)
        groups.append((PCODEC, 8, 1, 0, standalone.simple_compress(block[place], _NATIVE)))
    if not len(sound):
        return
    reduced = reduce_columns(integers[sound], exponents[sound])
    at = start + moving[candidates[sound]]
    for name in ("exponent", "shift", "order", "first", "centre"):
        columns[name][at] = getattr(reduced, name)
    columns["kind"][at] = INTEGER
    largest = reduced.words.max(axis=1)
    widths = np.select([largest < 1 << 8, largest < 1 << 16, largest < 1 << 32], [1, 2, 4], 8)
    magnitude = np.log2(reduced.words[:, :: max(1, reduced.words.shape[1] // 64)].astype(np.float64) + 1).sum(axis=1)
    holes: NDArray[np.bool_] = np.any(gaps[sound], axis=1)
    columns["gap"][at] = holes
    for width in (1, 2, 4, 8):
        of_width = np.flatnonzero(widths == width)
        of_width = of_width[np.argsort(magnitude[of_width], kind="stable")]
        for cut in range(0, len(of_width), GROUP):
            members = of_width[cut : cut + GROUP]
            columns["group"][at[members]] = len(groups)
            columns["slot"][at[members]] = np.arange(len(members))
            missing = gaps[sound[members[np.flatnonzero(holes[members])]]]
            packed = squeeze(np.packbits(missing, axis=1).tobytes()) if len(missing) else b""
            coder, payload = _smaller(reduced.words[members].astype(f"<u{width}").ravel(), width)
            groups.append((coder, width, len(members), len(packed), packed + payload))


def _smaller(words: NDArray[Any], width: int) -> tuple[int, bytes]:
    planes = words.view(np.uint8).reshape(-1, width).T if width > 1 else words
    by_zstd = squeeze(planes.tobytes())
    by_pcodec: bytes = standalone.simple_compress(words, _CENTRED)
    return (ZSTD, by_zstd) if len(by_zstd) <= len(by_pcodec) else (PCODEC, by_pcodec)


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


def _pack_table(table: Table, layout: tuple[tuple[str, str], ...]) -> bytes:
    """Column by column and byte plane by byte plane, which packs twice as well as row by row."""
    parts = []
    for name, kind in layout:
        values = table[name].astype(kind)
        parts.append(
            np.ascontiguousarray(values.view(np.uint8).reshape(-1, values.itemsize).T).tobytes() if len(values) else b""
        )
    return b"".join(parts)


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
