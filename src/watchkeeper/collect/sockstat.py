"""Sockets in use by protocol, and the memory they hold: /proc/net/sockstat and sockstat6."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from watchkeeper.config import Timed
from watchkeeper.errors import Failed
from watchkeeper.kept import KeptFile
from watchkeeper.model import Family, Series

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class Sockstat(Timed, frozen=True, kw_only=True):
    """``[collect.sockstat]``: sockets in use by protocol and the memory they hold."""

    enabled: bool = True

    def families(self) -> tuple[Family, ...]:
        """See `seams.Collector`; which there are is the kernel's to say."""
        try:
            reader = SockstatReader(Path("/"))
        except Failed:
            return ()
        reader.close()
        return tuple(Family(series.name, "gauge", _help(series.name)) for series in reader.series)

    def open(self, root: Path) -> SockstatReader:
        """See `seams.Collector`."""
        return SockstatReader(root)


class SockstatReader:
    """Reads both tables, whose fields never change while a kernel runs."""

    def __init__(self, root: Path) -> None:
        """Open them; IPv6 may be off."""
        self._files: list[tuple[KeptFile, list[tuple[int, float]]]] = []
        series: list[Series] = []
        for name in ("sockstat", "sockstat6"):
            try:
                file = KeptFile(root / "proc/net" / name, 1024)
            except Failed:
                if name == "sockstat6":
                    continue
                raise
            places = []
            for field, place, scale in _fields(file.read()):
                places.append((place, scale))
                series.append(Series(f"node_sockstat_{field}"))
            self._files.append((file, places))
        self.series = tuple(series)

    def read(self) -> Sequence[float]:
        """See `seams.Reader`."""
        values: list[float] = []
        for file, places in self._files:
            words = file.read().split()
            values += [int(words[place]) * scale for place, scale in places]
        return values

    def close(self) -> None:
        """See `seams.Reader`."""
        for file, _ in self._files:
            file.close()


def _fields(text: bytes) -> list[tuple[str, int, float]]:
    """``TCP: inuse 5 mem 2``: each field, its figure's place among all words, and the unit. Memory is told in pages too."""
    found = []
    place = 0
    for line in text.decode("ascii").splitlines():
        protocol, *words = line.split()
        for offset in range(0, len(words), 2):
            field = f"{protocol[:-1]}_{words[offset]}"
            found.append((field, place + offset + 2, 1.0))
            if words[offset] == "mem":
                found.append((f"{field}_bytes", place + offset + 2, float(_PAGE)))
        place += 1 + len(words)
    return found


def _help(name: str) -> str:
    protocol, field = name.removeprefix("node_sockstat_").split("_", 1)
    if protocol == "sockets":
        return "Number of IPv4 sockets in use."
    return f"Number of {protocol} sockets in state {field}."
