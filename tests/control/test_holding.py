"""A held server is let go: by order, when the time is up, when its agent is killed, and by the next agent."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from rigs.programs import until
from watchkeeper.control import holding
from watchkeeper.control.holding import Holding
from watchkeeper.control.identity import identify
from watchkeeper.errors import Failed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")


@pytest.fixture
def server() -> Iterator[subprocess.Popen[bytes]]:
    """A process that leads a group, as servers do."""
    process = subprocess.Popen(["sleep", "1000"], process_group=0)
    yield process
    process.kill()
    process.wait()


def state(pid: int) -> str:
    """As the kernel sees it: T is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


async def test_held_and_let_go_by_order_and_by_time(tmp_path: Path, server: subprocess.Popen[bytes]) -> None:
    """Also when held a second time; what is not held cannot be let go."""
    held = Holding(tmp_path)
    await held.hold("web", server.pid, 600)
    until(lambda: state(server.pid) == "T", "it to be held")
    assert await held.let_go("web")
    until(lambda: state(server.pid) != "T", "it to go on")
    assert not await held.let_go("web")
    await held.hold("web", server.pid, 0.2)
    until(lambda: state(server.pid) != "T", "its time to be up")
    with pytest.raises(Failed):
        await held.hold("web", 1 << 22, 1)


async def test_an_order_that_is_cancelled_or_overtaken_leaves_nothing_held(
    tmp_path: Path, server: subprocess.Popen[bytes]
) -> None:
    """Let go while it is being held: it goes on, and whoever had ordered it is told so."""
    held = Holding(tmp_path)
    for overtaken in (False, True):
        order = asyncio.create_task(held.hold("web", server.pid, 600))
        async with asyncio.timeout(10):
            while "web" not in held._held:
                await asyncio.sleep(0)
        if not overtaken:
            order.cancel()
            await asyncio.wait([order])
        assert await held.let_go("web")
        assert overtaken or order.cancelled()
        if overtaken:
            with pytest.raises(Failed):
                await order
        until(lambda: state(server.pid) != "T", "it to go on")
        assert held._held == {}


def test_let_go_when_the_agent_is_killed(tmp_path: Path, server: subprocess.Popen[bytes]) -> None:
    """By kill -9, so that nobody could have said a word."""
    program = str(holding.PROGRAM)
    ticks = identify(server.pid).start_ticks
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, {program!r}, '{server.pid}', '{ticks}', '600'], "
    code += "stdin=subprocess.PIPE, start_new_session=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as agent:
        assert agent.stdout is not None
        assert agent.stdout.readline() == b"held\n"
        until(lambda: state(server.pid) == "T", "it to be held")
        agent.kill()
    until(lambda: state(server.pid) != "T", "it to go on")


def test_the_next_agent_lets_go_what_was_left(tmp_path: Path, server: subprocess.Popen[bytes]) -> None:
    """Where both were killed together; and it touches nobody who only has the number."""
    folder = tmp_path / "held"
    folder.mkdir()
    identity = identify(server.pid)
    os.kill(server.pid, signal.SIGSTOP)
    until(lambda: state(server.pid) == "T", "it to be held")
    (folder / "web.json").write_bytes(msgspec.json.encode(msgspec.structs.replace(identity, start_ticks=1)))
    Holding(tmp_path)
    assert state(server.pid) == "T"
    assert not list(folder.iterdir())
    (folder / "web.json").write_bytes(msgspec.json.encode(identity))
    Holding(tmp_path)
    until(lambda: state(server.pid) != "T", "it to go on")
