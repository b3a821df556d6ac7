"""`start`, `stop`, `restart`: who is meant is clear before anything is done, and the exit code is the outcome."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys


def posted(hub) -> list[str]:
    """The orders that the hub has got, as SERVER:VERB."""
    return [f"{action.server}:{action.verb}" for action in hub.actions.values()]


def test_an_outcome_is_waited_for_and_told(hub, cli, capsys) -> None:
    """The hub's own words, and 0."""
    assert cli("restart", "web") == 0
    assert capsys.readouterr().out == "web: restart is done\n"


def test_a_failure_is_1_and_on_stderr(hub, cli, capsys) -> None:
    """What did not come up is said with the reason; the others are done all the same."""
    hub.refuse = {"shop"}
    assert cli("start", "shop", "db") == 1
    told = capsys.readouterr()
    assert "shop: it did not come up: exit status 1" in told.err
    assert "db: start is done" in told.out


def test_no_name_is_touched_when_one_is_unknown(hub, cli, capsys) -> None:
    """A typing mistake in a list stops nothing of it."""
    assert cli("stop", "web", "wbe") != 0
    assert "did you mean 'web'?" in capsys.readouterr().err
    assert posted(hub) == []


def test_globs_and_machines_name_several(hub, cli) -> None:
    """`kiosk/*` is all of a machine's, each once."""
    assert cli("restart", "kiosk/*", "web", "-y") == 0
    assert sorted(posted(hub)) == ["db:restart", "shop:restart", "web:restart"]


def test_a_name_on_two_machines_must_be_told_apart(hub, cli, capsys, make) -> None:
    """Two machines have a `web`: nothing is done before it is said which."""
    hub.machines.append(make.machine("attic"))
    hub.servers.append(make.server("web", machine="attic"))
    assert cli("stop", "web") != 0
    assert "attic/web" in capsys.readouterr().err
    assert posted(hub) == []
    assert cli("stop", "attic/web") == 0


def test_json_is_the_actions(hub, cli, capsys) -> None:
    """Programs get each action as the API has it."""
    assert cli("start", "web", "db", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert {(action["server"], action["state"]) for action in told} == {("web", "done"), ("db", "done")}


def test_an_agent_out_of_touch_is_told(hub, cli, capsys, make) -> None:
    """The hub's reason and its hint, and 1."""
    hub.machines = [make.machine("attic")]
    assert cli("start", "web") == 1
    assert "not connected" in capsys.readouterr().err


def test_stopping_several_is_asked_first(hub, environ, tmp_path) -> None:
    """At a terminal, `n` does nothing and says so; scripts and -y are not asked."""
    main, side = pty.openpty()
    command = [sys.executable, "-m", "watchkeeper", "stop", "web", "db"]
    done = subprocess.Popen(command, env=environ, cwd=tmp_path, stdin=side, stdout=side, stderr=side)
    os.close(side)
    seen = b""
    while b"?" not in seen:
        seen += os.read(main, 1024)
    assert b"stop 2 servers" in seen
    os.write(main, b"n\n")
    assert done.wait(20) == 1
    os.close(main)
    assert posted(hub) == []
