"""Conditions of a start over real files, ports and disks: what is missing is said in words."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import msgspec
import pytest

from watchkeeper.config import decode_hook
from watchkeeper.control import conditions
from watchkeeper.control.conditions import Condition, DiskRoom, FileThere, PortAnswers, unmet
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


@pytest.mark.parametrize(
    "written", [{"kind": "port", "port": 0}, {"kind": "disk", "path": "/"}, {"kind": "moon"}, {"path": "/"}]
)
def test_what_is_no_condition_is_refused(written: dict[str, object]) -> None:
    """While file and line are known."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(written, Condition, dec_hook=decode_hook)
