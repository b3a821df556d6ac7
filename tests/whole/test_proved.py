"""The installation proves itself: the doctor on real programs."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from rigs.programs import Programs, until
from watchkeeper.cli import main


def test_a_running_installation_is_proved(programs: Callable[..., Programs], capsys: pytest.CaptureFixture[str]) -> None:
    """On a real hub and agent all that matters passes, exit 0; with the hub gone it is exit 1 and says so."""
    one = programs('[agent]\nperiod = "500ms"\n[server.s]\ncommand = ["sleep", "1000"]\n')
    up = one.up()
    until(lambda: one.server("s").get("health") == "up", "the server")
    words = ["doctor", "--json", "--data", str(one.data), "--config", str(one.config)]
    assert main(words) == 0
    found = {row["name"]: row["result"] for row in json.loads(capsys.readouterr().out)}
    for name in ("hub", "store", "reach", "losses", "agents", "servers", "round trip", "journal", "tokens"):
        assert found[name] == "pass", name
    up.terminate()
    up.wait()
    assert main(words) == 1
    assert {"name": "hub", "result": "fail"}.items() <= next(
        row for row in json.loads(capsys.readouterr().out) if row["name"] == "hub"
    ).items()
