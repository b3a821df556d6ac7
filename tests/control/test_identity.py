"""A process is told from the next one with its number, and from what is left of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from watchkeeper.control.identity import Identity, identify, same
from watchkeeper.errors import Failed

ON_LINUX = sys.platform == "linux"


def sleeper() -> subprocess.Popen[bytes]:
    """A process that does nothing for longer than any test takes."""
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])


def test_a_living_process_is_itself_and_stays_so() -> None:
    """Asked twice, the same identity; it survives being written down and read back."""
    first = identify(os.getpid())
    assert first == identify(os.getpid())
    assert first.pid == os.getpid()
    assert same(msgspec.json.decode(msgspec.json.encode(first), type=Identity))


@pytest.mark.skipif(not ON_LINUX, reason="reads what the Linux kernel tells")
def test_the_start_is_what_the_kernel_says() -> None:
    """Ticks since boot: a child started now began no later than the machine has been up, and no earlier than we did."""
    child = sleeper()
    try:
        uptime = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
        started = identify(child.pid).start_ticks / os.sysconf("SC_CLK_TCK")
        assert 0 < started <= uptime + 1
        assert identify(child.pid).start_ticks >= identify(os.getpid()).start_ticks
    finally:
        child.kill()
        child.wait()


def test_another_start_or_another_boot_is_another_process() -> None:
    """The number alone proves nothing: what a run file says of an earlier boot or an earlier owner is not the same."""
    me = identify(os.getpid())
    assert not same(Identity(me.pid, me.start_ticks + 1, me.boot_id))
    assert not same(Identity(me.pid, me.start_ticks, "00000000-0000-0000-0000-000000000000"))


def test_what_has_ended_is_nobody() -> None:
    """Neither a zombie nor a reaped process is the same any more, and neither has an identity."""
    child = sleeper()
    identity = identify(child.pid)
    assert same(identity)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not same(identity)
    with pytest.raises(Failed, match="has ended"):
        identify(child.pid)
    child.wait()
    assert not same(identity)
    with pytest.raises(Failed, match=f"no process {child.pid}"):
        identify(child.pid)


@pytest.mark.skipif(not ON_LINUX, reason="the name is a field of Linux' stat")
def test_a_name_of_brackets_and_blanks_misleads_nobody(tmp_path: Path) -> None:
    """The kernel writes a program's own name between the figures: one that looks like figures changes nothing."""
    program = tmp_path / "a) Z 1 (b"
    shutil.copy("/bin/sleep", program)
    child = subprocess.Popen([program, "120"])
    try:
        stat = Path(f"/proc/{child.pid}/stat")
        while b"a) Z 1 (b" not in stat.read_bytes():
            time.sleep(0.01)
        identity = identify(child.pid)
        assert identity.start_ticks >= identify(os.getpid()).start_ticks
        assert same(identity)
    finally:
        child.kill()
        child.wait()
