"""One command run to its end: whom it leaves behind, what it holds open, and how it is cut short."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from rigs.programs import is_alive
from watchkeeper.argv import ask
from watchkeeper.errors import Failed


def python(code: str) -> tuple[str, ...]:
    """A command."""
    return (sys.executable, "-c", code)


async def test_a_command_that_is_cut_short_is_ended_with_its_group(tmp_path: Path) -> None:
    """What runs over its time leaves nobody behind, though its child holds the output open."""
    pids = tmp_path / "pids"
    code = f"""
import os, subprocess, time
child = subprocess.Popen(["sleep", "1000"])
open({str(pids)!r}, "w").write(f"{{os.getpid()}} {{child.pid}}")
time.sleep(1000)
"""
    task = asyncio.ensure_future(ask(python(code)))
    while not (pids.exists() and len(pids.read_text().split()) == 2):
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(500):
        if not any(is_alive(int(pid)) for pid in pids.read_text().split()):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("they still run")


async def test_a_child_in_the_background_does_not_hold_up_the_answer(tmp_path: Path) -> None:
    """A start script whose daemon keeps the output open is over when the script is."""
    code = "import subprocess; print('done', flush=True); subprocess.Popen(['sleep', '3'])"
    async with asyncio.timeout(2.5):
        assert await ask(python(code)) == (0, "done")


async def test_a_command_that_is_cut_short_twice_is_waited_for(tmp_path: Path) -> None:
    """Whoever ends cancels what is being cancelled once more: the killed command is still seen to be gone."""
    note = tmp_path / "pid"
    code = f"import os, pathlib, time; pathlib.Path({str(note)!r}).write_text(str(os.getpid())); time.sleep(1000)"
    asked = asyncio.create_task(ask((sys.executable, "-c", code)))
    async with asyncio.timeout(20):
        while not (note.exists() and note.read_text()):
            await asyncio.sleep(0.01)
    asked.cancel()
    await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert not Path(f"/proc/{note.read_text()}").exists() or sys.platform != "linux"


async def test_nothing_is_left_open() -> None:
    """Neither a command that ended, nor one that could not be run, nor one that was cut short leaves a pipe behind."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("this system does not list what a process has open")
    await ask(python("print('first')"))  # the loop opens what it keeps for itself
    before = len(os.listdir("/proc/self/fd"))
    await ask(python("print('hello')"))
    with pytest.raises(Failed, match="cannot run"):
        await ask(("/nowhere/at-all",))
    for pause in (0.0, 0.05):
        cut = asyncio.create_task(ask(python("import time; time.sleep(1000)")))
        await asyncio.sleep(pause)
        cut.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cut
    for _ in range(500):
        if len(os.listdir("/proc/self/fd")) <= before:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(os.listdir("/proc/self/fd"))
