"""The table of processes read from a captured /proc: odd names, the kernel's own, what ends meanwhile."""

from __future__ import annotations

from pathlib import Path

from watchkeeper.proctable.linux import KERNEL_LOOKS, LinuxTable
from watchkeeper.proctable.names import KERNEL


def test_a_captured_tree(tmp_path: Path) -> None:
    """Names with brackets, the kernel's own, the dead, those that end under our eyes: each told for what it is, or left out."""
    tail = "0 " * 6 + "150 50 0 0 20 0 1 0 {start} 1000 256 " + "0 " * 20
    for pid, name, state, parent in (
        (2, "kthreadd", "S", 0),
        (9, "kworker/0:1", "I", 2),
        (30, "a) (b", "S", 1),
        (31, "gone", "Z", 1),
    ):
        folder = tmp_path / str(pid)
        folder.mkdir()
        (folder / "stat").write_text(f"{pid} ({name}) {state} {parent} 1 1 0 {tail.format(start=77)}\n")
    (tmp_path / "30" / "cmdline").write_bytes(b"/usr/bin/a) (b-and-more\0--password\0hunter2\0")
    (tmp_path / "30" / "io").write_text("rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 50\nwrite_bytes: 60\n")
    (tmp_path / "44").mkdir()
    (tmp_path / "self").mkdir()
    table = LinuxTable(tmp_path)
    found = {process.pid: process for process in table.look()}
    assert sorted(found) == [2, 9, 30]
    assert [table.name(found[pid]) for pid in (2, 9, 30)] == [KERNEL, KERNEL, "a) (b"]
    assert (found[30].cpu, found[30].started) == (2.0, 77.0)
    assert (table.moved(30), table.moved(9)) == ((50.0, 60.0), None)
    (tmp_path / "9" / "stat").write_text((tmp_path / "9" / "stat").read_text().replace(" 150 50 ", " 350 50 "))
    told = [next(process.cpu for process in table.look() if process.pid == 9) for _ in range(KERNEL_LOOKS)]
    assert told == [2.0] * (KERNEL_LOOKS - 1) + [4.0]  # the kernel's own are read now and then
