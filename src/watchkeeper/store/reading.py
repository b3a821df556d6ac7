"""The read side, raw: from label conditions to aligned columns, out of chunks and heads alike.

Any thread may come in while the hub's loop puts frames into heads and the upkeep seals them. Heads are
looked at first and chunks that begin where these begin are passed over, so what is being sealed at this
very moment is seen once. A chunk whose bytes have rotted is a gap, logged and counted.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from watchkeeper.errors import Failed
from watchkeeper.model import Block, Matcher, Series
from watchkeeper.seams import Admit
from watchkeeper.store.cache import ENTRY_BYTES, Cache, Kept
from watchkeeper.store.chunkfile import Chunk, ChunkReader, in_memory
from watchkeeper.store.directory import Opened, open_chunk
from watchkeeper.store.finding import Finder
from watchkeeper.store.head import Head, Newest, Stream
from watchkeeper.store.rolling import Floats, Times
from watchkeeper.store.shelf import Shelf
from watchkeeper.store.unpacking import Unpacking, unpack

logger = logging.getLogger(__name__)

Sample = tuple[Series, int, float]
FOREVER = 1 << 62
AT_ONCE = 64
"""Chunks that are opened ahead before others may read."""


class Piece(NamedTuple):
    """Matching columns of one chunk or head. `values`: float64[ticks, series]."""

    series: tuple[Series, ...]
    times: Times
    values: Floats


class Wanted(NamedTuple):
    """A chunk, which of its columns, and what these are."""

    chunk: Chunk
    columns: tuple[int, ...]
    names: tuple[Series, ...]


class Rows(NamedTuple):
    """What a head has of a question, not copied yet: `columns` of float64[ticks, all columns]."""

    stream: int
    names: tuple[Series, ...]
    times: Times
    values: Floats
    columns: tuple[int, ...]


class Picked(dict[int, tuple[tuple[int, ...], tuple[Series, ...]]]):
    """For one question, by layout: the columns that match and what they are; looked up once each."""

    def __init__(self, finder: Finder, matchers: tuple[Matcher, ...]) -> None:
        """Knows none yet."""
        super().__init__()
        self._finder = finder
        self._matchers = matchers

    def __missing__(self, number: int) -> tuple[tuple[int, ...], tuple[Series, ...]]:
        layout, columns = self._finder.match(number, self._matchers)
        found = self[number] = columns, self._finder.names(number, layout, columns)
        return found


class Amount:
    """How much is about to be read. Series are counted by what streams call them: one that two streams have counts twice."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.samples = 0
        self._names: dict[int, dict[int, tuple[Series, ...]]] = {}

    @property
    def series(self) -> int:
        """How many there are."""
        return sum(
            len(next(iter(some.values()))) if len(some) == 1 else len(set().union(*some.values()))
            for some in self._names.values()
        )

    def add(self, stream: int, names: tuple[Series, ...], ticks: int) -> None:
        """Some columns of a stream."""
        self.samples += len(names) * ticks
        self._names.setdefault(stream, {})[id(names)] = names

    def add_all(self, wanted: Sequence[Wanted]) -> None:
        """Those of chunks."""
        for chunk, _, names in wanted:
            self.add(chunk.stream, names, chunk.ticks)


class Reading:
    """Questions about raw samples."""

    def __init__(self, finder: Finder, raw: Shelf, cache: int) -> None:
        """Keeps up to `cache` bytes of what was unpacked, and a count of `damaged` chunks met."""
        self._finder = finder
        self._raw = raw
        self._cache = Cache(cache)
        self.damaged = 0

    def forget(self, *, directories: bool) -> None:
        """Drop what is kept of what was unpacked, or the columns alone."""
        self._cache.forget(directories=directories)

    def learn(self, chunk: Chunk, blob: bytes) -> None:
        """A chunk was written: whoever asks for it first finds it open."""
        self._cache.learn(chunk, open_chunk(in_memory(blob)))

    def look_ahead(self, since: int) -> None:
        """Open what chunks there are since then before anybody asks: the newest, as many as are kept so."""
        found: list[tuple[Chunk, Opened]] = []
        room = self._cache.young_room
        for file in reversed(list(self._raw.between(since, FOREVER))):
            with file.reading() as reader:
                chunks = sorted((one for one in reader.all() if one.t1 >= since), key=lambda one: one.t1, reverse=True)
            for start in range(0, len(chunks), AT_ONCE):
                if room < 0:
                    break
                try:
                    with file.reading() as reader:  # some at a time, so that questions get in between
                        for chunk in chunks[start : start + AT_ONCE]:
                            with reader.blob(chunk.id) as read:
                                found.append((chunk, open_chunk(read)))
                            room -= found[-1][1].bytes + ENTRY_BYTES
                except Failed:
                    continue  # joined with others since, or damaged, which whoever asks for it will hear
        for chunk, opened in reversed(found):
            self._cache.learn(chunk, opened)  # the newest last, since what was learnt first goes first

    def latest(self, matchers: Sequence[Matcher]) -> list[tuple[Series, int, float]]:
        """See `seams.Store.latest`."""
        wanted = tuple(matchers)
        of_machine: dict[str, list[tuple[int, list[Sample]]]] = {}
        for stream in self._finder.streams(wanted):
            newest = self._newest(stream)
            if newest is None:
                continue
            layout, columns = self._finder.match(newest.layout, wanted)
            if columns:
                row = newest.values[list(columns)].tolist()
                at = newest.at
                told = [(layout[column], at, value) for column, value in zip(columns, row, strict=True) if value == value]  # noqa: PLR0124  # the quickest way to ask for NaN
                of_machine.setdefault(self._finder.machine(stream.number), []).append((newest.layout, told))
        found: list[Sample] = []
        for some in of_machine.values():
            samples = [one for _, told in some for one in told]
            found += _newest_of(samples) if self._finder.overlap([layout for layout, _ in some]) else samples
        return found

    def series(self, matchers: Sequence[Matcher], start: int, end: int) -> list[Series]:
        """See `seams.Store.series`."""
        wanted = tuple(matchers)
        end = end or FOREVER
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
        self, streams: Sequence[Stream], matchers: tuple[Matcher, ...], since: dict[int, int], end: int, admit: Admit
    ) -> dict[int, list[Piece]]:
        """Matching columns by stream, in time order, each from the instant that `since` has for its stream.

        How much that is, is known before any of it is unpacked or copied, and `admit` hears it.
        """
        heads = {stream.number: stream.heads() for stream in streams}
        picked = Picked(self._finder, matchers)
        rows = list(self._of_heads(heads, picked, since, end))
        size = Amount()
        for row in rows:
            size.add(row.stream, row.names, len(row.times))
        files = list(self._raw.between(min(since.values(), default=0), end))
        found: dict[int, list[Piece]] = {}
        for file in files if len(files) > 1 else ():
            with file.reading() as reader:
                size.add_all(self._wanted(reader, heads, picked, since, end))
        if len(files) != 1:
            admit(size.samples, size.series)
        for file in files:
            with file.reading() as reader:
                wanted = self._wanted(reader, heads, picked, since, end)
                if len(files) == 1:  # the usual question: one look at the only file's index tells how much and where
                    size.add_all(wanted)
                    admit(size.samples, size.series)
                for one, read in zip(wanted, self._unpacked(reader, wanted, size.samples), strict=True):
                    if read is not None:
                        chunk, piece = one.chunk, Piece(one.names, read.opened.times, read.figures.T)
                        start = since[chunk.stream]
                        if chunk.t0 < start or chunk.t1 > end:
                            piece = cut(piece, start, end)
                        found.setdefault(chunk.stream, []).append(piece)
        for row in rows:
            found.setdefault(row.stream, []).append(Piece(row.names, row.times, columns_of(row.values, row.columns)))
        kept_pieces = {number: [piece for piece in pieces if len(piece.times)] for number, pieces in found.items()}
        return {number: pieces for number, pieces in kept_pieces.items() if pieces}

    def _wanted(
        self, reader: ChunkReader, heads: dict[int, tuple[Head, ...]], picked: Picked, since: dict[int, int], end: int
    ) -> list[Wanted]:
        """The chunks of a file that have matching columns, but for those whose head is still in memory."""
        found = []
        young = {number: int(mine[0].times[0]) for number, mine in heads.items() if mine}
        for chunk in reader.among(since, end):
            columns, names = picked[chunk.layout]
            if columns and chunk.t0 < young.get(chunk.stream, FOREVER):
                found.append(Wanted(chunk, columns, names))
        return found

    def _of_heads(self, heads: dict[int, tuple[Head, ...]], picked: Picked, since: dict[int, int], end: int) -> Iterator[Rows]:
        for number, mine in heads.items():
            for head in mine:
                columns, names = picked[head.layout]
                if columns:
                    times = head.times  # before the values: the hub's loop may add a row in between
                    first, last = inside(times, since[number], end)
                    yield Rows(number, names, times[first:last], head.values[first:last], columns)

    def _unpacked(self, reader: ChunkReader, wanted: Sequence[Wanted], size: int) -> list[Kept | None]:
        """Their columns, from memory what was unpacked lately; None, logged and counted, where bytes are damaged.

        What a question of `size` samples has unpacked is kept for the next, if it does not fill the memory for that.
        """
        found: list[Kept | None] = [None] * len(wanted)
        unpacking = Unpacking()
        fresh: list[tuple[int, Opened]] = []
        for place, (opened, figures) in enumerate(self._cache.find([(one.chunk, one.columns) for one in wanted])):
            chunk, columns, _ = wanted[place]
            if opened is not None and figures is not None:
                found[place] = Kept(chunk, columns, opened, figures)
                continue
            try:
                with reader.blob(chunk.id) as read:
                    here = opened or open_chunk(read)
                    unpacking.want(read, here.directory, columns)
            except Failed as fault:
                self._tell_damage(chunk, fault)
                continue
            fresh.append((place, here))
        for (place, here), figures in zip(fresh, unpacking.figures(), strict=True):
            found[place] = Kept(wanted[place].chunk, wanted[place].columns, here, figures)
        if fresh and self._cache.admits(size):
            self._cache.keep(one for place, _ in fresh if (one := found[place]) is not None)
        return found

    def unpack(self, reader: ChunkReader, chunk: Chunk, columns: Sequence[int]) -> tuple[Times, Floats] | None:
        """A chunk's times and some of its columns; None, logged and counted, where its bytes are damaged."""
        try:
            with reader.blob(chunk.id) as read:
                opened = open_chunk(read)
                return opened.times, unpack(read, opened, columns).T
        except Failed as fault:
            self._tell_damage(chunk, fault)
            return None

    def _tell_damage(self, chunk: Chunk, fault: Failed) -> None:
        self.damaged += 1
        logger.error("a chunk of %d ticks is left out: %s", chunk.ticks, fault.why)

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


def inside(times: Times, start: int, end: int) -> tuple[int, int]:
    """The first tick with ``start <= t``, and the one after the last with ``t <= end``."""
    return int(times.searchsorted(start)), int(times.searchsorted(end, "right"))


def columns_of(values: Floats, columns: tuple[int, ...]) -> Floats:
    """A copy of some columns, each one piece of memory."""
    if len(columns) == 1:
        return values[:, columns[0] : columns[0] + 1].copy()
    return values.T[list(columns)].T


def cut(piece: Piece, start: int, end: int) -> Piece:
    """Only the ticks with ``start <= t <= end``."""
    times = piece.times
    first, last = inside(times, start, end)
    return Piece(piece.series, times[first:last], piece.values[first:last])


def block(pieces: Sequence[Piece]) -> Block:
    """Pieces of one stream after one another; series of several layouts get one column each."""
    if len(pieces) == 1:
        return Block(*pieces[0])
    times = np.concatenate([piece.times for piece in pieces])
    series = pieces[0].series
    if all(piece.series is series or piece.series == series for piece in pieces):
        # Column by column, as chunks unpack: a column is one piece of memory, which is how questions walk it.
        return Block(series, times, np.concatenate([piece.values.T for piece in pieces], axis=1).T)
    places = {one: place for place, one in enumerate(dict.fromkeys(one for piece in pieces for one in piece.series))}
    values = np.full((len(times), len(places)), np.nan)
    row = 0
    for piece in pieces:
        values[row : row + len(piece.times), [places[one] for one in piece.series]] = piece.values
        row += len(piece.times)
    return Block(tuple(places), times, values)


def _newest_of(samples: Sequence[Sample]) -> list[Sample]:
    """Of a series that is told several times, since it has changed its stream, the newest value."""
    found: dict[Series, Sample] = {}
    for one in samples:
        known = found.setdefault(one[0], one)
        if known[1] < one[1]:
            found[one[0]] = one
    return list(found.values())
