"""The read side, summed up: windows from the coarsest tier as far as it reaches, then finer ones, then raw.

What a tier has covers raw time up to an instant, without holes and without overlap with what is read
beyond it, so parts of one window from two tiers simply add up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from watchkeeper.model import Matcher, Rollup, Series
from watchkeeper.store.finding import Allowance, Finder
from watchkeeper.store.head import Stream
from watchkeeper.store.reading import Reading
from watchkeeper.store.rolling import Windows, join, reroll, roll, split
from watchkeeper.store.sealing import Roller


class Part(NamedTuple):
    """Some windows of some series."""

    series: tuple[Series, ...]
    windows: Windows


class Summing:
    """Questions that rollups answer."""

    def __init__(self, finder: Finder, reading: Reading, rollers: Sequence[Roller]) -> None:
        """`rollers`: from the finest tier to the coarsest."""
        self._finder = finder
        self._reading = reading
        self._rollers = rollers

    def rollups(self, matchers: Sequence[Matcher], start: int, end: int, step: int, allowance: Allowance) -> list[Rollup]:
        """See `seams.Store.rollups`."""
        wanted = tuple(matchers)
        streams = self._finder.streams(wanted)
        since = {stream.number: start // step * step for stream in streams}
        end = (end // step + 1) * step - 1  # windows are whole, wherever they come from
        parts: dict[int, list[Part]] = {}
        for roller in reversed(self._rollers):
            for stream in streams:
                number = stream.number
                upto = roller.reach.get(number, 0)
                window = roller.window(number)
                if window and step % window == 0 and upto >= since[number]:
                    found = self._windows(roller, stream, wanted, since[number], end, allowance)
                    parts.setdefault(number, []).extend(Part(part.series, reroll(part.windows, step)) for part in found)
                    since[number] = upto + 1
        raw = self._reading.pieces(streams, wanted, since, end, lambda samples, _: allowance.spend(samples))
        for number, pieces in raw.items():
            rolled = [Part(piece.series, roll(piece.times, piece.values, step)) for piece in pieces]
            parts.setdefault(number, []).extend(rolled)
        summed = [united(some) for some in parts.values() if some]
        return [Rollup(one.series, one.windows.times, step, *one.windows[1:]) for one in summed]

    def _windows(
        self, roller: Roller, stream: Stream, matchers: tuple[Matcher, ...], start: int, end: int, allowance: Allowance
    ) -> Iterator[Part]:
        """The tier's rows whose windows start in ``start <= t <= end``."""
        for file in roller.shelf.between(start, end):
            with file.reading() as reader:
                for chunk in reader.between(stream.number, start, end):
                    layout, columns = self._finder.match(chunk.layout, matchers)
                    if not columns:
                        continue
                    allowance.spend(4 * chunk.ticks * len(columns))
                    sides = [side * len(layout) + column for side in range(4) for column in columns]
                    if read := self._reading.unpack(reader, chunk, sides):
                        windows = split(*read)
                        first, last = np.searchsorted(windows.times, [start, end + 1]).tolist()
                        if first < last:
                            yield Part(tuple(layout[column] for column in columns), windows.cut(first, last))


def united(parts: Sequence[Part]) -> Part:
    """Parts in time order as one; windows told in several parts are added up, series that a part lacks have seen nothing."""
    series = parts[0].series
    if all(part.series == series for part in parts):
        return Part(series, reroll(join([part.windows for part in parts]), 1))
    places = {one: place for place, one in enumerate(dict.fromkeys(one for part in parts for one in part.series))}
    spread = []
    for part in parts:
        columns = [places[one] for one in part.series]
        shape = (len(part.windows.times), len(places))
        sides = [np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape), np.zeros(shape)]
        for side, figures in zip(sides, part.windows[1:], strict=True):
            side[:, columns] = figures
        spread.append(Windows(part.windows.times, *sides))
    return Part(tuple(places), reroll(join(spread), 1))
