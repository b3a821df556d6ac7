"""Temperatures.

The kernel's hardware monitors with their own limits, and thermal zones (/sys/class/hwmon, /sys/class/thermal).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from watchkeeper.config import Duration, Timed
from watchkeeper.errors import Failed
from watchkeeper.kept import KeptFile
from watchkeeper.model import Family, Labels, Series

_KINDS = {
    "input": Family("node_hwmon_temp_celsius", "gauge", "Hardware monitor for temperature (input)"),
    "max": Family("node_hwmon_temp_max_celsius", "gauge", "Hardware monitor for temperature (max)"),
    "crit": Family("node_hwmon_temp_crit_celsius", "gauge", "Hardware monitor for temperature (crit)"),
    "alarm": Family("node_hwmon_temp_alarm", "gauge", "Hardware sensor alarm status (temp)"),
    "crit_alarm": Family("node_hwmon_temp_crit_alarm_celsius", "gauge", "Hardware monitor for temperature (crit_alarm)"),
}
_FLAGS = ("alarm", "crit_alarm")
"""Nought or one, and no thousandths of a degree. node_exporter takes the second for a temperature, as its name says, and tells
0.001 of a raised one; everybody's rules ask whether it is 1, and so it is here."""
_ZONE = Family("node_thermal_zone_temp", "gauge", "Zone temperature in Celsius")
_UNCLEAN = re.compile(r"[^a-z0-9:_]+")
MOST = 256
"""Sensors that are read: far above any machine."""


class Hwmon(Timed, frozen=True, kw_only=True):
    """``[collect.hwmon]``: temperatures with their own limits; every 30 s unless `period` says otherwise."""

    enabled: bool = True
    period: Duration | None = Duration(30)

    def families(self) -> tuple[Family, ...]:
        """See `seams.Collector`."""
        return (*_KINDS.values(), _ZONE)

    def open(self, root: Path) -> HwmonReader:
        """See `seams.Collector`."""
        return HwmonReader(root)


class HwmonReader:
    """Keeps a file open for each sensor; a sensor that cannot be read at present has no figure."""

    def __init__(self, root: Path) -> None:
        """Look which sensors there are; none is no fault."""
        self._files: list[KeptFile] = []
        self._parts: list[int] = []
        series: list[Series] = []
        for path, one in (*_monitors(root), *_zones(root)):
            try:
                file = KeptFile(path, 64)
                file.read()
            except (Failed, OSError):
                continue
            self._files.append(file)
            self._parts.append(1 if path.name.endswith(_FLAGS) else 1000)
            series.append(one)
            if len(series) == MOST:
                break
        self.series = tuple(series)

    def read(self) -> Sequence[float]:
        """See `seams.Reader`."""
        return [_figure(file, parts) for file, parts in zip(self._files, self._parts, strict=True)]

    def close(self) -> None:
        """See `seams.Reader`."""
        for file in self._files:
            file.close()


def _figure(file: KeptFile, parts: int) -> float:
    """What a sensor says, of which so many parts make one."""
    try:
        return int(file.read()) / parts
    except (OSError, ValueError):
        return float("nan")


def _monitors(root: Path) -> Iterator[tuple[Path, Series]]:
    for chip in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        name = _chip(chip)
        for path in sorted(chip.glob("temp*_input")):
            sensor = path.name.removesuffix("_input")
            labels: Labels = (("chip", name), ("sensor", sensor))
            for kind, family in _KINDS.items():
                if (file := chip / f"{sensor}_{kind}").exists():
                    yield file, Series(family.name, labels)


def _zones(root: Path) -> Iterator[tuple[Path, Series]]:
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        kind = _text(zone / "type")
        labels = (("type", kind), ("zone", zone.name.removeprefix("thermal_zone")))
        yield zone / "temp", Series(_ZONE.name, labels)


def _chip(folder: Path) -> str:
    """As node_exporter calls it: bus and device, which stay when drivers load in another order; else the driver's name."""
    device = folder / "device"
    if device.exists():
        real = device.resolve()
        kind, name = _clean(real.parent.name), _clean(real.name)
        if kind and name:
            return f"{kind}_{name}"
    return _clean(_text(folder / "name")) or folder.name


def _clean(name: str) -> str:
    return _UNCLEAN.sub("_", name.lower()).strip("_")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
