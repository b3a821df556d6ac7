"""The charts that can be asked for, as data: which metrics each reads and how they become lines.

One more chart is one more entry in `PANELS`. A panel's `draw` is pure: it gets the figures of its terms on one time axis
(rates already taken) and returns named lines, so that the live point, the short range and the year all come
from the same few lines of arithmetic. Reading and windows belong to `charts`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from watchkeeper.model import Matcher, Series

Values = NDArray[np.float64]


class Term(NamedTuple):
    """One metric that a panel reads; of a counter it sees the rate per second."""

    metric: str
    counter: bool = False
    where: tuple[Matcher, ...] = ()


class Column(NamedTuple):
    """The series of one term. `values`: float64[times, series], NaN = no value."""

    series: tuple[Series, ...]
    values: Values


Unit = Literal["ratio", "bytes", "bytes_per_second", "seconds", "count", "per_second"]
Columns = Mapping[str, Column]
Draw = Callable[[Columns], dict[str, Values]]


class Panel(NamedTuple):
    """A chart: `draw` makes each line's float64[times] from the terms' columns, by metric name."""

    name: str
    title: str
    unit: Unit
    about: str
    scope: Literal["machine", "server"]
    terms: tuple[Term, ...]
    draw: Draw


def total(values: Values) -> Values:
    """The sum over series at each time; NaN only where none has a value."""
    if not values.shape[1]:
        return np.full(len(values), np.nan)
    return np.where(np.isnan(values).all(axis=1), np.nan, np.nansum(values, axis=1))


def summed(**metrics: str) -> Draw:
    """One line for each metric: the sum over its series; a metric without any has no line."""

    def draw(columns: Columns) -> dict[str, Values]:
        return {line: total(columns[metric].values) for line, metric in metrics.items() if columns[metric].series}

    return draw


def each(metric: str, label: str) -> Draw:
    """One line for each value of a label: the sum over the series that share it."""

    def draw(columns: Columns) -> dict[str, Values]:
        return by_label(columns[metric], label)

    return draw


def shares(draw: Draw) -> Draw:
    """Lines of time in time, at most all of it: of a round that came late a rate tells more, and nothing waits longer."""
    return lambda columns: {line: np.minimum(values, 1.0) for line, values in draw(columns).items()}


def by_label(column: Column, label: str) -> dict[str, Values]:
    """A column's sums over the series with the same value of `label`, in the values' order."""
    places: dict[str, list[int]] = {}
    for place, series in enumerate(column.series):
        places.setdefault(series.label(label), []).append(place)
    return {value: total(column.values[:, places[value]]) for value in sorted(places)}


def _cpu(columns: Columns) -> dict[str, Values]:
    modes = by_label(columns["node_cpu_seconds_total"], "mode")
    if not modes:
        return {}
    every = total(np.column_stack(list(modes.values())))
    share = {mode: np.divide(spent, every, out=np.full(len(every), np.nan), where=every > 0) for mode, spent in modes.items()}
    lines = {mode: share.pop(mode) for mode in ("user", "system", "iowait", "steal") if mode in share}
    share.pop("idle", None)
    return lines | ({"other": total(np.column_stack(list(share.values())))} if share else {})


def _memory(columns: Columns) -> dict[str, Values]:
    of = {metric: total(column.values) for metric, column in columns.items() if column.series}
    lines = {}
    if "node_memory_MemTotal_bytes" in of and "node_memory_MemAvailable_bytes" in of:
        lines["used"] = of["node_memory_MemTotal_bytes"] - of["node_memory_MemAvailable_bytes"]
    cached = [of[metric] for metric in ("node_memory_Cached_bytes", "node_memory_Buffers_bytes") if metric in of]
    if cached:
        lines["cached"] = total(np.column_stack(cached))
    if "node_memory_MemFree_bytes" in of:
        lines["free"] = of["node_memory_MemFree_bytes"]
    return lines


def _filesystem(columns: Columns) -> dict[str, Values]:
    free = by_label(columns["node_filesystem_avail_bytes"], "mountpoint")
    lines = {}
    for mountpoint, size in by_label(columns["node_filesystem_size_bytes"], "mountpoint").items():
        if mountpoint in free:
            left = np.divide(free[mountpoint], size, out=np.full(len(size), np.nan), where=size > 0)
            lines[mountpoint] = 1 - left
    return lines


def _answer_time(columns: Columns) -> dict[str, Values]:
    trips = by_label(columns["probe_cloud_round_trip_seconds"], "probe")
    return by_label(columns["probe_duration_seconds"], "probe") | {f"{name}: round trip": trip for name, trip in trips.items()}


PHYSICAL_NETWORK = Matcher("device", "!~", "lo|(veth|docker|br-|virbr|cni|flannel|cali|tun|tap|wg|bond|dummy|vnet).*")
WHOLE_DISKS = Matcher("device", "!~", "(loop|ram|zram|dm-|md|sr|fd).*")
REAL_FILESYSTEMS = Matcher("fstype", "!~", "tmpfs|devtmpfs|ramfs|squashfs|overlay|iso9660|proc|sysfs|autofs")

_ALL = (
    Panel(
        "cpu",
        "CPU",
        "ratio",
        "Where the processors' time goes, as a share of all cores. Steal is time that the virtualisation host took away.",
        "machine",
        (Term("node_cpu_seconds_total", counter=True),),
        _cpu,
    ),
    Panel(
        "memory",
        "Memory",
        "bytes",
        "Used is what programs could not get back: total less available. Cached memory is given up when it is needed.",
        "machine",
        tuple(Term(f"node_memory_{name}_bytes") for name in ("MemTotal", "MemAvailable", "Cached", "Buffers", "MemFree")),
        _memory,
    ),
    Panel(
        "pressure",
        "Pressure",
        "ratio",
        "The share of time in which some work had to wait for processor, memory or disk: the surest sign of too little of it.",
        "machine",
        tuple(Term(f"node_pressure_{name}_waiting_seconds_total", counter=True) for name in ("cpu", "memory", "io")),
        shares(
            summed(
                cpu="node_pressure_cpu_waiting_seconds_total",
                memory="node_pressure_memory_waiting_seconds_total",
                io="node_pressure_io_waiting_seconds_total",
            )
        ),
    ),
    Panel(
        "load",
        "Load",
        "count",
        "How many tasks run or wait, over 1, 5 and 15 minutes. Above the number of cores, they queue.",
        "machine",
        tuple(Term(f"node_load{minutes}") for minutes in (1, 5, 15)),
        summed(**{"1 min": "node_load1", "5 min": "node_load5", "15 min": "node_load15"}),
    ),
    Panel(
        "network",
        "Network",
        "bytes_per_second",
        "Bytes received and sent each second over all physical interfaces.",
        "machine",
        tuple(
            Term(f"node_network_{way}_bytes_total", counter=True, where=(PHYSICAL_NETWORK,)) for way in ("receive", "transmit")
        ),
        summed(receive="node_network_receive_bytes_total", transmit="node_network_transmit_bytes_total"),
    ),
    Panel(
        "disk_io",
        "Disk traffic",
        "bytes_per_second",
        "Bytes read and written each second over all disks.",
        "machine",
        tuple(Term(f"node_disk_{way}_bytes_total", counter=True, where=(WHOLE_DISKS,)) for way in ("read", "written")),
        summed(read="node_disk_read_bytes_total", write="node_disk_written_bytes_total"),
    ),
    Panel(
        "disk_busy",
        "Disk busy",
        "ratio",
        "The share of time in which each disk had something to do. At 1 a hard disk is at its limit; an SSD may have room.",
        "machine",
        (Term("node_disk_io_time_seconds_total", counter=True, where=(WHOLE_DISKS,)),),
        shares(each("node_disk_io_time_seconds_total", "device")),
    ),
    Panel(
        "filesystem",
        "Disk space",
        "ratio",
        "How full each file system is, for programs that are not root.",
        "machine",
        tuple(Term(f"node_filesystem_{what}_bytes", where=(REAL_FILESYSTEMS,)) for what in ("avail", "size")),
        _filesystem,
    ),
    Panel(
        "server_cpu",
        "CPU",
        "ratio",
        "Processor time of the server and its children; 1 is one core kept busy.",
        "server",
        (Term("process_cpu_seconds_total", counter=True),),
        summed(cpu="process_cpu_seconds_total"),
    ),
    Panel(
        "server_memory",
        "Memory",
        "bytes",
        "Resident counts shared memory in full, proportional (PSS) only the server's part of it.",
        "server",
        (Term("process_resident_memory_bytes"), Term("process_proportional_memory_bytes")),
        summed(resident="process_resident_memory_bytes", proportional="process_proportional_memory_bytes"),
    ),
    Panel(
        "server_fds",
        "Open files",
        "count",
        "Open files and sockets, and the limit at which the next one fails.",
        "server",
        (Term("process_open_fds"), Term("process_max_fds")),
        summed(open="process_open_fds", limit="process_max_fds"),
    ),
    Panel(
        "server_threads",
        "Threads",
        "count",
        "Threads of the server and its children.",
        "server",
        (Term("process_threads"),),
        summed(threads="process_threads"),
    ),
    Panel(
        "server_io",
        "Disk traffic",
        "bytes_per_second",
        "Bytes that the server caused to be read from and written to disks each second.",
        "server",
        (Term("process_read_bytes_total", counter=True), Term("process_written_bytes_total", counter=True)),
        summed(read="process_read_bytes_total", write="process_written_bytes_total"),
    ),
    Panel(
        "probe_duration",
        "Answer time",
        "seconds",
        "How long each probe took to get its answer. A probe of a Cloud Server logs in twice and exchanges a burst; the round "
        "trip is that of one message and its receipt.",
        "server",
        (Term("probe_duration_seconds"), Term("probe_cloud_round_trip_seconds")),
        _answer_time,
    ),
    Panel(
        "server_up",
        "Up",
        "count",
        "Whether the server was up (1) or down (0); nothing where it was not known.",
        "server",
        (Term("watchkeeper_server_up"),),
        summed(up="watchkeeper_server_up"),
    ),
)

PANELS: dict[str, Panel] = {panel.name: panel for panel in _ALL}
