"""Real faults, real programs: a server killed, hung, failing; the agent gone; the hub killed -9; a community's rule file."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rigs.hooks import Told
from rigs.programs import Programs, until

RULE_FILE = Path(__file__).parents[1] / "alert" / "node.rules.yml"
MOODY = """
import http.server, pathlib, sys

class Moody(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(500 if pathlib.Path(sys.argv[2]).exists() else 200)
        self.end_headers()

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Moody).serve_forever()
"""
CONFIG = """
[agent]
period = "1s"
[machine]
name = "box"
[server.moody]
command = ["python3", "{folder}/moody.py", "{port}", "{folder}/angry"]
[[server.moody.probe]]
kind = "http"
url = "http://127.0.0.1:{port}/"
period = "500ms"
timeout = "500ms"
misses = {misses}
[witness]
targets = []
"""
AT_ONCE = """
[[tune]]
rule = "ServerDown"
for = "0s"
[[tune]]
rule = "ServerHung"
for = "0s"
[route]
group_wait = "0s"
group_interval = "1s"
"""


@pytest.fixture
def moody(programs: Callable[..., Programs], tmp_path: Path) -> Callable[..., Programs]:
    """Programs that keep a server which answers 500 while a file is there."""

    def made(more: str, misses: int = 3) -> Programs:
        (tmp_path / "moody.py").write_text(MOODY)
        config = CONFIG.replace("{folder}", str(tmp_path)).replace("{misses}", str(misses))
        return programs(config + more)

    return made


@pytest.fixture
def told() -> Iterator[Told]:
    """A real receiver."""
    with Told() as receiver:
        yield receiver


def history(one: Programs, name: str) -> list[dict[str, Any]]:
    """Alerts of that name that have fired, the newest first."""
    answer = one.ask(f"/api/alerts/history?name={name}")
    return answer.json()["alerts"] if answer is not None and answer.status_code == 200 else []


def firing(one: Programs, name: str) -> dict[str, Any]:
    """The alert of that name that fires now; empty when none does."""
    return next((alert for alert in history(one, name) if alert["state"] == "firing"), {})


def up(one: Programs) -> int:
    """Wait until the server is up; its pid."""
    until(lambda: one.server("moody").get("health") == "up", "the server to be up")
    return int(str(one.server("moody")["pid"]))


def test_kill_hang_and_500_each_as_its_rule_says(moody: Callable[..., Programs], tmp_path: Path, told: Told) -> None:
    """Each is told with its own alert, at once, and ends when it is over; all of it is on one incident's timeline."""
    one = moody(told.channel + AT_ONCE)
    one.up()
    pid = up(one)
    until(lambda: any(rule["name"] == "ServerDown" and not rule["dormant"] for rule in one.ask("/api/rules").json()), "figures")  # type: ignore[union-attr]  # the hub is there
    at = time.time()
    os.kill(pid, signal.SIGKILL)
    until(lambda: told.count("firing", "moody on box is down"), "the message about the kill")
    assert told.messages[0][0] - at < 5, "it takes some tens of milliseconds, also on a slow machine less than seconds"
    (killed,) = until(lambda: history(one, "ServerDown"), "the kill to be told")
    assert killed["labels"]["server"] == "moody"
    pid = up(one)
    os.kill(pid, signal.SIGSTOP)
    hung = until(lambda: firing(one, "ServerHung"), "the hang to be told")
    os.kill(pid, signal.SIGCONT)
    until(lambda: not firing(one, "ServerHung"), "the end of the hang")
    (tmp_path / "angry").touch()
    until(lambda: firing(one, "ServerHung"), "the 500s to be told")
    (tmp_path / "angry").unlink()
    until(lambda: not firing(one, "ServerHung"), "the end of the 500s")
    until(lambda: told.count("resolved", "moody on box hangs"), "the message of the end")
    assert told.count("firing", "moody on box hangs")
    incident = one.ask(f"/api/incidents/{hung['incident']}")
    assert incident is not None
    kinds = {entry["what"] for entry in incident.json()["timeline"]}
    assert {"firing", "resolved", "probe_failed", "probe_recovered"} <= kinds


def test_a_real_blip_of_two_seconds_pages_nobody(moody: Callable[..., Programs], told: Told) -> None:
    """Killed, then hung for two seconds, with the stock rules: events and info, no message."""
    one = moody(told.channel)
    one.up()
    os.kill(up(one), signal.SIGKILL)
    time.sleep(1)
    pid = up(one)
    os.kill(pid, signal.SIGSTOP)
    time.sleep(2)
    os.kill(pid, signal.SIGCONT)
    up(one)
    time.sleep(1)
    assert history(one, "ServerDown") == []
    assert history(one, "ServerHung") == []
    assert told.messages == []


def test_kill_9_of_the_hub_changes_nothing(moody: Callable[..., Programs], tmp_path: Path, told: Told) -> None:
    """What fires is the same alert in the next life and not told again; what ended meanwhile is told then."""
    one = moody(told.channel + AT_ONCE)
    hub = one.hub()
    one.agent()
    up(one)
    until(lambda: any(rule["name"] == "ServerHung" and not rule["dormant"] for rule in one.ask("/api/rules").json()), "figures")  # type: ignore[union-attr]  # the hub is there
    (tmp_path / "angry").touch()
    before = until(lambda: firing(one, "ServerHung"), "the alert")
    until(lambda: told.count("firing", "moody on box hangs"), "its message")
    hub.kill()
    hub.wait()
    hub = one.hub()
    after = until(lambda: firing(one, "ServerHung"), "the hub again")
    assert (after["id"], after["fired_at"]) == (before["id"], before["fired_at"])
    time.sleep(2)
    hub.kill()
    hub.wait()
    (tmp_path / "angry").unlink()
    time.sleep(2)
    one.hub()
    until(lambda: history(one, "ServerHung") and not firing(one, "ServerHung"), "its end")
    until(lambda: told.count("resolved", "moody on box hangs"), "the message of its end")
    assert told.count("firing", "moody on box hangs") == 1


def test_a_rule_file_of_the_community_works_as_it_is(moody: Callable[..., Programs]) -> None:
    """Read, judged without a fault, recorded series kept; `config check` holds it against what is stored."""
    one = moody(f'[alert]\ninterval = "1s"\nrules = ["{RULE_FILE}"]\n')
    one.up()
    up(one)
    recorded = until(
        lambda: (answer := one.ask("/api/series?match=instance:node_num_cpu:sum")) and answer.json(), "a recorded series", 100
    )
    assert recorded[0]["value"] >= 1
    rules = [rule for rule in one.ask("/api/rules").json() if rule["where"].startswith(str(RULE_FILE))]  # type: ignore[union-attr]  # the hub is there
    assert len(rules) > 20
    assert [rule["fault"] for rule in rules if rule["fault"]] == []
    check = one.run("config", "check", "--config", str(one.config))
    assert check.returncode == 0
    assert "has ever been seen here" in check.stderr
