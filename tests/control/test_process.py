"""The driver `process` on real programs: no shell, a group of its own, an end seen at once and told in words."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rigs.programs import is_alive, until
from watchkeeper.control import process as process_room
from watchkeeper.control.identity import Identity
from watchkeeper.control.process import Process, adopt, spawn
from watchkeeper.errors import Failed

SLEEP = (sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(60)")
FAMILY = "import subprocess, sys, time; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
FAMILY += "print(child.pid, flush=True); time.sleep({seconds})"


@pytest.fixture
def output(tmp_path: Path) -> Iterator[int]:
    """Where the programs write."""
    file = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    yield file
    os.close(file)


def said(tmp_path: Path) -> str:
    """What they have written, once they have."""
    return until((tmp_path / "out").read_text, "the program's first word")


def open_files() -> int:
    """How many files we hold open."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def finish(process: Process) -> str:
    """How it ended."""
    async with asyncio.timeout(20):
        return (await process.ended()).how


@pytest.mark.parametrize(
    ("code", "how", "clean"),
    [
        ("pass", "exit status 0", True),
        ("raise SystemExit(3)", "exit status 3", False),
        ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL", False),
        ("import os; os.kill(os.getpid(), 40)", "killed by signal 40", False),
    ],
)
async def test_an_end_is_told_in_words(code: str, how: str, clean: bool, output: int) -> None:  # a table
    """Status or signal by name; clean is status 0 alone."""
    child = spawn((sys.executable, "-c", code), None, {}, output)
    ending = await child.ended()
    assert how in ending.how
    assert ending.clean is clean


async def test_arguments_are_passed_as_they_are(output: int, tmp_path: Path) -> None:
    """No shell looks at them; environment and folder are as asked for."""
    code = "import os, sys; print(sys.argv[1:], os.environ['COLOUR'], os.getcwd())"
    child = spawn((sys.executable, "-c", code, "$HOME; ls *", "a b"), tmp_path, {"COLOUR": "blue"}, output)
    await finish(child)
    assert said(tmp_path).split() == [*repr(["$HOME; ls *", "a b"]).split(), "blue", str(tmp_path)]


async def test_a_server_has_a_session_and_group_of_its_own(output: int, tmp_path: Path) -> None:
    """What is sent to our group (Ctrl-C) does not reach it."""
    child = spawn(SLEEP, None, {}, output)
    assert os.getsid(child.pid) == os.getpgid(child.pid) == child.pid != os.getpgid(0)
    child.kill()
    await finish(child)


async def test_stopping_reaches_the_whole_group(output: int, tmp_path: Path) -> None:
    """Its children get the signal too."""
    child = spawn((sys.executable, "-c", FAMILY.format(seconds=60)), None, {}, output)
    grandchild = int(said(tmp_path))
    child.terminate()
    assert await finish(child) == "killed by SIGTERM"
    until(lambda: not is_alive(grandchild), "the child's end")


async def test_what_a_dead_server_leaves_behind_is_ended(output: int, tmp_path: Path) -> None:
    """A leader that ends by itself takes its group along: nothing holds the successor's port."""
    child = spawn((sys.executable, "-c", FAMILY.format(seconds=0)), None, {}, output)
    grandchild = int(said(tmp_path))
    await finish(child)
    until(lambda: not is_alive(grandchild), "the child's end")


@pytest.mark.parametrize(
    ("command", "folder", "why"),
    [
        (("/no/such/program",), None, "'/no/such/program' was not found"),
        (("{plain}",), None, "may not be executed"),
        (("/bin/true",), Path("/no/such/folder"), "folder /no/such/folder does not exist"),
        (("/bin/true", "a\0b"), None, "cannot be started"),
    ],
)
def test_what_cannot_be_started_says_why(
    command: tuple[str, ...], folder: Path | None, why: str, output: int, tmp_path: Path
) -> None:
    """In a sentence that names what is missing."""
    (tmp_path / "plain").write_text("no program")
    command = tuple(word.replace("{plain}", str(tmp_path / "plain")) for word in command)
    with pytest.raises(Failed, match=why):
        spawn(command, folder, {}, output)


async def test_an_adopted_process_is_seen_to_end(output: int, tmp_path: Path) -> None:
    """One that we did not start, found by its identity: its end is noticed, its status nobody can tell."""
    child = spawn(SLEEP, None, {}, output)
    said(tmp_path)
    found = adopt(child.identity)
    assert found is not None
    ended = asyncio.create_task(found.ended())
    await asyncio.sleep(0.05)
    assert not ended.done()
    found.kill()
    async with asyncio.timeout(20):
        assert "unknown" in (await ended).how
    assert await finish(child) == "killed by SIGKILL"
    assert adopt(child.identity) is None


async def test_a_reused_pid_is_not_adopted_and_not_signalled(output: int, tmp_path: Path) -> None:
    """The same number with another start time is another process: hands off."""
    child = spawn(SLEEP, None, {}, output)
    other = Identity(child.pid, child.identity.start_ticks - 1, child.identity.boot_id)
    assert adopt(other) is None
    Process(other, None).kill()
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
    monkeypatch.delattr(process_room.os, "pidfd_open")
    child = spawn(SLEEP, None, {}, output)
    said(tmp_path)
    watcher = adopt(child.identity) if adopted else child
    assert watcher is not None
    ended = asyncio.create_task(finish(watcher))
    await asyncio.sleep(0.05)
    assert not ended.done()
    os.kill(child.pid, signal.SIGKILL)
    assert (await ended) == ("killed by SIGKILL" if not adopted else Process._reap(Process(child.identity, None)).how)
    await finish(child)


async def test_waiting_may_be_given_up_and_taken_up_again(output: int, tmp_path: Path) -> None:
    """A cancelled wait loses nothing, and no descriptor."""
    child = spawn(SLEEP, None, {}, output)
    before = open_files()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await child.ended()
    assert open_files() <= before
    child.kill()
    assert await finish(child) == "killed by SIGKILL"


async def test_programs_installed_beside_us_are_found_by_name(tmp_path: Path, output: int, monkeypatch: object) -> None:
    """A bare name that PATH does not know is looked for where our own Python is; PATH comes first, and a path is a path."""
    beside, on_path = tmp_path / "beside", tmp_path / "path"
    for folder in (beside, on_path):
        folder.mkdir()
    monkeypatch.setattr(process_room.sys, "executable", str(beside / "python"))  # type: ignore[attr-defined]  # pytest's own
    program(beside / "our-server", "beside us")
    await finish(spawn(("our-server",), None, {"PATH": str(on_path)}, output))
    program(on_path / "our-server", "on the path")
    await finish(spawn(("our-server",), None, {"PATH": str(on_path)}, output))
    assert said(tmp_path).split("\n") == ["beside us", "on the path", ""]
    with pytest.raises(Failed, match="was not found"):
        spawn(("./our-server",), tmp_path, {"PATH": str(on_path)}, output)
    with pytest.raises(Failed, match="was not found"):
        spawn(("no-such-server",), tmp_path, {}, output)


def program(path: Path, word: str) -> None:
    """Something that says one word."""
    path.write_text(f"#!/bin/sh\necho {word}\n")
    path.chmod(0o755)
