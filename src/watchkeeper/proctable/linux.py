"""The table of processes as Linux has it: one small file of /proc for each, opened and read anew at every look.

A kept descriptor each would be quicker and would take hundreds of them. What is asked for rarely (`name`,
`moved`) costs a file more. Source: proc(5).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from watchkeeper.proctable import Process
from watchkeeper.proctable.names import KERNEL, program

_SECOND = 1.0 / (os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100)
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
KERNEL_LOOKS = 6
"""The kernel's own, which are many and of which most do nothing, are read at each so manieth look."""
_KTHREADD = 2
"""The parent of all that the kernel runs itself."""


class LinuxTable:
    """See `proctable.Table`; read from below `proc`."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        """Nothing is read yet."""
        self._proc = proc
        self._kernels: dict[str, Process] = {}
        """What was read of the kernel's own last, by its entry."""
        self._looks = 0

    def look(self) -> Iterator[Process]:
        """See `proctable.Table`. One that ends meanwhile is left out; so is what has ended and waits for its parent."""
        proc, before, kernels = str(self._proc), self._kernels, {}
        is_whole = self._looks % KERNEL_LOOKS == 0
        self._looks += 1
        for entry in os.listdir(proc):  # noqa: PTH208  # names suffice, and this runs all the time
            if not entry.isdigit():
                continue
            if not is_whole and (known := before.get(entry)):
                kernels[entry] = known
                yield known
                continue
            text = _read(f"{proc}/{entry}/stat", 1024)
            # The name in the second field may hold blanks and brackets: the last bracket ends it.
            head, _, tail = text.rpartition(b")")
            fields = tail.split()
            if len(fields) < 22 or fields[0] in {b"Z", b"X"}:
                continue
            cpu = (int(fields[11]) + int(fields[12])) * _SECOND
            word = head.partition(b"(")[2].decode("utf-8", "replace")
            found = Process(int(entry), float(fields[19]), word, cpu, int(fields[21]) * float(_PAGE))
            if int(fields[1]) == _KTHREADD or found.pid == _KTHREADD:
                kernels[entry] = found
                self._kernels = kernels  # `name` may be asked before this look is over
            yield found
        self._kernels = kernels

    def name(self, process: Process) -> str:
        """See `proctable.Table`."""
        if str(process.pid) in self._kernels:
            return KERNEL
        words = _read(f"{self._proc}/{process.pid}/cmdline", 4096).split(b"\0")
        return program(process.word, [word.decode("utf-8", "replace") for word in words[:-1]])

    def moved(self, pid: int) -> tuple[float, float] | None:
        """See `proctable.Table`; another user's process tells it to root alone."""
        words = _read(f"{self._proc}/{pid}/io", 512).split()
        return (float(words[9]), float(words[11])) if len(words) > 11 else None


def _read(path: str, room: int) -> bytes:
    """A file's beginning; empty when its process is gone, or is not ours to look at."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(file, room)
    except OSError:
        return b""
    finally:
        os.close(file)
