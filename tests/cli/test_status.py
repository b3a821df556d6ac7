"""`status`: the sentence, the table and the exit code that scripts rely on."""

from __future__ import annotations

import json
import threading

import pytest


def test_something_down_is_3_and_the_sentence_comes_first(hub, run) -> None:
    """The answer is the first line, and shape and word say the state without colour."""
    done = run("status")
    assert done.returncode == 3
    assert done.stdout.splitlines()[0] == hub.sentence
    assert "✕ down" in done.stdout
    assert "● up" in done.stdout
    assert "exit status 1, next start in 8 s" in done.stdout
    assert "\x1b" not in done.stdout


def test_all_asked_for_up_is_0(hub, cli, capsys) -> None:
    """Only what was named counts, by name, glob or with its machine."""
    for names in (["db"], ["[dw]*"], ["kiosk/web"], ["db", "web"]):
        assert cli("status", *names) == 0
    assert "All 2 are up" in capsys.readouterr().out


def test_an_agent_out_of_touch_is_4(hub, cli, capsys, make) -> None:
    """Not known is neither up nor down, and old figures are not shown as if they were new."""
    hub.machines = [make.machine(up=False)]
    hub.servers = [make.server("web", health="unknown", said="up")]
    assert cli("status") == 4
    told = capsys.readouterr().out
    assert "◌ unknown" in told
    assert "out of touch" in told
    assert "12 %" not in told


def test_waiting_ends_when_all_is_up_or_the_time_is(hub, cli, capsys, make) -> None:
    """A server that comes up meanwhile ends the wait with 0 and one sheet; one that does not, with 3 once the time is over."""
    hub.machines = [make.machine()]
    hub.servers = [make.server("web", state="starting", health="down")]
    assert cli("status", "web", "--wait", "100ms") == 3
    capsys.readouterr()
    coming = threading.Timer(0.7, lambda: setattr(hub, "servers", [make.server("web")]))
    coming.start()
    try:
        assert cli("status", "web", "--wait", "1m") == 0
    finally:
        coming.join()
    assert capsys.readouterr().out.count("web is up") == 1


def test_no_hub_is_4_with_what_to_do(run) -> None:
    """A hub that is not there is told in a line with the command that starts it."""
    done = run("status")
    assert done.returncode == 4
    assert "start it with: watchkeeper up" in done.stderr
    assert not done.stdout


def test_no_hub_is_valid_json_too(run) -> None:
    """A script that reads JSON gets some in every case."""
    done = run("status", "--json")
    assert done.returncode == 4
    assert json.loads(done.stdout)["health"] == "unknown"


def test_an_unknown_name_is_4_with_the_nearest(hub, cli, capsys) -> None:
    """As systemctl has it: of a server that does not exist, nothing is known."""
    assert cli("status", "wbe") == 4
    assert "did you mean 'web'?" in capsys.readouterr().err


def test_stopped_on_purpose_is_down_only_when_named(hub, cli, make) -> None:
    """`status` of everything is no alarm for what somebody stopped; `status web` says that web does not run."""
    hub.servers = [make.server("db"), make.server("web", "stopped", "down")]
    assert cli("status") == 0
    assert cli("status", "web") == 3


def test_json_holds_base_units_and_the_exit_code(hub, cli, capsys) -> None:
    """Programs get figures, not texts."""
    assert cli("status", "web", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["health"], told["exit"]) == ("up", 0)
    assert told["servers"][0]["figures"]["memory_bytes"] == 200 << 20


def test_quiet_is_the_exit_code_alone(hub, cli, capsys) -> None:
    """-q suits a script's if."""
    assert cli("status", "-q") == 3
    assert capsys.readouterr() == ("", "")


def test_colour_is_for_terminals_that_want_it(hub, cli, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """FORCE_COLOR shows that there is colour, NO_COLOR takes it away."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    cli("status")
    assert "\x1b[3" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    cli("status")
    assert "\x1b[3" not in capsys.readouterr().out
