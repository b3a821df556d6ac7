"""Limits of a control group where they are delegated, on a made-up tree; what cannot be had is told by name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rigs.keeping import SLEEP, finish, home, soon, sweep
from watchkeeper.keeper import cgroup

WANTED = {"memory_max": "1048576", "cpu_max": "150000 100000", "pids_max": "5"}


def tree(path: Path, controllers: str) -> Path:
    """A group as the kernel shows it."""
    path.mkdir()
    (path / "cgroup.controllers").write_text(controllers)
    (path / "cgroup.subtree_control").write_text("")
    (path / "cgroup.procs").write_text("")
    return path


def with_files(path: Path) -> None:
    """The kernel makes a new group's files by itself; a folder of ours needs them."""
    path.mkdir()
    for name in ("memory.max", "cpu.max", "pids.max", "cgroup.procs"):
        (path / name).touch()


def test_limits_are_written_before_anybody_is_in(tmp_path: Path) -> None:
    """All three, in the kernel's own words, and then the process."""
    base = tree(tmp_path / "base", "cpuset cpu io memory pids\n")
    with_files(base / "watchkeeper-web")
    assert cgroup.join("web", WANTED, str(base)) == (str(base / "watchkeeper-web"), [])
    found = {path.name: path.read_text() for path in (base / "watchkeeper-web").iterdir()}
    assert found == {"memory.max": "1048576", "cpu.max": "150000 100000", "pids.max": "5", "cgroup.procs": "0"}
    assert (base / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"


def test_what_is_not_delegated_is_named_and_the_rest_is_in_force(tmp_path: Path) -> None:
    """One controller is missing: its limit is told, the others hold."""
    base = tree(tmp_path / "base", "cpu pids\n")
    with_files(base / "watchkeeper-web")
    folder, warnings = cgroup.join("web", WANTED, str(base))
    assert folder == str(base / "watchkeeper-web")
    assert warnings == [f"memory_max is not in force: the controller memory is not delegated to {base}"]
    assert (base / "watchkeeper-web" / "memory.max").read_text() == ""
    assert (base / "watchkeeper-web" / "pids.max").read_text() == "5"


def test_without_any_controller_no_group_is_made(tmp_path: Path) -> None:
    """Three sentences, and the server runs where we are."""
    base = tree(tmp_path / "base", "hugetlb\n")
    folder, warnings = cgroup.join("web", WANTED, str(base))
    assert folder == ""
    assert [words.split()[0] for words in warnings] == ["cpu_max", "memory_max", "pids_max"]
    assert not (base / "watchkeeper-web").exists()


def test_a_file_that_refuses_is_named(tmp_path: Path) -> None:
    """The path and what the system said."""
    base = tree(tmp_path / "base", "memory\n")
    (base / "watchkeeper-web").mkdir()
    folder, warnings = cgroup.join("web", {"memory_max": "1048576"}, str(base))
    assert folder == ""
    assert warnings == [f"memory_max not in force: {base}/watchkeeper-web/memory.max: No such file or directory"]


def test_a_group_is_removed_when_it_is_empty(tmp_path: Path) -> None:
    """And stays while somebody is in it; one that is gone is no error."""
    (tmp_path / "group").mkdir()
    cgroup.remove(str(tmp_path / "group"))
    cgroup.remove(str(tmp_path / "group"))
    assert not (tmp_path / "group").exists()


@pytest.fixture
def swept(tmp_path: Path) -> Iterator[Path]:
    """A run folder that is cleared."""
    yield tmp_path
    sweep(tmp_path)


async def test_a_server_runs_with_its_limits_or_with_the_warning(swept: Path) -> None:
    """The real kernel: either the limit is in the server's own group, or a sentence says which one is not in force."""
    async with home(swept) as one:
        process = await one.spawn(SLEEP, pids_max="50")
        await soon(lambda: "sleep" in os.readlink(f"/proc/{process.pid}/exe"), "its own program")
        base = cgroup.own_group()
        folder = Path(base) / "watchkeeper-web"
        if folder.exists():
            assert (folder / "pids.max").read_text().strip() == "50"
            assert str(process.pid) in (folder / "cgroup.procs").read_text().split()
        else:
            await soon(lambda: one.warned, "the warning")
            assert one.warned[0][0] == "web"
            assert "pids_max" in one.warned[0][1] or "no control groups" in one.warned[0][1]
        process.kill()
        await finish(process)
        await soon(lambda: not folder.exists(), "the group's end")
