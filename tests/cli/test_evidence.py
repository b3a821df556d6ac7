"""`evidence list | show | save`: found by server or id, printed for a person, saved and never over something."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from watchkeeper.web.evidence_shapes import EvidenceView

NOW = 1_760_000_000_000


@pytest.fixture(autouse=True)
def saved(hub, tmp_path, monkeypatch) -> None:
    """Two of web, one of db, the newest first; files are saved where the test is."""
    monkeypatch.chdir(tmp_path)
    hub.evidence = [
        EvidenceView("e3", NOW, "kiosk", "web", "it hung", 2048, 0.2),
        EvidenceView("e2", NOW - 1000, "kiosk", "db", "it would not stop", 1024, 0.1),
        EvidenceView("e1", NOW - 2000, "kiosk", "web", "it hung before", 1024, 0.1),
    ]


def test_the_list(cli, capsys) -> None:
    """All, or a server's; with the reason and the size."""
    assert cli("evidence", "list") == 0
    told = capsys.readouterr().out
    assert "e3" in told
    assert "it would not stop" in told
    assert cli("evidence", "list", "db") == 0
    told = capsys.readouterr().out
    assert "e2" in told
    assert "e3" not in told
    assert cli("evidence", "list", "--json") == 0
    assert [one["id"] for one in json.loads(capsys.readouterr().out)] == ["e3", "e2", "e1"]


def test_an_empty_list_says_when_there_is_one(hub, cli, capsys) -> None:
    """Not a bare heading."""
    hub.evidence = []
    assert cli("evidence", "list") == 0
    assert "nothing was saved yet" in capsys.readouterr().err


def test_one_is_shown_by_id_or_by_server(cli, capsys) -> None:
    """Of a server the newest; its sections under their titles, and what is missing."""
    assert cli("evidence", "show", "web") == 0
    told = capsys.readouterr().out
    assert "not to be had in time: sockets" in told
    assert "== threads ==\none sleeps\n" in told
    assert cli("evidence", "show", "e1", "--json") == 0
    assert json.loads(capsys.readouterr().out)["id"] == "e1"


def test_one_is_saved_and_nothing_is_overwritten(cli, capsys, tmp_path: Path) -> None:
    """As text, or as JSON by the name's end."""
    assert cli("evidence", "save", "web") == 0
    assert "one sleeps" in (tmp_path / "web-e3.txt").read_text()
    assert cli("evidence", "save", "web") == 1
    assert "cannot be written: File exists" in capsys.readouterr().err
    assert cli("evidence", "save", "e2", "-o", "kept.json") == 0
    assert json.loads((tmp_path / "kept.json").read_text())["id"] == "e2"


def test_what_there_is_not_is_told(hub, cli, capsys) -> None:
    """A server of which nothing was saved, a name that is none, and no name at all."""
    assert cli("evidence", "show", "shop") == 1
    assert "nothing was saved of shop" in capsys.readouterr().err
    assert cli("evidence", "show", "wbe") == 1
    assert "did you mean 'web'" in capsys.readouterr().err
    assert cli("evidence", "show") == 1
    assert "evidence list" in capsys.readouterr().err
