"""Ends and failed starts are sentences that say what happened and, where it helps, what to do."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from watchkeeper.control.endings import of_status, of_step, unknown
from watchkeeper.control.parentage import Spawn


@pytest.mark.parametrize(
    ("status", "how", "clean", "by_itself"),
    [
        (0, "exit status 0", True, True),
        (3 << 8, "exit status 3", False, True),
        (9, "killed by SIGKILL", False, False),
        (11 | 0x80, "killed by SIGSEGV", False, False),
        (40, "killed by signal 40", False, False),
    ],
)
def test_a_wait_status_in_words(status: int, how: str, clean: bool, by_itself: bool) -> None:
    """As waitpid(2) has it, a core dumped or not."""
    ending = of_status(status, 5)
    assert (ending.how, ending.clean, ending.by_itself, ending.at) == (how, clean, by_itself, 5)


def test_what_went_into_the_background_is_told_of_a_clean_end_alone() -> None:
    """Of a crash the reason is another one."""
    assert of_status(0, strays=1).how.startswith("exit status 0; it had put a process into the background, which was ended")
    assert "it had put 3 processes into the background, which were ended with it" in of_status(0, strays=3).how
    assert of_status(1 << 8, strays=3).how == "exit status 1"


def test_an_unknown_end_says_why() -> None:
    """Nobody takes it for a clean one."""
    ending = unknown("nobody was there", 7)
    assert ending.how == "its exit status is unknown: nobody was there"
    assert (ending.clean, ending.by_itself, ending.at) == (False, False, 7)


@pytest.mark.parametrize(
    ("step", "number", "words", "why"),
    [
        ("exec", errno.ENOENT, "", "the program 'x' was not found"),
        ("exec", errno.EACCES, "", "the program 'x' may not be executed"),
        ("exec", errno.ENOEXEC, "Exec format error", "the program 'x' cannot be started: Exec format error"),
        ("folder", errno.ENOENT, "", "the folder {folder} does not exist"),
        ("folder", errno.EACCES, "Permission denied", "the folder {folder} cannot be entered: Permission denied"),
        ("log", errno.ENOSPC, "No space left", "its log {folder}/log cannot be written: No space left"),
        ("fork", errno.EAGAIN, "Try again", "no process can be made: Try again"),
        ("twice", errno.EEXIST, "it runs already", "it runs already"),
        ("nice", errno.EACCES, "Permission denied", "nice cannot be set: Permission denied (EACCES)"),
        ("user", 0, "who?", "user cannot be set: who?"),
    ],
)
def test_a_failed_step_in_words(step: str, number: int, words: str, why: str, tmp_path: Path) -> None:
    """Each step of the start names what it is about."""
    spawn = Spawn("web", "1", ("x",), {}, tmp_path / "log", tmp_path)
    assert of_step(spawn, step, number, words) == why.format(folder=tmp_path)


def test_a_script_without_its_interpreter_is_there(tmp_path: Path) -> None:
    """The file that was named exists: what is missing is what its first line asks for."""
    (tmp_path / "run").write_text("#!/no/such/interpreter\n")
    spawn = Spawn("web", "1", ("./run",), {}, tmp_path / "log", tmp_path)
    assert of_step(spawn, "exec", errno.ENOENT, "") == "the program './run' names an interpreter that was not found"
