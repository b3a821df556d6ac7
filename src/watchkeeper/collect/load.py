"""Load averages, time, boot, open files and entropy: the small tables that say how a system stands as a whole."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from watchkeeper.config import Timed
from watchkeeper.errors import Failed
from watchkeeper.kept import KeptFile
from watchkeeper.model import Family, Series

_LOADS = (
    Family("node_load1", "gauge", "1m load average."),
    Family("node_load5", "gauge", "5m load average."),
    Family("node_load15", "gauge", "15m load average."),
)
_TIME = Family("node_time_seconds", "gauge", "System time in seconds since epoch (1970).")
_BOOT = Family("node_boot_time_seconds", "gauge", "Node boot time, in unixtime.")
_UNAME = Family("node_uname_info", "gauge", "Labeled system information as provided by the uname system call.")
_FILES = (
    Family("node_filefd_allocated", "gauge", "File descriptor statistics: allocated."),
    Family("node_filefd_maximum", "gauge", "File descriptor statistics: maximum."),
)
_ENTROPY = {
    "entropy_avail": Family("node_entropy_available_bits", "gauge", "Bits of available entropy."),
    "poolsize": Family("node_entropy_pool_size_bits", "gauge", "Bits of entropy pool."),
}


class Load(Timed, frozen=True, kw_only=True):
    """``[collect.load]``: load averages, clock, boot time, kernel, open files, entropy."""

    enabled: bool = True

    def families(self) -> tuple[Family, ...]:
        """See `seams.Collector`."""
        return (*_LOADS, _TIME, _BOOT, _UNAME, *_FILES, *_ENTROPY.values())

    def open(self, root: Path) -> LoadReader:
        """See `seams.Collector`."""
        return LoadReader(root)


class LoadReader:
    """Reads /proc/loadavg and its neighbours."""

    def __init__(self, root: Path) -> None:
        """Open what there is; only the load averages must be there."""
        self._loads = KeptFile(root / "proc/loadavg", 256)
        self._boot = _booted(root)
        self._files = _opened(root / "proc/sys/fs/file-nr")
        self._entropy = [
            (family, file) for name, family in _ENTROPY.items() if (file := _opened(root / "proc/sys/kernel/random" / name))
        ]
        self.series = (
            *(Series(family.name) for family in _LOADS),
            Series(_TIME.name),
            Series(_BOOT.name),
            Series(_UNAME.name, _uname(root)),
            *(Series(family.name) for family in _FILES if self._files),
            *(Series(family.name) for family, _ in self._entropy),
        )

    def read(self) -> Sequence[float]:
        """See `seams.Reader`."""
        values = [float(word) for word in self._loads.read().split()[:3]]
        values += (time.time(), self._boot, 1.0)
        if self._files:
            allocated, _, most = self._files.read().split()
            values += (float(allocated), float(most))
        values += [float(file.read()) for _, file in self._entropy]
        return values

    def close(self) -> None:
        """See `seams.Reader`."""
        for file in (self._loads, self._files, *(file for _, file in self._entropy)):
            if file:
                file.close()


def _opened(path: Path) -> KeptFile | None:
    try:
        return KeptFile(path, 256)
    except Failed:
        return None


def _booted(root: Path) -> float:
    for line in (root / "proc/stat").read_bytes().splitlines():
        if line.startswith(b"btime "):
            return float(line.split()[1])
    raise Failed(f"{root / 'proc/stat'} does not say when the machine was started", retry=False)


def _uname(root: Path) -> tuple[tuple[str, str], ...]:
    system = os.uname()
    domain = root / "proc/sys/kernel/domainname"
    return (
        ("domainname", domain.read_text(encoding="utf-8").strip() if domain.exists() else "(none)"),
        ("machine", system.machine),
        ("nodename", system.nodename),
        ("release", system.release),
        ("sysname", system.sysname),
        ("version", system.version),
    )
