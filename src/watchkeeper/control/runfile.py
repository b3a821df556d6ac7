"""The run folder: which processes are ours, and how far each server had come; what outlives us on the disk.

Where there is a keeper, it writes who runs (`NAME.run`, see `watchkeeper.keeper.record`); else the agent does (`NAME.json`).
What the next one finds there it adopts instead of starting a second copy. A server's history (`NAME.life`) is ours alone.
A rename makes each file whole or absent, and entries are synced: after a power cut the processes are gone,
but an empty file would be told as a fault that nobody can act on.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from watchkeeper.control.history import History
from watchkeeper.control.identity import Identity
from watchkeeper.errors import Refused
from watchkeeper.keeper.record import Records
from watchkeeper.lock import Lock

logger = logging.getLogger(__name__)


class Entry(msgspec.Struct, frozen=True):
    """A spawned process. `started_at` in ms."""

    identity: Identity
    started_at: int
    command: tuple[str, ...]


class RunFile:
    """The folder of entries, held by one agent at a time."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; raises Refused (``in-use``) naming the agent that has it.

        The lock is not inherited by servers: one that outlives its agent must not keep the next agent out.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        self.folder = folder.absolute()
        self._records = Records(str(folder))
        try:
            self._lock = Lock(folder, "the run folder")
        except Refused as held:
            # Only agents take this lock, so the sentence may say what the holder is.
            raise Refused(held.why.replace("by the process with pid", "by the agent with pid"), code=held.code) from None

    def record(self, server: str, entry: Entry) -> None:
        """Remember a process; a disk that takes nothing is logged, for the server matters more than its file."""
        try:
            fresh = self.folder / f"{server}.json.new"
            with fresh.open("wb") as file:
                file.write(msgspec.json.encode(entry))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.folder / f"{server}.json")
            self._sync_names()
        except OSError as fault:
            logger.error("the run file of %s cannot be written: %s", server, fault.strerror)  # noqa: TRY400  # the disk's fault, not ours

    def forget(self, server: str) -> None:
        """The process has ended."""
        try:
            (self.folder / f"{server}.json").unlink(missing_ok=True)
        except OSError as fault:
            logger.error("the run file of %s cannot be removed: %s", server, fault.strerror)  # noqa: TRY400  # as above

    def entries(self) -> dict[str, Entry]:
        """What an earlier agent left, by server; a file that cannot be read is told and passed over."""
        found = {}
        for path in sorted(self.folder.glob("*.json")):
            try:
                found[path.stem] = msgspec.json.decode(path.read_bytes(), type=Entry)
            except (OSError, msgspec.MsgspecError) as fault:
                logger.warning("%s cannot be read (%s); its process, if it lives, is not taken over", path, fault)
        return found

    def remember(self, server: str, history: History) -> None:
        """Write down how far a server has come. Not synced: it is for the next agent of this boot."""
        try:
            fresh = self.folder / f"{server}.life.new"
            fresh.write_bytes(msgspec.msgpack.encode(history))
            fresh.replace(self.folder / f"{server}.life")
        except OSError as fault:
            logger.error("the history of %s cannot be written: %s", server, fault.strerror)  # noqa: TRY400  # as above

    def histories(self) -> dict[str, History]:
        """How far each server had come; one that cannot be read is of a power cut, or of another version, and is none."""
        found = {}
        for path in sorted(self.folder.glob("*.life")):
            try:
                found[path.stem] = msgspec.msgpack.decode(path.read_bytes(), type=History)
            except (OSError, msgspec.MsgspecError) as fault:
                logger.warning("%s cannot be read (%s); the server begins anew", path, fault)
        return found

    def forget_history(self, server: str) -> None:
        """The server is no more."""
        try:
            (self.folder / f"{server}.life").unlink(missing_ok=True)
        except OSError as fault:
            logger.error("the history of %s cannot be removed: %s", server, fault.strerror)  # noqa: TRY400  # as above

    def sync(self, servers: Iterable[str]) -> None:
        """Bring the keeper's records of these servers to the disk; those that are gone by now need not."""
        for server in servers:
            try:
                self._records.sync(server)
            except FileNotFoundError:
                continue
            except OSError as fault:
                logger.error("the record of %s cannot be synced: %s", server, fault.strerror)  # noqa: TRY400  # as above

    def close(self) -> None:
        """Let another agent have the folder."""
        self._lock.close()

    def _sync_names(self) -> None:
        if os.name == "nt":
            return
        handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
