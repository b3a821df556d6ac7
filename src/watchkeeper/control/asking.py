"""One command of a driver: argv, no shell, output into a file or kept in short; when the time is over its group is ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from watchkeeper.errors import Failed

OUTPUT_BYTES = 16 << 10
WORDS = 200
LAST_WORDS_SECONDS = 0.2
"""So long what it said last is waited for once it has ended."""


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
) -> Answer:
    """Run it to its end; the caller bounds the time. With `log` its output goes there, also that of what it leaves running.

    Raises Failed when it cannot be run. One that is cut short is ended with its whole group.
    """
    reading, output = (-1, _opened(log)) if log else os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
    except (OSError, ValueError) as fault:
        if reading >= 0:
            os.close(reading)
        raise Failed(f"cannot run {command[0]!r}: {getattr(fault, 'strerror', None) or fault}") from None
    finally:
        os.close(output)
    words = asyncio.ensure_future(_last_line(reading))
    try:
        # Not until its output ends, as with asyncio's own pipes: what it leaves running may hold that open for ever.
        status = await process.wait()
        await asyncio.wait([words], timeout=LAST_WORDS_SECONDS)
        return Answer(status, words.result() if words.done() else "")
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise
    finally:
        words.cancel()


def _opened(log: Path) -> int:
    try:
        return os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as fault:
        raise Failed(f"its log {log} cannot be written: {fault.strerror}") from None


async def _last_line(handle: int) -> str:
    """The last line of what comes out of a pipe until it ends; empty for no pipe."""
    if handle < 0:
        return ""
    kept = b""
    stream = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(handle, "rb", buffering=0)
    )
    try:
        while chunk := await stream.read(OUTPUT_BYTES):
            kept = (kept + chunk)[-OUTPUT_BYTES:]
    finally:
        transport.close()
    lines = kept.decode("utf-8", "replace").strip().splitlines()
    return "".join(letter for letter in lines[-1] if letter.isprintable())[:WORDS] if lines else ""


def check(name: str, command: tuple[str, ...]) -> None:
    """Refuse a command that could never be run; raises ValueError naming the key."""
    if command and (not command[0] or any("\0" in word for word in command)):
        raise ValueError(f'{name}: expected a program and its arguments, such as ["/etc/init.d/web", "{name}"]')
