"""What people have said of servers and must outlive the agent: pauses, heavy work that is expected, actions taken of late.

One small file, written whole and synced at each change. A pause that was lost would let happen what somebody has forbidden.
"""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path

import msgspec

logger = logging.getLogger(__name__)


class Saying(msgspec.Struct, frozen=True):
    """A person's word on one server. `until` in ms (0: until it is taken back)."""

    by: str
    why: str
    at: int
    until: int = 0

    def holds(self, now: int) -> bool:
        """Whether it holds at `now` (ms)."""
        return not self.until or now < self.until


class Sayings(msgspec.Struct, frozen=True):
    """All of it, by server. `acted`: when (Unix seconds) the agent acted by itself."""

    paused: dict[str, Saying] = {}
    expected: dict[str, Saying] = {}
    acted: dict[str, tuple[float, ...]] = {}


class Memory:
    """The file."""

    def __init__(self, folder: Path) -> None:
        """Read what an earlier agent has left; one that cannot be read is told, and kept beside as ``sayings.unread``."""
        self._path = folder / "sayings.json"
        self.now = self._read()

    def keep(self, fresh: Sayings) -> str:
        """Remember this instead; returns why the disk does not take it (empty: it does): then it holds for this agent alone."""
        self.now = fresh
        try:
            file = self._path.with_suffix(".new")
            with file.open("wb") as out:
                out.write(msgspec.json.encode(fresh))
                out.flush()
                os.fsync(out.fileno())
            file.replace(self._path)
        except OSError as fault:
            logger.error("%s cannot be written: %s", self._path, fault.strerror)  # noqa: TRY400  # the disk's fault, not ours
            return fault.strerror or str(fault)
        return ""

    def _read(self) -> Sayings:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Sayings)
        except FileNotFoundError:
            return Sayings()
        except (OSError, msgspec.MsgspecError) as fault:
            beside = self._path.with_suffix(".unread")
            logger.error("%s cannot be read (%s): pauses that were in it do not hold; see %s", self._path, fault, beside)  # noqa: TRY400  # as above
            with contextlib.suppress(OSError):  # a folder that takes no new name does not take what would overwrite it either
                self._path.replace(beside)
            return Sayings()
