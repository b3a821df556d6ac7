"""The driver `process`: a program started by us, in a session and process group of its own, without a shell.

Its output goes to a file that it holds itself, so it survives our death; its end is seen through a
pidfd at once. Signals go to the whole group, and only while the group's leader is known to be the
process that we mean. Nothing here decides when to start or stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from watchkeeper.control.identity import Identity, identify, same
from watchkeeper.errors import Failed

POLL_SECONDS = 0.25
"""How often a process is looked for where the system has no pidfd and it is no child of ours."""


class Ending:
    """How a process has ended. `clean`: with status 0; `by_itself`: not by a signal, as far as we know."""

    def __init__(self, how: str, *, clean: bool, by_itself: bool = False) -> None:
        """In words, such as ``exit status 1``."""
        self.how = how
        self.clean = clean
        self.by_itself = by_itself


class Process:
    """A running server: our child, or one that an earlier agent started and this one adopted."""

    def __init__(self, identity: Identity, child: subprocess.Popen[bytes] | None) -> None:
        """`child` is None for an adopted one, whose exit status nobody can tell us."""
        self.identity = identity
        self.pid = identity.pid
        self._child = child

    async def ended(self) -> Ending:
        """Wait for its end, and end what is left of its group; may be cancelled and asked again."""
        if self._child is not None and self._child.returncode is not None:
            return self._reap()  # asked again after the end: its number may be another's by now
        if hasattr(os, "pidfd_open"):
            try:
                handle = os.pidfd_open(self.pid)
            except ProcessLookupError:
                return self._reap()
            try:
                if self._child is None and not same(self.identity):
                    return self._reap()
                await _readable(handle)
            finally:
                os.close(handle)
        elif self._child is not None:
            await _waited(self._child)
        else:
            while same(self.identity):  # noqa: ASYNC110  # nothing tells us of another's child but looking
                await asyncio.sleep(POLL_SECONDS)
        return self._reap()

    def terminate(self) -> None:
        """Ask the whole group to end; one that was stopped has to run for that."""
        self._signal(signal.SIGTERM)
        self._go_on()

    def abort(self) -> None:
        """Ask the whole group to end with a core, where the system is told to keep such."""
        self._signal(getattr(signal, "SIGABRT", signal.SIGTERM))
        self._go_on()

    def kill(self) -> None:
        """End the whole group at once."""
        self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))

    def _go_on(self) -> None:
        if hasattr(signal, "SIGCONT"):
            self._signal(signal.SIGCONT)

    def _reap(self) -> Ending:
        if self._child is None:
            return Ending("its exit status is unknown, since an earlier agent had started it", clean=False)
        # Before it is waited for, its number cannot be given to anyone else: what is left of the group is ours.
        if self._child.returncode is None:
            self._kill_rest()
        status = self._child.wait()
        if status < 0:
            return Ending(f"killed by {_name(-status)}", clean=False)
        return Ending(f"exit status {status}", clean=status == 0, by_itself=True)

    def _kill_rest(self) -> None:
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self._child is None:
            if not same(self.identity):
                return
        elif self._child.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)


def spawn(command: tuple[str, ...], folder: Path | None, environment: Mapping[str, str], output: int) -> Process:
    """Start a program; its output goes to the descriptor `output`. Raises Failed with the reason in words.

    A bare name is looked for on PATH, and then among the programs that are installed beside us (``cloud-server``).
    """
    if folder is not None and not folder.is_dir():
        raise Failed(f"the folder {folder} does not exist")
    variables = {**os.environ, **environment}
    try:
        child = subprocess.Popen(
            command,
            executable=beside_us(command[0], variables),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            env=variables,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise Failed(f"the program {command[0]!r} was not found") from None
    except PermissionError:
        raise Failed(f"the program {command[0]!r} may not be executed") from None
    except (OSError, ValueError) as fault:
        raise Failed(f"the program {command[0]!r} cannot be started: {fault}") from None
    try:
        identity = identify(child.pid)
    except Failed:
        identity = Identity(child.pid, 0, "")  # it has ended already, and `ended` says so
    return Process(identity, child)


def beside_us(program: str, variables: Mapping[str, str]) -> str | None:
    """Where a bare name is that PATH does not know but our own Python's folder of programs has; None for all others."""
    if os.path.dirname(program) or shutil.which(program, path=variables.get("PATH")):  # noqa: PTH120  # "./x" is no bare name
        return None
    return shutil.which(program, path=str(Path(sys.executable).parent))


def adopt(identity: Identity) -> Process | None:
    """A process that an earlier agent started, if it still lives."""
    return Process(identity, None) if same(identity) else None


async def _readable(handle: int) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def see() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(handle, see)
    try:
        await ready
    finally:
        loop.remove_reader(handle)


async def _waited(child: subprocess.Popen[bytes]) -> None:
    """For systems without a pidfd: a thread that waits without reaping where it can (POSIX), else polls."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def wait() -> None:
        if hasattr(os, "waitid"):
            with contextlib.suppress(ChildProcessError):  # somebody else has reaped it: it has ended
                os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        else:
            child.wait()
        with contextlib.suppress(RuntimeError):  # the loop may have ended meanwhile
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=wait, name=f"wait for {child.pid}", daemon=True).start()
    await done.wait()


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
