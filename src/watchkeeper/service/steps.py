"""What a service installation consists of, as values: what is to run, and the steps that make it so.

Leaves make steps of an `Installation`, `carrying` takes them; tests compare them with golden files. Nothing is
done here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

import msgspec

Scope = Literal["system", "user"]
Program = Literal["up", "hub", "agent"]

NAME = "watchkeeper"
"""What the service is called. One computer runs one; further ones are named by --name."""

STOP_SECONDS = 60
"""How long a stop may take: the servers' own graces (`[server.NAME] stop_grace`), then the hub's last writes."""


class Installation(msgspec.Struct, frozen=True):
    """What is to run as a service. All paths are absolute; `user` empty: root (system), or whoever installs (user)."""

    python: Path
    data: Path
    config: Path | None = None
    listen: str | None = None
    program: Program = "up"
    scope: Scope = "system"
    user: str = ""
    name: str = NAME
    home: Path = Path("/root")
    uid: int = 0

    @property
    def command(self) -> tuple[str, ...]:
        """Program and arguments. The interpreter by its path: a service has no PATH of a person's shell."""
        words = [str(self.python), "-m", "watchkeeper", self.program]
        if self.config:
            words += ["--config", str(self.config)]
        words += ["--data", str(self.data)]
        if self.listen and self.program != "agent":
            words += ["--listen", self.listen]
        return tuple(words)


class Write(msgspec.Struct, frozen=True, tag="write"):
    """A file with exactly this text; one that has it already is left alone."""

    path: Path
    text: str
    mode: int = 0o644


class Folder(msgspec.Struct, frozen=True, tag="folder"):
    """A folder that must be there; one that is there keeps its mode and owner. `owner` empty: whoever installs."""

    path: Path
    mode: int = 0o700
    owner: str = ""


class Remove(msgspec.Struct, frozen=True, tag="remove"):
    """A file that must not be there."""

    path: Path


class Run(msgspec.Struct, frozen=True, tag="run"):
    """A program to run. `or_else`: its failure is no failure of ours (stopping what does not run)."""

    argv: tuple[str, ...]
    or_else: bool = False


Step = Write | Folder | Remove | Run


class System(Protocol):
    """A leaf: one service system. Every method is pure."""

    name: str
    tells_up: tuple[int, ...]
    """Exit codes of `status` that mean: it runs."""

    def files(self, what: Installation) -> tuple[Write, ...]:
        """The files it consists of."""
        ...

    def install(self, what: Installation) -> tuple[Step, ...]:
        """Install it, have it started at boot, and start it; done again it changes nothing that is right already."""
        ...

    def uninstall(self, what: Installation) -> tuple[Step, ...]:
        """Stop it and remove all that `install` made, except configuration and data."""
        ...

    def restart(self, what: Installation) -> tuple[Step, ...]:
        """Stop and start the service itself."""
        ...

    def status(self, what: Installation) -> tuple[str, ...]:
        """The program that tells how it stands, for a person."""
        ...
