"""The machine's figures where there is no /proc: psutil asked, the answers under the same names and units.

Comes in through the door `collect.leaves` on every system but Linux, which is why psutil is imported by
nothing that Linux loads. One function an aspect; what a system does not tell is left out, never made up.
Names are those of the Linux readers, so that a rule or a chart fits every machine of a fleet.
Source: psutil's documentation of its functions (psutil.readthedocs.io).
"""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from watchkeeper.collect.disk import Disk
from watchkeeper.collect.filesystem import Filesystem
from watchkeeper.collect.programs import Programs
from watchkeeper.errors import Failed
from watchkeeper.model import Family, Labels, Series
from watchkeeper.seams import Collector

Figure = tuple[str, Labels, float]
"""Name, labels, value: what one aspect tells of itself, one after the other."""

_CPU_MODES = {"interrupt": "irq", "dpc": "softirq"}
"""Where psutil's word for a mode (here: on Windows) is not the kernel's."""
_CPU_KNOWN = {"user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"}
_MEMORY = {
    "total": "MemTotal",
    "available": "MemAvailable",
    "free": "MemFree",
    "active": "Active",
    "inactive": "Inactive",
    "buffers": "Buffers",
    "cached": "Cached",
}
_MEMORY_FAMILIES = tuple(
    Family(f"node_memory_{field}_bytes", "gauge", f"Memory information field {field}_bytes.")
    for field in (*_MEMORY.values(), "SwapTotal", "SwapFree")
)
_DISK = {
    "read_count": ("reads_completed_total", 1.0),
    "read_bytes": ("read_bytes_total", 1.0),
    "read_time": ("read_time_seconds_total", 0.001),
    "write_count": ("writes_completed_total", 1.0),
    "write_bytes": ("written_bytes_total", 1.0),
    "write_time": ("write_time_seconds_total", 0.001),
    "busy_time": ("io_time_seconds_total", 0.001),
}
_NETWORK = {
    "bytes_recv": "receive_bytes_total",
    "packets_recv": "receive_packets_total",
    "errin": "receive_errs_total",
    "dropin": "receive_drop_total",
    "bytes_sent": "transmit_bytes_total",
    "packets_sent": "transmit_packets_total",
    "errout": "transmit_errs_total",
    "dropout": "transmit_drop_total",
}
_REMOTE = re.compile(r"^(nfs|smbfs|cifs|afpfs|webdav|fuse\.|macfuse|osxfuse)")
"""Kinds of file system that are on another machine: an answer that never comes would stop the whole round."""


def portable(leaves: Mapping[str, Collector]) -> dict[str, Collector]:
    """Those of `leaves` that this system can serve, each reading through psutil."""
    gather = {name: gatherer(leaf) for name, leaf in leaves.items() if (gatherer := _GATHERERS.get(name))}
    own = {name: leaf for name, leaf in leaves.items() if isinstance(leaf, Programs)}  # which asks the system itself
    return {**own, **{name: Ported(leaves[name], one) for name, one in gather.items()}}


class Ported:
    """A collector that keeps its leaf's settings and families, and reads in the portable way."""

    def __init__(self, leaf: Collector, gather: Callable[[], Iterator[Figure]]) -> None:
        """`gather` is one of the functions below."""
        self._leaf = leaf
        self._gather = gather

    def families(self) -> tuple[Family, ...]:
        """See `seams.Collector`; which fields of memory there are is told by /proc only."""
        return self._leaf.families() or _MEMORY_FAMILIES

    def open(self, root: Path) -> PortableReader:  # noqa: ARG002  # there is no tree to read below
        """See `seams.Collector`."""
        return PortableReader(self._gather)


class PortableReader:
    """A reader over any function that tells its figures one after the other; the layout follows what it tells."""

    def __init__(self, gather: Callable[[], Iterator[Figure]]) -> None:
        """Look once, to know the layout; raises Failed where the system does not tell this at all."""
        self._gather = gather
        self._keys: list[tuple[str, Labels]] = []
        self.series: tuple[Series, ...] = ()
        if not self.read():
            raise Failed("this system does not tell it", retry=False)

    def read(self) -> Sequence[float]:
        """See `seams.Reader`."""
        try:
            figures = list(self._gather())
        except (psutil.Error, NotImplementedError) as fault:
            raise Failed(f"the system did not answer: {fault}") from None
        keys = [(name, labels) for name, labels, _ in figures]
        if keys != self._keys:
            self._keys = keys
            self.series = tuple(Series(name, labels) for name, labels in keys)
        return [value for _, _, value in figures]

    def close(self) -> None:
        """Nothing is held open between reads."""


def cpu() -> Iterator[Figure]:
    """Time of each core by mode, interrupts, context switches."""
    for number, times in enumerate(psutil.cpu_times(percpu=True)):
        for field, seconds in times._asdict().items():
            mode = _CPU_MODES.get(field, field)
            if mode in _CPU_KNOWN:
                yield "node_cpu_seconds_total", (("cpu", str(number)), ("mode", mode)), float(seconds)
    counts = psutil.cpu_stats()
    yield "node_intr_total", (), float(counts.interrupts)
    yield "node_context_switches_total", (), float(counts.ctx_switches)


def memory() -> Iterator[Figure]:
    """Memory and swap in bytes."""
    found = psutil.virtual_memory()
    for field, name in _MEMORY.items():
        if hasattr(found, field):
            yield f"node_memory_{name}_bytes", (), float(getattr(found, field))
    swap = psutil.swap_memory()
    yield "node_memory_SwapTotal_bytes", (), float(swap.total)
    yield "node_memory_SwapFree_bytes", (), float(swap.free)


def load() -> Iterator[Figure]:
    """Load averages (psutil keeps them itself on Windows), time, boot time and who the kernel is."""
    yield from zip(("node_load1", "node_load5", "node_load15"), ((), (), ()), map(float, psutil.getloadavg()), strict=True)
    yield "node_time_seconds", (), time.time()
    yield "node_boot_time_seconds", (), float(psutil.boot_time())
    system = platform.uname()
    labels = (
        ("domainname", "(none)"),
        ("machine", system.machine),
        ("nodename", system.node),
        ("release", system.release),
        ("sysname", system.system),
        ("version", system.version),
    )
    yield "node_uname_info", labels, 1.0


def disk(leaf: Disk) -> Iterator[Figure]:
    """What each block device has read and written."""
    exclude = re.compile(leaf.exclude)
    for device, counts in sorted((psutil.disk_io_counters(perdisk=True, nowrap=True) or {}).items()):
        if exclude.search(device):
            continue
        for field, (name, scale) in _DISK.items():
            if hasattr(counts, field):
                yield f"node_disk_{name}", (("device", device),), getattr(counts, field) * scale


def network() -> Iterator[Figure]:
    """Traffic of each interface, whether it is up, its speed and the longest packet."""
    states = psutil.net_if_stats()
    for device, counts in sorted(psutil.net_io_counters(pernic=True, nowrap=True).items()):
        labels = (("device", device),)
        for field, name in _NETWORK.items():
            yield f"node_network_{name}", labels, float(getattr(counts, field))
        if state := states.get(device):
            yield "node_network_up", labels, float(state.isup)
            yield "node_network_mtu_bytes", labels, float(state.mtu)
            if state.speed:
                yield "node_network_speed_bytes", labels, state.speed * 125_000.0


def filesystem(leaf: Filesystem) -> Iterator[Figure]:
    """Space of each file system on this machine, and its files where the system counts them."""
    mounts, kinds = re.compile(leaf.exclude_mounts), re.compile(leaf.exclude_types)
    for found in psutil.disk_partitions(all=False):
        if mounts.search(found.mountpoint) or kinds.search(found.fstype) or _REMOTE.match(found.fstype):
            continue
        labels = (("device", found.device), ("fstype", found.fstype), ("mountpoint", found.mountpoint))
        try:
            space = psutil.disk_usage(found.mountpoint)
        except OSError:  # an empty drive, or one that is locked
            yield "node_filesystem_device_error", labels, 1.0
            continue
        yield "node_filesystem_avail_bytes", labels, float(space.free)
        yield "node_filesystem_device_error", labels, 0.0
        if hasattr(os, "statvfs"):
            with contextlib.suppress(OSError):
                files = os.statvfs(found.mountpoint)
                yield "node_filesystem_files", labels, float(files.f_files)
                yield "node_filesystem_files_free", labels, float(files.f_ffree)
        yield "node_filesystem_free_bytes", labels, float(space.total - space.used)
        yield "node_filesystem_readonly", labels, float("ro" in found.opts.split(","))
        yield "node_filesystem_size_bytes", labels, float(space.total)


_GATHERERS: dict[str, Callable[[Any], Callable[[], Iterator[Figure]]]] = {
    "cpu": lambda _: cpu,
    "memory": lambda _: memory,
    "load": lambda _: load,
    "disk": lambda leaf: functools.partial(disk, leaf),
    "network": lambda _: network,
    "filesystem": lambda leaf: functools.partial(filesystem, leaf),
}
"""What each leaf's name stands for here, bound to the leaf's settings."""
