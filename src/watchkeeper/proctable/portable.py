"""The table of processes where there is no /proc: psutil asked."""

from __future__ import annotations

from collections.abc import Iterator

import psutil

from watchkeeper.proctable import Process
from watchkeeper.proctable.names import program


class PortableTable:
    """See `proctable.Table`."""

    def look(self) -> Iterator[Process]:
        """See `proctable.Table`; what the system does not let us see is left out."""
        for one in psutil.process_iter(["name", "create_time", "cpu_times", "memory_info"]):
            found = one.info
            if found["cpu_times"] is not None and found["memory_info"] is not None:
                cpu = found["cpu_times"].user + found["cpu_times"].system
                yield Process(one.pid, found["create_time"] or 0.0, found["name"] or "", cpu, float(found["memory_info"].rss))

    def name(self, process: Process) -> str:
        """See `proctable.Table`."""
        try:
            return program(process.word, psutil.Process(process.pid).cmdline())
        except (psutil.Error, OSError):
            return program(process.word, [])

    def moved(self, pid: int) -> tuple[float, float] | None:
        """See `proctable.Table`."""
        try:
            found = psutil.Process(pid).io_counters()
        except (psutil.Error, OSError, AttributeError, NotImplementedError):  # macOS tells it to nobody
            return None
        return float(found.read_bytes), float(found.write_bytes)
