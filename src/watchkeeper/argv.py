"""One command that is run to its end: argv, no shell, output into a file or kept in short.

Drivers and probes come in with what the configuration names. It leads a group of its own, which is ended when the
caller's time is over, and is waited for; what it leaves running in the background holds nobody up, nor does one that the
kernel holds though it was killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

from watchkeeper.errors import Failed

APPENDING = os.O_WRONLY | os.O_APPEND | os.O_CREAT
OUTPUT_BYTES = 16 << 10
WORDS = 200
CANCELS = 3
"""So often the wait for a command that was killed may be broken off before it is given up."""
LAST_WORDS_SECONDS = 0.2
"""So long what it said last is waited for once it has ended."""
GONE_SECONDS = 2.0
"""So long the caller waits for the end of a command that was killed: a disk that does not answer may hold it for days."""
AGAIN_SECONDS = 60.0
"""So long a command that the kernel holds is not run again; then twice as long each time, so that there are never many."""
_held: dict[asyncio.Task[int], tuple[tuple[str, ...], float]] = {}
"""Commands that were killed and have not ended, and since when, by who waits for that."""


class Answer(NamedTuple):
    """How a command ended: its exit status (negative: the signal that killed it) and its last line."""

    status: int
    words: str

    @property
    def told(self) -> str:
        """In words."""
        how = f"exit status {self.status}" if self.status >= 0 else f"killed by signal {-self.status}"
        return f"{how}, saying “{self.words}”" if self.words else how


async def ask(
    command: tuple[str, ...],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    log: Path | None = None,
    may_leave: bool = True,
) -> Answer:
    """Run it to its end; the caller bounds the time. With `log` its output goes there, also that of what it leaves running.

    Raises Failed when it cannot be run, or was run lately, killed, and has not ended. One that is cut short is ended with
    its whole group; what it leaves running goes on, as a daemon that was started should, unless it may not leave any: then
    whoever still holds its output is ended.
    """
    if _is_held(command):
        raise Failed(f"{command[0]!r} was killed and has not ended: the kernel holds it")
    with contextlib.ExitStack() as ours:
        heard, output = await _outlet(log, ours)
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                cwd=folder,
                env=environment,
                start_new_session=True,
            )
        except (OSError, ValueError) as fault:
            raise Failed(f"cannot run {command[0]!r}: {getattr(fault, 'strerror', None) or fault}") from None
        if not isinstance(output, int):
            output.close()
        try:
            hearing = asyncio.ensure_future(_hear(heard or process.stdout, said := bytearray()))
            ours.callback(hearing.cancel)
            # Not until its output ends, as with asyncio's own pipes: what it leaves running may hold that open for ever.
            status = await process.wait()
            await asyncio.wait([hearing], timeout=LAST_WORDS_SECONDS)
            if not may_leave and not hearing.done():
                _kill(process, with_group=True)
            return Answer(status, _last_line(said))
        finally:
            await end(process, with_group=True, command=command)


async def end(process: asyncio.subprocess.Process, *, with_group: bool, command: tuple[str, ...] = ()) -> None:
    """Kill it if it still runs, `with_group` all whom it leads too, and see it gone, however often this is cancelled.

    Whoever ends cancels all that there is, also what is being cancelled: a process that nobody has waited for would be
    left to the garbage collector. One that is not gone after `GONE_SECONDS` is waited for beside everything else, and its
    `command` is run by `ask` only ever more rarely before it is.
    """
    if process.returncode is not None:
        return
    _kill(process, with_group=with_group)
    loop = asyncio.get_running_loop()
    until = loop.time() + GONE_SECONDS
    cancelled = 0
    while True:
        try:
            async with asyncio.timeout_at(until):
                await process.wait()
            break
        except TimeoutError:
            gone = loop.create_task(process.wait(), name=f"end of process {process.pid}")
            _held[gone] = command, loop.time()
            gone.add_done_callback(_held.pop)
            break
        except asyncio.CancelledError:
            cancelled += 1
            if cancelled == CANCELS:
                raise
    if cancelled:
        raise asyncio.CancelledError


def _is_held(command: tuple[str, ...]) -> bool:
    since = [at for one, at in _held.values() if one == command]
    return bool(since) and asyncio.get_running_loop().time() - max(since) < AGAIN_SECONDS * 2.0 ** (len(since) - 1)


def check(name: str, command: tuple[str, ...]) -> None:
    """Refuse a command that could never be run; raises ValueError naming the key."""
    if command and (not command[0] or any("\0" in word for word in command)):
        raise ValueError(f'{name}: expected a program and its arguments, such as ["/etc/init.d/web", "{name}"]')


def _kill(process: asyncio.subprocess.Process, *, with_group: bool) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if with_group and sys.platform != "win32":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


async def _outlet(log: Path | None, ours: contextlib.ExitStack) -> tuple[asyncio.StreamReader | None, BinaryIO | int]:
    """Where a command's words are read, and where it writes them: a pipe, or with `log` a file that nobody reads here."""
    if log is not None:
        try:
            return None, ours.enter_context(os.fdopen(os.open(log, APPENDING, 0o640), "wb", buffering=0))
        except OSError as fault:
            raise Failed(f"its log {log} cannot be written: {fault.strerror}") from None
    if sys.platform == "win32":  # where a pipe of ours cannot be waited for
        return None, asyncio.subprocess.PIPE
    reading, writing = os.pipe()
    output = ours.enter_context(os.fdopen(writing, "wb", buffering=0))
    heard = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(reading, "rb", buffering=0)  # from here on the loop's, which closes it
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(heard), pipe)
    ours.callback(transport.close)
    return heard, output


async def _hear(stream: asyncio.StreamReader | None, said: bytearray) -> None:
    """Keep the end of what is said, until that ends."""
    while stream and (chunk := await stream.read(OUTPUT_BYTES)):
        said += chunk
        del said[:-OUTPUT_BYTES]


def _last_line(said: bytearray) -> str:
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return "".join(letter for letter in lines[-1] if letter.isprintable())[:WORDS] if lines else ""
