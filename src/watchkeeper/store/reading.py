"""The read side, raw: from label conditions to aligned columns, out of chunks and heads alike.

Any thread may come in while the hub's loop puts frames into heads and the upkeep seals them. Heads are
looked at first and chunks that begin where these begin are passed over, so what is being sealed at this
very moment is seen once. A chunk whose bytes have rotted is a gap, logged and counted.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from watchkeeper.errors import Failed
from watchkeeper.model import Block, Matcher, Series
from watchkeeper.store.chunkfile import Chunk, ChunkReader
from watchkeeper.store.codec import read_columns, read_directory, read_times
from watchkeeper.store.finding import Allowance, Finder
from watchkeeper.store.head import Newest, Stream
from watchkeeper.store.rolling import Floats, Times
from watchkeeper.store.shelf import Shelf

logger = logging.getLogger(__name__)


class Piece(NamedTuple):
    """Matching columns of one chunk or head. `values`: float64[ticks, series]."""

    series: tuple[Series, ...]
    times: Times
    values: Floats


class Reading:
    """Questions about raw samples."""

    def __init__(self, finder: Finder, raw: Shelf) -> None:
        """Holds nothing of its own but a count of `damaged` chunks met."""
        self._finder = finder
        self._raw = raw
        self.damaged = 0

    def latest(self, matchers: Sequence[Matcher]) -> list[tuple[Series, int, float]]:
        """See `seams.Store.latest`."""
        wanted = tuple(matchers)
        found: list[tuple[Series, int, float]] = []
        for stream in self._finder.streams(wanted):
            newest = self._newest(stream)
            if newest is None:
                continue
            layout, columns = self._finder.match(newest.layout, wanted)
            row = newest.values[list(columns)].tolist()
            at = newest.at
            found += [(layout[column], at, value) for column, value in zip(columns, row, strict=True) if value == value]  # noqa: PLR0124  # the quickest way to ask for NaN
        return found

    def series(self, matchers: Sequence[Matcher], start: int, end: int) -> list[Series]:
        """See `seams.Store.series`."""
        wanted = tuple(matchers)
        end = end or 1 << 62
        streams = {stream.number: stream for stream in self._finder.streams(wanted)}
        layouts = {
            head.layout for one in streams.values() for head in one.heads() if head.times[-1] >= start and head.times[0] <= end
        }
        for file in self._raw.between(start, end):
            with file.reading() as reader:
                layouts |= {layout for stream, layout in reader.layouts(start, end) if stream in streams}
        found: dict[Series, None] = {}
        for number in sorted(layouts):
            layout, columns = self._finder.match(number, wanted)
            found |= dict.fromkeys(layout[column] for column in columns)
        return list(found)

    def pieces(
        self, streams: Sequence[Stream], matchers: tuple[Matcher, ...], since: dict[int, int], end: int, allowance: Allowance
    ) -> dict[int, list[Piece]]:
        """Matching columns by stream, in time order, each from the instant that `since` has for its stream."""
        heads = {stream.number: stream.heads() for stream in streams}
        found: dict[int, list[Piece]] = {}
        for file in self._raw.between(min(since.values(), default=0), end):
            with file.reading() as reader:
                for number, mine in heads.items():
                    for chunk in reader.between(number, since[number], end):
                        layout, columns = self._finder.match(chunk.layout, matchers)
                        if not columns or (mine and chunk.t0 >= int(mine[0].times[0])):
                            continue
                        allowance.spend(chunk.ticks * len(columns))
                        if read := self.unpack(reader, chunk, columns):
                            names = tuple(layout[column] for column in columns)
                            found.setdefault(number, []).append(cut(Piece(names, *read), since[number], end))
        for number, mine in heads.items():
            for head in mine:
                layout, columns = self._finder.match(head.layout, matchers)
                if columns:
                    times = head.times  # before the values: the hub's loop may add a row in between
                    piece = Piece(tuple(layout[column] for column in columns), times, head.values[: len(times)])
                    piece = cut(piece, since[number], end)
                    allowance.spend(len(piece.times) * len(columns))
                    found.setdefault(number, []).append(piece._replace(values=piece.values[:, list(columns)]))
        kept = {number: [piece for piece in pieces if len(piece.times)] for number, pieces in found.items()}
        return {number: pieces for number, pieces in kept.items() if pieces}

    def unpack(self, reader: ChunkReader, chunk: Chunk, columns: Sequence[int]) -> tuple[Times, Floats] | None:
        """A chunk's times and some of its columns; None, logged and counted, where its bytes are damaged."""
        try:
            with reader.blob(chunk.id) as read:
                directory = read_directory(read)
                return read_times(read, directory), read_columns(read, directory, columns)
        except Failed as fault:
            self.damaged += 1
            logger.error("a chunk of %d ticks is left out: %s", chunk.ticks, fault.why)  # noqa: TRY400  # damage on the disk needs no traceback
            return None

    def _newest(self, stream: Stream) -> Newest | None:
        """The last row there is: in the head, or remembered, or looked up once in the chunks."""
        if heads := stream.heads():
            head = heads[-1]
            return Newest(head.layout, int(head.times[-1]), head.values[-1])
        if stream.newest is None and stream.last:
            for file in self._raw.between(stream.last, stream.last):
                with file.reading() as reader:
                    for chunk in reader.between(stream.number, stream.last, stream.last):
                        whole = range(len(self._finder.match(chunk.layout, ())[0]))
                        if read := self.unpack(reader, chunk, whole):
                            stream.newest = Newest(chunk.layout, stream.last, read[1][-1].copy())
        return stream.newest


def cut(piece: Piece, start: int, end: int) -> Piece:
    """Only the ticks with ``start <= t <= end``."""
    first, last = int(np.searchsorted(piece.times, start)), int(np.searchsorted(piece.times, end, "right"))
    return Piece(piece.series, piece.times[first:last], piece.values[first:last])


def block(pieces: Sequence[Piece]) -> Block:
    """Pieces of one stream after one another; series of several layouts get one column each."""
    times = np.concatenate([piece.times for piece in pieces])
    series = pieces[0].series
    if all(piece.series == series for piece in pieces):
        return Block(series, times, np.concatenate([piece.values for piece in pieces]))
    places = {one: place for place, one in enumerate(dict.fromkeys(one for piece in pieces for one in piece.series))}
    values = np.full((len(times), len(places)), np.nan)
    row = 0
    for piece in pieces:
        values[row : row + len(piece.times), [places[one] for one in piece.series]] = piece.values
        row += len(piece.times)
    return Block(tuple(places), times, values)
