"""Which foreign series travel together: groups of up to 256 that were first seen in one request at one instant.

A store keeps frames: one instant of one stream. What one source tells at once, its scrape, comes cut into
requests at any place, but in the same order each time: so series that arrive together are put together,
and a request's edge goes through one group alone, whose frame the next request completes. A group may
grow as long as its layout has not changed often; a series that keeps other times than its group
leaves it. Holds no frame and asks no store.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from watchkeeper.config import NAME
from watchkeeper.model import Dictionary, Series, dictionary

MOST_SERIES = 256
MOST_CHANGES = 16
"""Each change of a layout ends a chunk early: after so many, fresh series begin a group of their own."""
MACHINE = "_remote"
"""Under this the store keeps what names no machine: it is asked about whatever machine a question names."""
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")


class Source(NamedTuple):
    """Who tells a series: its machine (where its label names one), its job and its instance."""

    machine: str
    job: str
    instance: str


class Group:
    """One stream of a source: a layout that grows, and the instant of its last frame."""

    __slots__ = ("_layout", "changes", "last", "machine", "series", "stream")

    def __init__(self, machine: str, stream: str) -> None:
        self.machine = machine
        self.stream = stream
        self.series: list[Series] = []
        self.last = 0
        self.changes = 0
        self._layout: Dictionary | None = None

    def add(self, series: Series) -> int:
        """One more column; returns which."""
        if self._layout is not None:
            self.changes += 1
            self._layout = None
        self.series.append(series)
        return len(self.series) - 1

    def grows_at(self, at: int) -> bool:
        """Whether it may take one more series with a sample of that instant."""
        return self.last < at and len(self.series) < MOST_SERIES and self.changes < MOST_CHANGES

    @property
    def layout(self) -> Dictionary | None:
        """Its layout as it was last defined; None when it has changed since."""
        return self._layout

    def settle(self) -> Dictionary:
        """The layout as it stands now."""
        self._layout = dictionary(tuple(self.series))
        return self._layout


class Known:
    """One series: where it is put, its newest instant, and up to when (`floor`) it was kept before this run."""

    __slots__ = ("column", "floor", "group", "last", "series", "source")

    def __init__(self, series: Series, source: Source, floor: int) -> None:
        self.series = series
        self.source = source
        self.floor = self.last = floor
        self.group: Group | None = None
        self.column = 0


class Groups:
    """All groups by source. Streams are numbered within their source; a number is used again once it is free."""

    def __init__(self) -> None:
        self._young: dict[Source, Group] = {}
        self._names: dict[Source, set[int]] = {}
        self._opened: dict[tuple[Source, int], Group] = {}
        self.count = 0

    def begin_request(self) -> None:
        """What was put together in one request is no reason to put it together in the next."""
        self._opened.clear()

    def place(self, known: Known, at: int) -> Group:
        """Find a series a group for its samples from `at` on: what it came with, the youngest, or a new one."""
        key = (known.source, at)
        group = self._opened.get(key)
        if group is None:
            group = self._young.get(known.source)
        if group is None or not group.grows_at(at):
            group = self.begin(known.source)
        self._opened[key] = group
        known.column = group.add(known.series)
        known.group = group
        return group

    def begin(self, source: Source, beyond: int = -1) -> Group:
        """A new group of a source, its stream's number above `beyond`."""
        taken = self._names.setdefault(source, set())
        number = beyond + 1
        while number in taken:
            number += 1
        taken.add(number)
        self.count += 1
        machine = source.machine if NAME.fullmatch(source.machine) else MACHINE
        group = self._young[source] = Group(machine, f"{_stem(source)}/{number}")
        return group

    def rename(self, source: Source, group: Group) -> None:
        """The stream of this name has newer frames than the group: take the next free one."""
        number = int(group.stream.rpartition("/")[2])
        fresh = self.begin(source, number)
        group.stream = fresh.stream
        self.count -= 1
        self._young[source] = group

    def forget(self, source: Source) -> None:
        """A source that has fallen silent: its numbers are free again."""
        self._young.pop(source, None)
        self.count -= len(self._names.pop(source, ()))


def source_of(series: Series) -> Source:
    """Who tells it, by its labels."""
    return Source(series.label("machine"), series.label("job"), series.label("instance"))


def _stem(source: Source) -> str:
    """A stream's name without its number: readable, bounded, and no two sources' alike."""
    clean = _UNPRINTABLE.sub("?", f"{source.job[:60]}/{source.instance[:60]}")
    return f"remote/{clean}/{dictionary((Series('', tuple(zip('mji', source, strict=True))),)).id:016x}"
