"""Where evidence is kept on the agent's disk: one file each, bounded together; the oldest go first.

The journal's events refer to it by its id; it travels to the hub only when somebody asks for it.
"""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from watchkeeper.config import Part
from watchkeeper.errors import Refused
from watchkeeper.quantities import Size

if TYPE_CHECKING:  # the room that gathers it is loaded when something is wrong, not before
    from watchkeeper.control.evidence import Evidence

logger = logging.getLogger(__name__)

_ID = re.compile(r"[0-9a-f]{12}-[0-9a-f]{14}")
"""What `model.new_id` makes: safe as a file's name."""
SMALLEST = 6 << 20


class EvidenceSettings(Part, frozen=True, kw_only=True):
    """``[agent.evidence]``: what is found of servers before they are killed may take so much `space`; the oldest goes first."""

    space: Size = Size(64 << 20)

    def __post_init__(self) -> None:
        """Refuse less than one."""
        if self.space < SMALLEST:
            raise ValueError("space: expected at least 6MiB, so that one finds room")


class Archive:
    """The folder of evidence."""

    def __init__(self, folder: Path, space: int) -> None:
        """`space`: bytes for all of it; may be set anew at any time. The folder is made when there is something to keep."""
        self.space = space
        self._folder = folder

    def save(self, evidence: Evidence) -> int:
        """Keep one, and make room for it; returns its bytes. Blocks; raises OSError when the disk takes nothing."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        content = msgspec.json.encode(evidence)
        self._make_room(len(content))
        fresh = self._folder / f".{evidence.id}.new"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._folder / f"{evidence.id}.json")
        return len(content)

    def read(self, identity: str) -> bytes:
        """One as it was saved, a JSON document. Raises Refused (``no-evidence``) when it is not here (any more)."""
        try:
            if not _ID.fullmatch(identity):
                raise Refused("that is not the id of evidence", code="no-evidence")
            return (self._folder / f"{identity}.json").read_bytes()
        except OSError:
            why = f"the evidence {identity} is not on the agent's disk any more: the oldest goes when room is needed"
            raise Refused(why, code="no-evidence") from None

    def _make_room(self, needed: int) -> None:
        held = sorted(self._folder.glob("*.json"))  # an id begins with its time
        sizes = {path: path.stat().st_size for path in held}
        left = sum(sizes.values())
        for path in held:
            if left + needed <= self.space:
                return
            path.unlink(missing_ok=True)
            left -= sizes[path]
