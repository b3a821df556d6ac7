"""The driver `pidfile`: whose number a file holds, and that no stranger is signalled or taken for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from watchkeeper.config import parse
from watchkeeper.control.identity import identify
from watchkeeper.control.pidfile import Pidfile, PidfileReach, pid_in, send
from watchkeeper.errors import ConfigError, Failed
from watchkeeper.watched import read_settings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pid files are read against /proc")

HIDDEN = """
import ctypes, time
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE: who may not trace it may not see what it executes
print("hidden", flush=True)
time.sleep(1000)
"""
LOOK = """
import asyncio, ctypes, sys
from pathlib import Path
from watchkeeper.control.pidfile import Pidfile
from watchkeeper.errors import Failed
ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())  # also root may not, from here on
path = Path(sys.argv[1])
try:
    print(asyncio.run(Pidfile(pidfile=path, program=Path(sys.executable)).open("a", path, lambda: None).look()))
except Failed as fault:
    print(fault.why)
"""


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is nobody's daemon."""
    process = subprocess.Popen(["sleep", "1000"])
    yield process
    process.kill()
    process.wait()


def reach(path: Path, **more: object) -> PidfileReach:
    """The driver at work on a file."""
    return PidfileReach(Pidfile(pidfile=path, **more), path.with_name("log"))  # type: ignore[arg-type]  # a test's own


def test_what_a_file_names(tmp_path: Path) -> None:
    """A number, with what else daemons write behind it; anything else is none."""
    path = tmp_path / "a.pid"
    assert pid_in(path) == 0
    for text, pid in (("12\n", 12), (" 7 2026-01-01\n", 7), ("", 0), ("-4", 0), ("0", 0), ("x", 0), ("99999999999", 0)):
        path.write_text(text)
        assert pid_in(path) == pid, text


async def test_a_number_that_was_given_out_again_is_a_strangers(tmp_path: Path, stranger: subprocess.Popen[bytes]) -> None:
    """With `program` another program is another; without, one that began after the file is not taken for the daemon."""
    path = tmp_path / "a.pid"
    path.write_text(str(stranger.pid))
    program = Path(identify(stranger.pid).executable)
    assert (await reach(path, program=program).look()).state == "running"
    seen = await reach(path, program=Path("/usr/sbin/other")).look()
    assert seen.state == "stopped"
    assert "another program" in seen.words
    os.utime(path, (1, 1))
    with pytest.raises(Failed, match="began after"):
        await reach(path).look()


def test_a_program_that_may_not_be_seen_is_neither_up_nor_down(tmp_path: Path) -> None:
    """An agent without the right to see what a process executes says so: it takes no living daemon for a stranger."""
    path = tmp_path / "a.pid"
    with subprocess.Popen([sys.executable, "-c", HIDDEN], stdout=subprocess.PIPE) as hidden:
        try:
            assert hidden.stdout
            assert hidden.stdout.readline() == b"hidden\n"
            path.write_text(str(hidden.pid))
            looked = subprocess.run([sys.executable, "-c", LOOK, path], capture_output=True, text=True, check=True)
            assert looked.stdout == f"this agent may not see what process {hidden.pid} of {path} executes\n"
        finally:
            hidden.kill()


async def test_one_that_was_seen_stays_known_without_its_file(tmp_path: Path, stranger: subprocess.Popen[bytes]) -> None:
    """A daemon whose file somebody has deleted still runs; once it has ended, and the file is old, it does not."""
    path = tmp_path / "a.pid"
    path.write_text(str(stranger.pid))
    one = reach(path)
    mark = (await one.look()).mark
    path.unlink()
    seen = await one.look()
    assert (seen.state, seen.mark) == ("running", mark)
    stranger.kill()
    stranger.wait()
    path.write_text(str(stranger.pid))
    seen = await one.look()
    assert (seen.state, seen.clean) == ("stopped", False)


def test_nobody_else_is_signalled(stranger: subprocess.Popen[bytes]) -> None:
    """An identity that is not the process's any more gets no signal to whoever has its number."""
    mine = identify(stranger.pid)
    send(msgspec.structs.replace(mine, start_ticks=mine.start_ticks - 1), signal.SIGKILL)
    send(None, signal.SIGKILL)
    assert stranger.poll() is None
    send(mine, signal.SIGKILL)
    assert stranger.wait() == -signal.SIGKILL


def test_what_cannot_be_done_is_refused_in_the_file(tmp_path: Path) -> None:
    """Keys that need a verb which it lacks, and signs of life that it cannot give, are faults with their place."""
    head = '[server.a]\ndriver = "pidfile"\npidfile = "a.pid"\n'
    for more, why in (
        ("autostart = true", "cannot start it without a command `start`"),
        ('schedule = { restart = "0 4 * * *" }', "schedule: its driver pidfile cannot restart it"),
        ('limits = { fds = { above = 9, then = "restart" } }', "limits.fds"),
        ("liveness = { notify = true }", "READY=1"),
        ('command = ["x"]', "unknown key 'command'"),
    ):
        with pytest.raises(ConfigError, match=why):
            read_settings(parse({str(tmp_path / "w.toml"): head + more}))
    found = read_settings(parse({str(tmp_path / "w.toml"): head})).server["a"]
    assert (found.driver, getattr(found, "pidfile", None)) == ("pidfile", tmp_path / "a.pid")
