"""What each block device has read, written, discarded and flushed, and for how long it was busy: /proc/diskstats.

Fields as in the kernel's Documentation/admin-guide/iostats.rst; a sector there is 512 bytes, always.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from watchkeeper.config import Timed
from watchkeeper.kept import KeptFile
from watchkeeper.model import Family, Kind, Series


class _Field(NamedTuple):
    name: str
    scale: float
    help: str
    kind: Kind = "counter"


_FIELDS = (
    _Field("reads_completed_total", 1, "The total number of reads completed successfully."),
    _Field("reads_merged_total", 1, "The total number of reads merged."),
    _Field("read_bytes_total", 512, "The total number of bytes read successfully."),
    _Field("read_time_seconds_total", 0.001, "The total number of seconds spent by all reads."),
    _Field("writes_completed_total", 1, "The total number of writes completed successfully."),
    _Field("writes_merged_total", 1, "The number of writes merged."),
    _Field("written_bytes_total", 512, "The total number of bytes written successfully."),
    _Field("write_time_seconds_total", 0.001, "This is the total number of seconds spent by all writes."),
    _Field("io_now", 1, "The number of I/Os currently in progress.", "gauge"),
    _Field("io_time_seconds_total", 0.001, "Total seconds spent doing I/Os."),
    _Field("io_time_weighted_seconds_total", 0.001, "The weighted # of seconds spent doing I/Os."),
    _Field("discards_completed_total", 1, "The total number of discards completed successfully."),
    _Field("discards_merged_total", 1, "The total number of discards merged."),
    _Field("discarded_sectors_total", 1, "The total number of sectors discarded successfully."),
    _Field("discard_time_seconds_total", 0.001, "This is the total number of seconds spent by all discards."),
    _Field("flush_requests_total", 1, "The total number of flush requests completed successfully"),
    _Field("flush_requests_time_seconds_total", 0.001, "This is the total number of seconds spent by all flush requests."),
)


class Disk(Timed, frozen=True, kw_only=True):
    """``[collect.disk]``: what block devices do; `exclude` is a regular expression of those left out (partitions, loops)."""

    enabled: bool = True
    exclude: str = r"^(ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$"

    def __post_init__(self) -> None:
        """Refuse what is no regular expression while its place is known."""
        try:
            re.compile(self.exclude)
        except re.error as fault:
            raise ValueError(f"{self.exclude!r} is no regular expression: {fault}") from None

    def families(self) -> tuple[Family, ...]:
        """See `seams.Collector`."""
        return tuple(Family(f"node_disk_{field.name}", field.kind, field.help) for field in _FIELDS)

    def open(self, root: Path) -> DiskReader:
        """See `seams.Collector`."""
        return DiskReader(root, re.compile(self.exclude))


class DiskReader:
    """Reads /proc/diskstats; the layout changes as devices come and go."""

    def __init__(self, root: Path, exclude: re.Pattern[str]) -> None:
        """Open it and look which devices there are."""
        self._file = KeptFile(root / "proc/diskstats")
        self._exclude = exclude
        self._all: list[bytes] = []
        self._kept: list[bool] = []
        self.series: tuple[Series, ...] = ()
        self.read()

    def read(self) -> Sequence[float]:
        """See `seams.Reader`."""
        lines = [line.split() for line in self._file.read().splitlines()]
        names = [words[2] for words in lines]
        if names != self._all:
            self._all = names
            self._kept = [not self._exclude.search(name.decode("utf-8", "replace")) for name in names]
            self.series = self._layout(lines)
        values: list[float] = []
        for words, kept in zip(lines, self._kept, strict=True):
            if kept:
                values += [int(word) * field.scale for word, field in zip(words[3:], _FIELDS, strict=False)]
        return values

    def close(self) -> None:
        """See `seams.Reader`."""
        self._file.close()

    def _layout(self, lines: list[list[bytes]]) -> tuple[Series, ...]:
        """Older kernels tell fewer fields."""
        series: list[Series] = []
        for words, kept in zip(lines, self._kept, strict=True):
            if kept:
                device = (("device", words[2].decode("utf-8", "replace")),)
                series += [Series(f"node_disk_{field.name}", device) for _, field in zip(words[3:], _FIELDS, strict=False)]
        return tuple(series)
