"""CPU time by core and mode, interrupts, context switches, forks and running processes: /proc/stat.

Fields as in proc(5); node_exporter's names (its collectors `cpu` and `stat`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from watchkeeper.config import Timed
from watchkeeper.errors import Failed
from watchkeeper.kept import KeptFile
from watchkeeper.model import Family, Series

_SECOND = 1.0 / (os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100)
_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_GUEST_MODES = ("user", "nice")
_COUNTS = {
    b"intr": Family("node_intr_total", "counter", "Total number of interrupts serviced."),
    b"ctxt": Family("node_context_switches_total", "counter", "Total number of context switches."),
    b"processes": Family("node_forks_total", "counter", "Total number of forks."),
    b"procs_running": Family("node_procs_running", "gauge", "Number of processes in runnable state."),
    b"procs_blocked": Family("node_procs_blocked", "gauge", "Number of processes blocked waiting for I/O to complete."),
}


class Cpu(Timed, frozen=True, kw_only=True):
    """``[collect.cpu]``: time of each core by mode, interrupts, context switches, forks, running processes."""

    enabled: bool = True

    def families(self) -> tuple[Family, ...]:
        """See `seams.Collector`."""
        return (
            Family("node_cpu_seconds_total", "counter", "Seconds the CPUs spent in each mode."),
            Family("node_cpu_guest_seconds_total", "counter", "Seconds the CPUs spent in guests (VMs) for each mode."),
            *_COUNTS.values(),
        )

    def open(self, root: Path) -> CpuReader:
        """See `seams.Collector`."""
        return CpuReader(root)


class CpuReader:
    """Reads /proc/stat; the layout changes when a core comes or goes."""

    def __init__(self, root: Path) -> None:
        """Open it and look which cores there are."""
        self._file = KeptFile(root / "proc/stat", 16384)
        self._cores: list[bytes] = []
        self._before: list[list[int]] = []
        self.series: tuple[Series, ...] = ()
        self.read()

    def read(self) -> Sequence[float]:
        """See `seams.Reader`."""
        lines = self._file.read().split(b"\n")
        values: list[float] = []
        cores = []
        place = 1
        while lines[place].startswith(b"cpu"):
            name, *fields = lines[place].split()
            if len(fields) < 10:
                raise Failed(f"{self._file.path}: expected 10 modes of a core, found {len(fields)}")
            cores.append(name)
            values += self._rising(place - 1, [int(field) for field in fields])
            place += 1
        if cores != self._cores:
            self._cores = cores
            self.series = self._layout()
        known = dict(line.split(b" ", 2)[:2] for line in lines[place:] if line)
        values += [float(known.get(name, b"nan")) for name in _COUNTS]
        return values

    def close(self) -> None:
        """See `seams.Reader`."""
        self._file.close()

    def _rising(self, place: int, ticks: list[int]) -> list[float]:
        """Seconds by mode. The kernel lets idle and iowait fall back by a tick or two at times: a counter must not."""
        if place == len(self._before):
            self._before.append(ticks)
        before = self._before[place]
        if ticks[3] < before[3] - 300:
            before = ticks  # the core was away and counts anew
        for mode in (3, 4):
            ticks[mode] = max(ticks[mode], before[mode])
        self._before[place] = ticks
        return [tick * _SECOND for tick in ticks]

    def _layout(self) -> tuple[Series, ...]:
        series = []
        for core in self._cores:
            number = core[3:].decode("ascii")
            series += [Series("node_cpu_seconds_total", (("cpu", number), ("mode", mode))) for mode in _MODES]
            series += [Series("node_cpu_guest_seconds_total", (("cpu", number), ("mode", mode))) for mode in _GUEST_MODES]
        return (*series, *(Series(family.name) for family in _COUNTS.values()))
