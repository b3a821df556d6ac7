"""What released versions have left is read by the code of the day: `packaging/freeze.py` makes these files at each release."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rigs.programs import Programs, until
from rigs.released import RELEASED, asked, lasting

VERSIONS = sorted(path.name.removesuffix(".tar.gz") for path in RELEASED.glob("*.tar.gz"))
KEPT = '[store]\nraw = "36500d"\nfirst = "36500d"\nhourly = "36500d"\n'
"""However long ago the version was."""


@pytest.mark.parametrize("version", VERSIONS)
def test_data_of_every_released_version_answers_as_it_did(version: str, tmp_path: Path) -> None:
    """Put back and opened by today's hub, its machines, events, incidents, people, silences and figures are what they were."""
    frozen = json.loads((RELEASED / f"{version}.json").read_text())
    one = Programs(tmp_path, KEPT)
    try:
        restored = one.run("restore", str(RELEASED / f"{version}.tar.gz"))
        assert restored.returncode == 0, restored.stderr
        assert f"Watchkeeper {version}" in restored.stdout
        one.hub()
        until(lambda: (answer := one.ask("/readyz")) is not None and answer.is_success, "the hub")
        assert len(frozen["answers"]) >= 10
        for path, told in frozen["answers"].items():
            answer = one.ask(asked(path, frozen["start"], frozen["end"]))
            assert answer is not None
            assert answer.is_success, (path, answer.text)
            missing = set(told["rows"]) - set(lasting(answer.json(), told["fields"]))
            assert told["rows"], path
            assert not missing, (path, missing)
    finally:
        one.close()


def test_this_version_is_frozen_before_it_is_out() -> None:
    """At least one version is, and each has both its files."""
    assert VERSIONS
    assert all((RELEASED / f"{version}.json").exists() for version in VERSIONS)
