"""Who a process is: what the kernel says, on real processes and on a made-up tree where pids are given out again."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from watchkeeper.keeper import living

BOOT = "c6ded931-7b23-4afa-b5b0-0174a7b5b75f"


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process with our mark."""
    mark = {living.KEEP: "k1", living.SERVER: "web", living.ORDER: "o1"}
    with subprocess.Popen(
        ["/bin/sh", "-c", "read x; exec sleep 1000"], stdin=subprocess.PIPE, env={**os.environ, **mark}
    ) as one:
        yield one
        one.kill()


def write(proc: Path, pid: int, start: int, exe: str = "/usr/bin/redis-server", *, state: str = "S", order: str = "") -> None:
    """One process of a made-up tree."""
    folder = proc / str(pid)
    (folder / "task" / str(pid)).mkdir(parents=True, exist_ok=True)
    fields = [state, "1", str(pid), str(pid), *["0"] * 15, str(start), *["0"] * 30]
    (folder / "stat").write_text(f"{pid} (a) Z 1 (b) {' '.join(fields)}\n")
    (folder / "exe").unlink(missing_ok=True)
    (folder / "exe").symlink_to(exe)
    mark = f"{living.KEEP}=k1\0{living.ORDER}={order}\0" if order else ""
    (folder / "environ").write_bytes(f"HOME=/\0{mark}PATH=/bin\0".encode())


def test_a_real_process_is_what_it_is(sleeper: subprocess.Popen[bytes]) -> None:
    """Start, executable, mark and children, as the kernel has them."""
    start = living.started(sleeper.pid)
    assert start >= living.started(os.getpid()) > 0
    assert living.executable(os.getpid()) == os.path.realpath(sys.executable)
    assert living.mark(sleeper.pid) == {living.KEEP: "k1", living.SERVER: "web", living.ORDER: "o1"}
    assert (sleeper.pid, living.mark(sleeper.pid)) in living.marked("k1")
    assert living.marked("k2") == []
    assert sleeper.pid in living.children(os.getpid())
    assert sleeper.pid in living.everybody()


def test_a_program_that_becomes_another_is_still_itself(sleeper: subprocess.Popen[bytes]) -> None:
    """By exec only the executable changes; whoever carries the order's mark is the order's."""
    start, before = living.started(sleeper.pid), living.executable(sleeper.pid)
    assert living.is_same(sleeper.pid, start, before)
    assert sleeper.stdin
    sleeper.stdin.write(b"\n")
    sleeper.stdin.flush()
    while living.executable(sleeper.pid) == before:
        pass
    assert not living.is_same(sleeper.pid, start, before)
    assert not living.is_same(sleeper.pid, start, before, "o2")
    assert living.is_same(sleeper.pid, start, before, "o1")


def test_the_mark_is_there_in_the_midst_of_an_exec_too(tmp_path: Path) -> None:
    """For an instant the kernel shows no environment of a program that becomes another: it is no stranger for that."""
    script = tmp_path / "again"
    script.write_text(f"exec /bin/sh {script}\n")
    with subprocess.Popen(["/bin/sh", script], env={living.ORDER: "o1"}) as one:
        try:
            while not living.mark(one.pid):
                pass
            assert {living.mark(one.pid).get(living.ORDER) for _ in range(10_000)} == {"o1"}
        finally:
            one.kill()


def test_nobody_is_waited_for_who_has_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was started without variables, one that has ended, and the kernel's own have no mark at once."""
    with subprocess.Popen(["/bin/sleep", "1000"], env={}) as one:
        while not living.executable(one.pid).endswith("sleep"):
            pass
        assert living.mark(one.pid) == {}
        monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail(f"waited {seconds} s"))
        assert living.mark(one.pid) == {}
        one.kill()
        os.waitid(os.P_PID, one.pid, os.WEXITED | os.WNOWAIT)
        assert living.mark(one.pid) == {}
    assert living.mark(one.pid) == {}
    assert living.mark(2) == {}


def test_a_pid_that_was_given_out_again_is_a_stranger(tmp_path: Path) -> None:
    """Another start: another process. The same start, as good as impossible: another executable, and no mark."""
    write(tmp_path, 4711, 1000)
    ours = (4711, 1000, "/usr/bin/redis-server", "o1", str(tmp_path))
    assert living.is_same(*ours)
    write(tmp_path, 4711, 1001)
    assert not living.is_same(*ours)
    write(tmp_path, 4711, 1000, "/usr/bin/vim")
    assert not living.is_same(*ours)
    write(tmp_path, 4711, 1000, "/usr/bin/vim", order="o2")
    assert not living.is_same(*ours)
    write(tmp_path, 4711, 1000, "/usr/bin/vim", order="o1")
    assert living.is_same(*ours)
    write(tmp_path, 4711, 1000, state="Z")
    assert not living.is_same(*ours)


def test_an_upgraded_program_keeps_its_name(tmp_path: Path) -> None:
    """A package that replaces the file under a running server makes no stranger of it."""
    write(tmp_path, 4711, 1000, "/usr/bin/redis-server (deleted)")
    assert living.executable(4711, str(tmp_path)) == "/usr/bin/redis-server"
    assert living.is_same(4711, 1000, "/usr/bin/redis-server", "", str(tmp_path))


def test_what_may_not_be_known_does_not_count(tmp_path: Path) -> None:
    """An executable that we may not see: pid and start must do."""
    write(tmp_path, 4711, 1000)
    (tmp_path / "4711" / "exe").unlink()
    assert living.is_same(4711, 1000, "/usr/bin/redis-server", "", str(tmp_path))
    assert living.is_same(4711, 1000, "", "", str(tmp_path))
    assert not living.is_same(4711, 0, "", "", str(tmp_path))


def test_the_kernels_own_are_known(tmp_path: Path) -> None:
    """By the flags of its stat: one that executes no file at all, not one whose file may not be seen."""
    write(tmp_path, 2, 1)
    stat = tmp_path / "2" / "stat"
    assert not living.of_the_kernel(2, str(tmp_path))
    stat.write_text("2 (kthreadd) S 0 0 0 0 -1 2129984 " + "0 " * 43)
    assert living.of_the_kernel(2, str(tmp_path))
    assert not living.of_the_kernel(os.getpid())


def test_nobody_is_nothing(tmp_path: Path) -> None:
    """No process, no field, no mark, no error."""
    assert living.fields(4711, str(tmp_path)) == []
    assert living.started(4711, str(tmp_path)) == 0
    assert living.executable(4711, str(tmp_path)) == ""
    assert not living.of_the_kernel(4711, str(tmp_path))
    assert living.mark(4711, str(tmp_path)) == {}
    assert living.boot_id(str(tmp_path)) == ""
    assert living.everybody(str(tmp_path / "none")) == []


def test_children_are_found_without_the_kernels_list(tmp_path: Path) -> None:
    """A kernel that does not list them: everybody is asked for his parent."""
    write(tmp_path, 1, 1)
    write(tmp_path, 4711, 1000)
    assert sorted(living.children(1, str(tmp_path))) == [1, 4711]
    (tmp_path / "1" / "task" / "1" / "children").write_text("4711 ")
    assert living.children(1, str(tmp_path)) == [4711]
