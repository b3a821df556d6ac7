"""What a bug report begins with."""

from __future__ import annotations

import json

from watchkeeper import __version__


def test_it_names_version_python_and_platform(cli, capsys) -> None:
    """The line and the JSON hold the same three facts."""
    assert cli("version", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["watchkeeper"] == __version__
    assert cli("version") == 0
    line = capsys.readouterr().out
    assert all(fact in line for fact in told.values())
