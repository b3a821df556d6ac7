"""Carry an installation's steps out, or say what they are: the one place of this room that touches the system.

Each step is told in a line as it is done; one that changes nothing says so. What fails ends it with what to do.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from watchkeeper.errors import Failed
from watchkeeper.service.steps import Folder, Remove, Run, Step, Write

Say = Callable[[str], None]
RUN_SECONDS = 180


def show(steps: Iterable[Step], say: Say) -> None:
    """Say what would be done, files with their whole text."""
    for step in steps:
        match step:
            case Write(path, text, mode):
                say(f"write {path} (mode {mode:04o}):")
                for line in text.splitlines():
                    say(f"    {line}".rstrip())
            case Folder(path, mode, owner):
                say(f"make the folder {path} (mode {mode:04o}{f', owner {owner}' if owner else ''}), if it is not there")
            case Remove(path):
                say(f"remove {path}")
            case Run(argv):
                say(f"run {shlex.join(argv)}")


def carry_out(steps: Iterable[Step], say: Say) -> None:
    """Do it. Raises Failed with the step that could not be done; those before it stay done, and all may be done again."""
    for step in steps:
        try:
            match step:
                case Write():
                    _write(step, say)
                case Folder():
                    _make(step, say)
                case Remove(path):
                    _remove(path, say)
                case Run():
                    _run(step, say)
        except PermissionError as fault:
            raise Failed(f"{fault.filename or step} may not be changed: run it again as root (sudo)", retry=False) from None
        except OSError as fault:
            raise Failed(f"{fault.filename or step}: {fault.strerror}", retry=False) from None


def _write(step: Write, say: Say) -> None:
    try:
        same = step.path.read_text(encoding="utf-8") == step.text and step.path.stat().st_mode & 0o777 == step.mode
    except (OSError, UnicodeDecodeError):
        same = False
    if same:
        say(f"{step.path} is right already")
        return
    step.path.parent.mkdir(parents=True, exist_ok=True)
    fresh = step.path.with_name(f".{step.path.name}.new")
    fresh.write_text(step.text, encoding="utf-8")
    fresh.chmod(step.mode)
    fresh.replace(step.path)
    say(f"wrote {step.path}")


def _make(step: Folder, say: Say) -> None:
    if step.path.is_dir():
        return
    step.path.mkdir(parents=True, mode=step.mode)
    step.path.chmod(step.mode)  # mkdir's mode is cut by the umask
    if step.owner:
        try:
            shutil.chown(step.path, step.owner)
        except LookupError:
            step.path.rmdir()
            raise Failed(
                f"there is no user {step.owner!r}: make one first (useradd --system {step.owner})", retry=False
            ) from None
    say(f"made {step.path}")


def _remove(path: Path, say: Say) -> None:
    if path.exists():
        path.unlink()
        say(f"removed {path}")
    else:
        say(f"{path} is not there")


def _run(step: Run, say: Say) -> None:
    told = shlex.join(step.argv)
    try:
        done = subprocess.run(
            step.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=RUN_SECONDS,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except FileNotFoundError:
        if step.or_else:
            return
        raise Failed(f"{step.argv[0]} is not there, so `{told}` cannot be run", retry=False) from None
    except subprocess.TimeoutExpired:
        raise Failed(f"`{told}` has not ended within {RUN_SECONDS} s") from None
    if done.returncode and not step.or_else:
        said = done.stdout.decode(errors="replace").strip()
        raise Failed(f"`{told}` failed with status {done.returncode}: {said or 'it said nothing'}", retry=False)
    say(f"ran {told}")
