"""How a process has ended is known to others than its parent, where the kernel tells."""

from __future__ import annotations

import os
import subprocess

import pytest

from watchkeeper.keeper import ending, living


def kernel() -> tuple[int, int]:
    """Its version."""
    major, minor = os.uname().release.split(".")[:2]
    return int(major), int(minor)


def test_a_zombie_tells_its_status() -> None:
    """As long as its parent has not waited for it, and only under its own start."""
    child = subprocess.Popen(["sh", "-c", "read go; exit 7"], stdin=subprocess.PIPE)
    start = living.started(child.pid)
    handle = os.pidfd_open(child.pid)
    assert child.stdin
    child.stdin.close()
    try:
        assert ending.wait(handle, 20_000)
        assert os.waitstatus_to_exitcode(ending.of_stranger(child.pid, handle, start) or 0) == 7
        assert ending.of_stranger(child.pid, handle, start + 1) is None
    finally:
        os.close(handle)
        child.wait()


@pytest.mark.skipif(kernel() < (6, 15), reason="a pidfd tells the status of what was waited for from Linux 6.15 on")
def test_a_pidfd_tells_the_status_of_what_was_waited_for() -> None:
    """By whomever: the pid is free by then, and the pidfd still means the one that has ended."""
    child = subprocess.Popen(["sh", "-c", "read go; kill -9 $$"], stdin=subprocess.PIPE)
    start = living.started(child.pid)
    handle = os.pidfd_open(child.pid)
    assert child.stdin
    child.stdin.close()
    try:
        assert ending.of_pidfd(handle) is None
        child.wait()
        assert os.waitstatus_to_exitcode(ending.of_stranger(child.pid, handle, start) or 0) == -9
    finally:
        os.close(handle)


def test_a_handle_is_of_the_very_process() -> None:
    """One that started at another time is not opened, nor one that is not there."""
    me = living.started(os.getpid())
    assert ending.opened(os.getpid(), me + 1) is None
    assert ending.opened(4_194_304, 1) is None
    handle = ending.opened(os.getpid(), me)
    assert handle is not None
    assert not ending.wait(handle, 0)
    os.close(handle)
