"""`audit`: who did what, oldest first, of a server or of a person alone."""

from __future__ import annotations

import json

import pytest

from watchkeeper.web.people_shapes import AuditView

from .conftest import NOW


@pytest.fixture(autouse=True)
def written(hub) -> None:
    """Three acts, the newest first, as the API has them."""
    hub.audit = [
        AuditView(NOW, "watchkeeper", "", "restart", "kiosk/web", "it hung", "web was restarted and runs (pid 7)"),
        AuditView(NOW - 1000, "ann", "10.0.0.7", "stop", "kiosk/db", "[moving] disks", ""),
        AuditView(NOW - 2000, "ann", "10.0.0.7", "sign-in", "ann", "", ""),
    ]


def test_a_line_says_who_what_why_and_how_it_ended(cli, capsys) -> None:
    """Oldest first, and what people type is text."""
    assert cli("audit") == 0
    first, *_, last = capsys.readouterr().out.splitlines()[1:]
    assert "ann" in first
    assert "sign-in ann" in first
    assert all(part in last for part in ("watchkeeper", "restart kiosk/web", "it hung", "(pid 7)"))
    assert cli("audit", "db") == 0
    assert "[moving] disks" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "times"),
    [
        (("web",), [NOW]),
        (("kiosk/web",), [NOW]),
        (("--by", "ann"), [NOW - 2000, NOW - 1000]),
        (("db", "--by", "watchkeeper"), []),
        (("-n", "1"), [NOW]),
        (("-n", "1", "--by", "ann"), [NOW - 1000]),
    ],
)
def test_what_was_done_to_one_or_by_one(words: tuple[str, ...], times: list[int], cli, capsys) -> None:
    """With or without its machine; so many of those that fit, the newest of them."""
    assert cli("audit", *words, "--json") == 0
    assert [one["at"] for one in json.loads(capsys.readouterr().out)] == times


def test_nothing_found_says_where_it_was_looked_for(cli, capsys) -> None:
    """Not a bare heading."""
    assert cli("audit", "nobody") == 0
    assert "among the last 3 entries" in capsys.readouterr().err
