"""The store: frames in, aligned columns out, on one folder that it alone writes.

    take    → head (memory) and the batch that waits          the hub's loop, synchronous
    commit  → catalogue, then log, then durable               a worker thread
    run     → seal, roll up, compact, retain                  another, once a second
    select, rollups, latest, series                           any thread

Made by `open_store`. Faults of the disk are `Failed`: what was taken is kept in memory and tried again
with the next commit, up to a limit; nobody is told that it is safe before it is.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from watchkeeper.clock import Clock, milliseconds
from watchkeeper.errors import Failed, Refused
from watchkeeper.lock import Lock
from watchkeeper.model import Block, Dictionary, Frame, Matcher, Rollup, Series
from watchkeeper.quantities import Duration, Size
from watchkeeper.seams import Admit
from watchkeeper.store.catalog import Catalog, StreamName
from watchkeeper.store.disk import room
from watchkeeper.store.finding import Allowance, Finder
from watchkeeper.store.following import Follower, Place
from watchkeeper.store.head import Stream, capacity_for
from watchkeeper.store.log import Entry, Log
from watchkeeper.store.reading import Reading, block
from watchkeeper.store.rolling import HOUR, Floats, first_window
from watchkeeper.store.sealing import Roller, Sealer
from watchkeeper.store.settings import StoreSettings
from watchkeeper.store.shelf import FIRST, HOURLY, RAW, Shelf
from watchkeeper.store.summing import Summing
from watchkeeper.store.upkeep import Upkeep

logger = logging.getLogger(__name__)

AHEAD = 86_400_000
"""How far back chunks are opened after a start before anybody asks for them, ms."""
WAITING_BYTES = 64 << 20
"""Frames that may wait for a disk that does not take them; beyond it agents keep theirs."""


class Statistics(msgspec.Struct, frozen=True):
    """What the store holds and costs, now."""

    streams: int
    series: int
    head_samples: int
    waiting_frames: int
    log_bytes: int
    raw_bytes: int
    rollup_bytes: int
    sealed_samples_total: int
    commits_total: int
    refused_commits_total: int
    removed_files_total: int
    damaged_chunks_total: int


class FrameStore:
    """`seams.Store` on a folder of this machine."""

    def __init__(self, folder: Path, settings: StoreSettings, clock: Clock) -> None:
        """Open what is there and put the log back into memory; see `open_store` for what is raised."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = Lock(folder, "the store")
        self._folder = folder
        self._settings = settings
        self._clock = clock
        self._catalog = Catalog(folder / "meta.db")
        shelves = [Shelf(folder, tier) for tier in (RAW, FIRST, HOURLY)]
        for shelf in shelves:
            shelf.check()
        self._streams: dict[int, Stream] = {}
        self._windows: dict[int, int] = {}
        self._layouts: dict[tuple[str, str, int], tuple[int, int]] = {}
        self._pending: list[Entry] = []
        self._pending_bytes = 0
        self._writing = threading.Lock()
        self._widths: dict[int, int] = {}
        self._commits = self._refusals = self._series = 0
        rollers = [
            Roller(shelves[1], _reach(shelves[1]), lambda stream: self._windows.get(stream, 0)),
            Roller(shelves[2], _reach(shelves[2]), lambda _: HOUR),
        ]
        sealed = _reach(shelves[0])
        for number, name in self._catalog.streams.items():
            self._add_stream(number, name.name, sealed.get(number, 0))
        self._log = Log(folder / "log")
        self._replay()
        finder = self._finder = Finder(self._catalog, self._streams)
        self._reading = Reading(finder, shelves[0], settings.cache)
        self._summing = Summing(finder, self._reading, rollers)
        sealer = Sealer(shelves[0], rollers, self._reading.learn)
        self._upkeep = Upkeep(self._streams, self._catalog, self._log, shelves, sealer, finder, settings, folder)
        self.repairs = (*self._log.repairs, *(repair for shelf in shelves for repair in shelf.repairs))

    # -- frames in --------------------------------------------------------------------------------

    def define(self, machine: str, stream: str, layout: Dictionary) -> None:
        """See `seams.Store.define`."""
        self._catalog.learn(layout)
        number = self._catalog.stream(machine, stream)
        if number not in self._streams:
            self._add_stream(number, stream, 0)
        self._layouts[machine, stream, layout.id] = (number, len(layout.series))

    def take(self, machine: str, frame: Frame) -> bool:
        """See `seams.Store.take`; raises Failed while the disk has not taken what waits already."""
        stream, values = self._checked(machine, frame)
        if frame.at <= stream.last:
            return False
        self._look_for_room()
        self._pend(frame, stream.number, self._add(stream, frame.dictionary, frame.at, values))
        return True

    def amend(self, machine: str, frame: Frame) -> bool:
        """See `seams.Store.amend`; raises Failed as `take` does."""
        stream, values = self._checked(machine, frame)
        self._look_for_room()
        row = stream.amend(frame.dictionary, frame.at, values)
        if row is None:
            return False
        self._pend(frame, stream.number, row)
        return True

    async def commit(self) -> None:
        """See `seams.Store.commit`."""
        if batch := self._begin():
            try:
                await asyncio.to_thread(self._write, batch)
            except Failed:
                self._give_back(batch)
                raise

    def commit_now(self) -> None:
        """The same, in this thread."""
        if batch := self._begin():
            try:
                self._write(batch)
            except Failed:
                self._give_back(batch)
                raise

    # -- columns out ------------------------------------------------------------------------------

    def latest(self, matchers: Sequence[Matcher]) -> list[tuple[Series, int, float]]:
        """See `seams.Store.latest`."""
        return self._reading.latest(matchers)

    def series(self, matchers: Sequence[Matcher], start: int = 0, end: int = 0) -> list[Series]:
        """See `seams.Store.series`."""
        return self._reading.series(matchers, start, end)

    def select(self, matchers: Sequence[Matcher], start: int, end: int, admit: Admit | None = None) -> list[Block]:
        """See `seams.Store.select`."""
        allowance = Allowance(self._settings.most_samples)

        def admitted(samples: int, series: int) -> None:
            if admit is not None:
                admit(samples, series)
            allowance.spend(samples)

        wanted = tuple(matchers)
        streams = self._finder.streams(wanted)
        since = {stream.number: start for stream in streams}
        pieces = self._reading.pieces(streams, wanted, since, end, admitted)
        return [block(pieces.pop(number)) for number in list(pieces)]  # popped: a large answer is not held twice

    def recent(self, matchers: Sequence[Matcher], start: int, end: int) -> list[Block]:
        """See `seams.Store.recent`."""
        return self.select(matchers, start, end)

    def rollups(self, matchers: Sequence[Matcher], start: int, end: int, step: int) -> list[Rollup]:
        """See `seams.Store.rollups`."""
        return self._summing.rollups(matchers, start, end, step, Allowance(self._settings.most_samples))

    def follow(self, place: Place | None, most: int) -> Follower:
        """Read along what becomes durable, from `place` on (None: from now on), at most `most` bytes behind."""
        return Follower(self._log, place, most)

    def layout(self, number: int) -> tuple[Series, ...]:
        """What the columns of a followed frame are; empty if it is no longer known."""
        return self._catalog.layout(number) or ()

    def stream(self, number: int) -> StreamName | None:
        """What a followed frame's stream is called."""
        return self._catalog.streams.get(number)

    # -- upkeep -----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Seal what is full, once a second; the rest of the upkeep once a minute. Until cancelled."""
        told = ""
        await asyncio.to_thread(self.look_ahead)
        while True:
            await asyncio.sleep(1)
            why = ""
            now = milliseconds(self._clock.wall())
            self._upkeep.freeze_old(now)
            try:
                await asyncio.to_thread(self._upkeep.look_after, now)
            except Failed as fault:
                why = fault.why
            if why and why != told:
                logger.error("the store's upkeep cannot go on: %s; it is tried again every second", why)
            told = why

    def look_after(self) -> None:
        """One round of upkeep, in this thread: what is due at this time. Raises Failed."""
        now = milliseconds(self._clock.wall())
        self._upkeep.freeze_old(now)
        self._upkeep.look_after(now)

    def look_ahead(self) -> None:
        """Open the newest chunks of a store that was just opened, as they would be if they had been sealed since."""
        try:
            self._reading.look_ahead(milliseconds(self._clock.wall()) - AHEAD)
        except Failed as fault:
            logger.warning("the newest chunks are not opened ahead: %s", fault.why)

    def seal_everything(self) -> None:
        """Freeze, seal and compact all there is, as if all were full: for benches and for moving a store."""
        for stream in list(self._streams.values()):
            stream.freeze()
        self._upkeep.seal_everything(milliseconds(self._clock.wall()))

    def forget_read(self, *, directories: bool = True) -> None:
        """Drop what was unpacked for questions, for benches: as if the store had just been opened, or nobody had asked yet."""
        self._reading.forget(directories=directories)

    def statistics(self) -> Statistics:
        """Figures about itself."""
        upkeep = self._upkeep
        return Statistics(
            streams=len(self._streams),
            series=self._series,
            head_samples=sum(head.samples for stream in list(self._streams.values()) for head in stream.heads()),
            waiting_frames=len(self._pending),
            log_bytes=self._log.size,
            raw_bytes=upkeep.raw_bytes,
            rollup_bytes=upkeep.rollup_bytes,
            sealed_samples_total=upkeep.sealed_samples,
            commits_total=self._commits,
            refused_commits_total=self._refusals,
            removed_files_total=upkeep.removed_files,
            damaged_chunks_total=self._reading.damaged,
        )

    def close(self) -> None:
        """Close all files. Nothing is sealed: the log brings the heads back, and quickly."""
        with self._writing:
            self._log.close()
        self._upkeep.close()
        self._catalog.close()
        self._lock.close()

    # -- leaves -----------------------------------------------------------------------------------

    def _checked(self, machine: str, frame: Frame) -> tuple[Stream, Floats]:
        """A frame's stream and values; raises Refused where it does not fit its layout."""
        known = self._layouts.get((machine, frame.stream, frame.dictionary))
        if known is None:
            raise Refused(f"a frame of {machine} refers to a layout that was not defined", code="malformed-packet")
        number, columns = known
        if len(frame.values) != columns * 8:
            what = f"a frame of {machine} has {len(frame.values)} bytes where its layout needs {columns * 8}"
            raise Refused(what, code="malformed-packet")
        return self._streams[number], np.frombuffer(frame.values, "<f8")

    def _look_for_room(self) -> None:
        if self._pending_bytes > WAITING_BYTES:
            raise Failed(f"{Size(self._pending_bytes)} of figures wait for the disk already")

    def _pend(self, frame: Frame, stream: int, row: Floats) -> None:
        self._pending.append(Entry(stream, frame.dictionary, frame.at, row))
        self._pending_bytes += len(frame.values)

    def _begin(self) -> list[Entry]:
        batch, self._pending = self._pending, []
        self._pending_bytes = 0
        return batch

    def _give_back(self, batch: list[Entry]) -> None:
        self._pending[:0] = batch
        self._pending_bytes += sum(entry.values.nbytes for entry in batch)
        self._refusals += 1

    def _write(self, batch: list[Entry]) -> None:
        """Make a batch durable; whoever comes from a cancelled commit still finishes before the next one."""
        with self._writing:
            now = self._clock.wall()
            try:
                self._upkeep.make_room(milliseconds(now))
                free = room(self._folder, self._settings.keep_free)
            except OSError as fault:
                raise Failed(f"{self._folder} cannot be looked at: {fault.strerror}") from None
            if free < 0:
                raise Failed(
                    f"the disk of {self._folder} is nearly full: {Size(-free)} more must be free before figures are kept"
                )
            self._catalog.commit()
            self._log.append(batch, now)
            self._commits += 1

    def _add(self, stream: Stream, layout: int, at: int, values: Floats) -> Floats:
        head = stream.head
        if head is not None and head.layout == layout:
            return stream.add(layout, at, values, head.capacity)
        width = self._widths.get(stream.number)
        self._series += len(values) - (width or 0)
        self._widths[stream.number] = len(values)
        capacity = capacity_for(self._settings.head, self._series, stream.number, first=width is None)
        return stream.add(layout, at, values, capacity)

    def _add_stream(self, number: int, name: str, last: int) -> None:
        self._streams[number] = Stream(number, last)
        try:
            period = Duration.parse(name)
        except ValueError:
            period = Duration(10)
        self._windows[number] = first_window(period)

    def _replay(self) -> None:
        """Put back what the log has and no chunk."""
        lost: set[int] = set()
        for entry in self._log.replay():
            stream = self._streams.get(entry.stream)
            if stream is None or self._catalog.layout(entry.layout) is None:
                lost.add(entry.layout)
            elif entry.at > stream.last:
                self._add(stream, entry.layout, entry.at, entry.values)
            elif entry.at > stream.sealed:
                stream.amend(entry.layout, entry.at, entry.values)
        if lost:
            self._log.repairs.append(f"frames of {len(lost)} layouts that the catalogue does not know were dropped")


def open_store(folder: Path, settings: StoreSettings, clock: Clock) -> FrameStore:
    """Open the store in `folder`, made if need be; raises Refused (``in-use``) and Failed (not ours, not readable)."""
    try:
        return FrameStore(folder, settings, clock)
    except OSError as fault:
        raise Failed(f"the store in {folder} cannot be opened: {fault.strerror}") from None


def _reach(shelf: Shelf) -> dict[int, int]:
    """The raw time that each stream's chunks on a shelf cover."""
    reach: dict[int, int] = {}
    for file in shelf.between(0, 1 << 62):
        with file.reading() as reader:
            for stream, _, upto in reader.reach():
                reach[stream] = max(upto, reach.get(stream, 0))
    return reach
