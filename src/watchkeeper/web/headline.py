"""The headline figures of one machine and its servers, from its newest frame and the one that was looked at before.

What only rises (processor time, bytes over the network) is a rate between those two looks, so that a machine costs one
question to the store however many figures it has. `board` calls it for the machines of which something new came in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from watchkeeper.model import Matcher, ProbeResult, Series, ServerStatus
from watchkeeper.seams import Store
from watchkeeper.web.desk import Presence
from watchkeeper.web.panels import PHYSICAL_NETWORK
from watchkeeper.web.shapes import MachineFigures, ServerFigures

SLOW_ROUND = 300
"""The longest round, in seconds, of figures that change slowly (file systems): older ones are not shown."""
ROUNDS = 3.5
"""Figures that rise are not known from samples further apart, or older, than so many rounds."""

_READ = (
    "node_memory_MemTotal_bytes",
    "node_memory_MemAvailable_bytes",
    "node_filesystem_avail_bytes",
    "node_filesystem_size_bytes",
    "node_load1",
    "process_proportional_memory_bytes",
    "process_resident_memory_bytes",
    "process_threads",
    "process_open_fds",
    "process_max_fds",
    "watchkeeper_server_processes",
    "probe_success",
    "probe_duration_seconds",
    "node_cpu_seconds_total",
    "node_network_receive_bytes_total",
    "node_network_transmit_bytes_total",
    "process_cpu_seconds_total",
)
_NAMES = Matcher("__name__", "=~", "|".join(_READ))
_NOT_PHYSICAL = re.compile(PHYSICAL_NETWORK.value)
_PSEUDO = frozenset({"tmpfs", "squashfs", "overlay", "ramfs"})


class Sample(NamedTuple):
    """The newest value of a series, of `at` (ms)."""

    series: Series
    at: int
    value: float


Newest = dict[tuple[str, str], list[Sample]]
"""Fresh samples of one machine, by server and metric."""


class Total(NamedTuple):
    """What had risen to `value` at `at` (ms); `rate` per second since the look before, None where it is not known."""

    at: int
    value: float
    rate: float | None = None


Totals = dict[str, Total]
"""What rises, by a name of ours: ``cpu``, ``idle``, ``receive``, ``transmit``, and ``cpu NAME`` of a server."""


def newest(store: Store, machine: str, now: int) -> Newest:
    """All that is shown of a machine, as its last frames have it."""
    found: Newest = {}
    for series, at, value in store.latest([_NAMES, Matcher("machine", "=", machine)]):
        if now - at <= SLOW_ROUND * 1000 and value == value:  # noqa: PLR0124  # NaN is no value
            found.setdefault((series.label("server"), series.name), []).append(Sample(series, at, value))
    return found


def totals(found: Newest, before: Totals, period: float) -> Totals:
    """What has risen how far, and how fast since `before`."""
    risen: Totals = {}
    processors = found.get(("", "node_cpu_seconds_total"), ())
    _add(risen, "cpu", processors)
    _add(risen, "idle", [one for one in processors if one.series.label("mode") == "idle"])
    for way in ("receive", "transmit"):
        whole = found.get(("", f"node_network_{way}_bytes_total"), ())
        _add(risen, way, [one for one in whole if not _NOT_PHYSICAL.fullmatch(one.series.label("device"))])
    for (server, metric), samples in found.items():
        if server and metric == "process_cpu_seconds_total":
            _add(risen, f"cpu {server}", samples)
    return {name: _rated(total, before.get(name), max(period, 1.0) * ROUNDS * 1000) for name, total in risen.items()}


def machine_figures(presence: Presence, found: Newest, risen: Mapping[str, Total], now: int) -> MachineFigures:
    """A machine's headline; what is not known is None."""

    def one(metric: str) -> float | None:
        samples = found.get(("", metric))
        return samples[0].value if samples else None

    total, available = one("node_memory_MemTotal_bytes"), one("node_memory_MemAvailable_bytes")
    used = total - available if total is not None and available is not None else None
    spent, idle = rate(risen, "cpu", presence, now), rate(risen, "idle", presence, now)
    fullest = _fullest(found)
    boot_at = presence.machine.boot_at
    return MachineFigures(
        cpu_ratio=1 - idle / spent if spent and idle is not None else None,
        memory_ratio=used / total if used is not None and total else None,
        memory_used_bytes=used,
        memory_total_bytes=total,
        disk_ratio=fullest[0] if fullest else None,
        disk_mountpoint=fullest[1] if fullest else None,
        disk_free_bytes=fullest[2] if fullest else None,
        load1=one("node_load1"),
        network_receive_bytes_per_second=rate(risen, "receive", presence, now),
        network_transmit_bytes_per_second=rate(risen, "transmit", presence, now),
        uptime_seconds=(now - boot_at) / 1000 if boot_at else None,
    )


def server_figures(
    presence: Presence, status: ServerStatus, found: Newest, risen: Mapping[str, Total], now: int
) -> ServerFigures:
    """A server's headline; nothing of one without a process, whose last figures would be those of one that is gone."""
    if not status.pid:
        return ServerFigures()

    def one(metric: str) -> float | None:
        samples = found.get((status.name, metric))
        return samples[0].value if samples else None

    proportional = one("process_proportional_memory_bytes")
    return ServerFigures(
        cpu_ratio=rate(risen, f"cpu {status.name}", presence, now),
        memory_bytes=proportional if proportional is not None else one("process_resident_memory_bytes"),
        threads=one("process_threads"),
        open_fds=one("process_open_fds"),
        max_fds=one("process_max_fds"),
        processes=one("watchkeeper_server_processes"),
    )


def freshened(probe: ProbeResult, server: str, found: Newest) -> ProbeResult:
    """A probe's last attempt as its figures have it: the agent tells of an attempt in words only when the verdict changes."""
    told: dict[str, Sample] = {}
    for metric in ("probe_success", "probe_duration_seconds"):
        for sample in found.get((server, metric), ()):
            if sample.series.label("probe") == probe.name:
                told[metric] = sample
    if len(told) < 2 or told["probe_success"].at <= probe.at or (told["probe_success"].value == 1) != probe.ok:
        return probe
    took = told["probe_duration_seconds"]
    return msgspec.structs.replace(probe, at=took.at, duration=took.value)


def rate(risen: Mapping[str, Total], name: str, presence: Presence, now: int) -> float | None:
    """How fast something rises now; None where that is not known any more."""
    total = risen.get(name)
    if total is None or now - total.at > max(presence.period, 1.0) * ROUNDS * 1000:
        return None
    return total.rate


def _add(risen: Totals, name: str, samples: tuple[Sample, ...] | list[Sample]) -> None:
    if samples:
        risen[name] = Total(max(one.at for one in samples), sum(one.value for one in samples))


def _rated(total: Total, before: Total | None, longest: float) -> Total:
    if before is None:
        return total
    if total.at == before.at:
        return before
    apart = total.at - before.at
    if not 0 < apart <= longest or total.value < before.value:  # a gap, or a counter that was reset
        return total
    return total._replace(rate=(total.value - before.value) / (apart / 1000))


def _fullest(found: Newest) -> tuple[float, str, float] | None:
    """The fullest file system: how full, where, and the bytes left; the worst and not the mean, which hides a full one."""
    left = {series.labels: value for series, _, value in found.get(("", "node_filesystem_avail_bytes"), ())}
    known = [
        (1 - left[series.labels] / size, series.label("mountpoint"), left[series.labels])
        for series, _, size in found.get(("", "node_filesystem_size_bytes"), ())
        if size > 0 and series.labels in left and series.label("fstype") not in _PSEUDO
    ]
    # One file system may be mounted at several places: the shortest name is the one that people know.
    return max(known, key=lambda one: (one[0], -len(one[1]))) if known else None
