"""How many processes and threads the whole system has, and how many numbers there are for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from watchkeeper.config import Timed
from watchkeeper.kept import KeptFile
from watchkeeper.model import Family, Series

_FAMILIES = (
    Family("node_processes_threads", "gauge", "Allocated threads in system"),
    Family("node_processes_max_processes", "gauge", "Number of max PIDs limit"),
    Family("node_processes_max_threads", "gauge", "Limit of threads in the system"),
)


class Processes(Timed, frozen=True, kw_only=True):
    """``[collect.processes]``: processes and threads of the whole system against their limits."""

    enabled: bool = True

    def families(self) -> tuple[Family, ...]:
        """See `seams.Collector`."""
        return _FAMILIES

    def open(self, root: Path) -> ProcessesReader:
        """See `seams.Collector`."""
        return ProcessesReader(root)


class ProcessesReader:
    """Reads the kernel's own count, so that no process need be looked at."""

    def __init__(self, root: Path) -> None:
        """Open the three."""
        self.series: tuple[Series, ...] = tuple(Series(family.name) for family in _FAMILIES)
        self._loads = KeptFile(root / "proc/loadavg", 256)
        self._limits = [KeptFile(root / "proc/sys/kernel" / name, 64) for name in ("pid_max", "threads-max")]

    def read(self) -> Sequence[float]:
        """See `seams.Reader`. The fourth word of loadavg is running/all of the kernel's scheduling entities (proc(5))."""
        threads = self._loads.read().split()[3].partition(b"/")[2]
        return [float(threads), *(float(file.read()) for file in self._limits)]

    def close(self) -> None:
        """See `seams.Reader`."""
        for file in (self._loads, *self._limits):
            file.close()
