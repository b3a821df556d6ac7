"""A tier: its chunk files by time span, opened when needed and closed when long unused.

    t0-2026-11-24.db   raw samples, a file a day
    t1-2026-11.db      the first rollup, a file a month
    t2-2026.db         one-hour rollups, a file a year

A chunk lies within its file's span, so a range names its files. A file that cannot be opened is set
aside under another name and told, never deleted.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from watchkeeper.errors import Failed
from watchkeeper.store.chunkfile import ChunkFile
from watchkeeper.store.disk import size

logger = logging.getLogger(__name__)

Span = Literal["day", "month", "year"]
_FORMS = {"day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}
OPEN_FILES = 24
"""Files of one tier kept open."""


class Tier(NamedTuple):
    """``t0``, ``t1`` or ``t2``, and how much time one of its files spans."""

    name: str
    span: Span


RAW = Tier("t0", "day")
FIRST = Tier("t1", "month")
HOURLY = Tier("t2", "year")


@lru_cache(maxsize=1024)
def bounds(span: Span, at: int) -> tuple[int, int]:
    """The span that holds `at` (ms): ``start <= t < end``, in UTC."""
    day = datetime.fromtimestamp(at / 1000, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if span == "day":
        start = round(day.timestamp() * 1000)
        return start, start + 86_400_000
    first = day.replace(day=1) if span == "month" else day.replace(month=1, day=1)
    if span == "year":
        following = first.replace(year=first.year + 1)
    else:
        following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return round(first.timestamp() * 1000), round(following.timestamp() * 1000)


class Shelf:
    """All files of one tier."""

    def __init__(self, folder: Path, tier: Tier) -> None:
        """Look which files there are."""
        self.tier = tier
        self.repairs: list[str] = []
        self._folder = folder
        self._lock = threading.Lock()
        self._open: dict[int, ChunkFile] = {}
        self._retired: list[ChunkFile] = []
        self.starts: list[int] = sorted(self._start(path) for path in folder.glob(f"{tier.name}-*.db"))

    def file(self, at: int) -> ChunkFile:
        """The file whose span holds `at`, created if need be; raises Failed."""
        return self._opened(bounds(self.tier.span, at)[0])

    def between(self, start: int, end: int) -> Iterator[ChunkFile]:
        """The files that may hold a time in ``start <= t <= end``, in time order; damaged ones are left out."""
        for begin in list(self.starts):
            if begin <= end and bounds(self.tier.span, begin)[1] > start:
                try:
                    yield self._opened(begin)
                except Failed as fault:
                    logger.error("%s; it is left out", fault.why)  # noqa: TRY400  # a damaged file needs no traceback of ours

    def check(self) -> None:
        """Open every file once; what cannot be read is set aside and told in `repairs`."""
        for begin in list(self.starts):
            try:
                with self._opened(begin).reading() as reader:
                    reader.reach()
            except Failed as fault:
                self._set_aside(begin, fault.why)

    def sizes(self) -> list[tuple[int, int, int]]:
        """Each file: where its span begins and ends, and its bytes."""
        return [
            (begin, bounds(self.tier.span, begin)[1], sum(size(Path(f"{self.path(begin)}{end}")) for end in ("", "-wal")))
            for begin in list(self.starts)
        ]

    def remove(self, begin: int) -> None:
        """Delete the file whose span begins there."""
        with self._lock:
            file = self._open.pop(begin, None)
            self.starts.remove(begin)
        if file is not None:
            file.remove()
        for ending in ("", "-wal", "-shm"):
            Path(f"{self.path(begin)}{ending}").unlink(missing_ok=True)

    def path(self, begin: int) -> Path:
        """Where the file whose span begins at `begin` is."""
        return (
            self._folder / f"{self.tier.name}-{datetime.fromtimestamp(begin / 1000, UTC).strftime(_FORMS[self.tier.span])}.db"
        )

    def rest(self) -> None:
        """Let all files but the newest, which is asked all the time, give back the pages that they keep for questions."""
        with self._lock:
            for begin, file in self._open.items():
                if begin != self.starts[-1]:
                    file.rest()

    def close(self) -> None:
        """Close all files."""
        with self._lock:
            for file in (*self._open.values(), *self._retired):
                file.close()
            self._open.clear()
            self._retired.clear()

    def _opened(self, begin: int) -> ChunkFile:
        with self._lock:
            file = self._open.pop(begin, None)
            if file is None:
                file = ChunkFile(self.path(begin))
                if begin not in self.starts:
                    self.starts = sorted((*self.starts, begin))
            self._open[begin] = file  # the most recently used one stands last
            for old in list(self._open)[: max(0, len(self._open) - OPEN_FILES)]:
                # Another thread may be reading it: it is closed a round later.
                self._retired.append(self._open.pop(old))
            while len(self._retired) > OPEN_FILES:
                self._retired.pop(0).close()
            return file

    def _set_aside(self, begin: int, why: str) -> None:
        path = self.path(begin)
        with self._lock:
            if (file := self._open.pop(begin, None)) is not None:
                file.close()
            self.starts.remove(begin)
        aside = path.with_suffix(".db.damaged")
        path.rename(aside)
        self.repairs.append(f"{why}; it was set aside as {aside.name}")

    def _start(self, path: Path) -> int:
        written = path.stem.split("-", 1)[1]
        return round(datetime.strptime(written, _FORMS[self.tier.span]).replace(tzinfo=UTC).timestamp() * 1000)
