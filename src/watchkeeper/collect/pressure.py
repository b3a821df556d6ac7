"""Pressure stall information: how long work has waited for CPU, memory and I/O (/proc/pressure).

The kernel's own measure of "too little of it" (Documentation/accounting/psi.rst), in its exact total, not its averages.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from watchkeeper.config import Timed
from watchkeeper.kept import KeptFile
from watchkeeper.model import Family, Series

_SOME = {
    "cpu": Family(
        "node_pressure_cpu_waiting_seconds_total",
        "counter",
        "Total time in seconds that processes have waited for CPU time",
    ),
    "io": Family(
        "node_pressure_io_waiting_seconds_total",
        "counter",
        "Total time in seconds that processes have waited due to IO congestion",
    ),
    "memory": Family(
        "node_pressure_memory_waiting_seconds_total",
        "counter",
        "Total time in seconds that processes have waited for memory",
    ),
}
_FULL = {
    "io": Family(
        "node_pressure_io_stalled_seconds_total",
        "counter",
        "Total time in seconds no process could make progress due to IO congestion",
    ),
    "memory": Family(
        "node_pressure_memory_stalled_seconds_total",
        "counter",
        "Total time in seconds no process could make progress due to memory congestion",
    ),
}


class Pressure(Timed, frozen=True, kw_only=True):
    """``[collect.pressure]``: time lost waiting for CPU, memory and I/O."""

    enabled: bool = True

    def families(self) -> tuple[Family, ...]:
        """See `seams.Collector`."""
        return (*_SOME.values(), *_FULL.values())

    def open(self, root: Path) -> PressureReader:
        """See `seams.Collector`; refused where the kernel was built or booted without it."""
        return PressureReader(root)


class PressureReader:
    """Reads the three tables."""

    def __init__(self, root: Path) -> None:
        """Open them."""
        self._files = {name: KeptFile(root / "proc/pressure" / name, 512) for name in _SOME}
        self.series = tuple(
            Series(family.name) for name in self._files for family in (_SOME[name], _FULL.get(name)) if family is not None
        )

    def read(self) -> Sequence[float]:
        """See `seams.Reader`."""
        values = []
        for name, file in self._files.items():
            some, *full = file.read().split(b"total=")[1:]
            values.append(int(some.split()[0]) / 1e6)
            if name in _FULL:
                values.append(int(full[0]) / 1e6 if full else 0.0)
        return values

    def close(self) -> None:
        """See `seams.Reader`."""
        for file in self._files.values():
            file.close()
