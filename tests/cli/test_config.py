"""`watchkeeper config`: right or wrong said exactly, what is in effect shown, secrets never."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from watchkeeper import cli
from watchkeeper.cli.settings import TABLES
from watchkeeper.hub import TABLES as HUB_TABLES
from watchkeeper.watched import SECTIONS

GOOD = """
[agent]
hub = "https://hub.example"
token = { env = "HUB_TOKEN" }
[server.web]
command = ["/usr/bin/web", "--name", "it's \\"quoted\\" \\\\ ünï"]
environment = { "A.B" = "c" }
[[server.web.probe]]
kind = "http"
url = "http://127.0.0.1:1/"
period = "1m30s"
[probe.dns]
kind = "tcp"
port = 53
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A good configuration."""
    path = tmp_path / "watchkeeper.toml"
    path.write_text(GOOD, encoding="utf-8")
    return path


def test_a_right_one_is_said_to_be_right(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 0 and what it holds."""
    assert cli.main(["config", "check", "--config", str(file)]) == 0
    assert "Servers: web." in capsys.readouterr().out


def test_show_is_toml_that_means_the_same(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What `show` prints can be used as a configuration and shows the same again, defaults spelled out."""
    assert cli.main(["config", "show", "--config", str(file)]) == 0
    first = capsys.readouterr().out
    again = tmp_path / "again.toml"
    again.write_text(first, encoding="utf-8")
    assert cli.main(["config", "show", "--config", str(again)]) == 0
    assert capsys.readouterr().out == first
    shown = tomllib.loads(first)
    assert shown["server"]["web"]["command"][-1] == 'it\'s "quoted" \\ ünï'
    assert shown["server"]["web"]["stop_grace"] == "10s"
    assert shown["server"]["web"]["probe"][0]["period"] == "1m30s"
    assert shown["probe"]["dns"]["kind"] == "tcp"


def test_a_secret_is_shown_as_where_it_is(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Never as what it is, in none of the forms."""
    monkeypatch.setenv("HUB_TOKEN", "very-secret-text")
    for words in (["show"], ["show", "--json"], ["check"], ["check", "--json"]):
        assert cli.main(["config", *words, "--config", str(file)]) == 0
        said = capsys.readouterr()
        assert "very-secret-text" not in said.out + said.err
    cli.main(["config", "show", "--config", str(file)])
    assert 'token = { env = "HUB_TOKEN" }' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[agent]\nperod = '1s'", ":2 (agent.perod): unknown key 'perod'; did you mean 'period'?"),
        ("[agnt]\nperiod = '1s'", ":1 (agnt): unknown table 'agnt'; did you mean 'agent'?"),
        ("[agent]\nperiod = 5", ":2 (agent.period): expected a duration"),
        ("[agent\n", "watchkeeper.toml:1:"),
        ("[server.a]\ncommand = []", "(server.a): command: expected a program"),
        ("[server.a]\ncommand = ['x']\nafter = ['b']", "server.a.after: 'b' is no server"),
        ("[server.'a b']\ncommand = ['x']", "a name has 1 to 63 letters"),
        ("[agent]\ntoken = 'text'", "(agent.token)"),
        ("[[server.a.probe]]\nkind = 'htp'\n[server.a]\ncommand = ['x']", "'htp' is not one of the known values"),
        ("[store]\nbudget = '1MiB'", "budget: expected at least 64MiB"),
        ("[collect.cpu]\nenabled = 1", "(collect.cpu.enabled)"),
        ("[server.a]\ncommand = ['x']\n[server.a.backoff]\nfirst = '0s'", "first: expected at least 100ms"),
    ],
)
def test_a_wrong_one_is_told_with_its_place(tmp_path: Path, text: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2; file, line and path, what is wrong and what was expected."""
    path = tmp_path / "watchkeeper.toml"
    path.write_text(text, encoding="utf-8")
    assert cli.main(["config", "check", "--config", str(path)]) == 2
    assert told in capsys.readouterr().err


def test_a_value_set_twice_names_both_files(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """conf.d joins tables, but no file may silently win over another."""
    (file.parent / "conf.d").mkdir()
    (file.parent / "conf.d" / "more.toml").write_text('[agent]\nhub = "https://other.example"\n', encoding="utf-8")
    assert cli.main(["config", "check", "--config", str(file)]) == 2
    told = capsys.readouterr().err
    assert "agent.hub is set here and in" in told
    assert "more.toml" in told


def test_the_schema_knows_every_table(capsys: pytest.CaptureFixture[str]) -> None:
    """For editors: a JSON Schema of the whole file."""
    assert cli.main(["config", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert set(schema["$defs"]["Configuration"]["properties"]) == set(TABLES)


def test_each_table_has_one_owner() -> None:
    """The list that the agent checks against without loading the hub says the same as the owners."""
    assert {table for table, owner in TABLES.items() if owner == "agent"} == set(SECTIONS)
    assert {table for table, owner in TABLES.items() if owner == "hub"} == set(HUB_TABLES)
