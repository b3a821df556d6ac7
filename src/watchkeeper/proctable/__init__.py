"""The table of all processes of a machine, as its system lists them: the door; one room a system, and what a process is called.

`collect.programs` comes in. Nothing is kept open, and nothing is told of a command line but what it runs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

__all__ = ["Process", "Table", "table"]

_LINUX = sys.platform == "linux"


class Process(NamedTuple):
    """One living process at a look. `started` tells it from others with its number; `cpu` in seconds, `memory` in bytes."""

    pid: int
    started: float
    word: str
    cpu: float
    memory: float


class Table(Protocol):
    """Where a system's processes are listed."""

    def look(self) -> Iterable[Process]:
        """All that live and may be seen; `word` is what the system calls each."""
        ...

    def name(self, process: Process) -> str:
        """The program that it runs, for people; dear, so asked once a process."""
        ...

    def moved(self, pid: int) -> tuple[float, float] | None:
        """Bytes that it has read from disks and written to them; None where we are not told."""
        ...


def table(root: Path) -> Table:
    """This system's; on Linux what is below `root` (``/`` on a real machine)."""
    if _LINUX:
        from watchkeeper.proctable.linux import LinuxTable  # noqa: PLC0415  # each system has its own

        return LinuxTable(root / "proc")
    from watchkeeper.proctable.portable import PortableTable  # noqa: PLC0415  # psutil is not installed on Linux

    return PortableTable()
