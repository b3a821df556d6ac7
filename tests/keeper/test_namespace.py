"""A pid that is really given out again: in a namespace, a server's number comes back as a stranger, who is left alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

INSIDE = """
import asyncio, os, signal, sys
sys.path[:0] = {path!r}
from pathlib import Path
from rigs.keeping import SLEEP, home, keepers, finish
from rigs.programs import is_alive

async def main():
    folder = Path({folder!r})
    async with home(folder) as one:
        server = await one.spawn(SLEEP)
        (keeper,) = keepers(folder)
    os.kill(keeper, 9)
    os.kill(server.pid, 9)
    while is_alive(keeper) or is_alive(server.pid):
        await asyncio.sleep(0.01)
    reap()
    await asyncio.sleep(0.05)  # starts are told apart by ticks of 10 ms; so many processes take longer
    stranger = again(server.pid)
    async with home(folder) as two:
        (found,) = two.found
        assert found.ending is not None, "the stranger was taken for the server"
        found.process.terminate()
        two.parent.signal(found.process, signal.SIGKILL, whole=True)
        fresh = await two.spawn(SLEEP)
        assert fresh.pid != stranger
        await asyncio.sleep(0.2)
        assert is_alive(stranger), "the stranger was signalled"
        fresh.kill()
        await finish(fresh)
    print("left alone")

def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass

def again(wanted):
    # What 32,768 more processes would bring about: the kernel goes on from here (proc(5)).
    Path("/proc/sys/kernel/ns_last_pid").write_text(str(wanted - 1))
    if not (child := os.fork()):
        os.setsid()
        os.execv("/bin/sleep", ["sleep", "1000"])
    assert child == wanted, "the number did not come back"
    return child

asyncio.run(main())
"""


@pytest.mark.skipif(not Path("/proc/sys/kernel/ns_last_pid").exists(), reason="this kernel cannot be told the next pid")
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="a namespace of pids takes root and unshare")
def test_a_number_that_comes_back_is_a_stranger(tmp_path: Path) -> None:
    """The kernel itself gives the server's pid to somebody else; adopted is nobody, signalled is nobody."""
    here = Path(__file__).resolve().parents[1]
    code = INSIDE.format(path=[str(here), str(here.parent / "src"), *sys.path[1:]], folder=str(tmp_path))
    words = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, "-c", code]
    run = subprocess.run(words, capture_output=True, text=True, check=False, timeout=100)
    if "Operation not permitted" in run.stderr and "unshare" in run.stderr:
        pytest.skip("this machine lets nobody make a namespace")
    assert run.stdout.strip() == "left alone", run.stderr
