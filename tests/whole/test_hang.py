"""A hang as its operator meets it: seen, helped, told, and with evidence that is there to be read afterwards."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

import pytest

from rigs.programs import Programs, until

Make = Callable[..., Programs]

CONFIG = """
[agent]
period = "500ms"
[machine]
name = "test-machine"
[server.hello]
command = ["python3", "{hello}", "{port}"]
in_group = "edge"
control = ["start", "stop", "pause", "resume"]
[server.hello.liveness]
misses = 2
[[server.hello.probe]]
kind = "http"
url = "http://127.0.0.1:{port}/healthz"
period = "300ms"
"""


@pytest.mark.skipif(sys.platform != "linux", reason="stops a process as Linux does")
def test_a_hang_is_helped_and_leaves_evidence_to_read(programs: Make) -> None:
    """SIGSTOP, another process, the story in the journal, the evidence by the command line; what is not allowed is refused."""
    one = programs(CONFIG)
    one.up()
    before = until(lambda: one.server("hello") if one.server("hello").get("health") == "up" else None, "the server to be up")
    until(lambda: one.server("hello").get("liveness") == "fine", "a sign of life")
    os.kill(int(str(before["pid"])), signal.SIGSTOP)
    until(lambda: one.server("hello").get("pid") not in {0, before["pid"]}, "another process")
    until(lambda: "was restarted and runs" in one.run("events").stdout, "the story")
    shown = one.run("evidence", "show", "hello")
    assert shown.returncode == 0, shown.stderr
    assert "== threads ==" in shown.stdout
    assert "do_signal_stop" in shown.stdout or " T " in shown.stdout
    refused = one.run("restart", "@edge", "-y")
    assert refused.returncode == 1
    assert "[server.hello] control" in refused.stderr
    foretold = one.run("stop", "hello", "--dry-run")
    assert "would send SIGTERM" in foretold.stdout
    assert one.run("pause", "hello", "--for", "1h", "--reason", "looking at it").returncode == 0
    until(lambda: "looking at it" in one.run("status").stdout, "the pause in the status")
