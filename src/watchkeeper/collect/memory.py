"""Memory: every line of /proc/meminfo, in bytes, under node_exporter's names (proc(5) says what each means)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from watchkeeper.config import Timed
from watchkeeper.kept import KeptFile
from watchkeeper.model import Family, Series


class Memory(Timed, frozen=True, kw_only=True):
    """``[collect.memory]``: what the machine's memory is used for."""

    enabled: bool = True

    def families(self) -> tuple[Family, ...]:
        """See `seams.Collector`; which lines there are is the kernel's to say."""
        try:
            lines = Path("/proc/meminfo").read_bytes().splitlines()
        except OSError:
            return ()
        return tuple(_family(line) for line in lines)

    def open(self, root: Path) -> MemoryReader:
        """See `seams.Collector`."""
        return MemoryReader(root)


class MemoryReader:
    """Reads /proc/meminfo, whose lines never change while a kernel runs."""

    def __init__(self, root: Path) -> None:
        """Open it and look which lines there are."""
        self._file = KeptFile(root / "proc/meminfo")
        lines = self._file.read().splitlines()
        self.series = tuple(Series(_family(line).name) for line in lines)
        # Of the words of the whole table, those that are figures, and what one of them counts.
        self._places: list[int] = []
        self._scales: list[float] = []
        place = 0
        for line in lines:
            words = line.split()
            self._places.append(place + 1)
            self._scales.append(1024.0 if len(words) > 2 else 1.0)
            place += len(words)

    def read(self) -> Sequence[float]:
        """See `seams.Reader`."""
        words = self._file.read().split()
        return [int(words[place]) * scale for place, scale in zip(self._places, self._scales, strict=True)]

    def close(self) -> None:
        """See `seams.Reader`."""
        self._file.close()


def _family(line: bytes) -> Family:
    """``Active(anon):  12 kB`` is node_memory_Active_anon_bytes; what has no unit is a count."""
    field = line.split(b":")[0].decode("ascii").replace("(", "_").replace(")", "")
    name = f"{field}_bytes" if line.endswith(b"kB") else field
    return Family(f"node_memory_{name}", "gauge", f"Memory information field {name}.")
