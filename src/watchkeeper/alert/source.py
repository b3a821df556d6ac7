"""One source's newest figures, all its streams side by side, and the program that holds rules against them.

`court` keeps one for each machine, and one for the hub's own figures. What a status or an event has told before the next frame
does is laid over the figures until a frame is younger than it. Times are milliseconds of the hub's clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from watchkeeper.alert.compiling import PLACEHOLDER
from watchkeeper.alert.locality import OF_SOURCE
from watchkeeper.alert.program import Bools, Floats, Program, Registers
from watchkeeper.alert.rules import Rule
from watchkeeper.model import Dictionary, Labels, Series

LOOKBACK = 300_000
"""Older figures are as absent, as in Prometheus."""


class Held(NamedTuple):
    """A program at work on a source: which rule and which labels each of its conditions is for, in the program's order.

    `enabled`: bool[conditions], whether the rule is meant for this source; `others`: registers of what clears it and of its
    figure.
    """

    version: int
    program: Program
    rules: list[Rule]
    labels: list[Labels]
    enabled: Bools
    others: dict[tuple[str, str, Labels], int]


class _Stream:
    __slots__ = ("at", "gone", "high", "layout", "low")

    def __init__(self, layout: Dictionary) -> None:
        self.layout = layout
        self.low = self.high = 0
        self.at = 0
        self.gone = False


class Source:
    """The newest figures of one machine."""

    def __init__(self, name: str) -> None:
        """Nothing is known of it yet."""
        self.name = name
        self.held: Held | None = None
        self.was_late = False
        self.period = 0
        """Ms between its last two frames of its quickest stream, roughly."""
        self._streams: dict[str, _Stream] = {}
        self._figures: Floats = np.zeros(0)
        self._columns: list[Series | None] = []
        self._places: dict[Series, int] = {}
        self._laid: dict[int, tuple[float, int]] = {}

    def take(self, stream: str, layout: Dictionary, at: int, figures: Floats) -> bool:
        """Put in one frame; true when its layout is new, and with it all columns."""
        known = self._streams.get(stream)
        fresh = known is None or known.layout.id != layout.id
        if fresh:
            known = self._streams[stream] = _Stream(layout)
            self._arrange()
        assert known is not None
        self._figures[known.low : known.high] = figures
        known.at = at
        known.gone = False
        for place, (value, until) in list(self._laid.items()):
            if known.low <= place < known.high:
                if at >= until:
                    del self._laid[place]
                else:
                    self._figures[place] = value
        return fresh

    def overlay(self, figures: Mapping[Series, float], at: int) -> bool:
        """Lay these over the newest figures until a frame of `at` or later; false when none of these series is known here."""
        found = False
        for series, value in figures.items():
            place = self._places.get(series)
            if place is not None:
                self._figures[place] = value
                self._laid[place] = (value, at)
                found = True
        return found

    def figures(self, at: int) -> Floats:
        """The newest figures, those of streams that have long been silent left out."""
        for stream in self._streams.values():
            if at - stream.at > LOOKBACK and not stream.gone:
                self._figures[stream.low : stream.high] = np.nan
                stream.gone = True
        return self._figures

    def run(self, at: int) -> Registers:
        """The registers of its program; the caller has seen to it that there is one."""
        assert self.held is not None
        return self.held.program.run(self.figures(at), at)

    def columns(self, read: frozenset[str]) -> tuple[Series | None, ...]:
        """Its columns as programs want them, those of metrics that nobody reads left out."""
        return tuple(canonical(one, self.name) if one is not None and one.name in read else None for one in self._columns)

    def real(self, labels: Labels) -> Labels:
        """A program's labels with this source's name in its place."""
        return tuple((label, self.name if value == PLACEHOLDER else value) for label, value in labels)

    def _arrange(self) -> None:
        """Columns of all streams side by side; a series that has moved from one to another counts where it is newer."""
        figures = [self._figures[one.low : one.high] for one in self._streams.values()]
        laid = {self._columns[place]: kept for place, kept in self._laid.items()}
        self._columns = []
        self._places = {}
        for stream in self._streams.values():
            stream.low = len(self._columns)
            for series in stream.layout.series:
                if (before := self._places.get(series)) is not None:
                    self._columns[before] = None
                self._places[series] = len(self._columns)
                self._columns.append(series)
            stream.high = len(self._columns)
        self._figures = np.full(len(self._columns), np.nan)
        for stream, kept in zip(self._streams.values(), figures, strict=True):
            if len(kept) == stream.high - stream.low:
                self._figures[stream.low : stream.high] = kept
        self._laid = {self._places[series]: kept for series, kept in laid.items() if series in self._places}
        self.held = None


def canonical(series: Series, name: str) -> Series:
    """A series with `PLACEHOLDER` where its source's name stands, so that machines of one kind share a program."""
    return Series(
        series.name,
        tuple((label, PLACEHOLDER if label in OF_SOURCE and value == name else value) for label, value in series.labels),
    )
