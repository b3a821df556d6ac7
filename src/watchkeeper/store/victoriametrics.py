"""The store's twin for scale: frames go to VictoriaMetrics by remote write, columns come back by its export.

`take` keeps what waits, `commit` sends it: while VictoriaMetrics is away commits fail, so agents keep their frames. What
came in within the last two minutes is answered from memory: the newest values, and the pages that follow them. All else is
asked, with a bounded wait; once it did not answer, the next questions fail at once for a moment, so that nobody queues up.
What it keeps is its own affair: see docs/decisions/0009.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from watchkeeper.clock import Clock, milliseconds
from watchkeeper.errors import Failed, Refused
from watchkeeper.model import ABSENT_BITS, Block, Dictionary, Frame, Matcher, Rollup, Series
from watchkeeper.quantities import Size
from watchkeeper.seams import Admit
from watchkeeper.store import exported
from watchkeeper.store.asking import MOST_BYTES, Asking
from watchkeeper.store.finding import condition
from watchkeeper.store.remotewrite import Layout, frame, layout
from watchkeeper.store.rolling import Floats, roll
from watchkeeper.store.settings import StoreSettings
from watchkeeper.store.snappy import pack

WAITING_BYTES = 64 << 20
REQUEST_SAMPLES = 100_000
"""Samples of one request: some megabytes before they are packed, a quarter of what VictoriaMetrics takes."""
RECENT = 120_000
"""What is younger (ms) is answered from memory."""
ROUNDS = 4
"""Frames of each stream that stay in memory however old they are: of slow ones, what `recent` is asked for."""
LATEST_FOR = 3_600_000
"""A stream that is silent for so long (ms) is no longer among the newest."""
ROLLED = 60_000
"""Windows as long as this (ms) are summed up there; shorter ones here, from samples."""
SAMPLE_BYTES = 40
"""A sample in an export: its time takes 14, a figure seldom more than 20."""
LINES_BYTES = 16 << 20
AHEAD = 10 * 365 * 86_400_000
EARLIEST = 86_400_000
"""It finds nothing in a window that reaches back to before the epoch, with what it looks at beyond its edges."""
FOUR = ("min", "max", "sum", "count")


class Row(NamedTuple):
    """One frame as taken. `values`: float64[columns]."""

    layout: int
    at: int
    values: Floats


class RemoteStatistics(msgspec.Struct, frozen=True):
    """What the twin has sent and what waits."""

    streams: int
    waiting_frames: int
    waiting_bytes: int
    sent_samples_total: int
    commits_total: int
    refused_commits_total: int


class VictoriaMetrics:
    """`seams.Store` over HTTP."""

    repairs: tuple[str, ...] = ()

    def __init__(self, settings: StoreSettings, clock: Clock) -> None:
        """Asks nothing yet: the first commit tells whether it answers. Raises ConfigError for a secret that is not there."""
        self._clock = clock
        self._settings = settings
        self._asking = Asking(settings.url, settings.token.reveal() if settings.token else "")
        self._since = milliseconds(clock.wall())
        self._layouts: dict[int, tuple[Series, ...]] = {}
        self._layouts_written: dict[int, Layout] = {}
        self._defined: set[tuple[str, str, int]] = set()
        self._recent: dict[tuple[str, str], deque[Row]] = {}
        self._pending: list[Row] = []
        self._pending_bytes = 0
        self._sending = threading.Lock()
        self._sent = self._commits = self._refusals = 0

    # -- frames in --------------------------------------------------------------------------------

    def define(self, machine: str, stream: str, layout: Dictionary) -> None:
        """See `seams.Store.define`."""
        self._layouts[layout.id] = layout.series
        self._defined.add((machine, stream, layout.id))

    def take(self, machine: str, frame: Frame) -> bool:
        """See `seams.Store.take`; after a restart a resend is sent on: it is one sample there all the same."""
        row = self._row(machine, frame)
        rows = self._recent.setdefault((machine, frame.stream), deque())
        if rows and frame.at <= rows[-1].at:
            return False
        self._pend(row)
        rows.append(row)
        while rows[0].at < row.at - RECENT and len(rows) > ROUNDS:
            rows.popleft()
        return True

    def amend(self, machine: str, frame: Frame) -> bool:
        """See `seams.Store.amend`."""
        row = self._row(machine, frame)
        rows = self._recent.get((machine, frame.stream))
        if not rows or rows[-1].at != frame.at or rows[-1].layout != frame.dictionary:
            return False
        self._pend(row)
        there = row.values.view(np.int64) != ABSENT_BITS
        rows[-1] = row._replace(values=np.where(there, row.values, rows[-1].values))
        return True

    async def commit(self) -> None:
        """See `seams.Store.commit`: it has said that it took all of them."""
        batch, self._pending = self._pending, []
        size, self._pending_bytes = self._pending_bytes, 0
        if not batch:
            return
        try:
            await asyncio.to_thread(self._send, batch)
        except Failed:
            self._pending[:0] = batch
            self._pending_bytes += size
            self._refusals += 1
            raise
        self._commits += 1

    # -- columns out ------------------------------------------------------------------------------

    def latest(self, matchers: Sequence[Matcher]) -> list[tuple[Series, int, float]]:
        """See `seams.Store.latest`: of what has come in since the start, and not fallen silent for an hour."""
        oldest = milliseconds(self._clock.wall()) - LATEST_FOR
        found: dict[Series, tuple[int, float]] = {}
        for rows in list(self._recent.values()):
            newest = rows[-1]
            if newest.at >= oldest:
                layout, columns = self._matching(newest.layout, matchers)
                for column in columns:
                    value = float(newest.values[column])
                    if value == value and found.get(layout[column], (-1, 0.0))[0] < newest.at:  # noqa: PLR0124  # NaN is no value
                        found[layout[column]] = (newest.at, value)
        return [(one, at, value) for one, (at, value) in found.items()]

    def series(self, matchers: Sequence[Matcher], start: int = 0, end: int = 0) -> list[Series]:
        """See `seams.Store.series`; to the day, as its index is."""
        told = self._asking.ask("/api/v1/series", {"match[]": selector(matchers), **self._span(start, end or 1 << 62)})
        return [exported.named(one) for one in msgspec.json.decode(told, type=_Series).data]

    def select(self, matchers: Sequence[Matcher], start: int, end: int, admit: Admit | None = None) -> list[Block]:
        """See `seams.Store.select`; it counts before it tells, which costs a question of its own."""
        allowed = self._settings.most_samples
        if start >= max(self._since, milliseconds(self._clock.wall()) - RECENT):
            return self._of_memory(matchers, start, end, admit)
        if admit is not None:
            samples, series = self._size(matchers, start, end)
            admit(samples, series)
            if samples > allowed:
                raise _too_much(samples, allowed)
        wanted = {"match[]": selector(matchers), **self._span(start, end)}
        told = self._asking.ask("/api/v1/export", wanted, min(MOST_BYTES, allowed * SAMPLE_BYTES + LINES_BYTES))
        blocks, samples = exported.blocks(line for line in told.split(b"\n") if line)
        if samples > allowed:
            raise _too_much(samples, allowed)
        return blocks

    def recent(self, matchers: Sequence[Matcher], start: int, end: int) -> list[Block]:
        """See `seams.Store.recent`; nothing of before the start of this process."""
        return self._of_memory(matchers, start, end, None)

    def rollups(self, matchers: Sequence[Matcher], start: int, end: int, step: int) -> list[Rollup]:
        """See `seams.Store.rollups`."""
        start, end = start // step * step, (end // step + 1) * step - 1
        if step < ROLLED:
            rolled = [(one.series, roll(one.times, one.values, step)) for one in self.select(matchers, start, end)]
            return [Rollup(series, one.times, step, *one[1:]) for series, one in rolled]
        starts = np.arange(start, end, step, dtype=np.int64)
        sides = []
        for side in FOUR:
            question = f"{side}_over_time({selector(matchers)}[{step}ms]) keep_metric_names"
            span = {"start": _seconds(start + step - 1), "end": _seconds(end), "step": f"{step}ms", "nocache": "1"}
            told = self._asking.ask("/api/v1/query_range", {"query": question, **span})
            sides.append(exported.matrix(told, starts, step - 1))
        least, most, total, seen = sides
        names = tuple(one for one in seen if one in least and one in most and one in total)
        if not names:
            return []
        columns = [np.stack([side[one] for one in names], axis=1) for side in (least, most, total, seen)]
        return [Rollup(names, starts, step, columns[0], columns[1], columns[2], np.nan_to_num(columns[3]))]

    # -- for the hub ------------------------------------------------------------------------------

    async def run(self) -> None:
        """Upkeep is VictoriaMetrics' own; what was defined for streams that are silent is forgotten here, once an hour."""
        while True:
            await asyncio.sleep(LATEST_FOR / 1000)
            oldest = milliseconds(self._clock.wall()) - 24 * LATEST_FOR
            for key in [key for key, rows in self._recent.items() if rows[-1].at < oldest]:
                del self._recent[key]

    def statistics(self) -> RemoteStatistics:
        """Figures about itself."""
        return RemoteStatistics(
            len(self._recent), len(self._pending), self._pending_bytes, self._sent, self._commits, self._refusals
        )

    def close(self) -> None:
        """Close the connections."""
        self._asking.close()

    # -- leaves -----------------------------------------------------------------------------------

    def _row(self, machine: str, frame: Frame) -> Row:
        """A frame as it waits to be sent; raises Refused where it does not fit its layout."""
        series = self._layouts.get(frame.dictionary)
        if series is None or (machine, frame.stream, frame.dictionary) not in self._defined:
            raise Refused(f"a frame of {machine} refers to a layout that was not defined", code="malformed-packet")
        if len(frame.values) != len(series) * 8:
            what = f"a frame of {machine} has {len(frame.values)} bytes where its layout needs {len(series) * 8}"
            raise Refused(what, code="malformed-packet")
        return Row(frame.dictionary, frame.at, np.frombuffer(frame.values, "<f8"))

    def _pend(self, row: Row) -> None:
        if self._pending_bytes > WAITING_BYTES:
            raise Failed(f"{Size(self._pending_bytes)} of figures wait for {self._asking.place} already")
        self._pending.append(row)
        self._pending_bytes += row.values.nbytes

    def _send(self, batch: list[Row]) -> None:
        """All or Failed: what was sent before a failure is sent again, and is the same samples then."""
        with self._sending:
            parts: list[bytes] = []
            waiting = 0
            for row in batch:
                parts.append(frame(self._written(row.layout), row.at, row.values))
                waiting += len(row.values)
                if waiting >= REQUEST_SAMPLES:
                    self._write(parts)
                    parts, waiting = [], 0
            if parts:
                self._write(parts)
            self._sent += sum(len(row.values) for row in batch)

    def _written(self, number: int) -> Layout:
        known = self._layouts_written.get(number)
        if known is None:
            known = self._layouts_written[number] = layout(self._layouts[number])
        return known

    def _write(self, parts: Sequence[bytes]) -> None:
        headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}
        self._asking.send("/api/v1/write", pack(b"".join(parts)), headers)

    def _size(self, matchers: Sequence[Matcher], start: int, end: int) -> tuple[int, int]:
        """How many samples of how many series it has there; stale markers are none to it."""
        latest = min(end, milliseconds(self._clock.wall()) + AHEAD)
        counted = f"count_over_time({selector(matchers)}[{latest - max(start, EARLIEST) + 1}ms])"
        # Counts of a fleet's series are as few as its streams' lengths, so what it tells is short.
        question = f"count_values('samples', {counted})"
        told = self._asking.ask("/api/v1/query", {"query": question, "time": _seconds(latest), "nocache": "1"})
        return exported.sizes(told)

    def _of_memory(self, matchers: Sequence[Matcher], start: int, end: int, admit: Admit | None) -> list[Block]:
        found: list[tuple[tuple[Series, ...], list[int], list[Row]]] = []
        for rows in list(self._recent.values()):
            inside = [row for row in list(rows) if start <= row.at <= end]
            for number in dict.fromkeys(row.layout for row in inside):
                names, columns = self._matching(number, matchers)
                if columns:
                    found.append((names, columns, [row for row in inside if row.layout == number]))
        if admit is not None:
            admit(sum(len(some) * len(columns) for _, columns, some in found), sum(len(columns) for _, columns, _ in found))
        return [
            Block(
                tuple(names[one] for one in columns),
                np.array([row.at for row in some]),
                np.stack([row.values for row in some])[:, columns],
            )
            for names, columns, some in found
        ]

    def _matching(self, layout: int, matchers: Sequence[Matcher]) -> tuple[tuple[Series, ...], list[int]]:
        series = self._layouts[layout]
        conditions = [(one.label, condition(one)) for one in matchers]
        return series, [
            column
            for column, one in enumerate(series)
            if all(fits(one.name if label == "__name__" else one.label(label)) for label, fits in conditions)
        ]

    def _span(self, start: int, end: int) -> dict[str, str]:
        """Times as it reads them; nought would mean "five minutes ago"."""
        latest = milliseconds(self._clock.wall()) + AHEAD
        return {"start": _seconds(max(1, start)), "end": _seconds(min(end, latest))}


class _Series(msgspec.Struct):
    data: list[dict[str, str]]


def selector(matchers: Sequence[Matcher]) -> str:
    """Conditions as PromQL writes them."""
    return "{" + ",".join(f"{one.label}{one.op}{msgspec.json.encode(one.value).decode()}" for one in matchers) + "}"


def _seconds(at: int) -> str:
    return f"{at // 1000}.{at % 1000:03d}"


def _too_much(samples: int, allowed: int) -> Refused:
    why = f"this would read {samples:,} samples, more than the {allowed:,} that it may; ask for fewer series or a shorter time"
    return Refused(why, code="too-much")
