"""Ask with a command: up when it exits 0. Its last line of output is the reason when it does not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, ClassVar

import msgspec

from watchkeeper.argv import ask
from watchkeeper.config import Asked
from watchkeeper.errors import Failed
from watchkeeper.model import Family, Notes


class Command(Asked, frozen=True, tag_field="kind", tag="command"):
    """``kind = "command"``: run `command` (a list: program and arguments, no shell); exit status 0 is up.

    It runs in `folder`, with `environment` added to the agent's own, in a process group of its own, and is killed
    with its children when the time is over. What it leaves in the background with its output open is ended, too.
    """

    command: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    folder: str = ""
    environment: dict[str, str] = {}

    FAMILIES: ClassVar = (Family("probe_command_exit_status", "gauge", "Exit status of the probe's command."),)

    async def attempt(self, notes: Notes) -> None:
        """Run it once; figures: its exit status."""
        environment = os.environ | self.environment if self.environment else None
        folder = Path(self.folder) if self.folder else None
        answer = await ask(self.command, folder=folder, environment=environment, may_leave=False)
        notes.figures["probe_command_exit_status"] = float(answer.status)
        if answer.status != 0:
            raise Failed(answer.told)
