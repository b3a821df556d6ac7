"""The kernel's table of connections: how many entries it has, and how many it may have (nf_conntrack)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from watchkeeper.config import Timed
from watchkeeper.errors import Failed
from watchkeeper.kept import KeptFile
from watchkeeper.model import Family, Series

_FAMILIES = {
    "nf_conntrack_count": Family(
        "node_nf_conntrack_entries", "gauge", "Number of currently allocated flow entries for connection tracking."
    ),
    "nf_conntrack_max": Family("node_nf_conntrack_entries_limit", "gauge", "Maximum size of connection tracking table."),
}


class Conntrack(Timed, frozen=True, kw_only=True):
    """``[collect.conntrack]``: how full the kernel's table of connections is; nothing where it keeps none."""

    enabled: bool = True

    def families(self) -> tuple[Family, ...]:
        """See `seams.Collector`."""
        return tuple(_FAMILIES.values())

    def open(self, root: Path) -> ConntrackReader:
        """See `seams.Collector`."""
        return ConntrackReader(root)


class ConntrackReader:
    """Reads both numbers."""

    def __init__(self, root: Path) -> None:
        """Open them, if the kernel has loaded what keeps them."""
        self._files: list[KeptFile] = []
        self.series: tuple[Series, ...] = ()
        try:
            for name in _FAMILIES:
                self._files.append(KeptFile(root / "proc/sys/net/netfilter" / name, 64))
        except Failed:
            self.close()
            self._files = []
            return
        self.series = tuple(Series(family.name) for family in _FAMILIES.values())

    def read(self) -> Sequence[float]:
        """See `seams.Reader`."""
        return [float(file.read()) for file in self._files]

    def close(self) -> None:
        """See `seams.Reader`."""
        for file in self._files:
            file.close()
