"""Our host figures beside the real node_exporter's, on this machine, at the same moment, series by series."""

from __future__ import annotations

import math
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from rigs.programs import until
from watchkeeper.collect import CollectSettings, leaves
from watchkeeper.collect.exposition import Parser
from watchkeeper.model import Family, Series

PROGRAM = shutil.which("prometheus-node-exporter") or shutil.which("node_exporter")
OURS_ALONE = {
    r"node_processes_": "a collector that is off there unless asked for",
    r"node_reboot_required": "told there by a text file that somebody has to write",
    r"node_network_receive_nohandler_total": "told by netlink there, by sysfs here; older exporters lack it",
}
"""Series that we have and node_exporter may not, and why."""

THEIRS_ALONE = {
    r"_info(\{|$)": "labels without a figure: what they say is in the machine's introduction",
    r"node_network_(address_assign_type|device_id|flags|iface_link|name_assign_type|net_dev_group|protocol)": "not watched",
}
"""Series of the same collectors that node_exporter has and we leave out, and why."""

COVERED = "cpu_ memory_ pressure_ vmstat_ load filesystem_ disk_ network_ netstat_ sockstat_ filefd_"
COVERED += " boot_ context_ intr_ forks_ procs_"
PREFIXES = tuple(f"node_{name}" for name in COVERED.split())
LOOSE = {
    "node_memory_": 0.10,
    "node_filesystem_": 0.01,
    "node_load": 0.25,
    "node_sockstat_": 1.0,
    "node_procs_": 20.0,
    "node_disk_io_now": 50.0,
    "node_entropy": 0.5,
    "node_filefd": 0.5,
    "node_netstat_Tcp_CurrEstab": 1.0,
}
"""How far a gauge may be from what the exporter said before and after, as a share of it (and a little more)."""


class Exporter:
    """A running node_exporter."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/metrics"

    def read(self) -> tuple[dict[Series, float], dict[str, Family]]:
        """Everything that it says now."""
        page = Parser(20_000).read(httpx.get(self.url, timeout=10).text)
        return dict(zip(page.series, page.values, strict=True)), {family.name: family for family in page.families}


@pytest.fixture(scope="module")
def exporter() -> Iterator[Exporter]:
    """The real one, on a free port of loopback."""
    if PROGRAM is None:
        pytest.skip("node_exporter is not installed (Debian: prometheus-node-exporter)")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    ours = CollectSettings()
    options = {  # Debian leaves out more than upstream does: both are to look at the same things
        "web.listen-address": f"127.0.0.1:{port}",
        "collector.filesystem.mount-points-exclude": ours.filesystem.exclude_mounts,
        "collector.filesystem.fs-types-exclude": ours.filesystem.exclude_types,
        "collector.diskstats.device-exclude": ours.disk.exclude,
        "collector.netdev.device-exclude": "^$",
    }
    command = [PROGRAM, *(f"--{name}={value}" for name, value in options.items())]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    try:
        until(answers, "node_exporter")
        yield Exporter(port)
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def compared(exporter: Exporter) -> dict[str, dict[Series, float]]:
    """What it said before, what we read, and what it said after."""
    readers = {name: leaf.open(Path("/")) for name, leaf in leaves(CollectSettings()).items()}
    exporter.read()
    before, families = exporter.read()
    ours: dict[Series, float] = {}
    for reader in readers.values():
        figures = reader.read()
        ours |= dict(zip(reader.series, figures, strict=True))
        reader.close()
    after, _ = exporter.read()
    return {"before": before, "ours": ours, "after": after, "families": families}  # type: ignore[dict-item]  # pages as they were read, of several kinds


def matched(series: Series, table: dict[str, str]) -> bool:
    """Whether a table excuses a series."""
    return any(re.search(pattern, series.text()) for pattern in table)


def test_each_of_our_series_is_one_of_its(compared: dict[str, dict[Series, float]]) -> None:
    """Same name, same labels."""
    ours = [series for series, value in compared["ours"].items() if series.name.startswith("node_") and not math.isnan(value)]
    strange = [series.text() for series in ours if series not in compared["before"] and not matched(series, OURS_ALONE)]
    assert strange == []
    assert len(ours) > 150


def test_each_of_its_series_is_one_of_ours(compared: dict[str, dict[Series, float]]) -> None:
    """Of the collectors that we have; what is left out is left out for a reason."""
    theirs = [series for series in compared["before"] if series.name.startswith(PREFIXES)]
    missing = [series.text() for series in theirs if series not in compared["ours"] and not matched(series, THEIRS_ALONE)]
    assert missing == []


def test_kinds_and_sentences_are_the_same(compared: dict[str, dict[Series, float]]) -> None:
    """TYPE and HELP, metric by metric."""
    families = compared["families"]
    wrong = []
    for name, leaf in leaves(CollectSettings()).items():
        for family in leaf.families():
            theirs = families.get(family.name)  # type: ignore[call-overload]  # pages as they were read, of several kinds
            if theirs and (theirs.kind, theirs.help) != (family.kind, family.help):
                wrong.append((name, family, theirs))
    assert wrong == []


def test_values_lie_between_before_and_after(compared: dict[str, dict[Series, float]]) -> None:
    """Counters exactly; gauges within what a moment may change."""
    wrong = []
    for series, value in compared["ours"].items():
        if series not in compared["before"] or series not in compared["after"] or math.isnan(value):
            continue
        low, high = sorted((compared["before"][series], compared["after"][series]))
        share = next((share for prefix, share in LOOSE.items() if series.name.startswith(prefix)), 0.0)
        # The exporter prints floats of a tick or a millisecond that we compute in another order.
        slack = abs(high) * share + (2_000_000 if share and series.name.endswith("_bytes") else 0) + 0.011 + abs(high) * 1e-9
        if series.name.startswith("node_network_receive_") or series.name.startswith("node_network_transmit_"):
            slack += 4096  # its own scrape goes over the wire while it is read
        if not low - slack <= value <= high + slack:
            wrong.append((series.text(), low, value, high))
    assert wrong == []
