"""What a service system hears of us, on a real socket."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from watchkeeper.cli.readiness import Readiness


@pytest.fixture
def ear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    """A service system's socket, named in the environment."""
    line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    line.bind(str(tmp_path / "notify"))
    line.settimeout(5)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    return line


def test_it_says_ready_and_stopping_and_servers_do_not_inherit_the_address(ear: socket.socket) -> None:
    """READY, then STOPPING; without a watchdog no sign of life; the variable is gone."""
    readiness = Readiness()
    assert "NOTIFY_SOCKET" not in os.environ
    readiness.ready("dashboard at x")
    readiness.alive()
    readiness.stopping()
    assert ear.recv(200) == b"READY=1\nSTATUS=dashboard at x"
    assert ear.recv(200) == b"STOPPING=1"
    ear.close()
    readiness.ready("nobody listens")  # harmless


def test_a_loop_that_turns_keeps_the_watchdog_quiet(ear: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a watchdog of 60 ms, signs of life keep coming for as long as the loop turns."""
    monkeypatch.setenv("WATCHDOG_USEC", "60000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    readiness = Readiness()

    async def live() -> None:
        readiness.tell_on_loop("watching")
        await asyncio.sleep(0.2)

    asyncio.run(live())
    assert ear.recv(200).startswith(b"READY=1")
    assert [ear.recv(200) for _ in range(3)] == [b"WATCHDOG=1"] * 3
    ear.close()


def test_a_watchdog_meant_for_another_process_is_not_ours(ear: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """WATCHDOG_PID names another: we keep silent (sd_watchdog_enabled(3))."""
    monkeypatch.setenv("WATCHDOG_USEC", "60000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    readiness = Readiness()
    readiness.alive()
    readiness.stopping()
    assert ear.recv(200) == b"STOPPING=1"
    ear.close()
