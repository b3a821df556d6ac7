"""The readers for systems without /proc, held against those of Linux on the same machine at the same moment."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import psutil
import pytest

from watchkeeper.collect import CollectSettings, leaves
from watchkeeper.collect.filesystem import Filesystem
from watchkeeper.collect.network import Network
from watchkeeper.collect.portable import filesystem, portable
from watchkeeper.collect.portable_task import PortableTasks
from watchkeeper.collect.task import Tasks
from watchkeeper.errors import Failed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is nothing to hold them against elsewhere")

STEADY = (
    "_size_bytes",
    "_files",
    "_readonly",
    "_MemTotal_bytes",
    "_SwapTotal_bytes",
    "boot_time_seconds",
    "_mtu_bytes",
    "_info",
)
"""What must be the very same; the rest moves between the two readings."""


class Readings(NamedTuple):
    """Series and value as Linux tells them, as psutil does, and as Linux does once more: a machine does not stand still."""

    before: dict[str, float]
    ported: dict[str, float]
    after: dict[str, float]


@pytest.fixture(scope="module")
def readings() -> Readings:
    """Of this machine, one right after the other."""
    linux = leaves(CollectSettings())
    found: list[dict[str, float]] = []
    for collectors in (linux, portable(linux), linux):
        values: dict[str, float] = {}
        for leaf in collectors.values():
            reader = leaf.open(Path("/"))
            figures = reader.read()
            values |= {series.text(): value for series, value in zip(reader.series, figures, strict=True)}
            reader.close()
        found.append(values)
    return Readings(*found)


def test_every_portable_series_is_one_of_linux(readings: Readings) -> None:
    """No name, label or label's value that the Linux readers do not have."""
    assert len(readings.ported) > 40
    assert not readings.ported.keys() - readings.before.keys() - readings.after.keys()


def test_the_two_agree(readings: Readings) -> None:
    """The same units: what stands still is equal, what moves is near what it was before or after, or between them."""
    seen = [dict(readings.before), dict(readings.after)]
    for linux in seen:
        linux["node_memory_Cached_bytes"] += linux["node_memory_SReclaimable_bytes"]  # as psutil has it, after free(1)
    for name, value in readings.ported.items():
        known = [linux[name] for linux in seen if name in linux]
        if name.partition("{")[0].endswith(STEADY):
            assert value in known, name
        else:
            room = max(0.1 * max(known), 300e6 if "_bytes" in name else 50)
            assert min(known) - room <= value <= max(known) + room, name


def test_what_a_rule_needs_is_there(readings: Readings) -> None:
    """Memory, load, space, traffic and CPU: a chart or a rule finds what it asks for on every system."""
    for name in ("node_memory_MemAvailable_bytes", "node_load1", "node_boot_time_seconds", "node_filesystem_avail_bytes"):
        assert any(series.partition("{")[0] == name for series in readings.ported), name
    assert 'node_cpu_seconds_total{cpu="0",mode="idle"}' in readings.ported
    assert 'node_network_receive_bytes_total{device="lo"}' in readings.ported


def test_families_describe_every_series() -> None:
    """Each series that is read has a kind and a sentence."""
    for name, leaf in portable(leaves(CollectSettings())).items():
        told = {family.name for family in leaf.families()}
        assert {series.name for series in leaf.open(Path("/")).series} <= told, name


def test_a_layout_is_kept_while_nothing_comes_or_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same tuple while interfaces stay, a new one when one goes."""
    reader = portable({"network": Network()})["network"].open(Path("/"))
    layout = reader.series
    reader.read()
    assert reader.series is layout
    counters = psutil.net_io_counters(pernic=True)
    counters.pop("lo")
    monkeypatch.setattr(psutil, "net_io_counters", lambda **_: counters)
    reader.read()
    assert reader.series is not layout


def test_what_a_system_does_not_tell_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """No disk counters (a container, some virtual machines): the collector says so when opened, and nothing is made up."""
    monkeypatch.setattr(psutil, "disk_io_counters", lambda **_: None)
    leaf = portable(leaves(CollectSettings()))["disk"]
    with pytest.raises(Failed, match="does not tell"):
        leaf.open(Path("/"))


def test_a_drive_that_cannot_be_asked_is_an_error_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty drive is shown as failed; another machine's share is not asked at all."""
    drives = [
        SimpleNamespace(device="D:", fstype="", mountpoint="/no/such/place", opts="cdrom"),
        SimpleNamespace(device="far:/", fstype="nfs4", mountpoint="/far", opts="rw"),
    ]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: drives)
    labels = (("device", "D:"), ("fstype", ""), ("mountpoint", "/no/such/place"))
    assert list(filesystem(Filesystem())) == [("node_filesystem_device_error", labels, 1.0)]


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process with some work behind it, a thread and an open file."""
    code = "import threading, sys, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    code += "file = open('/dev/null'); sum(range(3_000_000)); print('ready', flush=True); sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def test_a_process_is_told_alike(child: subprocess.Popen[bytes]) -> None:
    """CPU, switches, memory, threads and files of one process, both ways."""
    time.sleep(0.05)  # it falls asleep
    ours, theirs = Tasks().open(child.pid).read(), PortableTasks().open(child.pid).read()
    assert ours is not None
    assert theirs is not None
    for place, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        if not math.isnan(other):
            assert other == pytest.approx(mine, rel=0.05, abs=3), place
    assert not math.isnan(theirs[0])
    assert Tasks().open(child.pid).files_limit() == PortableTasks().open(child.pid).files_limit()


def test_children_are_found_alike(child: subprocess.Popen[bytes]) -> None:
    """The one that we started is among ours."""
    assert child.pid in PortableTasks().children(os.getpid())
    assert PortableTasks().children(child.pid) == Tasks().children(child.pid) == []


def test_an_ended_process_tells_nothing(child: subprocess.Popen[bytes]) -> None:
    """A zombie is None, as is one that is gone, and one that never was is refused."""
    task = PortableTasks().open(child.pid)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert task.read() is None
    child.wait()
    assert task.read() is None
    with pytest.raises(Failed, match="no process"):
        PortableTasks().open(child.pid)
