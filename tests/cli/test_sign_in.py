"""`sign-in`: a link that can be handed on."""

from __future__ import annotations

import json


def test_the_link_alone_is_on_stdout(hub, run) -> None:
    """So that it can be given to a browser."""
    done = run("sign-in")
    assert done.returncode == 0
    assert done.stdout == f"{hub.url}/sign-in#once\n"


def test_json_has_its_end_too(hub, cli, capsys) -> None:
    """Programs are told until when it is good."""
    assert cli("sign-in", "--json") == 0
    assert set(json.loads(capsys.readouterr().out)) == {"url", "expires_at"}


def test_no_hub_says_how_to_start_one(run) -> None:
    """There is nobody to sign in to."""
    done = run("sign-in")
    assert done.returncode != 0
    assert "watchkeeper up" in done.stderr
