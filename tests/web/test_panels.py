"""Panels as data: the arithmetic of those that do more than add up, and what all have in common."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from watchkeeper.model import Series
from watchkeeper.web.panels import (
    PANELS,
    PHYSICAL_NETWORK,
    REAL_FILESYSTEMS,
    WHOLE_DISKS,
    Column,
    by_label,
    shares,
    summed,
    total,
)

NAN = math.nan


def column(label: str, values: dict[str, list[float]]) -> Column:
    """A column with a series for each value of a label."""
    series = tuple(Series("x", ((label, value),)) for value in values)
    return Column(series, np.array(list(values.values()), np.float64).T.reshape(-1, len(values)))


def none() -> Column:
    """A term without any series."""
    return Column((), np.zeros((2, 0)))


@pytest.mark.parametrize("panel", PANELS.values(), ids=lambda panel: panel.name)
def test_every_panel_says_what_it_is(panel) -> None:
    """A title, a unit, a sentence; and with nothing to draw it draws nothing."""
    assert panel.title
    assert panel.about.endswith(".")
    assert panel.terms
    lines = panel.draw({term.metric: none() for term in panel.terms})
    assert all(np.isnan(line).all() for line in lines.values())


def test_total_is_unknown_only_where_all_are() -> None:
    """One figure missing does not hide the others."""
    values = np.array([[1, 2], [NAN, 2], [NAN, NAN]])
    np.testing.assert_array_equal(total(values), [3, 2, NAN])
    np.testing.assert_array_equal(total(np.zeros((2, 0))), [NAN, NAN])


def test_lines_by_label_are_sums() -> None:
    """Series that share the value are one line, in the values' order."""
    series = tuple(Series("x", (("cpu", cpu), ("mode", mode))) for cpu in "01" for mode in ("user", "idle"))
    lines = by_label(Column(series, np.array([[1.0, 2, 3, 4]])), "mode")
    assert {name: line.tolist() for name, line in lines.items()} == {"idle": [6], "user": [4]}
    assert list(lines) == ["idle", "user"]


def test_a_share_of_time_is_never_more_than_all_of_it() -> None:
    """A rate that a late round has made too high ends at 1; what is not known stays unknown."""
    seen = {"x": Column((Series("x", ()),), np.array([[0.25], [1.25], [np.nan]]))}
    assert shares(summed(wait="x"))(seen)["wait"] == pytest.approx([0.25, 1.0, np.nan], nan_ok=True)


def test_cpu_shares_add_up_to_all_but_idle() -> None:
    """Of all time spent, idle apart; small modes together as other; no time spent is not known."""
    modes = {"idle": [6.0, 0], "user": [2.0, 0], "system": [1.0, 0], "iowait": [0.5, 0], "irq": [0.25, 0], "nice": [0.25, 0]}
    lines = PANELS["cpu"].draw({"node_cpu_seconds_total": column("mode", modes)})
    assert {name: line[0] for name, line in lines.items()} == {"user": 0.2, "system": 0.1, "iowait": 0.05, "other": 0.05}
    assert all(np.isnan(line[1]) for line in lines.values())


def test_memory_used_is_what_is_not_available() -> None:
    """Each line needs its own figures alone."""
    figures = {"MemTotal": 100.0, "MemAvailable": 70.0, "Cached": 30.0, "Buffers": 5.0, "MemFree": 40.0}
    columns = {f"node_memory_{name}_bytes": column("machine", {"a": [value]}) for name, value in figures.items()}
    assert {name: line[0] for name, line in PANELS["memory"].draw(columns).items()} == {"used": 30, "cached": 35, "free": 40}
    columns["node_memory_MemAvailable_bytes"] = none()
    assert set(PANELS["memory"].draw(columns)) == {"cached", "free"}


def test_file_systems_are_shown_by_how_full_they_are() -> None:
    """One line each; one without a size or of size nought is not known."""
    size = column("mountpoint", {"/": [100.0, 100], "/empty": [0.0, 0], "/new": [50.0, NAN]})
    free = column("mountpoint", {"/": [25.0, 0], "/empty": [0.0, 0], "/other": [1.0, 1], "/new": [50.0, NAN]})
    lines = PANELS["filesystem"].draw({"node_filesystem_size_bytes": size, "node_filesystem_avail_bytes": free})
    assert sorted(lines) == ["/", "/empty", "/new"]
    np.testing.assert_array_equal(lines["/"], [0.75, 1])
    np.testing.assert_array_equal(lines["/empty"], [NAN, NAN])
    np.testing.assert_array_equal(lines["/new"], [0, NAN])


@pytest.mark.parametrize(
    ("matcher", "shown", "hidden"),
    [
        (
            PHYSICAL_NETWORK,
            ["eth0", "enp3s0", "wlan0", "eno1", "lowpan0"],
            ["lo", "veth12ab", "docker0", "br-1", "tun0", "wg0"],
        ),
        (WHOLE_DISKS, ["sda", "nvme0n1", "vda", "xvda"], ["loop0", "ram1", "zram0", "dm-0", "md127", "sr0", "fd0"]),
        (REAL_FILESYSTEMS, ["ext4", "xfs", "btrfs", "zfs", "nfs4"], ["tmpfs", "overlay", "squashfs", "proc"]),
    ],
)
def test_what_is_counted_and_what_is_not(matcher, shown: list[str], hidden: list[str]) -> None:
    """Traffic that passes a bridge or a loop is not counted twice."""
    assert matcher.op == "!~"
    assert not [name for name in shown if re.fullmatch(matcher.value, name)]
    assert not [name for name in hidden if not re.fullmatch(matcher.value, name)]
