"""Software RAID: disks that each array needs, has and has lost (/proc/mdstat)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from watchkeeper.config import Duration, Timed
from watchkeeper.errors import Failed
from watchkeeper.kept import KeptFile
from watchkeeper.model import Family, Series

_DISKS = Family("node_md_disks", "gauge", "Number of active/failed/spare disks of device.")
_REQUIRED = Family("node_md_disks_required", "gauge", "Total number of disks of device.")
_STATE = Family("node_md_state", "gauge", "Indicates the state of md-device.")
_WORK = {"recovery": "recovering", "reshape": "recovering", "resync": "resync", "check": "check"}
_STATES = ("active", "inactive", "recovering", "resync", "check")
_ARRAY = re.compile(r"^(md\S*) : (\w+)(?: \([^)]*\))*(?: (raid\d+|linear|multipath|faulty))?((?: \S+)*)$", re.MULTILINE)
_NEEDS = re.compile(r"\[(\d+)/(\d+)\]")
_WORKS = re.compile(r"\b(recovery|reshape|resync|check) *=")


class Mdadm(Timed, frozen=True, kw_only=True):
    """``[collect.mdadm]``: arrays of software RAID; every 30 s unless `period` says otherwise, nothing where there are none."""

    enabled: bool = True
    period: Duration | None = Duration(30)

    def families(self) -> tuple[Family, ...]:
        """See `seams.Collector`."""
        return (_DISKS, _REQUIRED, _STATE)

    def open(self, root: Path) -> MdadmReader:
        """See `seams.Collector`."""
        return MdadmReader(root)


class MdadmReader:
    """Reads the table; arrays come and go."""

    def __init__(self, root: Path) -> None:
        """Open it, if the kernel has it."""
        self._file: KeptFile | None = None
        self.series: tuple[Series, ...] = ()
        try:
            self._file = KeptFile(root / "proc/mdstat", 4096)
        except Failed:
            return

    def read(self) -> Sequence[float]:
        """See `seams.Reader`."""
        if self._file is None:
            return ()
        found = dict(_arrays(self._file.read().decode("ascii", "replace")))
        if tuple(found) != self.series:
            self.series = tuple(found)
        return list(found.values())

    def close(self) -> None:
        """See `seams.Reader`."""
        if self._file:
            self._file.close()


def _arrays(text: str) -> Iterator[tuple[Series, float]]:
    for found in _ARRAY.finditer(text):
        name, members = found[1], found[4].split()
        failed = sum("(F)" in member for member in members)
        spare = sum("(S)" in member for member in members)
        following = text[found.end() :].split("\n", 3)[1:2]
        needs = _NEEDS.search(following[0]) if following else None
        required = int(needs[1]) if needs else len(members) - spare
        active = int(needs[2]) if needs else len(members) - spare - failed
        yield Series(_REQUIRED.name, (("device", name),)), float(required)
        for state, count in (("active", active), ("failed", failed), ("spare", spare)):
            yield Series(_DISKS.name, (("device", name), ("state", state))), float(count)
        works = _WORKS.search(re.split(r"\n(?=\S)|\n\n", text[found.end() :], maxsplit=1)[0])
        now = _WORK[works[1]] if works else "active" if found[2] == "active" else "inactive"
        for state in _STATES:
            yield Series(_STATE.name, (("device", name), ("state", state))), float(state == now)
