"""Every parent of servers keeps the same contract: no shell, a group of its own, an end seen at once and told in words."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rigs.keeping import SLEEP, finish, home, python, soon, sweep
from rigs.programs import is_alive
from watchkeeper.errors import Failed

FAMILY = """
    import subprocess, sys, time
    child = subprocess.Popen(["sleep", "1000"])
    print(child.pid)
    time.sleep({seconds})
"""


@pytest.fixture(params=["keeper", "ourselves"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Who is the parent; what a test leaves is ended."""
    yield request.param
    sweep(tmp_path)


@pytest.mark.parametrize(
    ("code", "how", "clean"),
    [
        ("pass", "exit status 0", True),
        ("raise SystemExit(3)", "exit status 3", False),
        ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL", False),
        ("import os; os.kill(os.getpid(), 40)", "killed by signal 40", False),
    ],
)
async def test_an_end_is_told_in_words(code: str, how: str, clean: bool, kind: str, tmp_path: Path) -> None:  # a table
    """Status or signal by name; clean is status 0 alone."""
    async with home(tmp_path, kind) as one:
        ending = await finish(await one.spawn((sys.executable, "-c", code)))
    assert ending.how == how
    assert ending.clean is clean
    assert ending.by_itself is how.startswith("exit")


async def test_arguments_environment_and_folder_are_as_asked_for(kind: str, tmp_path: Path) -> None:
    """No shell looks at them; the environment is the order's alone, with our mark where there is a keeper."""
    code = """
        import os, sys
        print(sys.argv[1:], os.getcwd(), os.environ["HOME"], sorted(set(os.environ) - {"PATH", "HOME", "LC_CTYPE"}))
    """
    words = ("$HOME; ls *", "a b", "", "'\"\n\\n")
    async with home(tmp_path, kind) as one:
        await finish(await one.spawn(python(code, *words)))
        marks = ["WATCHKEEPER_KEEP", "WATCHKEEPER_ORDER", "WATCHKEEPER_PID", "WATCHKEEPER_SERVER"]
        assert one.said() == f"{list(words)} {tmp_path} /nowhere {marks if kind == 'keeper' else []}\n"


async def test_a_server_has_a_session_and_group_of_its_own(kind: str, tmp_path: Path) -> None:
    """What is sent to our group (Ctrl-C) does not reach it."""
    async with home(tmp_path, kind) as one:
        process = await one.spawn(SLEEP)
        assert os.getsid(process.pid) == os.getpgid(process.pid) == process.pid != os.getpgid(0)
        process.kill()
        await finish(process)


async def test_it_has_nothing_to_read_and_no_descriptor_of_ours(kind: str, tmp_path: Path) -> None:
    """Three descriptors: the null device, and its log twice, for appending."""
    async with home(tmp_path, kind) as one:
        process = await one.spawn(SLEEP)
        await soon(lambda: "sleep" in os.readlink(f"/proc/{process.pid}/exe"), "its own program")
        log = str(tmp_path / "web.log")

        def held() -> dict[str, str]:
            with contextlib.suppress(FileNotFoundError):  # one that its loader has just closed
                return {path.name: os.readlink(path) for path in Path(f"/proc/{process.pid}/fd").iterdir()}
            return {}

        await soon(lambda: held() == {"0": "/dev/null", "1": log, "2": log}, "these three, once its loader has done")
        flags = Path(f"/proc/{process.pid}/fdinfo/1").read_text().split("flags:")[1].split()[0]
        assert int(flags, 8) & os.O_APPEND
        process.kill()
        await finish(process)


async def test_no_signal_is_ignored_or_blocked(kind: str, tmp_path: Path) -> None:
    """What Python or the keeper ignores for itself (PIPE, HUP, XFSZ) is as a shell would leave it."""
    async with home(tmp_path, kind) as one:
        process = await one.spawn(SLEEP)
        await soon(lambda: "sleep" in os.readlink(f"/proc/{process.pid}/exe"), "its own program")
        status = Path(f"/proc/{process.pid}/status").read_text()
        masks = {
            line.split(":")[0]: int(line.split()[1], 16)
            for line in status.splitlines()
            if line[:6] in {"SigBlk", "SigIgn", "SigCgt"}
        }
        assert masks == {"SigBlk": 0, "SigIgn": 0, "SigCgt": 0}
        process.kill()
        await finish(process)


async def test_stopping_reaches_the_whole_group(kind: str, tmp_path: Path) -> None:
    """Its children get the signal too; one that is meant for it alone does not reach them."""
    async with home(tmp_path, kind) as one:
        process = await one.spawn(python(FAMILY.format(seconds=1000)))
        child = int(one.said())
        process.signal(signal.SIGCONT, whole=False)
        process.terminate()
        assert (await finish(process)).how == "killed by SIGTERM"
        await soon(lambda: not is_alive(child), "the child's end")
        process.kill()  # after the end: to nobody


async def test_what_a_dead_server_leaves_behind_is_ended(kind: str, tmp_path: Path) -> None:
    """A leader that ends by itself takes its group along: nothing holds the successor's port."""
    async with home(tmp_path, kind) as one:
        process = await one.spawn(python(FAMILY.format(seconds=0)))
        await finish(process)
        child = int(one.said())
        await soon(lambda: not is_alive(child), "the child's end")


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (("/no/such/program",), "the program '/no/such/program' was not found"),
        (("no-such-program",), "the program 'no-such-program' was not found"),
        (("./plain",), "the program './plain' may not be executed"),
    ],
)
async def test_what_cannot_be_started_says_why(command: tuple[str, ...], why: str, kind: str, tmp_path: Path) -> None:
    """In a sentence that names what is missing, and nothing is left behind by the attempt."""
    (tmp_path / "plain").write_text("no program")
    async with home(tmp_path, kind) as one:
        with pytest.raises(Failed, match=f"^{why}"):
            await one.spawn(command)
        assert not list((tmp_path / "run").glob("web.*"))


async def test_a_missing_folder_and_a_log_that_cannot_be_written_are_named(kind: str, tmp_path: Path) -> None:
    """Each by its path."""
    async with home(tmp_path, kind) as one:
        order = one.order("web", SLEEP)
        gone = tmp_path / "gone"
        with pytest.raises(Failed, match=f"the folder {gone} does not exist"):
            await one.parent.spawn(type(order)("a", "1", SLEEP, order.environment, order.log, gone))
        with pytest.raises(Failed, match=f"its log {gone}/log cannot be written: No such file"):
            await one.parent.spawn(type(order)("b", "2", SLEEP, order.environment, gone / "log", tmp_path))


async def test_programs_installed_beside_us_are_found_by_name(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bare name that PATH does not know is looked for where our own Python is; PATH comes first, and a path is a path."""
    beside, on_path = tmp_path / "beside", tmp_path / "path"
    for folder in (beside, on_path):
        folder.mkdir()
    async with home(tmp_path, kind) as one:
        monkeypatch.setattr(sys, "executable", str(beside / "python"))
        script(beside / "our-server", "beside us")
        order = one.order("web", ("our-server",))
        environment = {"PATH": str(on_path)}
        await finish(await one.parent.spawn(type(order)("web", "1", ("our-server",), environment, order.log, tmp_path)))
        script(on_path / "our-server", "on the path")
        await finish(await one.parent.spawn(type(order)("web", "2", ("our-server",), environment, order.log, tmp_path)))
        assert one.said().split("\n") == ["beside us", "on the path", ""]
        with pytest.raises(Failed, match="was not found"):
            await one.parent.spawn(type(order)("web", "3", ("./our-server",), environment, order.log, tmp_path))


async def test_waiting_may_be_given_up_and_taken_up_again(kind: str, tmp_path: Path) -> None:
    """A cancelled wait loses nothing, and no descriptor."""
    async with home(tmp_path, kind) as one:
        process = await one.spawn(SLEEP)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await process.ended()
        assert len(os.listdir("/proc/self/fd")) <= before
        process.kill()
        assert (await finish(process)).how == "killed by SIGKILL"
        assert (await finish(process)).how == "killed by SIGKILL"


def script(path: Path, word: str) -> None:
    """Something that says one word."""
    path.write_text(f"#!/bin/sh\necho {word}\n")
    path.chmod(0o755)
