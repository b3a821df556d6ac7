"""A secret to hide, and pauses that no test has to sit through."""

from __future__ import annotations

from pathlib import Path

import pytest

from rigs.outgoing import kept
from watchkeeper.notify import deciding
from watchkeeper.quantities import Secret


@pytest.fixture
def secret(tmp_path: Path) -> Secret:
    """A secret in a file."""
    return kept(tmp_path, "a-very-secret-word")


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses by the clock of milliseconds, so that a test of them takes no minute."""
    monkeypatch.setattr(deciding, "FIRST_PAUSE", 20)
    monkeypatch.setattr(deciding, "LONGEST_PAUSE", 100)
    monkeypatch.setattr(deciding, "LONGEST_UNSURE_PAUSE", 200)
