"""A chunk's head: where everything is, what restores each column, and when its ticks were.

The directory stays as it was packed and is looked into where a column stands: parsing all of it would cost more
than unpacking one column does. `unpacking` reads the groups that it names.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import cramjam
import numpy as np
from numpy.typing import NDArray
from pcodec import standalone

from watchkeeper.errors import Failed
from watchkeeper.store import older
from watchkeeper.store.codec import CRC, GROUP_ROW, HEADER, MAGIC, WIDE, Read

HEAD = 4096
"""Bytes read first: header, directory and times of most chunks."""


class Directory(NamedTuple):
    """Where everything in a chunk is: groups begin at `begin`, `counts` has how many columns each has.

    `raw` is the rest as it was packed: the groups' rows, from `places` on each column's place, then by place what restores it.
    """

    ticks: int
    series: int
    constants: int
    integers: int
    first: int
    centre: int
    raw: bytes
    places: int
    begin: int
    counts: bytes

    def placed(self, columns: Sequence[int]) -> list[tuple[int, int]]:
        """Each wanted column's place, and which one of those wanted it is: group by group."""
        raw, series, low, high = self.raw, self.series, self.places, self.places + self.series
        if series < WIDE:
            found = [(raw[low + column] | raw[high + column] << 8, row) for row, column in enumerate(columns)]
        else:
            planes = np.frombuffer(raw, np.uint8, 4 * series, low).reshape(4, series)
            wide = np.ascontiguousarray(planes.T).view("<u4")[:, 0].tolist()
            found = [(wide[column], row) for row, column in enumerate(columns)]
        if len(found) > 1:
            found.sort()
        return found

    def constant(self, place: int) -> int:
        """The bits of a column's only figure: as a float some machines would change those of a NaN."""
        start = self._values() + place
        planes = self.raw[start : start + 8 * self.constants : self.constants]
        return int.from_bytes(planes[:8], "little", signed=True)

    def restoring(self, place: int) -> tuple[int, int, int, int, int]:
        """Exponent, shift, order, first value and centre of an integer column."""
        raw, count = self.raw, self.integers
        start = self._values() + self.constants * 8 + place - self.constants
        firsts = start + 3 * count
        centres = firsts + self.first * count
        first = int.from_bytes(raw[firsts : firsts + self.first * count : count], "little")
        centre = int.from_bytes(raw[centres : centres + self.centre * count : count], "little")
        return (
            *(raw[start], raw[start + count], raw[start + 2 * count]),
            *(first >> 1 ^ -(first & 1), centre >> 1 ^ -(centre & 1)),
        )

    def _values(self) -> int:
        """Where the constant columns' figures begin."""
        return self.places + self.series * (2 if self.series < WIDE else 4)


Plan = Directory | older.Directory


class Opened(NamedTuple):
    """A chunk's directory and its times, int64[ticks]: what any of its columns is read with."""

    directory: Plan
    times: NDArray[np.int64]

    @property
    def bytes(self) -> int:
        """What keeping it costs, more or less."""
        directory = self.directory
        if isinstance(directory, Directory):
            return len(directory.raw) + len(directory.counts) + self.times.nbytes
        return directory.bytes + self.times.nbytes


def open_chunk(read: Read) -> Opened:
    """Find out what is where, and when; raises Failed on anything that is no sound chunk."""
    head = read(0, HEAD)
    if head[:4] == older.MAGIC:
        found = older.read_directory(read)
        return Opened(found, older.read_times(read, found))
    behind = HEADER.size + CRC.size
    if len(head) < behind:
        raise Failed("a chunk is cut short", retry=False)
    magic, ticks, series, constants, integers, groups, first, centre, _, packed, plain, times = HEADER.unpack_from(head)
    if magic != MAGIC:
        raise Failed("a chunk does not begin like one", retry=False)
    begin = behind + packed + times
    if begin > len(head):
        head += read(len(head), begin - len(head))
    if len(head) < begin:
        raise Failed("a chunk is cut short", retry=False)
    (crc,) = CRC.unpack_from(head, HEADER.size)
    if zlib.crc32(head[behind:begin], zlib.crc32(head[: HEADER.size])) != crc:
        raise Failed("a chunk's checksum is wrong: its bytes have changed on the disk", retry=False)
    try:
        raw = bytes(cramjam.lz4.decompress_block(head[behind : behind + packed], output_len=plain))
    except cramjam.DecompressionError as fault:
        raise Failed(f"a chunk cannot be unpacked ({fault})", retry=False) from None
    places = groups * GROUP_ROW.size
    wide = 2 if series < WIDE else 4
    if len(raw) != places + series * wide + constants * 8 + integers * (3 + first + centre):
        raise Failed("a chunk holds other figures than it says", retry=False)
    counts = raw[2 : places : GROUP_ROW.size]
    directory = Directory(ticks, series, constants, integers, first, centre, raw, places, begin, counts)
    return Opened(directory, numbers(head[behind + packed : begin], ticks, np.int64))


def numbers(blob: bytes, count: int, kind: Any) -> NDArray[Any]:
    """Unpack one pcodec stream of so many numbers of a kind; raises Failed where it holds anything else."""
    try:
        values = standalone.simple_decompress(blob)
    except RuntimeError as fault:
        raise Failed(f"a chunk cannot be unpacked ({fault})", retry=False) from None
    if values is None or len(values) != count or values.dtype != kind:
        raise Failed("a chunk holds other figures than it says", retry=False)
    found: NDArray[Any] = values
    return found
