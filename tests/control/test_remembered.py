"""What people have said of servers, on the disk: read back whole, and never lost to what is said later."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.control.remembered import Memory, Saying, Sayings

PAUSED = Sayings(paused={"db": Saying("ann", "moving disks", 1)})


def test_what_was_said_is_there_again(tmp_path: Path) -> None:
    """The next agent reads what this one has kept; before anything was said there is nothing."""
    one = Memory(tmp_path)
    assert one.now == Sayings()
    assert one.keep(PAUSED) == ""
    assert Memory(tmp_path).now == PAUSED


def test_what_cannot_be_read_is_kept_beside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that a disk has spoiled is told, and a person can still read it after the next word was written down."""
    Memory(tmp_path).keep(PAUSED)
    path = tmp_path / "sayings.json"
    spoiled = path.read_bytes()[:-3] + bytes(3)
    path.write_bytes(spoiled)
    one = Memory(tmp_path)
    assert one.now == Sayings()
    assert str(tmp_path / "sayings.unread") in caplog.text
    assert one.keep(Sayings(acted={"x": (1.0,)})) == ""
    assert (tmp_path / "sayings.unread").read_bytes() == spoiled
    assert Memory(tmp_path).now.acted == {"x": (1.0,)}
