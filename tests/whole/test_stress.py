"""A supervised server under load with a hub beside: one clock for what the load saw, what the server used, and who was told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest

from rigs.programs import Programs, until
from watchkeeper.stress.record import runs
from watchkeeper.stress.serverside import joined

CONFIG = """
[agent]
period = "500ms"
[machine]
name = "box"
[server.hello]
command = ["python3", "{hello}", "{port}"]
stress = true
[[server.hello.probe]]
kind = "http"
url = "http://127.0.0.1:{port}/healthz"
period = "500ms"
[[server.hello.metrics]]
url = "http://127.0.0.1:{port}/metrics"
[[rule]]
alert = "BoxBusy"
expr = 'process_open_fds{server="hello"} > 8'
severity = "warning"
[witness]
targets = []
"""
PLAN = """
name = "short"
connections = 20
[[phase]]
kind = "warm-up"
rate = 20
lasts = "1s"
[[phase]]
kind = "constant"
rate = 40
lasts = "5s"
[safety]
cool_down = "0s"
[generator]
workers = 1
ceiling = 20000
limits = { lag = "60s", of_median = 0, starved = 1.0, full = 1.0 }
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    """Hub, agent and a server that has agreed."""
    found = Programs(tmp_path_factory.mktemp("stress"), CONFIG)
    try:
        found.up()
        until(lambda: found.server("hello").get("health") == "up", "hello", 90)
        yield found
    finally:
        found.close()


def test_a_run_is_started_followed_and_ended_over_the_api(program: Programs) -> None:
    """A process of its own, by the operator's own plan: its figures are series, its phases events, its end is in order."""
    plans = program.data / "stress" / "plans"
    plans.mkdir(parents=True)
    (plans / "short.toml").write_text(PLAN.replace('"5s"', '"120s"'))
    headers = {"Authorization": f"Bearer {(program.data / 'token').read_text().strip()}"}
    before = len(kinds(program))
    (target, *_) = httpx.get(f"{program.url}/api/stress/targets", headers=headers).json()
    assert target["addresses"] == [f"http http://127.0.0.1:{program.server_port}/healthz"]
    ask = {"plan": "short", "machine": "box", "server": "hello"}
    answer = httpx.post(f"{program.url}/api/stress/runs", json=ask, headers=headers, timeout=60)
    assert answer.status_code == 201, answer.text
    run = answer.json()["id"]
    again = httpx.post(f"{program.url}/api/stress/runs", json=ask, headers=headers, timeout=60)
    assert (again.status_code, again.json()["code"]) == (409, "stress-refused")  # one at a time

    def series() -> list[dict[str, object]]:
        query = {"query": 'watchkeeper_stress_done_per_second{machine="box",server="hello"}'}
        return list(httpx.get(f"{program.url}/api/v1/query", params=query, headers=headers).json()["data"]["result"])

    def followed() -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{program.url}/api/stress/runs/{run}/progress", headers=headers).json()
        return found

    until(series, "a run's figures", 90)
    until(lambda: sum(one["done"] for one in followed()["seconds"]) > 0, "answers", 90)
    assert followed()["view"]["going"]
    assert httpx.post(f"{program.url}/api/stress/runs/{run}/abort", headers=headers).status_code == 200

    until(lambda: kinds(program)[before:].count("stress_ended"), "the end", 90)
    detail = httpx.get(f"{program.url}/api/stress/runs/{run}", headers=headers).json()
    assert detail["run"]["why"] == "local has ended it"
    assert {"server.json", "marks.json", "run.json"} <= {one["name"] for one in detail["files"]}
    assert detail["view"]["state"] == "aborted"
    first, *between, last = kinds(program)[before:]
    assert (first, set(between), last) == ("stress_started", {"stress_phase"}, "stress_ended")


def kinds(program: Programs) -> list[str]:
    """What the timeline has of stress runs, the oldest first."""
    answer = program.ask("/api/events?server=hello")
    events = answer.json()["events"] if answer is not None else []
    return [event["kind"] for event in reversed(events) if event["kind"].startswith("stress")]


def test_the_servers_side_comes_from_here_and_from_the_hub(program: Programs) -> None:
    """The server is killed in the middle: the restart is a mark, the hub's alert has its lag, both sides' figures are lines."""
    plan = program.folder / "short.toml"
    plan.write_text(PLAN)
    command = [sys.executable, "-m", "watchkeeper", "stress", "run", str(plan), "--target", "hello"]
    command += ["--config", str(program.config), "--data", str(program.data), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL) as process:
        assert process.stdout
        seconds = 0
        for line in process.stdout:
            told = json.loads(line)
            seconds += told["what"] == "second"
            if seconds == 3:
                seconds += 1
                os.kill(int(str(program.server("hello")["pid"])), signal.SIGKILL)
    (run,) = [one for one in runs(program.data / "stress") if one.state == "done"]
    folder = program.data / "stress" / run.id
    lines = joined.lines(folder)
    names = {(one.name, "machine" in one.labels) for one in lines}
    assert ("process_thread_cpu_seconds_total", False) in names
    assert ("watchkeeper_server_up", True) in names or ("probe_success", True) in names
    marks = joined.marks(folder)
    assert "restart" in {one.kind for one in marks}
    side = joined.found(folder)
    assert side is not None
    assert side.restarts >= 1
    fired = [one for one in side.alerts if one.name == "BoxBusy"]
    assert fired, msgspec.json.encode(side)
    assert fired[0].lag >= 0
    assert any("ms ahead of the run's" in one for one in side.notes)
