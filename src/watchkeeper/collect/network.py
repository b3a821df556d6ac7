"""Traffic and state of each network interface: /proc/net/dev, and below /sys/class/net what rarely changes."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from watchkeeper.config import Timed
from watchkeeper.errors import Failed
from watchkeeper.kept import KeptFile
from watchkeeper.model import Family, Kind, Series

STATE_SECONDS = 5.0
"""How often an interface's state is read: a dozen small files each."""

_RECEIVE = ("bytes", "packets", "errs", "drop", "fifo", "frame", "compressed", "multicast")
_TRANSMIT = ("bytes", "packets", "errs", "drop", "fifo", "colls", "carrier", "compressed")
_TRAFFIC = tuple(
    Family(f"node_network_{name}_total", "counter", f"Network device statistic {name}.")
    for name in (*(f"receive_{field}" for field in _RECEIVE), *(f"transmit_{field}" for field in _TRANSMIT))
)


class _State(NamedTuple):
    file: str
    name: str
    kind: Kind = "gauge"
    scale: float = 1.0


_STATES = (
    _State("carrier", "carrier"),
    _State("carrier_changes", "carrier_changes_total", "counter"),
    _State("carrier_down_count", "carrier_down_changes_total", "counter"),
    _State("carrier_up_count", "carrier_up_changes_total", "counter"),
    _State("dormant", "dormant"),
    _State("ifindex", "iface_id"),
    _State("mtu", "mtu_bytes"),
    _State("speed", "speed_bytes", scale=125_000.0),
    _State("statistics/rx_nohandler", "receive_nohandler_total", "counter"),
    _State("tx_queue_len", "transmit_queue_length"),
)
_UP = Family("node_network_up", "gauge", "Value is 1 if operstate is 'up', 0 otherwise.")


class Network(Timed, frozen=True, kw_only=True):
    """``[collect.network]``: bytes, packets, errors and drops of each interface, whether it is up, and how fast."""

    enabled: bool = True

    def families(self) -> tuple[Family, ...]:
        """See `seams.Collector`."""
        states = tuple(
            Family(
                f"node_network_{state.name}",
                state.kind,
                f"Network device {'statistic receive_nohandler' if 'nohandler' in state.name else f'property: {state.name}'}"
                + ("." if "nohandler" in state.name else ""),
            )
            for state in _STATES
        )
        return (*_TRAFFIC, *states, _UP)

    def open(self, root: Path) -> NetworkReader:
        """See `seams.Collector`."""
        return NetworkReader(root)


class NetworkReader:
    """Reads traffic every time, states every few seconds; the layout changes as interfaces come and go."""

    def __init__(self, root: Path) -> None:
        """Open the table and look which interfaces there are."""
        self._folder = root / "sys/class/net"
        self._file = KeptFile(root / "proc/net/dev")
        self._names: list[bytes] = []
        self._states: list[Interface] = []
        self._figures: list[float] = []
        self._due = 0.0
        self.series: tuple[Series, ...] = ()
        self.read()

    def read(self) -> Sequence[float]:
        """See `seams.Reader`."""
        names = []
        values: list[float] = []
        for line in self._file.read().split(b"\n")[2:-1]:
            name, _, fields = line.partition(b":")
            names.append(name.strip())
            values += [float(field) for field in fields.split()]
        if names != self._names:
            self._look(names)
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + STATE_SECONDS
            self._figures = [figure for interface in self._states for figure in interface.read()]
        return values + self._figures

    def close(self) -> None:
        """See `seams.Reader`."""
        self._file.close()
        for interface in self._states:
            interface.close()

    def _look(self, names: list[bytes]) -> None:
        self._names = names
        for interface in self._states:
            interface.close()
        self._states = [Interface(self._folder, name.decode("utf-8", "replace")) for name in names]
        self._due = 0.0
        traffic = [Series(family.name, (("device", name.decode("utf-8", "replace")),)) for name in names for family in _TRAFFIC]
        self.series = (*traffic, *(series for interface in self._states for series in interface.series))


class Interface:
    """The small files below /sys/class/net/NAME that can be read, kept open."""

    def __init__(self, folder: Path, name: str) -> None:
        """Open those that give a figure now; a file of an interface that is down may exist and refuse."""
        labels = (("device", name),)
        self._files: list[tuple[KeptFile, float]] = []
        series = []
        for state in _STATES:
            try:
                file = KeptFile(folder / name / state.file, 64)
            except Failed:
                continue
            self._files.append((file, state.scale))
            series.append(Series(f"node_network_{state.name}", labels))
        self._operstate: KeptFile | None = None
        try:
            self._operstate = KeptFile(folder / name / "operstate", 64)
            series.append(Series(_UP.name, labels))
        except Failed:
            pass
        self.series = tuple(series)

    def read(self) -> list[float]:
        """One figure per series, NaN for what the kernel does not tell now."""
        values = []
        for file, scale in self._files:
            try:
                figure = int(file.read()) * scale
            except (OSError, ValueError):
                figure = math.nan
            values.append(figure)
        if self._operstate:
            try:
                values.append(float(self._operstate.read().strip() == b"up"))
            except OSError:
                values.append(math.nan)
        return values

    def close(self) -> None:
        """Give the descriptors back."""
        for file, _ in self._files:
            file.close()
        if self._operstate:
            self._operstate.close()
