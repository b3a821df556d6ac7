"""What the agent itself costs: a tool that measures everything measures itself too."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

from watchkeeper.errors import Failed
from watchkeeper.kept import KeptFile
from watchkeeper.model import Family, Series

FAMILIES = (
    Family("watchkeeper_agent_cpu_seconds_total", "counter", "CPU time of the agent."),
    Family("watchkeeper_agent_resident_memory_bytes", "gauge", "Resident memory of the agent."),
)
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class Itself:
    """A reader of this very process."""

    def __init__(self) -> None:
        """Open what there is to open."""
        self._file: KeptFile | None = None
        with contextlib.suppress(Failed):
            self._file = KeptFile(Path("/proc/self/statm"), 128)
        self.series = tuple(Series(family.name) for family in (FAMILIES if self._file else FAMILIES[:1]))

    def read(self) -> Sequence[float]:
        """See `seams.Reader`."""
        if self._file is None:
            return [time.process_time()]
        return [time.process_time(), int(self._file.read().split()[1]) * float(_PAGE)]

    def close(self) -> None:
        """See `seams.Reader`."""
        if self._file:
            self._file.close()
