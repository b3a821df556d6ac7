"""The agent as a parent, beyond the contract of all: what it adopts, what it must not touch, and systems without a pidfd."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rigs.keeping import finish, home
from rigs.programs import is_alive, until
from watchkeeper.control import byourselves
from watchkeeper.control.byourselves import OwnProcess, adopt, start
from watchkeeper.control.identity import Identity
from watchkeeper.errors import Failed

SLEEP = (sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(60)")


@pytest.fixture
def output(tmp_path: Path) -> Iterator[int]:
    """Where the programs write."""
    file = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    yield file
    os.close(file)


def said(tmp_path: Path) -> str:
    """What they have written, once they have."""
    return until((tmp_path / "out").read_text, "the program's first word")


async def test_an_adopted_process_is_seen_to_end(output: int, tmp_path: Path) -> None:
    """One that we did not start, found by its identity: its end is noticed, its status nobody can tell."""
    child = start(SLEEP, Path.cwd(), os.environ, output)
    said(tmp_path)
    found = adopt(child.identity)
    assert found is not None
    ended = asyncio.create_task(found.ended())
    await asyncio.sleep(0.05)
    assert not ended.done()
    found.kill()
    async with asyncio.timeout(20):
        assert "unknown" in (await ended).how
    assert (await finish(child)).how == "killed by SIGKILL"
    assert adopt(child.identity) is None


async def test_a_reused_pid_is_not_adopted_and_not_signalled(output: int, tmp_path: Path) -> None:
    """The same number with another start time is another process: hands off."""
    child = start(SLEEP, Path.cwd(), os.environ, output)
    other = Identity(child.pid, child.identity.start_ticks - 1, child.identity.boot_id)
    assert adopt(other) is None
    OwnProcess(other, None).kill()
    await asyncio.sleep(0.1)
    assert is_alive(child.pid)
    child.kill()
    await finish(child)
    child.terminate()  # after the end: no signal to a number that may be another's by now


@pytest.mark.parametrize("adopted", [False, True])
async def test_without_a_pidfd_the_end_is_seen_all_the_same(
    adopted: bool,  # a table
    output: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """MacOS and old kernels: a thread that waits, or a look every quarter of a second."""
    monkeypatch.delattr(byourselves.os, "pidfd_open")
    child = start(SLEEP, Path.cwd(), os.environ, output)
    said(tmp_path)
    watcher = adopt(child.identity) if adopted else child
    assert watcher is not None
    ended = asyncio.create_task(watcher.ended())
    await asyncio.sleep(0.05)
    assert not ended.done()
    os.kill(child.pid, signal.SIGKILL)
    assert (await ended).how == ("killed by SIGKILL" if not adopted else OwnProcess(child.identity, None)._reap().how)
    await finish(child)


async def test_what_it_cannot_do_is_refused_by_name(tmp_path: Path) -> None:
    """Limits that only a keeper applies are no settings to be passed over."""
    async with home(tmp_path, "ourselves") as one:
        with pytest.raises(Failed, match="ionice, nice: this system cannot do that"):
            await one.spawn(SLEEP, nice="5", ionice="3 0", umask="077")
