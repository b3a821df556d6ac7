"""Conditions of a start over real files, ports and disks: what is missing is said in words."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from rigs.watching import watching
from watchkeeper.config import decode_hook
from watchkeeper.control import ServerSettings, conditions
from watchkeeper.control.conditions import Condition, DiskRoom, FileThere, PortAnswers, unmet
from watchkeeper.model import ServerState
from watchkeeper.quantities import Size


async def test_a_file(tmp_path: Path) -> None:
    """Anything at its path will do."""
    path = tmp_path / "go"
    assert await unmet([FileThere(path=path)]) == f"there is {path}"
    path.mkdir()
    assert await unmet([FileThere(path=path)]) == ""


async def test_a_port() -> None:
    """Something has to accept connections."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert await unmet([PortAnswers(port=port)]) == ""
    assert await unmet([PortAnswers(port=port)]) == f"something answers at 127.0.0.1:{port}"


async def test_a_disk(tmp_path: Path) -> None:
    """Room, and a disk that is not there."""
    assert await unmet([DiskRoom(path=tmp_path, free=Size(1))]) == ""
    assert f"{tmp_path} has 1048576TiB free" in await unmet([DiskRoom(path=tmp_path, free=Size(1 << 60))])
    assert "can be told" in await unmet([DiskRoom(path=tmp_path / "none", free=Size(1))])


async def test_the_first_that_does_not_hold_is_named_and_time_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those after it are not looked at; one whose look never ends does not hold."""

    async def never(_self: object) -> str:
        await asyncio.sleep(1000)
        return ""

    holds, fails = FileThere(path=tmp_path), FileThere(path=tmp_path / "none")
    monkeypatch.setattr(PortAnswers, "missing", never)
    monkeypatch.setattr(conditions, "LOOK_SECONDS", 0.05)
    assert await unmet([holds, fails, PortAnswers(port=1)]) == f"there is {tmp_path / 'none'}"
    assert "comes to an end" in await unmet([holds, PortAnswers(port=1)])
    assert await unmet([]) == ""


async def test_a_file_system_that_hangs_costs_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looked at again and again, it holds one thread of its own and none of those that others need; then it answers again."""
    release = threading.Event()
    real = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: (path != tmp_path or release.wait(60)) and real(path))
    monkeypatch.setattr(conditions, "LOOK_SECONDS", 0.02)
    before = threading.active_count()
    for _ in range(40):
        assert "comes to an end" in await unmet([FileThere(path=tmp_path)])
    assert threading.active_count() <= before + 1
    async with asyncio.timeout(10):
        await asyncio.to_thread(lambda: None)
        await asyncio.get_running_loop().getaddrinfo("localhost", 80)
    release.set()
    async with asyncio.timeout(10):
        while await unmet([FileThere(path=tmp_path)]):
            pass


@pytest.mark.parametrize(
    "condition",
    [PortAnswers(port=1, host="db..example.org"), FileThere(path=Path("/etc") / ("x" * 300)), FileThere(path=Path("a\0b"))],
)
async def test_what_cannot_be_looked_at_is_waited_for(tmp_path: Path, condition: Condition) -> None:
    """A name that is none and a path that is too long are told in words, and the other servers run."""
    servers = {
        "a": ServerSettings(command=("sleep", "1000"), start_when=(condition,)),
        "b": ServerSettings(command=("sleep", "1000")),
    }
    async with watching(tmp_path, servers) as one:
        await one.until(lambda: "waits until" in one.status().reason, "its wait to be told")
        await one.until(lambda: one.pid("b"), "the start of the other")
        assert one.status().state is ServerState.WAITING


@pytest.mark.skipif(sys.platform == "win32" or os.getuid() != 0, reason="only root can become somebody who may not look")
def test_a_folder_that_may_not_be_entered_is_told(tmp_path: Path) -> None:
    """Somebody else's folder, seen by one who may not look into it."""
    (tmp_path / "closed").mkdir(mode=0o700)
    code = (
        "import asyncio, os, sys; from pathlib import Path; from watchkeeper.control.conditions import FileThere, unmet;"
        "os.setuid(65534); print(asyncio.run(unmet([FileThere(path=Path(sys.argv[1]))])))"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "closed" / "ready")]
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "can be looked at (Permission denied)" in run.stdout, run.stderr


@pytest.mark.parametrize(
    "written", [{"kind": "port", "port": 0}, {"kind": "disk", "path": "/"}, {"kind": "moon"}, {"path": "/"}]
)
def test_what_is_no_condition_is_refused(written: dict[str, object]) -> None:
    """While file and line are known."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(written, Condition, dec_hook=decode_hook)
