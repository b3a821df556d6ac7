"""Space and files of each mounted file system: the mount table and statvfs(3).

Names and what is left out are node_exporter's. A server of a network file system that has gone makes
statvfs wait for ever, so those are asked in a thread of their own: the round sees the last answer, and
an error once it is too old.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from watchkeeper.config import Timed
from watchkeeper.kept import KeptFile
from watchkeeper.model import Family, Labels, Series

STALE_SECONDS = 30.0
"""A network file system that has not answered for so long is in error."""
_ASKING_SECONDS = 5.0
_REMOTE = re.compile(r"(nfs|cifs|smb|fuse|9p|ceph|gluster|afs|ncpfs|lustre|davfs|virtiofs)")
_ERROR = "Whether an error occurred while getting statistics for the given device."
_FAMILIES = (
    Family("node_filesystem_avail_bytes", "gauge", "Filesystem space available to non-root users in bytes."),
    Family("node_filesystem_device_error", "gauge", _ERROR),
    Family("node_filesystem_files", "gauge", "Filesystem total file nodes."),
    Family("node_filesystem_files_free", "gauge", "Filesystem total free file nodes."),
    Family("node_filesystem_free_bytes", "gauge", "Filesystem free space in bytes."),
    Family("node_filesystem_readonly", "gauge", "Filesystem read-only status."),
    Family("node_filesystem_size_bytes", "gauge", "Filesystem size in bytes."),
)
_NONE = (float("nan"), 1.0, *(float("nan"),) * 5)


class Filesystem(Timed, frozen=True, kw_only=True):
    """``[collect.filesystem]``: space and files of each file system; what is left out is matched by regular expressions.

    `exclude_mounts` is held against the mount point, `exclude_types` against the kind of file system.
    """

    enabled: bool = True
    exclude_mounts: str = r"^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)"
    exclude_types: str = (
        r"^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay"
        r"|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tracefs)$"
    )

    def __post_init__(self) -> None:
        """Refuse what is no regular expression while its place is known."""
        for pattern in (self.exclude_mounts, self.exclude_types):
            try:
                re.compile(pattern)
            except re.error as fault:
                raise ValueError(f"{pattern!r} is no regular expression: {fault}") from None

    def families(self) -> tuple[Family, ...]:
        """See `seams.Collector`."""
        return _FAMILIES

    def open(self, root: Path) -> FilesystemReader:
        """See `seams.Collector`."""
        return FilesystemReader(root, re.compile(self.exclude_mounts), re.compile(self.exclude_types))


class Mount(NamedTuple):
    """One line of the mount table."""

    device: str
    point: str
    kind: str
    readonly: bool

    @property
    def labels(self) -> Labels:
        """As node_exporter has them."""
        return (("device", self.device), ("fstype", self.kind), ("mountpoint", self.point))


class FilesystemReader:
    """Reads the mount table and asks each file system; the layout changes with the table."""

    def __init__(self, root: Path, mounts: re.Pattern[str], kinds: re.Pattern[str]) -> None:
        """Open the mount table of our own namespace: in another one's, statvfs would look at the wrong places."""
        self._root = root
        self._exclude = (mounts, kinds)
        self._table = KeptFile(root / "proc/self/mounts")
        self._text = b""
        self._mounts: list[tuple[Mount, str | Remote]] = []
        self.series: tuple[Series, ...] = ()
        self.read()

    def read(self) -> Sequence[float]:
        """See `seams.Reader`."""
        text = self._table.read()
        if text != self._text:
            self._text = text
            self._look(text)
        values: list[float] = []
        for mount, where in self._mounts:
            found = where.newest() if isinstance(where, Remote) else _ask(where)
            values += _figures(found, mount.readonly) if found else _NONE
        return values

    def close(self) -> None:
        """See `seams.Reader`."""
        self._table.close()
        for _, where in self._mounts:
            if isinstance(where, Remote):
                where.stop()

    def _look(self, text: bytes) -> None:
        remotes = {mount: where for mount, where in self._mounts if isinstance(where, Remote)}
        exclude_mounts, exclude_kinds = self._exclude
        seen: dict[Labels, Mount] = {}
        for line in text.decode("utf-8", "replace").splitlines():
            device, point, kind, options = line.split(" ")[:4]
            mount = Mount(_unescaped(device), _unescaped(point), kind, "ro" in options.split(","))
            if not exclude_mounts.search(mount.point) and not exclude_kinds.search(kind):
                seen.setdefault(mount.labels, mount)
        self._mounts = []
        for mount in seen.values():
            path = str(self._root / mount.point.lstrip("/"))
            remote = _REMOTE.match(mount.kind)
            self._mounts.append((mount, (remotes.pop(mount) if mount in remotes else Remote(path)) if remote else path))
        for gone in remotes.values():
            gone.stop()
        self.series = tuple(Series(family.name, mount.labels) for mount, _ in self._mounts for family in _FAMILIES)


class Remote:
    """A file system on another machine, asked every few seconds by a daemon thread that may hang as long as it likes."""

    def __init__(self, path: str) -> None:
        """Begin to ask."""
        self._path = path
        self._answer: os.statvfs_result | None = None
        self._answered = 0.0
        self._stopped = threading.Event()
        threading.Thread(target=self._run, name=f"statvfs {path}", daemon=True).start()

    def newest(self) -> os.statvfs_result | None:
        """The last answer, if it is fresh enough to be believed."""
        return self._answer if time.monotonic() - self._answered < STALE_SECONDS else None

    def stop(self) -> None:
        """Ask no more once the present question is answered."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            answer = _ask(self._path)
            self._answer, self._answered = answer, time.monotonic()
            self._stopped.wait(_ASKING_SECONDS)


def _ask(path: str) -> os.statvfs_result | None:
    try:
        return os.statvfs(path)
    except OSError:
        return None


def _figures(found: os.statvfs_result, readonly: bool) -> tuple[float, ...]:  # noqa: FBT001  # a column like the others
    unit = found.f_frsize
    return (
        float(found.f_bavail * unit),
        0.0,
        float(found.f_files),
        float(found.f_ffree),
        float(found.f_bfree * unit),
        float(readonly),
        float(found.f_blocks * unit),
    )


def _unescaped(text: str) -> str:
    """The kernel writes blanks, tabs, line ends and backslashes as three octal digits (proc(5))."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text) if "\\" in text else text
