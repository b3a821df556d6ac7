"""The keeper's wards in moments that no clock can be set to: what ends while something else is being seen to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

DAEMON = """
import os, sys, time
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    while not os.path.exists("go"):
        time.sleep(0.001)
    os._exit(0)
with open("daemon", "w") as file:
    file.write(str(os.getpid()))
time.sleep(1000)
"""
KEEPER = """
import ctypes, os, subprocess, sys, time
from pathlib import Path
from watchkeeper.keeper import keeping, living, ward

ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER, as the keeper is

class Slow(keeping.Keeping):
    def _move(self, one, pid):
        super()._move(one, pid)
        if not Path("go").exists():
            Path("go").touch()
            while living.started(pid):
                time.sleep(0.001)

words = [sys.executable, "-I", "-S", "-c", sys.argv[1]]
first = subprocess.Popen(words, env={living.ORDER: "o1"}, start_new_session=True)
server = ward.Ward("web", "o1", first.pid, living.started(first.pid))
server.forks = server.began = True
keeper = Slow("run", "k1", lambda _: None, lambda *_: None)
keeper.wards["web"] = server
deadline = time.monotonic() + 20
while not (Path("daemon").exists() and str(server.pid) == Path("daemon").read_text()) and time.monotonic() < deadline:
    keeper.reap()
    time.sleep(0.01)
print(server.lives, str(server.pid) == Path("daemon").read_text(), bool(living.started(server.pid)))
os.kill(int(Path("daemon").read_text()), 9)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the keeper is for Linux")
def test_one_that_ends_while_it_is_being_followed_is_followed_further(tmp_path: Path) -> None:
    """The process between two forks ends in the very turn in which it was taken for the server: nobody keeps a dead one."""
    (tmp_path / "run").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", KEEPER, DAEMON], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == "True True True\n", done.stderr
