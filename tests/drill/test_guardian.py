"""The guardian undoes all of it: when its line ends, when whoever holds it is killed, and when the time is up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from rigs.programs import is_alive, until
from watchkeeper.drill import guardian

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")
PROGRAM = str(Path(guardian.__file__))


def sleeper(mark: str, *, deaf: bool = False) -> subprocess.Popen[bytes]:
    """A process that carries the mark."""
    ignoring = "signal.signal(signal.SIGTERM, signal.SIG_IGN); " if deaf else ""
    code = f"import signal, time; {ignoring}print('there', flush=True); time.sleep(1000)"
    marked = os.environ | {"WATCHKEEPER_DRILL": mark}
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=marked)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    """Wait for it and close what was read from it."""
    process.wait(30)
    assert process.stdout is not None
    process.stdout.close()


@pytest.mark.slow
def test_it_undoes_all_when_its_holder_is_killed(tmp_path: Path) -> None:
    """By kill -9 of the holder: what is stopped and what is deaf ends, folder and ballast go, what is not marked stays."""
    mark = uuid.uuid4().hex
    folder, elsewhere = tmp_path / "drill", tmp_path / "volume"
    folder.mkdir()
    elsewhere.mkdir()
    (elsewhere / "watchkeeper-ballast").write_bytes(b"x" * 1000)
    (elsewhere / "precious").write_bytes(b"x")
    (folder / "remove").write_text(f"{elsewhere}/watchkeeper-ballast\n{elsewhere}/precious\n")
    mine, deaf, other = sleeper(mark), sleeper(mark, deaf=True), sleeper("another")
    os.kill(mine.pid, signal.SIGSTOP)
    words = [sys.executable, "-I", "-S", PROGRAM, mark, str(folder), "600"]
    code = f"import subprocess, sys; subprocess.Popen({words!r}, stdin=subprocess.PIPE, start_new_session=True); "
    code += "sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        assert is_alive(mine.pid)
        holder.kill()
    until(lambda: not is_alive(mine.pid) and not is_alive(deaf.pid) and not folder.exists(), "all of it to be undone", 30)
    assert is_alive(other.pid)
    assert sorted(path.name for path in elsewhere.iterdir()) == ["precious"]
    other.kill()
    for process in (mine, deaf, other):
        end(process)


def test_it_undoes_all_when_the_time_is_up(tmp_path: Path) -> None:
    """Though whoever holds its line lives on."""
    mark = uuid.uuid4().hex
    folder = tmp_path / "drill"
    folder.mkdir()
    mine = sleeper(mark)
    words = [sys.executable, "-I", "-S", PROGRAM, mark, str(folder), "0.3"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as guard:
        end(mine)
        guard.wait(30)
    assert not folder.exists()
