"""One chunk: some ticks of one layout as a blob that gives back single columns without unpacking the rest.

    header | directory (LZ4) | times (pcodec) | group | group | …

Constant columns live in the directory alone. Integer columns (see `integers`) are sorted by size and cut into
groups that share what an entropy coder has learnt of them; within a group each column is a page of its
own, so one column is read without its neighbours. Where a group packs better as one zstd stream (sparse, alike
columns of real machines do), it is that. What is no integer is one pcodec stream a column. Head and groups
carry a CRC32 each, so a rotten byte is told from a wrong figure. Lossless, bit for bit, NaN being the gap.

This room writes chunks and knows their plan; `directory` and `unpacking` read them. Nothing here knows a file.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from itertools import accumulate
from typing import Any, NamedTuple

import cramjam
import numpy as np
from numpy.typing import NDArray
from pcodec import ChunkConfig, DeltaSpec, ModeSpec, PagingSpec, standalone, wrapped

from watchkeeper.store.integers import Floats, fill_gaps, reduce_columns, whole_numbers
from watchkeeper.store.zstd import squeeze

Read = Callable[[int, int], bytes]
"""Gives `length` bytes at `offset` of a chunk: of a blob in memory, or of one in a file."""

MAGIC = b"WKC2"
HEADER = struct.Struct("<4sIIIIIBBHIII")
"""Magic, ticks, series, constant ones, integers, groups; bytes of a first value and of a centre, nought; bytes of the
directory packed and plain, and of the times."""
CRC = struct.Struct("<I")
"""Stands behind the header: the checksum of the header, the directory and the times."""
GROUPS = ((100, 32), (500, 16), (1 << 32, 8))
"""How many columns make a group in chunks of fewer than so many ticks: the shorter columns are, the more they share."""
SLICE = 320
"""Columns encoded at a time: what keeps the work in the second-level cache and still leaves full groups."""
LONG = 4096
"""Ticks from which a page's length takes four bytes instead of two."""
WIDE = 1 << 16
"""Series from which a column's place takes four bytes instead of two."""

PAGED, ZSTD, RAW = 0, 1, 2
"""How a group is packed: a page for each column; one zstd stream; one column of floats as pcodec has them."""
GROUP_ROW = struct.Struct("<BBBBIII")
"""Coder, bytes of a word, columns, how many of them have gaps; bytes of the gaps, where it ends behind the head, CRC."""
WORTH = 0.9
"""One stream stands instead of pages where it is at least so much smaller: reading one column of it costs all of it."""
NATIVE = ChunkConfig(compression_level=8)
NOT_A_NUMBER = np.frombuffer(struct.pack("<d", float("nan")), np.int64)[0]


class _Group(NamedTuple):
    """One stream. `members`: its columns' numbers in the order of their pages; `gaps`: the packed bitmap."""

    coder: int
    width: int
    members: NDArray[np.intp]
    holed: int
    gaps: bytes
    payload: bytes


class _Columns(NamedTuple):
    """What the directory says of each column, arrays over all of the chunk; those of integers mean nothing for others."""

    constant: NDArray[np.bool_]
    first: NDArray[np.int64]
    centre: NDArray[np.int64]
    exponent: NDArray[np.uint8]
    shift: NDArray[np.uint8]
    order: NDArray[np.uint8]


def encode(times: NDArray[np.int64], values: Floats) -> bytes:
    """Pack `times` (int64[ticks]) and `values` (float64[ticks, series]) into a chunk."""
    ticks, series = values.shape
    small = (np.zeros(series, np.uint8) for _ in range(3))
    columns = _Columns(np.ones(series, np.bool_), np.zeros(series, np.int64), np.zeros(series, np.int64), *small)
    integers: list[_Group] = []
    floats: list[_Group] = []
    for start in range(0, series, SLICE):
        _encode_slice(np.ascontiguousarray(values[:, start : start + SLICE].T), start, columns, integers, floats)
    groups = [*integers, *floats]
    plain, sizes = _directory(columns, groups)
    directory = bytes(cramjam.lz4.compress_block(plain, mode="high_compression", compression=12, store_size=False))
    when = standalone.simple_compress(np.ascontiguousarray(times, np.int64), NATIVE)
    counts = int(columns.constant.sum()), sum(len(group.members) for group in integers), len(groups)
    header = HEADER.pack(MAGIC, ticks, series, *counts, *sizes, 0, len(directory), len(plain), len(when))
    crc = CRC.pack(zlib.crc32(when, zlib.crc32(directory, zlib.crc32(header))))
    return b"".join((header, crc, directory, when, *(part for group in groups for part in (group.gaps, group.payload))))


def _directory(columns: _Columns, groups: list[_Group]) -> tuple[bytes, tuple[int, int]]:
    """The directory, plain: each column's place (constant ones first, then group by group), and by place what it needs.

    Also tells in how many bytes first values and centres stand.
    """
    series = len(columns.constant)
    constant = np.flatnonzero(columns.constant)
    integers = _joined([group.members for group in groups if group.coder != RAW])
    floats = _joined([group.members for group in groups if group.coder == RAW])
    places = np.empty(series, "<u2" if series < WIDE else "<u4")
    places[np.concatenate((constant, integers, floats))] = np.arange(series)
    firsts, first = _trimmed(np.where(columns.order[integers] == 1, columns.first[integers], 0))
    centres, centre = _trimmed(columns.centre[integers])
    ends = accumulate(len(group.gaps) + len(group.payload) for group in groups)
    rows = b"".join(
        GROUP_ROW.pack(
            *(group.coder, group.width, len(group.members), group.holed, len(group.gaps)),
            *(end, zlib.crc32(group.payload, zlib.crc32(group.gaps))),
        )
        for group, end in zip(groups, ends, strict=True)
    )
    small = (getattr(columns, name)[integers].tobytes() for name in ("exponent", "shift", "order"))
    plain = b"".join((rows, _planes(places), _planes(columns.first[constant]), *small, firsts, centres))
    return plain, (first, centre)


def _encode_slice(block: Floats, start: int, columns: _Columns, integers: list[_Group], floats: list[_Group]) -> None:
    """Encode some columns (float64[columns, ticks]) from `start` on; fill in what is told of them, append their groups."""
    bits = block.view(np.int64)
    columns.first[start : start + len(block)] = bits[:, 0]
    moving = np.flatnonzero((bits != bits[:, :1]).any(axis=1))
    if not len(moving):
        return
    columns.constant[start + moving] = False
    block, bits = block[moving], bits[moving]
    # A NaN of other bits than Python's own is not a gap but a value, and so is kept raw; so is a column of NaNs alone.
    odd = np.isnan(block)
    blank = (odd & (bits != NOT_A_NUMBER)).any(axis=1) | odd.all(axis=1)
    candidates = np.flatnonzero(~blank)
    filled, gaps = fill_gaps(block[candidates])
    whole, exponents, proven = whole_numbers(filled)
    for place in np.concatenate((np.flatnonzero(blank), candidates[~proven])):
        payload = standalone.simple_compress(block[place], NATIVE)
        floats.append(_Group(RAW, 8, np.array([start + moving[place]]), 0, b"", payload))
    sound = np.flatnonzero(proven)
    if not len(sound):
        return
    reduced = reduce_columns(whole[sound], exponents[sound])
    at = start + moving[candidates[sound]]
    for name in ("exponent", "shift", "order", "first", "centre"):
        getattr(columns, name)[at] = getattr(reduced, name)
    largest = reduced.words.max(axis=1)
    widths = np.select([largest < 1 << 8, largest < 1 << 16, largest < 1 << 32], [1, 2, 4], 8)
    magnitude = np.log2(reduced.words[:, :: max(1, reduced.words.shape[1] // 64)].astype(np.float64) + 1).sum(axis=1)
    missing = gaps[sound]
    holes: NDArray[np.bool_] = np.any(missing, axis=1)
    size = next(size for ticks, size in GROUPS if missing.shape[1] < ticks)
    for width in (1, 2, 4, 8):
        of_width = np.flatnonzero(widths == width)
        of_width = of_width[np.argsort(magnitude[of_width], kind="stable")]
        for cut in range(0, len(of_width), size):
            members = of_width[cut : cut + size]
            # Columns with gaps come first, so that the bitmap's rows are those of the first pages.
            members = members[np.argsort(~holes[members], kind="stable")]
            holed = int(holes[members].sum())
            packed = squeeze(np.packbits(missing[members[:holed]], axis=1).tobytes()) if holed else b""
            coder, payload = _packed(reduced.words[members].astype(f"<u{width}"))
            integers.append(_Group(coder, width, at[members], holed, packed, payload))


def _packed(words: NDArray[Any]) -> tuple[int, bytes]:
    """A group's words, uint[columns, ticks], by the coder that makes less of them.

    Pages: their lengths and that of what they share, then this, then they.
    """
    count, ticks = words.shape
    config = ChunkConfig(
        compression_level=8,
        mode_spec=ModeSpec.classic(),
        delta_spec=DeltaSpec.no_op(),
        enable_8_bit=True,
        paging_spec=PagingSpec.exact_page_sizes([ticks] * count),
    )
    file = wrapped.FileCompressor()
    packer = file.chunk_compressor(words.ravel(), config)
    shared: bytes = file.write_header() + packer.write_meta()
    pages: list[bytes] = [packer.write_page(place) for place in range(count)]
    lengths = struct.pack(f"<{count + 1}{length_kind(ticks)}", len(shared), *map(len, pages))
    paged = b"".join((lengths, shared, *pages))
    by_zstd = squeeze(_planes(words.ravel()))
    return (ZSTD, by_zstd) if len(by_zstd) <= WORTH * len(paged) else (PAGED, paged)


def length_kind(ticks: int) -> str:
    """How the lengths of pages stand, as `struct` has it."""
    return "H" if ticks < LONG else "I"


def _trimmed(values: NDArray[np.int64]) -> tuple[bytes, int]:
    """Signed numbers, zigzagged, in as few byte planes as hold all of them; and how many that is."""
    words = ((values << 1) ^ (values >> 63)).view(np.uint64)
    width = (int(words.max(initial=0)).bit_length() + 7) // 8
    planes = np.ascontiguousarray(words.view(np.uint8).reshape(-1, 8).T[:width])
    return planes.tobytes(), width


def _planes(values: NDArray[Any]) -> bytes:
    """Byte plane by byte plane, which packs twice as well as number by number."""
    if values.itemsize == 1 or not len(values):
        return values.tobytes()
    return np.ascontiguousarray(values.view(np.uint8).reshape(-1, values.itemsize).T).tobytes()


def _joined(parts: list[NDArray[np.intp]]) -> NDArray[np.intp]:
    return np.concatenate(parts) if parts else np.zeros(0, np.intp)
