"""The verb of this room: what a scenario can do, and the scene it is given to do it on.

A leaf satisfies `Scenario`; the frame (`course`) makes the scene, injects, follows, reverts and takes all of it down.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol

MACHINE = "watchkeeper-drill-"
"""How the machines begin that drills pretend, each its own: what an earlier drill has left in the store is not its history."""
CANARY = "canary"


def pretended(identity: str) -> str:
    """The machine of the drill with this id."""
    return MACHINE + identity[-8:]


def is_pretended(machine: str) -> bool:
    """Whether a machine is one that a drill pretends."""
    return machine.startswith(MACHINE)


class Scene(Protocol):
    """A pretended machine with an agent of its own and one server, the canary."""

    folder: Path
    """The drill's own folder, removed afterwards."""
    machine: str
    server: str
    port: int
    """Where the canary answers."""

    @property
    def agent(self) -> int:
        """The pid of its agent."""
        ...

    def canary(self) -> int:
        """The pid of the canary's process; raises Failed where there is none."""
        ...

    def signal(self, pid: int, name: str) -> None:
        """Send ``SIGKILL``, ``SIGSTOP`` or ``SIGCONT``; raises Failed where it does not arrive."""
        ...

    async def order(self, verb: str, seconds: float = 0.0) -> str:
        """Have the server's agent do something, as a person would; its outcome. Raises Failed when it did not."""
        ...

    def configure(self, tables: Mapping[str, Any]) -> None:
        """Change tables of the agent's configuration (merged into what is there) and let it read them again."""
        ...

    def seen(self, path: Path) -> Path:
        """Where a path that the agent sees is reached from here: it may have mounts of its own."""
        ...


class Scenario(Protocol):
    """A leaf: one kind of fault, real and harmless."""

    NAME: ClassVar[str]
    ABOUT: ClassVar[str]
    """One line: what is done."""
    RULES: ClassVar[tuple[str, ...]]
    """The stock rules that should fire, the likeliest first."""

    def unavailable(self) -> str:
        """Empty, or why it cannot be done here."""
        ...

    def tables(self, scene: Scene) -> Mapping[str, Any]:
        """What its agent's configuration has besides the canary; may make files in the scene's folder."""
        ...

    async def inject(self, scene: Scene) -> str:
        """Do the fault; what was done, in words. Raises Failed."""
        ...

    async def revert(self, scene: Scene) -> None:
        """Undo it, while its agent lives, so that the end is seen too. Raises Failed."""
        ...
