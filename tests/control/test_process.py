"""What is to be started is put together from settings, files and our own environment, each winning over the one before."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from rigs.watching import QUICK, watching
from watchkeeper.clock import SystemClock
from watchkeeper.control import AnyServer, Script, ServerSettings, bykeeper, byourselves, envfile, process
from watchkeeper.control.parentage import Told
from watchkeeper.control.process import made, prepare
from watchkeeper.control.runfile import RunFile
from watchkeeper.errors import Failed
from watchkeeper.model import EventKind, ServerState
from watchkeeper.quantities import Duration


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


@pytest.mark.skipif(sys.platform == "win32", reason="there a folder in use stays")
async def test_an_agent_whose_own_folder_is_gone_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers with a folder and those that run elsewhere are started as before; one without is told why it is not."""
    release, up = tmp_path / "release", tmp_path / "up"
    release.mkdir()
    monkeypatch.chdir(release)
    servers: dict[str, AnyServer] = {
        "a": ServerSettings(command=("sleep", "1000"), backoff=QUICK),
        "b": ServerSettings(command=("sleep", "1000"), folder=tmp_path, backoff=QUICK),
        "c": Script(
            status=("/bin/sh", "-c", f"test -e {up} || exit 3"),
            start=("/bin/touch", str(up)),
            stop=("/bin/rm", str(up)),
            restart="always",
            period=Duration(0.1),
        ),
    }
    up.touch()
    async with watching(tmp_path / "agent", servers) as one:
        await one.until(lambda: one.pid("a") and one.pid("b"), "their start")
        await one.until(lambda: one.status("c").state is ServerState.RUNNING, "it to be seen")
        release.rmdir()
        os.kill(one.pid("a"), signal.SIGKILL)
        os.kill(one.pid("b"), signal.SIGKILL)
        up.unlink()
        await one.until(lambda: one.told(EventKind.SERVER_START_FAILED), "that it cannot be started")
        assert "the agent's is gone: No such file or directory" in one.told(EventKind.SERVER_START_FAILED)[0].text
        await one.until(lambda: one.status("b").restarts and one.pid("b"), "the next run of what has a folder")
        await one.until(lambda: up.exists() and one.status("c").restarts, "the next run of what runs elsewhere")


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
