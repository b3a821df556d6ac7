"""The portable table on this system: this very process is in it, with what it runs, and psutil's refusals are no faults."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

psutil = pytest.importorskip("psutil")

from watchkeeper.proctable import Process  # noqa: E402  # after psutil, which it needs
from watchkeeper.proctable.portable import PortableTable  # noqa: E402  # as above


def test_this_process_is_told() -> None:
    """Its CPU and memory, and by its script; one that is gone has a name and moves nothing."""
    table = PortableTable()
    found = {process.pid: process for process in table.look()}
    mine = found[os.getpid()]
    assert mine.cpu > 0
    assert mine.memory > 1 << 20
    assert table.name(mine).startswith(("py", "Py"))
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    gone = Process(child.pid, 1.0, "gone", 0.0, 0.0)
    assert table.name(gone) == "gone"
    assert table.moved(child.pid) is None
