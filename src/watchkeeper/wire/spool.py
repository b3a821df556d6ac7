"""Store and forward: what the hub has not acknowledged yet, on the agent's disk, bounded.

Records (frames and events) are appended to segment files as they come about and dropped when
acknowledged; the newest stay in memory too, so that in quiet times nothing is read back. A
kill -9 of the agent loses nothing that `append` has returned from (the page cache survives;
power cuts may cost the last seconds). Over its budget the oldest segment goes, counted and told.

    spool/00000007.seg     records: length u32, crc32 u32, MessagePack of the record
    spool/ID.layout        the dictionaries that pending frames refer to
"""

from __future__ import annotations

import errno
import itertools
import logging
import os
import struct
import zlib
from collections import deque
from pathlib import Path

import msgspec

from watchkeeper.model import Dictionary, Event, Frame

logger = logging.getLogger(__name__)

SEGMENT_BYTES = 1 << 20
IN_MEMORY = 64
LAYOUTS = 32
_HEAD = struct.Struct("<II")


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """One record as it lies on disk; exactly one of the two is set."""

    frame: Frame | None = None
    event: Event | None = None


class SpoolStatistics(msgspec.Struct, frozen=True):
    """How much waits and what was lost: the ledger that `/metrics` shows."""

    pending: int
    disk_bytes: int
    dropped: int
    torn: int


class _Segment:
    """One file: where its unacknowledged records start and how many there are."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.records = 0


class Spool:
    """A queue of records that survives its process."""

    def __init__(self, folder: Path, budget: int) -> None:
        """Open the spool in `folder`, taking over what an earlier agent left; torn ends are cut off."""
        self._folder = folder
        self._budget = max(budget, 2 * SEGMENT_BYTES)
        self._segments: deque[_Segment] = deque()
        self._recent: deque[Frame | Event] = deque()
        self._homeless: deque[Frame | Event] = deque()
        self._acked_in_first = 0
        self._dropped = 0
        self._dropped_untold = 0
        self._torn = 0
        self._fd = -1
        self._layouts: dict[int, Dictionary] = {}
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(_Kept)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._recover()

    def keep_layout(self, layout: Dictionary) -> None:
        """Remember what frames to come will refer to; call it before their `append`."""
        self._layouts.pop(layout.id, None)
        self._layouts[layout.id] = layout
        try:
            (self._folder / f"{layout.id}.layout").write_bytes(self._encoder.encode(layout))
            while len(self._layouts) > LAYOUTS:
                oldest = next(iter(self._layouts))
                del self._layouts[oldest]
                (self._folder / f"{oldest}.layout").unlink(missing_ok=True)
        except OSError as fault:
            logger.warning("the spool cannot keep a layout: %s", fault.strerror)

    def layout(self, dictionary: int) -> Dictionary | None:
        """What a pending frame's columns mean; None if that was lost with its file."""
        return self._layouts.get(dictionary)

    def append(self, record: Frame | Event) -> None:
        """Take one record; on return it survives this process.

        On a full disk it is kept in memory only, at most `IN_MEMORY` of them, then the oldest go, counted.
        """
        if not self._homeless and self._write(record):
            self._shrink()
            return
        self._homeless.append(record)
        if len(self._homeless) > IN_MEMORY:
            self._homeless.popleft()
            self._lose(1)

    @property
    def pending(self) -> int:
        """How many records are not acknowledged yet."""
        return self._on_disk() + len(self._homeless)

    def peek(self, skip: int, most: int) -> list[Frame | Event]:
        """The next records in order, after the first `skip` pending ones (those already under way)."""
        on_disk = self._on_disk()
        found: list[Frame | Event] = []
        if len(self._recent) == on_disk:
            found = list(itertools.islice(self._recent, skip, skip + most))
        elif skip < on_disk:
            at = skip + self._acked_in_first
            for segment in self._segments:
                if at >= segment.records:
                    at -= segment.records
                    continue
                found += self._read(segment)[0][at : at + most - len(found)]
                at = 0
                if len(found) >= most:
                    break
        after = max(0, skip - on_disk)
        return found + list(itertools.islice(self._homeless, after, after + most - len(found)))

    def release(self, count: int) -> None:
        """Drop the oldest `count` records: the hub has them."""
        homeless = max(0, count - self._on_disk())
        for _ in range(homeless):
            self._homeless.popleft()
        count -= homeless
        for _ in range(min(count, len(self._recent))):
            self._recent.popleft()
        self._acked_in_first += count
        while self._segments and self._acked_in_first >= self._segments[0].records:
            segment = self._segments[0]
            self._acked_in_first -= segment.records
            if len(self._segments) == 1:
                # The last file is emptied and used again: in quiet times its pages never reach the disk.
                if self._fd >= 0 and segment.size:
                    os.ftruncate(self._fd, 0)
                segment.size = segment.records = 0
                break
            segment.path.unlink(missing_ok=True)
            self._segments.popleft()

    def lost(self) -> int:
        """How many records were dropped since this was last asked."""
        count, self._dropped_untold = self._dropped_untold, 0
        return count

    def statistics(self) -> SpoolStatistics:
        """The ledger."""
        return SpoolStatistics(self.pending, sum(s.size for s in self._segments), self._dropped, self._torn)

    def close(self) -> None:
        """Let go of the file; everything stays on disk."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _on_disk(self) -> int:
        return sum(segment.records for segment in self._segments) - self._acked_in_first

    def _write(self, record: Frame | Event) -> bool:
        kept = _Kept(frame=record) if isinstance(record, Frame) else _Kept(event=record)
        payload = self._encoder.encode(kept)
        whole = _HEAD.pack(len(payload), zlib.crc32(payload)) + payload
        try:
            if not self._segments or self._segments[-1].size >= SEGMENT_BYTES:
                self._new_segment()
            segment = self._segments[-1]
            if os.write(self._fd, whole) < len(whole):
                os.ftruncate(self._fd, segment.size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as fault:
            logger.warning("the spool cannot write: %s", fault.strerror)
            return False
        in_memory = len(self._recent) == self._on_disk()
        segment.size += len(whole)
        segment.records += 1
        if in_memory and len(self._recent) < IN_MEMORY:
            self._recent.append(record)
        else:
            self._recent.clear()
        return True

    def _new_segment(self) -> None:
        number = int(self._segments[-1].path.stem) + 1 if self._segments else 1
        segment = _Segment(self._folder / f"{number:08}.seg")
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = os.open(segment.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o600)
        self._segments.append(segment)

    def _shrink(self) -> None:
        while len(self._segments) > 1 and sum(s.size for s in self._segments) > self._budget:
            segment = self._segments.popleft()
            segment.path.unlink(missing_ok=True)
            self._lose(segment.records - self._acked_in_first)
            self._acked_in_first = 0
            self._recent.clear()

    def _lose(self, count: int) -> None:
        self._dropped += count
        self._dropped_untold += count

    def _recover(self) -> None:
        for path in sorted(self._folder.glob("*.layout")):
            try:
                layout = msgspec.msgpack.decode(path.read_bytes(), type=Dictionary)
            except (msgspec.DecodeError, OSError):
                path.unlink(missing_ok=True)
            else:
                self._layouts[layout.id] = layout
        for path in sorted(self._folder.glob("*.seg")):
            segment = _Segment(path)
            records, segment.size = self._read(segment)
            segment.records = len(records)
            if segment.size < path.stat().st_size:
                self._torn += 1
                os.truncate(path, segment.size)
            if records:
                self._segments.append(segment)
            else:
                path.unlink()
        if self._segments:
            # The last file is never appended to again: a new one keeps every file's end known.
            self._new_segment()

    def _read(self, segment: _Segment) -> tuple[list[Frame | Event], int]:
        """A segment's whole records and the length they take; a torn or damaged record ends it."""
        try:
            data = segment.path.read_bytes()
        except OSError as fault:
            logger.warning("the spool cannot read %s: %s", segment.path.name, fault.strerror)
            return [], 0
        found: list[Frame | Event] = []
        at = 0
        while at + _HEAD.size <= len(data):
            length, checksum = _HEAD.unpack_from(data, at)
            payload = data[at + _HEAD.size : at + _HEAD.size + length]
            if len(payload) < length or zlib.crc32(payload) != checksum:
                break
            kept = self._decoder.decode(payload)
            if record := kept.frame or kept.event:
                found.append(record)
            at += _HEAD.size + length
        return found, at
