"""A server's output in a file that survives the agent, rotated under the server's hands.

The server writes to the file itself (no pipe that would break with us), so the file cannot be renamed
away. What is old is copied aside and cut out at the front: with `fallocate(FALLOC_FL_COLLAPSE_RANGE)`
(ext4, XFS) not a byte is lost; elsewhere the file is truncated, and what the server writes between copy
and truncation may be lost, as with logrotate's copytruncate.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import re
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

logger = logging.getLogger(__name__)

COLLAPSE_RANGE = 0x08
BLOCK = 64 << 10
LONGEST_LINE = 8192
BATCH = 200
POLL_SECONDS = 0.2
_CONTROL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])|[\x00-\x08\x0b-\x1f\x7f]")


class LogFile:
    """One server's output: `path`, and `path.1` (newest) to `path.N` (oldest)."""

    def __init__(self, path: Path, size: int, keep: int) -> None:
        """`size`: bytes at which it is rotated; `keep`: how many older files."""
        self.path = path
        self.size = size
        self.keep = keep
        self._cut = 0
        self._told = ""

    def open_for_writing(self) -> int:
        """A descriptor to hand to the server; append only. Raises OSError."""
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def rotate_if_needed(self) -> bool:
        """Rotate if it has grown beyond `size`. A full disk costs older files, never the newest output."""
        try:
            length = self.path.stat().st_size
        except OSError:
            return False
        if length <= self.size:
            return False
        try:
            self._rotate(length)
        except OSError as fault:
            if fault.errno == errno.ENOSPC and self._give_up_oldest():
                return self.rotate_if_needed()
            if self._told != str(fault):
                self._told = str(fault)
                logger.error("%s cannot be rotated: %s", self.path, fault.strerror)  # noqa: TRY400  # the disk's fault, not ours
            return False
        self._told = ""
        return True

    async def tail(self, lines: int, *, follow: bool) -> AsyncGenerator[tuple[str, ...], None]:
        """The last `lines` lines, then, when following, what comes after; at most `BATCH` at once."""
        text, position = self._last(lines)
        parts = text.split(b"\n")
        rest = parts.pop()
        shown = [_clean(line) for line in parts]
        if rest and not follow:
            shown.append(_clean(rest))
        for start in range(0, len(shown), BATCH):
            yield tuple(shown[start : start + BATCH])
        while follow:
            more = self._after(position)
            if not more:
                await asyncio.sleep(POLL_SECONDS)
                continue
            position += len(more)
            *whole, rest = (rest + more).split(b"\n")
            if len(rest) > LONGEST_LINE:
                whole.append(rest)
                rest = b""
            for start in range(0, len(whole), BATCH):
                yield tuple(_clean(line) for line in whole[start : start + BATCH])

    def _older(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def _rotate(self, length: int) -> None:
        with self.path.open("rb+", buffering=0) as live:
            block = os.fstatvfs(live.fileno()).f_bsize if hasattr(os, "fstatvfs") else 4096
            # A range can be cut out in whole blocks only, and never up to the end.
            old = (length - 1) // block * block
            collapsing = _can_collapse(live.fileno(), block)
            if not collapsing:
                old = length
            if self.keep:
                fresh = self.path.with_name(f"{self.path.name}.new")
                try:
                    with fresh.open("wb", buffering=0) as copy:
                        _copy(live.fileno(), copy.fileno(), old)
                except OSError:
                    fresh.unlink(missing_ok=True)
                    raise
                for number in range(self.keep - 1, 0, -1):
                    if self._older(number).exists():
                        self._older(number).replace(self._older(number + 1))
                fresh.replace(self._older(1))
            if collapsing:
                _collapse(live.fileno(), old)
            else:
                old = os.fstat(live.fileno()).st_size
                os.ftruncate(live.fileno(), 0)
            self._cut += old

    def _give_up_oldest(self) -> bool:
        """Make room: the oldest rotated file goes. False when there is none left."""
        for number in range(self.keep + 1, 0, -1):
            if self._older(number).exists():
                self._older(number).unlink()
                logger.warning("the disk is full: %s was removed to rotate the newest output", self._older(number))
                return True
        return False

    def _last(self, lines: int) -> tuple[bytes, int]:
        """The end of the output over all files, at most `lines` lines of it, and the position behind it."""
        text = b""
        position = self._cut
        for number in range(self.keep + 1):
            path = self._older(number) if number else self.path
            try:
                with path.open("rb") as file:
                    length = end = file.seek(0, os.SEEK_END)
                    if not number:
                        position = self._cut + length
                    while end > 0 and text.count(b"\n") <= lines and len(text) < lines * LONGEST_LINE:
                        start = max(0, end - BLOCK)
                        file.seek(start)
                        text = file.read(end - start) + text
                        end = start
            except OSError:
                break
            if text.count(b"\n") > lines:
                break
        kept = text.split(b"\n")
        whole = len(kept) - 1
        return b"\n".join(kept[max(0, whole - lines) :]) if lines else kept[-1], position

    def _after(self, position: int) -> bytes:
        """What was written behind `position`, which counts what has been cut out too."""
        try:
            with self.path.open("rb", buffering=0) as file:
                file.seek(max(0, position - self._cut))
                return file.read(BLOCK) or b""
        except OSError:
            return b""


def _clean(line: bytes) -> str:
    text = line[:LONGEST_LINE].decode("utf-8", "replace")
    return _CONTROL.sub("", text) + (" …" if len(line) > LONGEST_LINE else "")


def _copy(source: int, target: int, length: int) -> None:
    offset = 0
    while offset < length:
        block = os.pread(source, min(BLOCK, length - offset), offset)
        if not block:
            return
        left = memoryview(block)
        while left:
            left = left[os.write(target, left) :]
        offset += len(block)


def _can_collapse(file: int, block: int) -> bool:
    """Ask for a cut that must be refused as wrongly aligned (EINVAL) by a file system that knows cuts (else EOPNOTSUPP)."""
    if sys.platform != "linux":
        return False
    return _fallocate(file, 1, block) == errno.EINVAL


def _collapse(file: int, length: int) -> None:
    if fault := _fallocate(file, 0, length):
        raise OSError(fault, os.strerror(fault))


def _fallocate(file: int, offset: int, length: int) -> int:
    """Cut a range out of a file: 0, or the error's number."""
    import ctypes  # noqa: PLC0415  # a megabyte that only a rotation needs

    libc = ctypes.CDLL(None, use_errno=True)
    libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    return ctypes.get_errno() if libc.fallocate(file, COLLAPSE_RANGE, offset, length) else 0
