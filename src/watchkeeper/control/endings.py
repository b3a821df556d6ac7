"""How ends and failed starts are told: a wait status, or the step between fork and exec that failed, as a sentence. Pure."""

from __future__ import annotations

import errno
import os
import signal

from watchkeeper.control.parentage import Ending, Spawn

BACKGROUND = (
    "; it had put {left} into the background, which {were} ended with it: run it in the foreground, or say `forks = true`"
)


def of_status(status: int, at: int = 0, strays: int = 0) -> Ending:
    """What a wait status (waitpid(2)) says; `strays`: how many of its processes were found outside its group."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return Ending(f"killed by {_name(-code)}", clean=False, at=at)
    how = f"exit status {code}"
    if strays and not code:
        left, were = ("a process", "was") if strays == 1 else (f"{strays} processes", "were")
        how += BACKGROUND.format(left=left, were=were)
    return Ending(how, clean=code == 0, by_itself=True, at=at)


def unknown(why: str, at: int = 0) -> Ending:
    """The end of a process whose status nobody can tell us, and why not."""
    return Ending(f"its exit status is unknown: {why}", clean=False, at=at)


def of_step(spawn: Spawn, step: str, number: int, words: str) -> str:  # noqa: PLR0911  # a table of steps
    """Why a server could not be started: the step that failed, and what the system said."""
    program = spawn.command[0]
    match step, number:
        case "exec", errno.ENOENT if "/" in program and os.path.exists(spawn.folder / program):  # noqa: PTH110  # as the system sees it
            return f"the program {program!r} names an interpreter that was not found"
        case "exec", errno.ENOENT | errno.ENOTDIR:
            return f"the program {program!r} was not found"
        case "exec", errno.EACCES | errno.EPERM:
            return f"the program {program!r} may not be executed"
        case "exec", _:
            return f"the program {program!r} cannot be started: {words}"
        case "folder", errno.ENOENT:
            return f"the folder {spawn.folder} does not exist"
        case "folder", _:
            return f"the folder {spawn.folder} cannot be entered: {words}"
        case "log", _:
            return f"its log {spawn.log} cannot be written: {words}"
        case "fork", _:
            return f"no process can be made: {words}"
        case "twice", _:
            return words
    name = errno.errorcode.get(number, "")
    return f"{step} cannot be set: {words}{f' ({name})' if name else ''}"


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
