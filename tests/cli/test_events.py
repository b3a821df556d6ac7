"""`events`: oldest first, by server and gravity, and following without a line twice."""

from __future__ import annotations

import json
import subprocess
import sys

from watchkeeper.model import Event, EventKind

from .conftest import NOW


def test_a_line_says_when_where_and_what(hub, cli, capsys) -> None:
    """Machine and server, then the sentence."""
    assert cli("events") == 0
    assert "kiosk/shop  shop exited: exit status 1" in capsys.readouterr().out


def test_oldest_first(hub, cli, capsys) -> None:
    """As in a log: the newest stands at the bottom, where the eye is."""
    hub.events.append(Event("2", NOW + 1, EventKind.SERVER_STARTED, "shop is started", "kiosk", "shop"))
    cli("events")
    told = capsys.readouterr().out
    assert told.index("exited") < told.index("is started")


def test_what_is_sought_is_asked_of_the_hub(hub, cli) -> None:
    """Server, machine, gravity and number go into the question."""
    assert cli("events", "web", "--severity", "warning", "-n", "5") == 0
    asked = next(one for one in hub.heard if "/api/events" in one)
    assert all(part in asked for part in ("machine=kiosk", "server=web", "severity=warning", "limit=5"))


def test_json_is_an_object_a_line(hub, cli, capsys) -> None:
    """Each event as the API has it."""
    assert cli("events", "--json") == 0
    assert json.loads(capsys.readouterr().out)["kind"] == EventKind.SERVER_EXITED


def test_following_tells_each_event_once(hub, environ, tmp_path) -> None:
    """What comes later is told when it comes, what was told is not told again."""
    command = [sys.executable, "-m", "watchkeeper", "events", "-f", "--json"]
    follower = subprocess.Popen(command, env=environ, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert follower.stdout is not None
    try:
        assert json.loads(follower.stdout.readline())["id"] == "1"
        hub.events.append(Event("2", NOW, EventKind.SERVER_STARTED, "of the same millisecond", "kiosk", "shop"))
        assert json.loads(follower.stdout.readline())["id"] == "2"
        hub.events.append(Event("3", NOW + 5, EventKind.SERVER_STARTED, "later", "kiosk", "shop"))
        assert json.loads(follower.stdout.readline())["id"] == "3"
    finally:
        follower.terminate()
        follower.wait(20)
        follower.stdout.close()
