"""Real faults, real programs: a server killed, hung, failing; the agent gone; the hub killed -9; a community's rule file."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rigs.hooks import Told
from rigs.programs import Programs, free_port, until

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
HEAD = """
[agent]
period = "1s"
[machine]
name = "box"
[witness]
targets = []
[alert]
interval = "1s"
rules = ["{rules}"]
[route]
group_by = ["server"]
group_wait = "0s"
group_interval = "1s"
"""
SERVER = """
[server.{name}]
command = ["python3", "{folder}/moody.py", "{own}", "{folder}/{name}-angry"]
[[server.{name}.probe]]
kind = "http"
url = "http://127.0.0.1:{own}/"
period = "500ms"
timeout = "500ms"
misses = 3
"""
AT_ONCE = """
[[tune]]
rule = "{rule}"
for = "0s"
where = {{ server = "{name}" }}
"""
HARMED = ("killed", "held", "angry", "sulky")
"""Told at once."""
CALM = ("stumbles", "dozes")
"""As the stock rules are. Two, as each has one blip only: two of one server are four changes, and that is told as flapping."""


class Night:
    """A hub and an agent with six servers, one for each fault, and whoever is told."""

    def __init__(self, folder: Path, told: Told) -> None:
        (folder / "moody.py").write_text(MOODY)
        config = HEAD.replace("{rules}", str(RULE_FILE))
        for name in (*HARMED, *CALM):
            config += SERVER.replace("{folder}", str(folder)).replace("{name}", name).replace("{own}", str(free_port()))
        for name in HARMED:
            config += "".join(AT_ONCE.format(rule=rule, name=name) for rule in ("ServerDown", "ServerHung"))
        self.folder = folder
        self.told = told
        self.programs = Programs(folder, told.channel + config)
        self.hub = self.programs.hub()
        self.programs.agent()

    def pid(self, name: str) -> int:
        """Wait until a server is up, and its rules are awake; its process."""
        until(lambda: self.programs.server(name).get("health") == "up", f"{name} to be up", 120)
        until(self._is_awake, "figures")
        return int(str(self.programs.server(name)["pid"]))

    def anger(self, name: str, *, over: bool = False) -> None:
        """From now on it answers 500; or that is over."""
        place = self.folder / f"{name}-angry"
        if over:
            place.unlink()
        else:
            place.touch()

    def again(self) -> None:
        """Kill the hub and start the next."""
        self.kill()
        self.hub = self.programs.hub()

    def kill(self) -> None:
        """By SIGKILL."""
        self.hub.kill()
        self.hub.wait()

    def history(self, rule: str, server: str) -> list[dict[str, Any]]:
        """A server's alerts of that rule that have fired, the newest first."""
        answer = self.programs.ask(f"/api/alerts/history?name={rule}")
        found = answer.json()["alerts"] if answer is not None and answer.status_code == 200 else []
        return [alert for alert in found if alert["labels"].get("server") == server]

    def firing(self, rule: str, server: str) -> dict[str, Any]:
        """The one that fires now; empty when none does."""
        return next((alert for alert in self.history(rule, server) if alert["state"] == "firing"), {})

    def delivered(self, title: str) -> bool:
        """Whether the hub has noted that it was told. Killed between the receiver's answer and this, it would tell it again."""
        answer = self.programs.ask("/api/notifications?state=delivered")
        found = answer.json()["notifications"] if answer is not None and answer.status_code == 200 else []
        return any(title in one["subject"] for one in found)

    def _is_awake(self) -> bool:
        answer = self.programs.ask("/api/rules")
        rules = answer.json() if answer is not None and answer.status_code == 200 else []
        return all(any(rule["name"] == name and not rule["dormant"] for rule in rules) for name in ("ServerDown", "ServerHung"))


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """One for all tests of this room, each with a server of its own: starting programs is what costs here."""
    with Told() as told:
        one = Night(tmp_path_factory.mktemp("night"), told)
        yield one
        one.programs.close()


def test_kill_hang_and_500_each_as_its_rule_says(night: Night) -> None:
    """Each is told with its own alert, at once, and ends when it is over; all of it is on one incident's timeline."""
    told = night.told
    killed, held = night.pid("killed"), night.pid("held")
    night.pid("angry")
    os.kill(killed, signal.SIGKILL)
    os.kill(held, signal.SIGSTOP)
    night.anger("angry")
    hung = until(lambda: night.firing("ServerHung", "held"), "the hang to fire")
    for title in ("killed on box is down", "held on box hangs", "angry on box hangs"):
        until(partial(told.count, "firing", title), f"the message that {title}")
    os.kill(held, signal.SIGCONT)
    night.anger("angry", over=True)
    for name in ("held", "angry"):
        until(partial(told.count, "resolved", f"{name} on box hangs"), f"the message of the end of {name}")
    until(lambda: told.count("resolved", "killed on box is down"), "the message that it runs again")
    incident = night.programs.ask(f"/api/incidents/{hung['incident']}")
    assert incident is not None
    timeline = incident.json()["timeline"]
    assert {"firing", "resolved", "probe_failed", "probe_recovered"} <= {entry["what"] for entry in timeline}


def test_a_real_blip_of_two_seconds_pages_nobody(night: Night) -> None:
    """One killed, one hung for two seconds, with the stock rules: events and info, no message."""
    stumbles, dozes = (night.pid(name) for name in CALM)
    os.kill(stumbles, signal.SIGKILL)
    os.kill(dozes, signal.SIGSTOP)
    time.sleep(2)
    os.kill(dozes, signal.SIGCONT)
    until(lambda: night.programs.server("stumbles").get("pid") not in {None, 0, stumbles}, "the next process")
    for name in CALM:
        night.pid(name)
    time.sleep(1)
    for name in CALM:
        assert night.history("ServerDown", name) == []
        assert night.history("ServerHung", name) == []
    assert not [titles for _, _, titles in night.told.messages if any(name in title for title in titles for name in CALM)]


def test_kill_9_of_the_hub_changes_nothing(night: Night) -> None:
    """What fires is the same alert in the next life and not told again; what ended meanwhile is told then."""
    night.pid("sulky")
    night.anger("sulky")
    before = until(lambda: night.firing("ServerHung", "sulky"), "the alert")
    until(lambda: night.delivered("sulky on box hangs"), "its message, and that the hub knows it to be there")
    night.again()
    after = until(lambda: night.firing("ServerHung", "sulky"), "the hub again", 120)
    assert (after["id"], after["fired_at"]) == (before["id"], before["fired_at"])
    time.sleep(1.5)
    night.kill()
    night.anger("sulky", over=True)
    time.sleep(1.5)
    night.again()
    until(lambda: night.history("ServerHung", "sulky") and not night.firing("ServerHung", "sulky"), "its end", 120)
    until(lambda: night.told.count("resolved", "sulky on box hangs"), "the message of its end")
    assert night.told.count("firing", "sulky on box hangs") == 1


def test_a_rule_file_of_the_community_works_as_it_is(night: Night) -> None:
    """Read, judged without a fault, recorded series kept; `config check` holds it against what is stored."""
    one = night.programs
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
