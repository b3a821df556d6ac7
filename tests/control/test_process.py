"""What is to be started is put together from settings, files and our own environment, each winning over the one before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from watchkeeper.clock import SystemClock
from watchkeeper.control import ServerSettings, bykeeper, byourselves, envfile, process
from watchkeeper.control.parentage import Told
from watchkeeper.control.process import made, prepare
from watchkeeper.control.runfile import RunFile
from watchkeeper.errors import Failed


def test_later_ones_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent's own, the files in their order, the table, and what the agent adds for itself."""
    for name in "ABCDE":
        monkeypatch.setenv(name, "agent")
    (tmp_path / "one.env").write_text("B=one\nC=one\nD=one\nE=one\n")
    (tmp_path / "two.env").write_text("C=two\nD=two\nE=two\n")
    settings = ServerSettings(
        command=("x",),
        folder=tmp_path,
        environment={"D": "table", "E": "table"},
        environment_files=("one.env", str(tmp_path / "two.env"), "-none.env"),
    )
    spawn = prepare("web", "o1", settings, tmp_path / "log", {"E": "extra"})
    assert [spawn.environment[name] for name in "ABCDE"] == ["agent", "one", "two", "table", "extra"]
    assert set(spawn.own) == set("BCDE")
    assert spawn.environment["PATH"] == os.environ["PATH"]
    assert (spawn.server, spawn.order, spawn.folder, spawn.log) == ("web", "o1", tmp_path, tmp_path / "log")


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing (unless it may be), a folder, no assignments, too large."""
    (tmp_path / "bad.env").write_text("A=1\nno assignment\n")
    (tmp_path / "large.env").write_text("A=1\n")
    monkeypatch.setattr(envfile, "MOST_BYTES", 3)
    for name, why in {
        "none.env": f"its environment file {tmp_path}/none.env cannot be read: No such file",
        "-.": "cannot be read: Is a directory",
        "large.env": "is larger than",
    }.items():
        with pytest.raises(Failed, match=why):
            prepare("web", "o1", ServerSettings(command=("x",), folder=tmp_path, environment_files=(name,)), tmp_path)
    monkeypatch.undo()
    with pytest.raises(Failed, match=r"bad\.env:2: expected NAME=VALUE"):
        prepare("web", "o1", ServerSettings(command=("x",), folder=tmp_path, environment_files=("bad.env",)), tmp_path)


def test_what_runs_is_told_from_what_would_run_now(tmp_path: Path) -> None:
    """Whatever takes a restart to become true changes the word for it, and nothing else does."""
    plain = ServerSettings(command=("x",), environment={"A": "1"})
    assert made(plain) == made(ServerSettings(command=("x",), environment={"A": "1"}, restart="never"))
    assert made(plain) != made(ServerSettings(command=("x",), environment={"A": "2"}))
    assert made(plain) != made(ServerSettings(command=("x",), environment={"A": "1"}, nice=1))
    assert prepare("web", "o1", plain, tmp_path).made == made(plain)


def test_the_parent_is_the_keeper_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux; elsewhere the agent itself."""
    runfile = RunFile(tmp_path)
    told = Told(lambda *_: None, lambda *_: None, lambda *_: None)
    assert isinstance(process.parent(runfile, SystemClock(), told), bykeeper.ByKeeper)
    monkeypatch.setattr(process.sys, "platform", "win32")
    assert isinstance(process.parent(runfile, SystemClock(), told), byourselves.Ourselves)
    runfile.close()
