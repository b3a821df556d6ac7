"""`logs`: the lines as the server wrote them, and following across a hub that goes and comes back."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from watchkeeper.cli.live.lines import Join
from watchkeeper.web.shapes import LogNews


def test_the_last_lines_and_nothing_else(hub, cli, capsys) -> None:
    """Stdout is the server's output alone, so that it can be piped."""
    assert cli("logs", "web", "-n", "3") == 0
    assert capsys.readouterr() == ("line 18\nline 19\nline 20\n", "")


def test_json_is_an_object_a_line(hub, cli, capsys) -> None:
    """Each says whose line it is."""
    assert cli("logs", "kiosk/web", "-n", "2", "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == {"machine": "kiosk", "server": "web", "line": "line 19"}


@pytest.mark.parametrize("words", [["wbe"], ["*"], ["web", "-n", "0"], ["web", "-n", "many"]])
def test_what_cannot_be_meant_is_refused(words: list[str], hub, run) -> None:
    """An unknown name, several servers at once, a number that is none."""
    done = run("logs", *words)
    assert done.returncode != 0
    assert done.stderr
    assert not done.stdout


def test_following_goes_on_across_a_hub_that_comes_back(hub, environ, tmp_path, waiting) -> None:
    """The lines of before are not repeated, those of meanwhile are not lost, and the break is told on stderr."""
    command = [sys.executable, "-m", "watchkeeper", "logs", "web", "-f", "-n", "2"]
    with (tmp_path / "err").open("wb") as errors:
        follower = subprocess.Popen(command, env=environ, cwd=tmp_path, stdout=subprocess.PIPE, stderr=errors, text=True)
    assert follower.stdout is not None
    try:
        waiting(lambda: hub.followed)
        hub.lines.append("line 21")
        hub.push(LogNews("kiosk", "web", ("line 21",)))
        assert [follower.stdout.readline() for _ in range(3)] == ["line 19\n", "line 20\n", "line 21\n"]
        hub.close()
        waiting(lambda: "waiting for it" in (tmp_path / "err").read_text())
        hub.lines.append("line 22")
        hub.open()
        assert follower.stdout.readline() == "line 22\n"
        waiting(lambda: "the hub is there again" in (tmp_path / "err").read_text())
    finally:
        follower.terminate()
        follower.wait(20)
        follower.stdout.close()


def test_a_fresh_tail_is_joined_to_what_was_seen() -> None:
    """The longest overlap is found, also when the tail comes in parts."""
    join = Join(["a", "b", "a", "b", "c"])
    assert join.fresh(["a", "b"]) == []
    assert join.fresh(["c", "d"]) == ["d"]
    assert not join.gap


def test_a_tail_that_does_not_join_is_a_gap() -> None:
    """Nothing known in it: all is fresh, and the reader is to be told."""
    join = Join(["a", "b"])
    assert join.fresh(["x", "y"]) == ["x", "y"]
    assert join.gap
