"""What others write to us becomes frames: the hub's intake of Prometheus' remote write.

`take` is synchronous and awaits nothing: good samples go into the store's head, others are counted and told.
The hub commits before it acknowledges. A sample that is not after its series' newest was either
resent (then it is there already) or comes out of order (then it is refused, as Prometheus does), and
the rest of the request is kept in both cases.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator

import msgspec
import numpy as np

from watchkeeper.errors import Refused
from watchkeeper.model import ABSENT_BITS, Block, Frame, Matcher, Series
from watchkeeper.remote.groups import Group, Groups, Known, Source, source_of
from watchkeeper.remote.writing import Written, series
from watchkeeper.seams import Store
from watchkeeper.store.remotewrite import labels as canonical

FUTURE = 600_000
"""A sample further ahead of the hub's clock than this (ms) is refused: it would hold up its series until then."""
MOST_SERIES = 500_000
MOST_STREAMS = 20_000
SILENT = 3_600_000
"""A source that has told nothing for so long (ms) is forgotten; what it told is kept."""
MOST_LEARNT = 5_000_000
TRIES = 1000

Cells = dict[int, list[tuple[Known, float]]]
"""A group's samples of one request, by instant."""


class Received(msgspec.Struct):
    """What has come in since the hub's start."""

    requests: int = 0
    samples: int = 0
    resent: int = 0
    out_of_order: int = 0
    too_far_ahead: int = 0
    histograms: int = 0
    refused: int = 0


class Receiver:
    """Series that were heard of, by the bytes of their labels, and the groups they are in."""

    def __init__(self, store: Store, now: Callable[[], int]) -> None:
        """`now` is the hub's wall clock in ms."""
        self._store = store
        self._now = now
        self._known: dict[bytes, Known] = {}
        self._heard: dict[Source, int] = {}
        self._floors: dict[Source, dict[str, int]] = {}
        self._groups = Groups()
        self._swept = 0
        self._learning = threading.Lock()
        self.tally = Received()
        self.learnt: Callable[[set[str]], None] = lambda _: None
        """Called with the metrics of series that were not known before."""

    @property
    def series(self) -> int:
        """Series heard of lately."""
        return len(self._known)

    @property
    def streams(self) -> int:
        """Streams that they are kept in."""
        return self._groups.count

    def fresh(self, request: Written) -> dict[bytes, int]:
        """Series that were not heard of yet, each with its first instant here: to `learn` before they are taken."""
        self._sweep(self._now())
        found: dict[bytes, int] = {}
        place = 0
        for labels, count in zip(request.labels, request.counts, strict=True):
            if labels not in self._known:
                found.setdefault(labels, request.times[place])
            place += count
        return found

    def learn(self, fresh: dict[bytes, int]) -> None:
        """Know these series, and for the first ones of a source what the store has of it already.

        Asks the store, so it is called in a thread; nobody else comes in meanwhile. Raises Refused (``too-many``,
        ``bad-data``), and then none of them is known, and Failed while the store does not answer.
        """
        if len(self._known) + len(fresh) > MOST_SERIES or self._groups.count > MOST_STREAMS:
            raise Refused(f"more than {MOST_SERIES} series or {MOST_STREAMS} streams are written to this hub", code="too-many")
        with self._learning:
            self._learn(fresh)

    def take(self, request: Written) -> None:
        """Put a request's samples, all of known series, into the store's head. Raises Failed when there is no room for all.

        Raises Refused (``out-of-order``, ``bad-data``) at the end, when everything else is taken: samples that are
        older than their series' newest or too far ahead.
        """
        now = self._now()
        known = self._recognised(request, now)
        late, ahead = self.tally.out_of_order, self.tally.too_far_ahead
        cells = self._sorted(request, known, now)
        for group, ticks in cells.items():
            for at in sorted(ticks):
                self._put(group, at, ticks[at])
        self.tally.requests += 1
        self.tally.histograms += request.histograms
        late, ahead = self.tally.out_of_order - late, self.tally.too_far_ahead - ahead
        if late or ahead:
            why = [f"{late} samples are older than their series' newest (out of order)"] if late else []
            why += [f"{ahead} are more than ten minutes ahead of the hub's clock"] if ahead else []
            raise Refused(" and ".join(why) + "; everything else is kept", code="out-of-order")

    def _recognised(self, request: Written, now: int) -> list[Known]:
        """The series of a request; their sources were heard."""
        found = [self._known[labels] for labels in request.labels]
        for source in {known.source for known in found}:
            self._heard[source] = now
        return found

    def _learn(self, fresh: dict[bytes, int]) -> None:
        named = {labels: series(labels) for labels in fresh}  # all or none: one that cannot be read refuses the request
        oldest: dict[Source, int] = {}
        for labels, one in named.items():
            source = source_of(one)
            if source not in self._floors:
                oldest[source] = min(fresh[labels], oldest.get(source, 1 << 62))
        if oldest:
            wanted = [_any_of(name, {source[place] for source in oldest}) for place, name in enumerate(Source._fields)]
            blocks = self._store.select(wanted, min(oldest.values()), 1 << 60, _learnable)
            self._floors |= {source: {} for source in oldest}
            for one, at in _newest(blocks):
                floors = self._floors[source_of(one)] if source_of(one) in oldest else {}
                floors[one.text()] = max(at, floors.get(one.text(), 0))
        for labels, one in named.items():
            same = canonical(one)  # who writes its labels in another order tells the same series
            if same not in self._known:
                source = source_of(one)
                self._known[same] = Known(one, source, self._floors[source].pop(one.text(), 0))
            self._known[labels] = self._known[same]
        self.learnt({one.name for one in named.values()})

    def _sorted(self, request: Written, known: list[Known], now: int) -> dict[Group, Cells]:
        """Samples by group and instant; what is not after its series' newest is left out and counted."""
        tally, groups, times = self.tally, self._groups, request.times
        groups.begin_request()
        values = request.values.tolist()
        cells: dict[Group, Cells] = {}
        place = 0
        latest = now + FUTURE
        for one, count in zip(known, request.counts, strict=True):
            newest = one.last
            for spot in range(place, place + count):
                at = times[spot]
                if at <= newest:
                    if at <= one.floor or at == newest:
                        tally.resent += 1
                    else:
                        tally.out_of_order += 1
                    continue
                if at > latest:
                    tally.too_far_ahead += 1
                    continue
                newest = at
                group = one.group
                if group is None or at < group.last:
                    group = groups.place(one, at)
                cells.setdefault(group, {}).setdefault(at, []).append((one, values[spot]))
            place += count
        return cells

    def _put(self, group: Group, at: int, cells: list[tuple[Known, float]]) -> None:
        """One frame, or a part of one; raises Failed, and then its series do not count as told."""
        if moved := {known.group for known, _ in cells if known.group is not group and known.group is not None}:
            for other in moved:
                self._put(other, at, [cell for cell in cells if cell[0].group is other])
            cells = [cell for cell in cells if cell[0].group is group]
            if not cells:
                return
        layout = group.layout
        if at == group.last and layout is not None and self._store.amend(group.machine, _frame(group, layout.id, at, cells)):
            self._told(at, cells)
            return
        if at <= group.last:  # its frame is closed already: these series part from it
            source = cells[0][0].source
            group = self._groups.begin(source)
            for known, _ in cells:
                known.column, known.group = group.add(known.series), group
            layout = None
        for _ in range(TRIES):
            if layout is None:
                layout = group.settle()
                self._store.define(group.machine, group.stream, layout)
            if self._store.take(group.machine, _frame(group, layout.id, at, cells)):
                group.last = at
                self._told(at, cells)
                return
            self._groups.rename(cells[0][0].source, group)
            layout = None
        raise Refused("no stream takes these samples: they are older than all there is of this source", code="out-of-order")

    def _told(self, at: int, cells: list[tuple[Known, float]]) -> None:
        for known, _ in cells:
            known.last = at
        self.tally.samples += len(cells)

    def _sweep(self, now: int) -> None:
        """Forget sources that have been silent for long, now and then."""
        if now - self._swept < SILENT // 10:
            return
        self._swept = now
        silent = {source for source, heard in self._heard.items() if now - heard > SILENT}
        if silent:
            self._known = {labels: known for labels, known in list(self._known.items()) if known.source not in silent}
        for source in silent:
            del self._heard[source]
            self._floors.pop(source, None)
            self._groups.forget(source)


def _frame(group: Group, layout: int, at: int, cells: list[tuple[Known, float]]) -> Frame:
    values = np.full(len(group.series), np.nan)
    values[[known.column for known, _ in cells]] = [value for _, value in cells]
    return Frame(group.stream, layout, at, values.tobytes())


def _learnable(samples: int, series: int) -> None:
    """What may be read to learn what was kept of a source; raises Refused beyond it."""
    if samples > MOST_LEARNT:
        raise Refused(f"{samples:,} samples of {series:,} series would have to be read first", code="too-much")


def _newest(blocks: list[Block]) -> Iterator[tuple[Series, int]]:
    """Each series of some blocks that has a sample, with its newest instant."""
    for block in blocks:
        there = np.ascontiguousarray(block.values).view(np.int64) != ABSENT_BITS
        rows = len(block.times) - 1 - there[::-1].argmax(axis=0)
        for one, row, any_ in zip(block.series, rows.tolist(), there.any(axis=0).tolist(), strict=True):
            if any_:
                yield one, int(block.times[row])


def _any_of(label: str, values: set[str]) -> Matcher:
    """A condition that holds for all of these."""
    if len(values) == 1:
        return Matcher(label, "=", values.pop())
    return Matcher(label, "=~", "|".join(re.escape(value) for value in sorted(values)))
