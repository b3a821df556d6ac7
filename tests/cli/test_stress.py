"""`stress`: plans listed and printed, a run carried out with the exit code of its verdict, and what was recorded shown."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from rigs.known import TOKEN
from rigs.stress import QUICK, known_server
from watchkeeper.cli.exits import STRESS_ABORTED, STRESS_INVALID, STRESS_MISSED

SHORT = 'name = "short"\nconnections = 4\n[[phase]]\nkind = "constant"\nrate = 50\nlasts = "1s"\n' + QUICK


@pytest.fixture
def plan(tmp_path: Path):
    """Writes a plan; with a token that known servers answer with."""
    (tmp_path / "stress-token").write_text(TOKEN + "\n")

    def write(text: str = SHORT, objectives: str = "[]") -> str:
        path = tmp_path / "short.toml"
        token = f'[target]\ntoken = {{ file = "{tmp_path / "stress-token"}" }}\n'
        path.write_text(f"objectives = {objectives}\n{text}\n{token}")
        return str(path)

    return write


def test_plans_are_listed_and_printed(cli, capsys) -> None:
    """Each with what it does; one of them as TOML, to begin with."""
    assert cli("stress", "plans") == 0
    listed = capsys.readouterr().out
    assert "capacity" in listed
    assert "slow-readers" in listed
    assert cli("stress", "plans", "--json") == 0
    assert "knee" in json.loads(capsys.readouterr().out)["capacity"]
    assert cli("stress", "plans", "spike") == 0
    assert 'name = "spike"' in capsys.readouterr().out
    assert cli("stress", "plans", "spkie") == 1
    assert "did you mean 'spike'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("objectives", "more", "code", "said"),
    [
        ('["errors < 1%"]', (), 0, "PASS"),
        ('["rate > 1000/s"]', (), STRESS_MISSED, "FAIL"),
        (
            "[]",
            ("--set", "protocol.kind=http", "--set", "protocol.operation=[{name='x', expect=[204]}]"),
            STRESS_INVALID,
            "INVALID",
        ),
    ],
)
def test_the_exit_code_is_the_verdict(
    cli, capsys, plan, tmp_path: Path, objectives: str, more: tuple[str, ...], code: int, said: str
) -> None:
    """0 pass, 99 missed, 98 invalid; the record is named, and shown afterwards."""
    with known_server("errors", nth=1e9) as url:
        assert cli("stress", "run", plan(objectives=objectives), "--target", url, *more) == code
    out = capsys.readouterr().out
    assert said in out
    assert "consent: /.well-known/watchkeeper-stress answered with the token" in out
    assert "no timeline was told" in out
    assert TOKEN not in out
    (recorded,) = (tmp_path / "stress").glob("*-short-*")
    assert TOKEN not in (recorded / "plan.toml").read_text()
    assert cli("stress", "show") == 0
    assert "constant" in capsys.readouterr().out
    assert cli("stress", "runs") == 0
    assert capsys.readouterr().out.count(recorded.name) == 1
    assert cli("stress", "show", recorded.name[:15], "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["run"]["id"] == recorded.name
    assert told["stages"][0]["ended"]["scheduled"] == 50


def test_json_tells_each_thing_as_it_happens(cli, capsys, plan) -> None:
    """A document a line: began, stage, seconds, decisions, the end."""
    with known_server("errors", nth=1e9) as url:
        assert cli("stress", "run", plan(), "--target", url, "--json", "--seed", "7", "--connections", "3") == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["what"] for one in told if one["what"] != "second"] == ["began", "stage", "said", "ended"]
    assert told[0]["run"]["seed"] == 7
    assert told[0]["announced"] is False
    assert sum(one["scheduled"] for one in told if one["what"] == "second") == 50
    assert told[-1]["run"]["verdict"] == "pass"


def test_ctrl_c_ends_a_run_in_order(environ, plan, tmp_path: Path) -> None:
    """Exit 97, a whole record, and no worker left."""
    with known_server("fixed", service=0.05) as url:
        command = [sys.executable, "-m", "watchkeeper", "stress", "run", plan(SHORT.replace('"1s"', '"60s"')), "--target", url]
        process = subprocess.Popen(
            command, env=environ, cwd=tmp_path, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
        )
        assert process.stdout
        deadline = time.monotonic() + 30
        while not any(path.stat().st_size for path in tmp_path.glob("stress/*/windows.jsonl")):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=20)
    assert process.returncode == STRESS_ABORTED
    assert "ABORTED: an operator has ended it" in said
    assert not [path for path in Path("/proc").glob("[0-9]*/stat") if f" {process.pid} " in _parent(path)]


def test_q_on_a_terminal_ends_a_run(environ, plan, tmp_path: Path) -> None:
    """A person sees each second pass, presses q, and gets the terminal back as it was."""
    ours, theirs = os.openpty()
    before = termios.tcgetattr(theirs)
    with known_server("fixed", service=0.05) as url:
        command = [sys.executable, "-m", "watchkeeper", "stress", "run", plan(SHORT.replace('"1s"', '"60s"')), "--target", url]
        process = subprocess.Popen(command, env=environ, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs)
        said = b""
        deadline = time.monotonic() + 30
        while b"/s due" not in said:
            assert time.monotonic() < deadline, said
            said += os.read(ours, 4096)
        os.write(ours, b"q")
        while b"recorded in" not in said:
            assert time.monotonic() < deadline, said
            said += os.read(ours, 4096)
        assert process.wait(20) == STRESS_ABORTED
    assert b"q or Ctrl-C ends it" in said
    assert termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)


def _parent(stat: Path) -> str:
    try:
        return f" {stat.read_text().rpartition(')')[2].split()[1]} "
    except OSError:
        return ""


CONFIG = """
[machine]
name = "here"
[server.web]
command = ["sleep", "1"]
stress = {stress}
[[server.web.probe]]
kind = "http"
url = "{url}"
"""


def test_a_supervised_server_is_named(cli, capsys, hub, plan, tmp_path: Path) -> None:
    """Its address is its probe's, its consent its configuration's; the hub's timeline is told of it."""
    config = tmp_path / "watchkeeper.toml"
    with known_server("errors", nth=1e9) as url:
        words = ("stress", "run", plan(), "--target", "web", "--config", str(config))
        config.write_text(CONFIG.format(stress="true", url=url))
        assert cli(*words) == 0
        out = capsys.readouterr().out
        assert "consent: server web has stress = true" in out
        assert "no timeline" not in out
        config.write_text(CONFIG.format(stress="false", url=url))
        assert cli(*words) == 1
        assert "sets stress = true in [server.web]" in capsys.readouterr().err
    assert [one["what"] for one in hub.announced] == ["started", "phase", "ended"]
    assert sum(one.due for one in hub.progress) == 50
    assert {(one["server"], one["machine"], one["plan"]) for one in hub.announced} == {("web", "here", "short")}
    assert hub.announced[2]["outcome"] == "pass"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("run", "capacty", "--target", "http://127.0.0.1:1"), 1, "did you mean 'capacity'?"),
        (("run", "nowhere.toml", "--target", "http://127.0.0.1:1"), 1, "there is no plan nowhere.toml"),
        (("run", "smoke"), 2, "no target"),
        (("run", "smoke", "--target", "ftp://a"), 2, "expected an address that begins with"),
        (("run", "smoke", "--target", "web"), 1, "there is no server 'web'"),
        (("run", "smoke", "--target", "http://127.0.0.1:1"), 1, "nobody has agreed"),
        (("run", "smoke", "--target", "http://127.0.0.1:1", "--set", "x"), 2, "expected KEY=VALUE"),
        (("run", "smoke", "--target", "http://127.0.0.1:1", "--set", "safety.max=1"), 2, "unknown key 'max'"),
        (("run", "fan-out", "--target", "ws://127.0.0.1:1", "--protocol", "http"), 2, "the plan speaks cloud already"),
        (("show", "2026"), 1, "there is no run '2026'"),
        (("show", "../x"), 1, "is not the id of a run"),
        (("explode",), 2, "unknown"),
        ((), 2, "required"),
    ],
)
def test_wrong_usage_is_told(
    cli, capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int, said: str
) -> None:
    """With what was expected, and nothing was put under load."""
    monkeypatch.chdir(tmp_path)
    assert cli("stress", *words) == code
    assert said in capsys.readouterr().err
    assert not list(tmp_path.glob("stress/2*"))


def test_no_runs(cli, capsys) -> None:
    """Said as such."""
    assert cli("stress", "runs") == 0
    assert "No run is recorded" in capsys.readouterr().out
    assert os.environ.get("WATCHKEEPER_DATA")


def test_a_run_ends_when_the_hub_says_so(cli, capsys, hub, plan, tmp_path: Path) -> None:
    """Somebody has ended it from the dashboard: exit 97, and it says who."""
    hub.ended_by = "ada"
    config = tmp_path / "watchkeeper.toml"
    with known_server("errors", nth=1e9) as url:
        config.write_text(CONFIG.format(stress="true", url=url))
        words = ("stress", "run", plan(SHORT.replace('"1s"', '"60s"')), "--target", "web", "--config", str(config))
        assert cli(*words) == STRESS_ABORTED
    assert "ABORTED: ada has ended it" in capsys.readouterr().out
    assert hub.announced[-1]["outcome"] == "aborted: ada has ended it"


def test_a_server_of_another_machine_is_named_by_both(cli, capsys, hub, tmp_path: Path) -> None:
    """Its agent's word counts, as the hub has it; one that the hub does not know is refused."""
    assert cli("stress", "run", "smoke", "--target", "kiosk/web") == 1
    assert "sets stress = true in [server.web]" in capsys.readouterr().err
    assert cli("stress", "run", "smoke", "--target", "kiosk/wep") == 1
    assert "did you mean 'kiosk/web'?" in capsys.readouterr().err
