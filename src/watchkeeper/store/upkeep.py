"""What keeps a store small and quick: sealing, compaction, retention. One thread at a time, off the hub's loop.

Each round does what is due and no more; a round that fails leaves everything as it was and is tried
again. The log's segments go only once all that they hold is sealed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from watchkeeper.quantities import Size
from watchkeeper.store.catalog import Catalog
from watchkeeper.store.compaction import compact
from watchkeeper.store.disk import room
from watchkeeper.store.finding import Finder
from watchkeeper.store.head import Stream
from watchkeeper.store.log import Log
from watchkeeper.store.retention import Limits, Shelved, removals
from watchkeeper.store.sealing import Sealer
from watchkeeper.store.settings import StoreSettings
from watchkeeper.store.shelf import Shelf

logger = logging.getLogger(__name__)

OLDEST_HEAD = 2 * 3_600_000
"""A head is sealed at this age even if it is not full, so that the log stays short."""
ROUND = 60_000
COMPACTING_SECONDS = 0.5
"""How long one round may compact: the rest waits for the next."""
ROOM_ROUND = 5_000
ROLLUP_ROWS = 48
ROLLUP_SHARE = 8
"""Rollup windows wait in memory until there are so many, or until they would take an eighth of the heads' memory."""


class Upkeep:
    """The store's housekeeping."""

    def __init__(
        self,
        streams: dict[int, Stream],
        catalog: Catalog,
        log: Log,
        shelves: Sequence[Shelf],
        sealer: Sealer,
        finder: Finder,
        settings: StoreSettings,
        folder: Path,
    ) -> None:
        """`shelves`: raw, first, hourly."""
        self._streams = streams
        self._catalog = catalog
        self._log = log
        self._shelves = shelves
        self._sealer = sealer
        self._finder = finder
        self._settings = settings
        self._folder = folder
        self._one = threading.Lock()
        self._due = 0
        self._room_due = 0
        self.raw_bytes = 0
        self.rollup_bytes = 0
        self.removed_files = 0
        self._measure()

    @property
    def sealed_samples(self) -> int:
        """Samples put into chunks since the start."""
        return self._sealer.samples

    def freeze_old(self, now: int) -> None:
        """Freeze heads that have been filled for two hours; called where frames are put in, so that no row is missed."""
        if now >= self._due:
            for stream in self._streams.values():
                head = stream.head
                if head is not None and head.count and int(head.times[0]) <= now - OLDEST_HEAD:
                    stream.freeze()

    def look_after(self, now: int) -> None:
        """What is due at `now` (ms). Raises Failed."""
        with self._one:
            whole = now >= self._due
            if whole:
                self._due = now + ROUND
            if any(stream.frozen for stream in list(self._streams.values())):
                self._seal()
            if whole:
                self._compact(now, COMPACTING_SECONDS)
                self._retain(now)

    def seal_everything(self, now: int) -> None:
        """Seal what is frozen, write what rollups hold, compact all."""
        with self._one:
            self._seal()
            self._sealer.flush(list(self._streams))
            self._compact(now, float("inf"))
            self._measure()

    def make_room(self, now: int) -> None:
        """Remove the oldest files if others need the disk; looked at every few seconds, called before each commit."""
        if now >= self._room_due:
            self._room_due = now + ROOM_ROUND
            if room(self._folder, self._settings.keep_free) < 0 and self._one.acquire(blocking=False):
                try:
                    self._retain(now)
                finally:
                    self._one.release()

    def close(self) -> None:
        """Close the shelves."""
        with self._one:
            for shelf in self._shelves:
                shelf.close()

    def _seal(self) -> None:
        streams = list(self._streams.values())
        columns = sum(heads[-1].samples // heads[-1].count for stream in streams if (heads := stream.heads()))
        rows = self._settings.head // ROLLUP_SHARE // max(1, columns * 32)
        self._sealer.seal(streams, max(1, min(ROLLUP_ROWS, rows)))
        self._log.drop({stream.number: stream.sealed for stream in streams})

    def _compact(self, now: int, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        for shelf in self._shelves:
            for start, end, _ in shelf.sizes():
                if time.monotonic() <= deadline:
                    written = self._sealer.written if shelf is self._shelves[0] else None
                    compact(shelf.file(start), over=end + OLDEST_HEAD < now, deadline=deadline, written=written)
            shelf.rest()

    def _retain(self, now: int) -> None:
        settings = self._settings
        if room(self._folder, settings.keep_free) < 0:  # what waits to be handed on gives way before what is kept
            self._log.drop({stream.number: stream.sealed for stream in list(self._streams.values())}, wait=False)
        ages = {"t0": settings.raw, "t1": settings.first, "t2": settings.hourly}
        shelves = {shelf.tier.name: shelf for shelf in self._shelves}
        files = [Shelved(name, *measured) for name, shelf in shelves.items() for measured in shelf.sizes()]
        limits = Limits(
            {name: round(age * 1000) for name, age in ages.items()}, settings.budget, room(self._folder, settings.keep_free)
        )
        gone = removals(files, self._log.size, limits, now)
        for file, reason in gone:
            shelves[file.tier].remove(file.start)
            logger.warning("removed %s (%s) for its %s", shelves[file.tier].path(file.start).name, Size(file.bytes), reason)
        self.removed_files += len(gone)
        self._measure()

    def _measure(self) -> None:
        raw, *rollups = [sum(file[2] for file in shelf.sizes()) for shelf in self._shelves]
        self.raw_bytes = raw
        self.rollup_bytes = sum(rollups)
