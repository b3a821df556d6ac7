"""A server's output in a file that survives the agent, rotated under the server's hands.

The server writes to the file itself (no pipe that would break with us), so the file must not be renamed
away. What is old is copied aside and then cut out at the front: with `fallocate(FALLOC_FL_COLLAPSE_RANGE)`
(ext4, XFS) not a byte is lost or doubled; elsewhere the file is truncated, and what the server writes between
the last copy and the truncation is lost, as with logrotate's copytruncate. Cuts fall on blocks and not on
lines, so the files one after the other, oldest first, are the output: `path.N` … `path.1`, `path`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import io
import itertools
import logging
import os
import threading
from collections.abc import AsyncGenerator
from pathlib import Path

from watchkeeper.control.cutting import begins, collapse, copy_range
from watchkeeper.control.logtext import Cutter, batches, clean

logger = logging.getLogger(__name__)

BLOCK = 64 << 10
POLL_SECONDS = 0.2
CATCH_UP = 8
_FULL = {errno.ENOSPC, errno.EDQUOT}
_CANNOT_COLLAPSE = {errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


class LogFile:
    """One server's output: `path`, and `path.1` (newest) to `path.N` (oldest).

    Positions count the output's bytes: the live file begins at `_gone`, what was cut out lies before it.
    Rotating may run in a thread beside those who read; `_cutting` keeps positions and files in step.
    """

    def __init__(self, path: Path, size: int, keep: int) -> None:
        """`size`: bytes beyond which it is rotated; `keep`: how many older files. Both may be set anew at any time."""
        self.path = path
        self.size = size
        self.keep = keep
        self._gone = 0
        self._cutting = threading.Lock()
        self._settled = False
        self._told = ""

    def open_for_writing(self) -> int:
        """A descriptor to hand to the server as its output; append only, the caller closes it. Raises OSError."""
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    @property
    def end(self) -> int:
        """The position where what is written next will stand."""
        with self._cutting:
            return self._gone + _size(self.path)

    def last_line(self, since: int) -> str:
        """The last line that says something, of what was written from position `since` on and within the last block."""
        end = self.end
        said = self._before(end)[-(end - since) :] if end > since else b""
        lines = [clean(line).strip() for line in said.splitlines()]
        return next((line for line in reversed(lines) if line), "")

    @property
    def has_grown(self) -> bool:
        """Whether `rotate_if_needed` has anything to do; costs a look at one file's size."""
        return not self._settled or bool(self._told) or _size(self.path) > self.size

    def rotate_if_needed(self) -> bool:
        """Rotate if it has grown beyond `size`; blocks while it copies and syncs that much. Faults are told once, never raised.

        A full disk costs the oldest files first; when nothing is left to give up, the live file stays as it is.
        """
        given_up = 0
        try:
            while True:
                try:
                    if not self._settled:
                        self._settle()
                    rotated = _size(self.path) > self.size and self._rotate()
                    break
                except OSError as fault:
                    if fault.errno not in _FULL or not self._give_up_oldest():
                        raise
                    given_up += 1
        except OSError as fault:
            if self._told != str(fault):
                logger.error("%s cannot be rotated: %s", self.path, fault.strerror)  # noqa: TRY400  # the disk's fault, not ours
            self._told = str(fault)
            return False
        if given_up:
            logger.warning("the disk is full: %d older files of %s were given up to rotate it", given_up, self.path)
        self._told = ""
        return rotated

    async def tail(self, lines: int, *, follow: bool) -> AsyncGenerator[tuple[str, ...], None]:
        """The last `lines` lines, then, when following, those that come after; in bounded batches.

        Lines come as `logtext` makes them fit to be shown. One that has not ended yet is given as it stands,
        but a follower gets it when it is whole. What a follower is too slow to read is told as a line of its own.
        """
        at, end = await self._start(lines, follow=follow)
        cutter = Cutter()
        while follow or at < end:
            begin, more = self._read(at, BLOCK if follow else min(BLOCK, end - at))
            if not more:
                if not follow:
                    break
                await asyncio.sleep(POLL_SECONDS)
                continue
            if begin != at and (rest := cutter.end()):
                yield (rest,)
            if begin > at:
                yield (f"… {begin - at} bytes were rotated away before they could be read",)
            at = begin + len(more)
            for batch in batches(cutter.feed(more)):
                yield batch
        if rest := cutter.end():
            yield (rest,)

    async def _start(self, lines: int, *, follow: bool) -> tuple[int, int]:
        """Where the last `lines` lines begin, and where the output ends now; holds one block at a time."""
        with self._cutting:
            at = end = self._gone + _size(self.path)
        wanted = max(lines, 0)
        while block := self._before(at):
            if at == end:
                if block.endswith(b"\n"):
                    block = block[:-1]
                    at -= 1
                elif follow:
                    wanted += 1
                if not wanted:
                    return end, end
            found = block.count(b"\n")
            if found >= wanted:
                place = len(block)
                for _ in range(wanted):
                    place = block.rindex(b"\n", 0, place)
                return at - len(block) + place + 1, end
            wanted -= found
            at -= len(block)
            await asyncio.sleep(0)
        return at, end

    def _read(self, at: int, most: int) -> tuple[int, bytes]:
        """Bytes from `at` on, and where they truly begin: later if rotated away, earlier if somebody emptied the file."""
        with self._cutting:
            path, start = self._holder(at)
            try:
                with path.open("rb", buffering=0) as file:
                    offset = max(at - start, 0)
                    if path == self.path and offset > os.fstat(file.fileno()).st_size:
                        offset = 0
                    file.seek(offset)
                    return start + offset, file.read(most) or b""
            except OSError:
                return at, b""

    def _before(self, at: int) -> bytes:
        """A block of bytes that ends right before position `at`; empty at the beginning of all there is."""
        with self._cutting:
            path, start = self._holder(at - 1)
            begin = max(start, at - BLOCK)
            try:
                with path.open("rb", buffering=0) as file:
                    file.seek(begin - start)
                    return file.read(max(at - begin, 0)) or b""
            except OSError:
                return b""

    def _holder(self, at: int) -> tuple[Path, int]:
        """The file that holds the output's byte `at` and the position where that file begins; the oldest for what is gone."""
        path, start = self.path, self._gone
        for number in itertools.count(1):
            older = self._older(number)
            if at >= start or not (size := _size(older)):
                break
            path, start = older, start - size
        return path, start

    def _rotate(self) -> bool:
        """Copy what is old aside, cut it out, and only then give the copy its name: killed anywhere, `_settle` can tell."""
        with self.path.open("r+b", buffering=0) as file, self._spare() as copy:
            live = file.fileno()
            aside = copy.fileno() if copy else -1
            block = os.fstatvfs(live).f_bsize if hasattr(os, "fstatvfs") else 4096
            # A range can be cut out in whole blocks only, and never up to the end.
            old = (os.fstat(live).st_size - 1) // block * block
            try:
                if copy:
                    copy_range(live, aside, 0, old)
                    os.fsync(aside)
                with self._cutting:
                    cut = self._cut(live, aside, old)
                    self._gone += cut
                    # From here on the copy is the only one: a fault must not remove it.
                    self._settled = not cut
                    if cut:
                        self._shift()
            finally:
                if self._settled:
                    self._fresh.unlink(missing_ok=True)
        self._settled = True
        return cut > 0

    def _cut(self, live: int, aside: int, old: int) -> int:
        """Take the first `old` bytes out of the live file, or, where only that can be done, all of it; says how many."""
        if (size := os.fstat(live).st_size) <= old:
            return 0  # somebody has emptied it meanwhile
        # A cut of one byte is never made, but tells a system that can cut (EINVAL) from one that cannot.
        fault = collapse(live, old or 1)
        if not fault:
            return old
        if fault not in _CANNOT_COLLAPSE:
            raise OSError(fault, os.strerror(fault))
        if not old and fault == errno.EINVAL:
            return 0
        if aside >= 0:
            # Again and again, for what comes while the last bytes are copied: the shorter the gap, the less is lost in it.
            for _ in range(CATCH_UP):
                if size == old:
                    break
                old = copy_range(live, aside, old, size)
                size = os.fstat(live).st_size
        os.ftruncate(live, 0)
        return old if aside >= 0 else size

    def _settle(self) -> None:
        """What an agent left that was killed while it rotated: its copy counts if the cut was made, else it is there twice."""
        with self._cutting:
            if self._fresh.exists():
                if begins(self.path, self._fresh):
                    self._fresh.unlink()
                else:
                    self._shift()
        self._settled = True

    def _shift(self) -> None:
        number = max(self.keep, 1)
        while self._older(number).exists():
            self._older(number).unlink()
            number += 1
        for number in range(self.keep - 1, 0, -1):
            if self._older(number).exists():
                self._older(number).replace(self._older(number + 1))
        if self.keep:
            self._fresh.replace(self._older(1))
        else:
            self._fresh.unlink(missing_ok=True)

    def _give_up_oldest(self) -> bool:
        """Make room: the oldest file goes. False when there is none left."""
        with self._cutting:
            oldest = 0
            while self._older(oldest + 1).exists():
                oldest += 1
            if oldest:
                self._older(oldest).unlink()
        return oldest > 0

    @property
    def _fresh(self) -> Path:
        return self.path.with_name(f"{self.path.name}.new")

    def _older(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def _spare(self) -> contextlib.AbstractContextManager[io.FileIO | None]:
        if not self.keep:
            return contextlib.nullcontext()
        return os.fdopen(os.open(self._fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640), "wb", buffering=0)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
