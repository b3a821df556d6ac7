"""`pause`, `resume`, `expect`, groups and dry runs: what a person says arrives as it was said."""

from __future__ import annotations

from watchkeeper.web.shapes import ActionAsk


def test_a_pause_has_a_length_and_a_reason(hub, cli, capsys) -> None:
    """Both reach the hub; without a length it is until somebody resumes."""
    assert cli("pause", "web", "--for", "2h", "--reason", "moving disks") == 0
    assert cli("pause", "web") == 0
    assert cli("resume", "web", "--reason", "done") == 0
    assert hub.asks == [ActionAsk("pause", "moving disks", 7200.0), ActionAsk("pause"), ActionAsk("resume", "done")]


def test_expected_work_needs_a_length(hub, cli, capsys) -> None:
    """For ever would be no word at all."""
    assert cli("expect", "web", "--reason", "import") == 2
    assert "--for" in capsys.readouterr().err
    assert cli("expect", "web", "--for", "10m") == 0
    assert hub.asks == [ActionAsk("expect", "", 600.0)]


def test_a_length_that_is_none_is_told(hub, cli, capsys) -> None:
    """With what was expected."""
    assert cli("pause", "web", "--for", "soon") == 2
    assert "expected a duration" in capsys.readouterr().err
    assert hub.asks == []


def test_a_group_is_named_with_an_at(hub, cli, make, capsys) -> None:
    """All of its servers, also of one machine; a group that there is not is told with the nearest."""
    hub.servers = [make.server("a", group="edge"), make.server("b", group="edge"), make.server("c", group="inner")]
    assert cli("restart", "@egde", "-y") == 1
    assert "'@edge'" in capsys.readouterr().err
    assert cli("restart", "@edge", "-y") == 0
    assert sorted(action.server for action in hub.actions.values()) == ["a", "b"]
    assert cli("restart", "kiosk/@inner", "-y") == 0
    assert len(hub.actions) == 3


def test_a_dry_run_is_said_and_not_asked_about(hub, cli) -> None:
    """It harms nobody, so nobody has to agree."""
    assert cli("stop", "*", "--dry-run") == 0
    assert [ask.dry_run for ask in hub.asks] == [True, True, True]


def test_what_presses_is_told_first(hub, cli, make, capsys) -> None:
    """What a person must decide, then its pause, then why it counts as hung; else the reason."""
    hub.servers = [
        make.server("a", reason="r", asks="acted 6 times; it is yours now", paused_why="paused by ann"),
        make.server("b", reason="r", paused_why="paused by ann", liveness="hung", liveness_why="silent"),
        make.server("c", reason="r", liveness="busy", liveness_why="is at work"),
        make.server("d", reason="r"),
    ]
    cli("status")
    told = capsys.readouterr().out
    lines = {line.split()[0]: line for line in told.splitlines()[3:]}
    for name, words in (("a", "it is yours now"), ("b", "paused by ann"), ("c", "busy: is at work"), ("d", " r")):
        assert lines[name].rstrip().endswith(words)


def test_the_next_attempt_is_told(hub, cli, make, capsys) -> None:
    """While it backs off."""
    hub.servers = [make.server("a", "backoff", "down", reason="exit status 1", next_attempt_at=1_760_000_005_000)]
    cli("status")
    assert "exit status 1; next attempt at " in capsys.readouterr().out
