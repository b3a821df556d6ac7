"""What is on the disk of each server's last spawn: one page in ``run/NAME.run``, there before the server runs.

A new spawn replaces the page whole (a rename); what is learnt later is appended, and the last value of a key counts. So a kill
at any instruction leaves a page that says what was true. It is synced by whoever has time for it, the agent if there is one:
after a power cut no process lives, and what the page would say of one is of the past anyway.
"""

from __future__ import annotations

import os

from watchkeeper.keeper.page import Page, lines, one, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SUFFIX = ".run"


class Records:
    """The folder of pages."""

    def __init__(self, folder: str) -> None:
        """`folder` is there already, for us alone."""
        self._folder = folder

    def begin(self, server: str, page: Mapping[str, str | int | Sequence[str]]) -> None:
        """A new spawn: the page replaces the one before. Raises OSError."""
        path = self._path(server)
        file = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, lines(page))
        finally:
            os.close(file)
        os.rename(f"{path}.new", path)

    def add(self, server: str, page: Mapping[str, str | int | Sequence[str]]) -> None:
        """What has become known of it. Raises OSError."""
        file = os.open(self._path(server), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, lines(page))
        finally:
            os.close(file)

    def remove(self, server: str) -> None:
        """Nothing runs, and all is heard. Raises OSError."""
        try:
            os.unlink(self._path(server))
        except FileNotFoundError:
            return

    def sync(self, server: str) -> None:
        """Bring it to the disk. Raises OSError."""
        for path, flags in ((self._path(server), os.O_RDONLY), (self._folder, os.O_RDONLY | os.O_DIRECTORY)):
            file = os.open(path, flags | os.O_CLOEXEC)
            try:
                os.fsync(file)
            finally:
                os.close(file)

    def pages(self) -> dict[str, Page]:
        """All of them, by server; one that is empty or names another server (a power cut, a stranger's) is none."""
        found = {}
        for name in sorted(os.listdir(self._folder)):
            if name.endswith(SUFFIX):
                server = name.removesuffix(SUFFIX)
                page = self._read(server)
                if one(page, "server") == server and one(page, "order"):
                    found[server] = page
        return found

    def _read(self, server: str) -> Page:
        try:
            file = os.open(self._path(server), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return {}
        try:
            written = b""
            while block := os.read(file, 1 << 16):
                written += block
            return read(written)
        except OSError:
            return {}
        finally:
            os.close(file)

    def _path(self, server: str) -> str:
        return f"{self._folder}/{server}{SUFFIX}"
