"""Samples over time, as range functions want them: each series' samples one after another in one flat array.

A window of a series is then two numbers, its first sample and the one after its last, and a function over
windows is a few numpy calls over all series and steps at once. Series of one stream share their time axis:
windows are looked up once for it, and series with gaps only count theirs off.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from watchkeeper.model import ABSENT_BITS, STALE_BITS, Block, Series
from watchkeeper.query.table import Bools, Floats, Ints

TOGETHER = 1 << 19
"""Samples that are worked on at once: what caches hold, and yet many small streams in one go."""


class Tracks(NamedTuple):
    """Samples and windows of some series.

    `values`: float64[samples], series after series. `times`: int64[…], ms: the time of sample i of series s is
    `times[i + shift[s]]`. `first` and `last`: int64[series, steps]; a window's samples are first <= i < last.
    """

    series: Sequence[Series]
    values: Floats
    times: Ints
    shift: Ints
    first: Ints
    last: Ints

    def at(self, places: Ints) -> Ints:
        """The times of samples, int64[series, steps], from their places."""
        found: Ints = self.times[np.minimum(places + self.shift[:, None], len(self.times) - 1)]
        return found

    @property
    def counts(self) -> Ints:
        """How many samples each window has."""
        return self.last - self.first

    def flat(self) -> tuple[Floats, Ints, Ints]:
        """Values with one more behind them, and the windows' bounds as flat arrays, for `reduceat`."""
        return np.append(self.values, 0.0), self.first.ravel(), self.last.ravel()


def tracks(blocks: Sequence[Block], starts: Ints, ends: Ints, *, stale: bool = False) -> Iterator[Tracks]:
    """Blocks as tracks with the windows ``starts <= t <= ends`` (int64[steps], ms), some blocks at a time.

    Stale markers are left out unless `stale` asks for them: an instant selector needs them to know what has ended.
    """
    batch: list[Block] = []
    size = 0
    for block in merged(blocks):
        batch.append(block)
        size += block.values.size
        if size >= TOGETHER:
            yield _flattened(batch, starts, ends, stale=stale)
            batch, size = [], 0
    if batch:
        yield _flattened(batch, starts, ends, stale=stale)


def merged(blocks: Sequence[Block]) -> Sequence[Block]:
    """Blocks of which no two have the same series: one that changed its stream is put together on one time axis."""
    if len(blocks) < 2:
        return blocks
    owners: dict[Series, list[tuple[int, int]]] = {}
    for number, block in enumerate(blocks):
        for column, series in enumerate(block.series):
            owners.setdefault(series, []).append((number, column))
    if len(owners) == sum(len(block.series) for block in blocks):
        return blocks
    kept: list[Block] = []
    for number, block in enumerate(blocks):
        columns = [column for column, series in enumerate(block.series) if len(owners[series]) == 1]
        if columns:
            kept.append(Block(tuple(block.series[column] for column in columns), block.times, block.values[:, columns]))
        del number
    for series, places in owners.items():
        if len(places) > 1:
            times = np.concatenate([blocks[number].times for number, _ in places])
            values = np.concatenate([blocks[number].values[:, column] for number, column in places])
            there = values.view(np.int64) != ABSENT_BITS
            times, values = times[there], values[there]
            order = np.argsort(times, kind="stable")
            times, values = times[order], values[order]
            once = np.append(np.diff(times) > 0, True) if len(times) else there[:0]  # of two at one instant the later stream's
            kept.append(Block((series,), times[once], values[once, None]))
    return kept


def _flattened(blocks: Sequence[Block], starts: Ints, ends: Ints, *, stale: bool) -> Tracks:
    values: list[Floats] = []
    times: list[Ints] = []
    shifts: list[Ints] = []
    firsts: list[Ints] = []
    lasts: list[Ints] = []
    series: list[Series] = []
    samples = instants = 0
    for block in blocks:
        low, high = np.searchsorted(block.times, starts), np.searchsorted(block.times, ends, "right")
        columns = np.ascontiguousarray(block.values.T)
        ticks = len(block.times)
        there = _there(columns, stale=stale)
        times.append(block.times)
        if there is None:
            begin = samples + ticks * np.arange(len(columns), dtype=np.int64)
            values.append(columns.ravel())
            shifts.append(instants - begin)
            firsts.append(begin[:, None] + low)
            lasts.append(begin[:, None] + high)
            samples += columns.size
        else:
            counted = np.zeros((len(columns), ticks + 1), np.int64)
            np.cumsum(there, axis=1, out=counted[:, 1:])
            begin = samples + np.concatenate(([0], np.cumsum(counted[:-1, -1])))
            kept = columns[there]
            values.append(kept)
            times.append(np.broadcast_to(block.times, columns.shape)[there])
            shifts.append(np.full(len(columns), instants + ticks - samples))
            firsts.append(begin[:, None] + counted[:, low])
            lasts.append(begin[:, None] + counted[:, high])
            samples += len(kept)
            instants += len(kept)
        instants += ticks
        series += block.series
    return Tracks(
        series,
        _joined(values),
        _joined(times) if instants else np.zeros(1, np.int64),
        _joined(shifts),
        _joined(firsts),
        _joined(lasts),
    )


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """One after another; a single one as it is."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _there(columns: Floats, *, stale: bool) -> Bools | None:
    """Where there are samples, bool[series, ticks]; None where they are everywhere."""
    odd = np.isnan(columns)
    if not odd.any():
        return None
    bits = columns.view(np.int64)
    gone: Bools = bits == ABSENT_BITS
    if not stale:
        gone |= bits == STALE_BITS
    return ~gone if gone.any() else None
