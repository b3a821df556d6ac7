"""The write-ahead log: frames on the disk before anyone is told that they are safe.

    log/00000042.log   batch | batch | …
    batch              magic, crc, bytes, frames, changed words | frame headers | bitmap | changed words

A frame is kept as the words in which it differs from its stream's frame before (first in its segment:
from zeros), for all frames of a batch at once, since most figures stand still: 4.3 bytes a sample
instead of 8. A batch counts once `append` has returned; one that was cut off is dropped at the next
start, and told. Segments go when everything in them is sealed elsewhere. Called by the store alone.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from watchkeeper.errors import Failed
from watchkeeper.store.disk import durable_folder

if TYPE_CHECKING:
    from watchkeeper.store.following import Follower

Floats = NDArray[np.float64]
Bits = NDArray[np.int64]

MAGIC = b"WKB1"
HEADER = struct.Struct("<4sIIII")
FRAME = np.dtype([("stream", "<u4"), ("columns", "<u4"), ("layout", "<i8"), ("at", "<i8")])
FOREVER = 1 << 62
SEGMENT_BYTES = 16 << 20
SEGMENT_SECONDS = 600.0
"""A segment is closed at this size or age, so that little is held back by one frame that is not sealed yet."""


class Entry(NamedTuple):
    """One frame as it is logged. `values`: float64[columns]."""

    stream: int
    layout: int
    at: int
    values: Floats


class Segment:
    """One closed or open file: which instant of each stream it reaches to."""

    def __init__(self, path: Path) -> None:
        """Nothing is read or written yet."""
        self.path = path
        self.size = 0
        self.reach: dict[int, int] = {}


class Log:
    """All segments of one store. `append` belongs to one thread at a time, `drop` may be another."""

    def __init__(self, folder: Path) -> None:
        """Look what is there; `replay` must be run through before the first `append`."""
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self.closed = [Segment(path) for path in sorted(folder.glob("*.log"))]
        self.repairs: list[str] = []
        self._open: Segment | None = None
        self._file = -1
        self._opened_at = 0.0
        self._before: dict[int, tuple[int, Bits]] = {}
        self._next = int(self.closed[-1].path.stem) + 1 if self.closed else 1
        self.followers: list[Follower] = []

    @property
    def size(self) -> int:
        """Bytes in all segments."""
        return sum(segment.size for segment in self.closed) + (self._open.size if self._open else 0)

    def replay(self) -> Iterator[Entry]:
        """Give back every whole frame in the order it was logged; drop and tell what is torn."""
        for place, segment in enumerate(self.closed):
            raw = segment.path.read_bytes()
            sound = 0
            before: dict[int, tuple[int, Bits]] = {}
            for end, entries in batches(raw, before):
                for entry in entries:
                    segment.reach[entry.stream] = entry.at
                    yield entry
                sound = end
            segment.size = len(raw)
            if sound < len(raw):
                self._repair(segment, sound, last=place == len(self.closed) - 1)

    def append(self, entries: Sequence[Entry], now: float) -> None:
        """Write a batch and wait until the disk has it; raises Failed, and then nothing of it is there."""
        if self._open and (self._open.size >= SEGMENT_BYTES or now - self._opened_at >= SEGMENT_SECONDS):
            self._close_segment()
        try:
            segment = self._open or self._begin_segment(now)
        except OSError as fault:
            raise Failed(f"no log can be begun in {self._folder}: {fault.strerror}") from None
        batch, after = _pack(entries, self._before)
        try:
            left = memoryview(batch)
            while left:
                left = left[os.write(self._file, left) :]
            os.fdatasync(self._file) if hasattr(os, "fdatasync") else os.fsync(self._file)
        except OSError as fault:
            self._undo(segment)
            raise Failed(f"{segment.path} cannot be written: {fault.strerror}") from None
        self._before |= after
        segment.size += len(batch)
        for entry in entries:
            segment.reach[entry.stream] = entry.at

    def segments(self) -> list[tuple[int, Segment]]:
        """All segments by number, the open one last; from any thread."""
        last = self._open  # first: it may be closed meanwhile, and then stands among the others
        known = {int(one.path.stem): one for one in (*list(self.closed), *((last,) if last else ()))}
        return sorted(known.items())

    def drop(self, sealed: dict[int, int], *, wait: bool = True) -> int:
        """Remove closed segments whose frames are all sealed (stream: up to when) or of no stream; returns how many.

        Those that a follower has not read yet wait, as far as it may be behind; none does if `wait` is False.
        """
        gone = [one for one in self.closed if all(sealed.get(stream, FOREVER) >= at for stream, at in one.reach.items())]
        held = {path for follower in self.followers for path in self._held(follower)} if wait else set()
        gone = [one for one in gone if one.path not in held]
        for segment in gone:
            number = int(segment.path.stem)
            for follower in self.followers:
                if number > follower.place.segment or (
                    number == follower.place.segment and follower.place.offset < segment.size
                ):
                    follower.missed(number, segment.size)
            segment.path.unlink(missing_ok=True)
            self.closed.remove(segment)
        return len(gone)

    def _held(self, follower: Follower) -> Iterator[Path]:
        """The segments that it has to read, the newest first, until they are too many."""
        size = 0
        for number, segment in reversed(self.segments()):
            size += segment.size
            unread = number > follower.place.segment or (
                number == follower.place.segment and follower.place.offset < segment.size
            )
            if not unread or size > follower.most:
                return
            yield segment.path

    def close(self) -> None:
        """Close the open segment; everything in it is durable already."""
        self._close_segment()

    def _begin_segment(self, now: float) -> Segment:
        segment = Segment(self._folder / f"{self._next:08d}.log")
        self._file = os.open(segment.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        durable_folder(self._folder)
        self._next += 1
        self._opened_at = now
        self._open = segment
        self._before = {}
        return segment

    def _close_segment(self) -> None:
        if self._open:
            os.close(self._file)
            self.closed.append(self._open)
            self._open = None

    def _undo(self, segment: Segment) -> None:
        """Cut back to the last whole batch and begin anew: after a failed sync this file's pages cannot be trusted."""
        with contextlib.suppress(OSError):  # else the checksum tells at the next start
            os.ftruncate(self._file, segment.size)
        self._close_segment()

    def _repair(self, segment: Segment, sound: int, *, last: bool) -> None:
        torn = segment.size - sound
        if last:
            os.truncate(segment.path, sound)
            segment.size = sound
            self.repairs.append(f"{segment.path.name}: {torn} bytes of an unfinished write at its end were dropped")
        else:
            self.repairs.append(f"{segment.path.name}: damaged at byte {sound}; the {torn} bytes behind are lost")


def _pack(entries: Sequence[Entry], before: dict[int, tuple[int, Bits]]) -> tuple[bytes, dict[int, tuple[int, Bits]]]:
    """A batch's bytes, and the newest bits of its streams for the next one."""
    now = np.concatenate([entry.values for entry in entries]).view(np.int64)
    headers = np.empty(len(entries), FRAME)
    old = np.empty_like(now)
    after: dict[int, tuple[int, Bits]] = {}
    offset = 0
    for place, entry in enumerate(entries):
        end = offset + len(entry.values)
        headers[place] = (entry.stream, end - offset, entry.layout, entry.at)
        layout, bits = after.get(entry.stream) or before.get(entry.stream) or (0, None)
        old[offset:end] = bits if bits is not None and layout == entry.layout else 0
        after[entry.stream] = (entry.layout, now[offset:end])
        offset = end
    np.bitwise_xor(old, now, out=old)
    changed = old != 0
    words = old[changed]
    body = b"".join((headers.tobytes(), np.packbits(changed).tobytes(), words.tobytes()))
    counts = struct.pack("<III", len(body), len(entries), len(words))
    return HEADER.pack(MAGIC, zlib.crc32(body, zlib.crc32(counts)), len(body), len(entries), len(words)) + body, after


def batches(raw: bytes, before: dict[int, tuple[int, Bits]]) -> Iterator[tuple[int, list[Entry]]]:
    """Each whole batch as (where it ends, its frames); stops at the first that is not whole.

    `before` has the newest bits of each stream up to `raw`, and is kept up to date with each step.
    """
    start = 0
    while start + HEADER.size <= len(raw):
        magic, crc, length, frames, words = HEADER.unpack_from(raw, start)
        body = raw[start + HEADER.size : start + HEADER.size + length]
        if magic != MAGIC or len(body) != length or zlib.crc32(body, zlib.crc32(raw[start + 8 : start + 20])) != crc:
            return
        headers = np.frombuffer(body, FRAME, frames)
        total = int(headers["columns"].sum())
        bitmap = np.frombuffer(body, np.uint8, -(-total // 8), frames * FRAME.itemsize)
        changes = np.zeros(total, np.int64)
        changes[np.unpackbits(bitmap, count=total).view(np.bool_)] = np.frombuffer(body, np.int64, words, length - 8 * words)
        entries = []
        offset = 0
        for stream, columns, layout, at in headers.tolist():
            bits = changes[offset : offset + columns]
            known = before.get(stream)
            if known and known[0] == layout:
                bits ^= known[1]
            before[stream] = (layout, bits)
            entries.append(Entry(stream, layout, at, bits.view(np.float64)))
            offset += columns
        start += HEADER.size + length
        yield start, entries
