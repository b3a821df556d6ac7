"""Paging, swapping, page faults and kills for want of memory: some lines of /proc/vmstat, those that node_exporter shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from watchkeeper.config import Timed
from watchkeeper.errors import Failed
from watchkeeper.kept import KeptFile
from watchkeeper.model import Family, Series

_FIELDS = ("oom_kill", "pgfault", "pgmajfault", "pgpgin", "pgpgout", "pswpin", "pswpout")


class Vmstat(Timed, frozen=True, kw_only=True):
    """``[collect.vmstat]``: paging, swapping, page faults, out-of-memory kills."""

    enabled: bool = True

    def families(self) -> tuple[Family, ...]:
        """See `seams.Collector`."""
        return tuple(Family(f"node_vmstat_{field}", "untyped", f"/proc/vmstat information field {field}.") for field in _FIELDS)

    def open(self, root: Path) -> VmstatReader:
        """See `seams.Collector`."""
        return VmstatReader(root)


class VmstatReader:
    """Reads /proc/vmstat, whose lines never change while a kernel runs."""

    def __init__(self, root: Path) -> None:
        """Open it and look which of the lines there are, and where."""
        self._file = KeptFile(root / "proc/vmstat", 8192)
        words = self._file.read().split()
        known = {name.decode("ascii"): place + 1 for place, name in enumerate(words) if place % 2 == 0}
        self._places = [(known[field], field.encode("ascii")) for field in _FIELDS if field in known]
        self.series = tuple(Series(f"node_vmstat_{field}") for field in _FIELDS if field in known)

    def read(self) -> Sequence[float]:
        """See `seams.Reader`."""
        words = self._file.read().split()
        if any(words[place - 1] != name for place, name in self._places):
            raise Failed(f"{self._file.path} has changed its lines")
        return [float(words[place]) for place, _ in self._places]

    def close(self) -> None:
        """See `seams.Reader`."""
        self._file.close()
