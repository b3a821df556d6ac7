"""What the log has taken since, for whoever hands it on: batch by batch, in the order in which it became durable.

A follower's place is a segment and a byte in it, which its owner keeps. Segments that it has not read stay after they
are sealed, up to `most` bytes behind; what is older goes and is counted. Read in a thread of its own, while others write.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from watchkeeper.store.log import Bits, Entry, Log, Segment, batches


class Place(NamedTuple):
    """Up to where the log has been read: every batch that ends at or before byte `offset` of segment `segment`."""

    segment: int
    offset: int


class Follower:
    """One reader of a log."""

    def __init__(self, log: Log, place: Place | None, most: int) -> None:
        """Begin behind `place`; None: with what comes from now on."""
        segments = log.segments()
        newest = segments[-1][0] if segments else 0
        if place is None:
            place = Place(newest, segments[-1][1].size if segments else 0)
        elif place.segment > newest:  # a log that was emptied counts from one again
            place = Place(0, 0)
        self.place = place
        self.most = most
        self.lost = 0
        self._log = log
        self._before: dict[int, tuple[int, Bits]] = {}
        self._decoded = Place(0, 0)
        log.followers.append(self)

    @property
    def behind(self) -> int:
        """Bytes of the log that were not read yet."""
        return sum(
            segment.size - (self.place.offset if number == self.place.segment else 0)
            for number, segment in self._log.segments()
            if number >= self.place.segment
        )

    def read(self, most: int) -> tuple[list[Entry], Place]:
        """The next batches, at least one if there is any, until they hold `most` samples; and the place behind them.

        Nothing is noted: the owner sets `place` once it is done with them. Raises OSError where a segment cannot be read.
        """
        found: list[Entry] = []
        place = self.place
        samples = 0
        for number, segment in self._log.segments():
            if number < place.segment:
                continue
            start = place.offset if number == place.segment else 0
            for end, entries in self._batches(number, segment, start):
                if end > start:
                    found += entries
                    samples += sum(len(entry.values) for entry in entries)
                    place = Place(number, end)
                if samples >= most:
                    return found, place
        return found, place

    def missed(self, segment: int, size: int) -> None:
        """A segment that was not read is removed: the log says so."""
        self.lost += size - (self.place.offset if segment == self.place.segment else 0)

    def _batches(self, number: int, segment: Segment, start: int) -> Iterator[tuple[int, list[Entry]]]:
        """The batches of a segment, as far as it is durable, from where it was read to.

        A batch tells changes alone, so what was not read along is read from its beginning; what was told is passed over.
        """
        if self._decoded.segment != number or self._decoded.offset > start:
            self._decoded = Place(number, 0)
            self._before = {}
        begun, size = self._decoded.offset, segment.size
        if size <= begun:
            return
        with segment.path.open("rb") as file:
            file.seek(begun)
            raw = file.read(size - begun)
        for end, entries in batches(raw, self._before):
            self._decoded = Place(number, begun + end)
            yield begun + end, entries
