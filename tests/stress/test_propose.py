"""A run's knee becomes rules: with their provenance, as a diff that patch takes, and that the rule book reads."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from watchkeeper.alert.reading import read_alerting
from watchkeeper.config import parse
from watchkeeper.errors import Refused
from watchkeeper.stress.propose import as_diff, propose
from watchkeeper.stress.record import Record, Recording
from watchkeeper.stress.run import Ended, Knee, Run, Stage
from watchkeeper.stress.serverside.joined import Line, ServerSide, write

TIMES = [1_000_000 + second * 1000 for second in range(11)]


def line(name: str, value: float, **labels: str) -> Line:
    """A figure that is the same all the time."""
    return Line(name, labels, "", TIMES, [value] * len(TIMES))


def record(folder: Path, *lines: Line, server: str = "shop", knee: float = 1000.0) -> Record:
    """A run that held 1000/s with 200 connections, and what its server told meanwhile."""
    knees = (Knee(knee, broken=1200, achieved=990),) if knee else ()
    run = Run("20260101-1", "capacity", "http", "http://h/", 1_000_000, machine="box", server=server, knees=knees, state="done")
    recording = Recording(folder, "x", run)
    recording.begin(Stage(3, 1, "steps", "steps 1000/s", 10.0, level=1000.0), 0.0)
    recording.end(Ended(3, 0.0, 10.0, achieved=990.0, quantiles={"p99": 0.02}))
    recording.close()
    write(recording.folder, lines, (), ServerSide(subject={"build": "b1", "config": "c1", "host": "h1"}))
    return Record(recording.folder)


WHOLE = (
    line("shop_orders_total", 985.0),
    line("shop_bytes_total", 5_000_000.0),
    line("shop_connections", 201.0),
    line("process_sockets", 200.0, state="established"),
    line("shop_loop_lag_seconds", 0.004),
    line("shop_answer_seconds_count", 988.0),
    line("process_open_fds", 240.0, pid="7"),
)


def test_each_limit_is_seventy_and_eightyfive_percent_of_what_was_seen(tmp_path: Path) -> None:
    """Connections, messages, p99, lag and files: of the server's own figures those that were the load's; and they are rules."""
    found = propose(record(tmp_path, *WHOLE))
    assert found.left_out == ()
    rules = read_alerting(parse({"capacity.toml": found.text})).rules
    mine = [rule for rule in rules if rule.name.startswith("Capacity")]
    assert sorted({rule.name for rule in mine}) == [
        "CapacityConnections",
        "CapacityFiles",
        "CapacityLatency",
        "CapacityLoopLag",
        "CapacityMessages",
    ]
    assert len(mine) == 10
    for threshold in ("> 693", "> 841.5", "> 140.7", "> 0.014", "> 0.017", "> 0.0028", "> 168", "> 204"):
        assert threshold in found.text, threshold
    assert 'rate(shop_orders_total{machine="box",server="shop"}[2m])' in found.text.replace('\\"', '"')
    assert "shop_answer_seconds_bucket" in found.text
    for whence in ("20260101-1", "build: b1", "config: c1", "host: h1", "990/s done"):
        assert whence in found.text


def test_the_diff_is_what_patch_takes_and_nothing_is_applied(tmp_path: Path) -> None:
    """Against a file that is not there it makes one, again it says nothing; the file is touched by patch alone."""
    found = propose(record(tmp_path / "runs", *WHOLE))
    path = tmp_path / "capacity-shop.toml"
    diff = as_diff(found, path)
    assert not path.exists()
    assert diff.startswith("--- /dev/null\n+++ ")
    subprocess.run(["patch", "-p0", "-d", "/"], input=diff, text=True, check=True, capture_output=True)
    assert path.read_text() == found.text
    assert as_diff(found, path) == ""


def test_what_cannot_be_known_is_left_out_with_the_reason(tmp_path: Path) -> None:
    """A server without figures of its own has limits of files and of a probe's time alone."""
    found = propose(record(tmp_path, line("process_open_fds", 50.0)))
    assert "CapacityMessages" not in found.text
    assert "probe_duration_seconds" in found.text
    assert [one.partition(":")[0] for one in found.left_out] == ["messages a second", "connections", "loop lag"]


@pytest.mark.parametrize(("more", "code"), [({"server": ""}, "no-server"), ({"knee": 0.0}, "no-knee")])
def test_a_run_without_a_knee_or_a_server_of_ours_proposes_nothing(tmp_path: Path, more: dict, code: str) -> None:
    """It is refused, with what to do."""
    with pytest.raises(Refused) as refused:
        propose(record(tmp_path, *WHOLE, **more))
    assert refused.value.code == code
