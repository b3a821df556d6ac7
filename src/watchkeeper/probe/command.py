"""Ask with a command: up when it exits 0. Its last line of output is the reason when it does not."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import Annotated, ClassVar

import msgspec

from watchkeeper.config import Asked
from watchkeeper.errors import Failed
from watchkeeper.model import Family, Notes

OUTPUT_BYTES = 65536


class Command(Asked, frozen=True, tag_field="kind", tag="command"):
    """``kind = "command"``: run `command` (a list: program and arguments, no shell); exit status 0 is up.

    It runs in `folder`, with `environment` added to the agent's own, in a process group of its own, and is killed
    with its children when the time is over.
    """

    command: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    folder: str = ""
    environment: dict[str, str] = {}

    FAMILIES: ClassVar = (Family("probe_command_exit_status", "gauge", "Exit status of the probe's command."),)

    async def attempt(self, notes: Notes) -> None:
        """Run it once; figures: its exit status."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                cwd=self.folder or None,
                env=os.environ | self.environment if self.environment else None,
                start_new_session=True,
            )
        except OSError as fault:
            raise Failed(f"cannot run {self.command[0]!r}: {fault.strerror}", retry=False) from None
        try:
            assert process.stdout is not None
            said = await _bounded(process.stdout)
            status = await process.wait()
        except asyncio.CancelledError:
            # The group and not the one process: a probe's children must not outlive its time-out.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            raise
        notes.figures["probe_command_exit_status"] = float(status)
        if status != 0:
            how = f"exit status {status}" if status > 0 else f"killed by signal {-status}"
            raise Failed(f"{how}: {said}" if said else how)


async def _bounded(stream: asyncio.StreamReader) -> str:
    """Read to the end but remember only the last line, cut to a length that a message can hold."""
    kept = b""
    while chunk := await stream.read(OUTPUT_BYTES):
        kept = (kept + chunk)[-OUTPUT_BYTES:]
    lines = kept.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:200] if lines else ""
