"""The agent as its servers' parent, where there is no keeper: systems without Linux' /proc. They outlive it all the same.

An end is seen through a pidfd at once, or by waiting in a thread, or by looking. Of a server that an earlier agent started
nobody can tell us the exit status, and a kill of the agent between a fork and its run file loses that server: `bykeeper`
has neither of these gaps.
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
from typing import Any

from watchkeeper.clock import Clock, milliseconds
from watchkeeper.control.endings import of_status, unknown
from watchkeeper.control.identity import Identity, identify, same
from watchkeeper.control.parentage import Ending, Found, Process, Spawn
from watchkeeper.control.runfile import Entry, RunFile
from watchkeeper.errors import Failed

POLL_SECONDS = 0.25
"""How often a process is looked for where the system has no pidfd and it is no child of ours."""
KNOWN = frozenset({"user", "group", "groups", "umask"})
"""Options that can be had here."""


class Ourselves:
    """The parent `byourselves`."""

    def __init__(self, runfile: RunFile, clock: Clock) -> None:
        """Nothing is found before `open`."""
        self._runfile = runfile
        self._clock = clock

    async def open(self) -> list[Found]:
        """What an earlier agent has left running."""
        found = []
        for name, entry in self._runfile.entries().items():
            if process := adopt(entry.identity):
                found.append(Found(name, "", process, entry.started_at, entry.command, ""))
            else:
                self._runfile.forget(name)
        return found

    async def run(self) -> None:
        """Each process is watched by whoever waits for it."""
        await asyncio.get_running_loop().create_future()

    async def spawn(self, spawn: Spawn) -> Process:
        """Start a server and write it down."""
        if missing := sorted(spawn.options.keys() - KNOWN):
            raise Failed(f"{', '.join(missing)}: this system cannot do that")
        try:
            output = os.open(spawn.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        except OSError as fault:
            raise Failed(f"its log {spawn.log} cannot be written: {fault.strerror}") from None
        try:
            process = start(spawn.command, spawn.folder, spawn.environment, output, spawn.options)
        finally:
            os.close(output)
        self._runfile.record(spawn.server, Entry(process.identity, milliseconds(self._clock.wall()), spawn.command))
        return process

    def heard(self, server: str, order: str) -> None:
        """Its file goes."""
        del order
        self._runfile.forget(server)

    def close(self) -> None:
        """Nothing is held."""


class OwnProcess:
    """Our child, or one that an earlier agent started and this one adopted."""

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
        self.signal(signal.SIGTERM)
        self._go_on()

    def abort(self) -> None:
        """Ask the whole group to end with a core, where the system is told to keep such."""
        self.signal(getattr(signal, "SIGABRT", signal.SIGTERM))
        self._go_on()

    def _go_on(self) -> None:
        if hasattr(signal, "SIGCONT"):
            self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the whole group at once."""
        self.signal(getattr(signal, "SIGKILL", signal.SIGTERM))

    def signal(self, number: int, *, whole: bool = True) -> None:
        """Send a signal to the group, or to the process alone."""
        if self._child is None:
            if not same(self.identity):
                return
        elif self._child.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if whole and hasattr(os, "killpg"):
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)

    def _reap(self) -> Ending:
        if self._child is None:
            return unknown("an earlier agent had started it")
        # Before it is waited for, its number cannot be given to anyone else: what is left of the group is ours.
        if self._child.returncode is None and hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        code = self._child.wait()
        return of_status(-code if code < 0 else code << 8)


def start(
    command: tuple[str, ...],
    folder: Path,
    environment: Mapping[str, str],
    output: int,
    options: Mapping[str, str | tuple[str, ...]] | None = None,
) -> OwnProcess:
    """Start a program; its output goes to the descriptor `output`. Raises Failed with the reason in words."""
    if not folder.is_dir():
        raise Failed(f"the folder {folder} does not exist")
    try:
        child = subprocess.Popen(
            command,
            executable=beside_us(command[0], environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            env=environment,
            start_new_session=True,
            **_as(options or {}),
        )
    except FileNotFoundError:
        raise Failed(f"the program {command[0]!r} was not found") from None
    except PermissionError:
        raise Failed(f"the program {command[0]!r} may not be executed, or not as that user") from None
    except (OSError, ValueError, KeyError) as fault:
        raise Failed(f"the program {command[0]!r} cannot be started: {fault}") from None
    try:
        identity = identify(child.pid)
    except Failed:
        identity = Identity(child.pid, 0, "")  # it has ended already, and `ended` says so
    return OwnProcess(identity, child)


def beside_us(program: str, variables: Mapping[str, str]) -> str | None:
    """Where a bare name is that PATH does not know but our own Python's folder of programs has; None for all others."""
    if os.path.dirname(program) or shutil.which(program, path=variables.get("PATH")):  # noqa: PTH120  # "./x" is no bare name
        return None
    return shutil.which(program, path=str(Path(sys.executable).parent))


def adopt(identity: Identity) -> OwnProcess | None:
    """A process that an earlier agent started, if it still lives."""
    return OwnProcess(identity, None) if same(identity) else None


def _as(options: Mapping[str, str | tuple[str, ...]]) -> dict[str, Any]:
    """What `subprocess` calls them."""
    found: dict[str, Any] = {}
    if user := options.get("user"):
        found["user"] = int(str(user)) if str(user).isdigit() else user
    if group := options.get("group"):
        found["group"] = int(str(group)) if str(group).isdigit() else group
    if "groups" in options or user:
        found["extra_groups"] = list(options.get("groups", ()))
    if umask := options.get("umask"):
        found["umask"] = int(str(umask), 8)
    return found


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
