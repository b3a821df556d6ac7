"""A worker as a process: what it does before the first order."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from watchkeeper.stress.worker import keep_place


@pytest.mark.parametrize(("nice", "written"), [(-10, "-10"), (5, "5"), (0, "")])
def test_an_inherited_niceness_is_the_sessions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nice: int, written: str
) -> None:
    """Written to the session's group, and nothing where there is none to inherit."""
    (tmp_path / "autogroup").write_text("")
    monkeypatch.setattr(os, "getpriority", lambda *_: nice)
    keep_place(tmp_path)
    assert (tmp_path / "autogroup").read_text() == written


def test_where_there_are_no_groups_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor where it is not allowed."""
    monkeypatch.setattr(os, "getpriority", lambda *_: -10)
    keep_place(tmp_path / "nowhere")
