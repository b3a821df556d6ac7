"""Who forks the servers and waits for them: what a parent must be able to do, and what it makes.

Two parents fulfil it: `bykeeper` (a program of its own that outlives the agent; Linux) and `byourselves` (the agent itself;
everywhere else). `process` says which, and what is to be started; `server` and `supervisor` use either alike.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from watchkeeper.control.identity import Identity


class Spawn(msgspec.Struct, frozen=True):
    """One server to be started. `order` names this start for good: given again, nothing is started again.

    `environment` is all that it gets; `own` names the variables that a person has set for it. `made` stands for all that it is
    started with. `options` are what `watchkeeper.keeper.launch` reads of user, limits and the like.
    """

    server: str
    order: str
    command: tuple[str, ...]
    environment: dict[str, str]
    log: Path
    folder: Path
    made: str = ""
    own: tuple[str, ...] = ()
    options: dict[str, str | tuple[str, ...]] = {}


class Ending:
    """How a process has ended. `clean`: with status 0; `by_itself`: by no signal that we know of; `at` in ms, 0 for now."""

    def __init__(self, how: str, *, clean: bool, by_itself: bool = False, at: int = 0) -> None:
        """In words, such as ``exit status 1``."""
        self.how = how
        self.clean = clean
        self.by_itself = by_itself
        self.at = at


class Process(Protocol):
    """A server's process: started by this parent, or by an earlier one and found again."""

    identity: Identity

    @property
    def pid(self) -> int:
        """Its number."""
        ...

    async def ended(self) -> Ending:
        """Wait for its end; what is left of its group has been ended too. May be cancelled and asked again."""
        ...

    def signal(self, number: int, *, whole: bool = True) -> None:
        """Send a signal to its whole group, or to it alone; to nobody once it has ended."""
        ...

    def terminate(self) -> None:
        """Ask the whole group to end; one that was stopped has to run for that."""
        ...

    def abort(self) -> None:
        """Ask the whole group to end with a core, where the system is told to keep such."""
        ...

    def kill(self) -> None:
        """End the whole group at once."""
        ...


class Found(NamedTuple):
    """What an earlier agent has left: a process that runs, or one that has ended meanwhile (`ending`).

    `started_at` in ms; `command` and `made` as it was started with, empty where nobody knows any more.
    """

    server: str
    order: str
    process: Process
    started_at: int
    command: tuple[str, ...]
    made: str
    ending: Ending | None = None


class Told(NamedTuple):
    """What a parent calls when something happens that nobody has asked for; each with the server's name and a sentence."""

    warned: Callable[[str, str], None]
    """An option that could not be had, a record that could not be written."""
    moved: Callable[[str, Process], None]
    """The server goes on as another process (it has put itself into the background)."""
    replaced: Callable[[str, bool], None]
    """The parent itself was lost, or (True) is there again; a sentence alone."""


class Parent(Protocol):
    """Forks servers and waits for them."""

    async def open(self) -> list[Found]:
        """Be ready, and say what was found. Raises Failed, with the reason; may be tried again."""
        ...

    async def run(self) -> None:
        """Hear of ends until cancelled; the servers go on."""
        ...

    async def spawn(self, spawn: Spawn) -> Process:
        """Start a server; returns when its program is executed. Raises Failed with the reason in words."""
        ...

    def heard(self, server: str, order: str) -> None:
        """Its end is known and written down here: the parent may forget it."""
        ...

    def close(self) -> None:
        """Give everything back but the servers."""
        ...
