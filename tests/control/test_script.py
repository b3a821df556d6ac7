"""The driver `script`: what a status command's exit says, what is kept of its words, and how its time is bounded."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from watchkeeper.control.script import Script, ScriptReach
from watchkeeper.errors import Failed


def python(code: str) -> tuple[str, ...]:
    """A command."""
    return (sys.executable, "-c", code)


def reach(folder: Path, status: tuple[str, ...], **more: object) -> ScriptReach:
    """The driver at work."""
    return ScriptReach(Script(status=status, **more), folder / "log")  # type: ignore[arg-type]  # a test's own


@pytest.mark.parametrize(("status", "state", "clean"), [(0, "running", True), (1, "stopped", False), (3, "stopped", True)])
async def test_exits_are_read_as_lsb_has_them(status: int, state: str, clean: bool, tmp_path: Path) -> None:  # a table's
    """0 is running, 1 dead, 3 not running; its last line is the reason."""
    seen = await reach(tmp_path, python(f"print('first'); print('so it is'); raise SystemExit({status})")).look()
    assert (seen.state, seen.clean) == (state, clean)
    assert "so it is" in seen.words


async def test_anything_else_is_no_answer(tmp_path: Path) -> None:
    """Exit 4 (unknown), a signal and a program that is not there say nothing about the server."""
    for command in (python("raise SystemExit(4)"), python("import os; os.kill(os.getpid(), 9)"), ("/no/such/program",)):
        with pytest.raises(Failed):
            await reach(tmp_path, command).look()


async def test_what_the_commands_say_is_kept(tmp_path: Path) -> None:
    """Start's output is in the log, with the environment given; a failure is told with the exit."""
    words = python("import os; print('hello', os.environ['WHO'])")
    one = reach(tmp_path, ("true",), start=words, stop=python("raise SystemExit(2)"), environment={"WHO": "you"})
    await one.start()
    assert (tmp_path / "log").read_text() == "hello you\n"
    with pytest.raises(Failed, match="exit status 2"):
        await one.stop()


async def test_verbs_are_those_that_it_has_commands_for() -> None:
    """A status alone can be watched; what it lacks is told by the missing command's name."""
    assert not {"start", "stop", "restart"} & set(Script(status=("x",)).verbs)
    one = Script(status=("x",), start=("y",))
    assert one.lacks("restart") == "its driver script cannot restart it without a command `start` and one `stop`"
    assert not one.lacks("start")
