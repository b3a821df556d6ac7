"""Columns out of chunks: many at once, since each step of unpacking costs the same for one column as for a hundred.

    directory → for each chunk `want` (groups are read, words come out) → `figures` (words become floats, all together)

Whoever reads many chunks makes one `Unpacking`, wants what it needs of each, and takes the figures in the same
order. Chunks of the older kind are read by `older`. Raises Failed on anything that is no sound chunk, and then
nothing of that chunk is wanted. Nothing here knows a file.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pcodec import wrapped

from watchkeeper.errors import Failed
from watchkeeper.store import older
from watchkeeper.store.codec import GROUP_ROW, PAGED, Read, length_kind
from watchkeeper.store.directory import Directory, Opened, Plan, numbers, open_chunk
from watchkeeper.store.integers import Floats, restore_rows
from watchkeeper.store.zstd import stretch

TOGETHER = 15 << 10
"""Figures that are restored at once: what the second-level cache holds while they are worked on."""
_KINDS = {width: (np.dtype(f"<u{width}"), f"u{width * 8}") for width in (1, 2, 4, 8)}


def unpack(read: Read, opened: Opened, columns: Sequence[int]) -> Floats:
    """Some columns of one chunk, in the order asked for: float64[columns, ticks]."""
    unpacking = Unpacking()
    unpacking.want(read, opened.directory, columns)
    return unpacking.figures()[0]


def decode(read: Read) -> tuple[NDArray[np.int64], Floats]:
    """A whole chunk: its times and all its columns, float64[ticks, series]."""
    opened = open_chunk(read)
    return opened.times, unpack(read, opened, range(opened.directory.series)).T


class _Rows(NamedTuple):
    """Integer columns of one length and one width that wait to be restored. `words`: uint[rows, ticks]."""

    words: NDArray[Any]
    wanted: list[tuple[Floats, int]]
    restoring: list[tuple[int, int, int, int, int]]

    def restore(self) -> None:
        """Put the figures where they are wanted."""
        values = restore_rows(self.words[: len(self.wanted)], self.restoring)
        for (figures, place), restored in zip(self.wanted, values, strict=True):
            figures[place] = restored
        self.wanted.clear()
        self.restoring.clear()


class Unpacking:
    """Wanted columns of any chunks."""

    def __init__(self) -> None:
        """Nothing is wanted yet."""
        self._rows: dict[tuple[int, int], _Rows] = {}
        self._gaps: list[tuple[Floats, int, NDArray[np.bool_]]] = []
        self._figures: list[Floats] = []

    def want(self, read: Read, directory: Plan, columns: Sequence[int]) -> None:
        """Read what these columns of a chunk need. Raises Failed where they are damaged: then they are not wanted."""
        if not isinstance(directory, Directory):
            self._figures.append(older.read_columns(read, directory, columns))
            return
        figures = np.empty((len(columns), directory.ticks))
        integers, kept = directory.constants + directory.integers, len(self._gaps)
        group: _Words | None = None
        number, begin, end = -1, 0, directory.constants  # of the group that we are in: places rise
        try:
            for place, row in directory.placed(columns):
                if place < directory.constants:
                    figures[row].view(np.int64)[:] = directory.constant(place)
                    continue
                while place >= end:
                    number, begin, end, group = number + 1, end, end + directory.counts[number + 1], None
                if place < integers:
                    group = group or _Words(read, directory, number)
                    self._integer(directory, group, place - begin, place, figures, row)
                else:
                    blob, _ = _group(read, directory, number)
                    figures[row] = numbers(blob, directory.ticks, np.float64)
        except Failed:
            self._forget(figures, kept)
            raise
        except (IndexError, struct.error, RuntimeError, ValueError) as fault:
            self._forget(figures, kept)
            raise Failed(f"a chunk cannot be unpacked ({fault})", retry=False) from None
        self._figures.append(figures)

    def figures(self) -> list[Floats]:
        """What was wanted, in the order of the calls: float64[columns, ticks] each."""
        for rows in self._rows.values():
            if rows.wanted:
                rows.restore()
        for figures, row, missing in self._gaps:
            figures[row][missing] = np.nan
        found, self._figures, self._gaps = self._figures, [], []
        return found

    def _integer(self, directory: Directory, group: _Words, slot: int, place: int, figures: Floats, row: int) -> None:
        ticks, width = directory.ticks, group.width
        rows = self._rows.get((ticks, width))
        if rows is None:
            words = np.empty((max(1, TOGETHER // max(1, ticks)), ticks), _KINDS[width][0])
            rows = self._rows[ticks, width] = _Rows(words, [], [])
        elif len(rows.wanted) == len(rows.words):
            rows.restore()
        group.read_into(slot, rows.words[len(rows.wanted)])
        rows.wanted.append((figures, row))
        rows.restoring.append(directory.restoring(place))
        if slot < group.holed:
            self._gaps.append((figures, row, group.missing(slot)))

    def _forget(self, figures: Floats, gaps: int) -> None:
        """Take back what is wanted for `figures`."""
        del self._gaps[gaps:]
        for rows in self._rows.values():
            while rows.wanted and rows.wanted[-1][0] is figures:
                rows.wanted.pop()
                rows.restoring.pop()


class _Words:
    """One group of integer columns, read."""

    def __init__(self, read: Read, directory: Directory, number: int) -> None:
        self._ticks = ticks = directory.ticks
        self._blob, (coder, self.width, count, self.holed, self._gaps, _, _) = _group(read, directory, number)
        name = _KINDS[self.width][1]
        self._planes: NDArray[np.uint8] | None = None
        if coder != PAGED:
            planes = np.frombuffer(stretch(self._blob[self._gaps :], count * ticks * self.width), np.uint8)
            self._planes = planes.reshape(self.width, count, ticks)
            return
        lengths = _lengths(count, length_kind(ticks))
        self._lengths = lengths.unpack_from(self._blob, self._gaps)
        begin = self._gaps + lengths.size
        self._start = begin + self._lengths[0]
        file, length = wrapped.FileDecompressor.new(self._blob[begin : self._start])
        self._pages, _ = file.chunk_decompressor(self._blob[begin + length : self._start], name)

    def read_into(self, slot: int, words: NDArray[Any]) -> None:
        """Put a column's words into `words`, uint[ticks]."""
        if self._planes is not None:
            planes = np.ascontiguousarray(self._planes[:, slot].T)
            words[:] = planes.view(_KINDS[self.width][0])[:, 0]
            return
        start = self._start + sum(self._lengths[1 : slot + 1])
        page = self._blob[start : start + self._lengths[slot + 1]]
        progress, _ = self._pages.read_page_into(page, self._ticks, words)
        if progress.n_processed != self._ticks:
            raise Failed("a chunk holds other figures than it says", retry=False)

    def missing(self, slot: int) -> NDArray[np.bool_]:
        """Where a column has gaps, bool[ticks]."""
        stride = -(-self._ticks // 8)
        bitmap = np.frombuffer(stretch(self._blob[: self._gaps], stride * self.holed), np.uint8)
        return np.unpackbits(bitmap[slot * stride : (slot + 1) * stride], count=self._ticks).view(np.bool_)


@lru_cache(maxsize=64)
def _lengths(count: int, kind: str) -> struct.Struct:
    """The lengths of what a group's pages share and of each of them."""
    return struct.Struct(f"<{count + 1}{kind}")


def _group(read: Read, directory: Directory, number: int) -> tuple[bytes, tuple[int, ...]]:
    """A group's bytes and its row in the directory."""
    place = number * GROUP_ROW.size
    row = GROUP_ROW.unpack_from(directory.raw, place)
    start = GROUP_ROW.unpack_from(directory.raw, place - GROUP_ROW.size)[5] if number else 0
    blob = read(directory.begin + start, row[5] - start)
    if len(blob) != row[5] - start:
        raise Failed("a chunk is cut short", retry=False)
    if zlib.crc32(blob) != row[6]:
        raise Failed("a chunk's checksum is wrong: its bytes have changed on the disk", retry=False)
    return blob, row
