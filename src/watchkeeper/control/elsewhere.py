"""A server that runs elsewhere than under our keeper: what is seen of it, and what a driver must be able to do.

Each driver is one room with its settings (an `Elsewhere`) and what reaches the server by them (a `seams.Driver`). `abroad` runs
any of them. Who keeps such a server alive stays its keeper: nothing is started again by us unless its settings say so.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from watchkeeper.control.lifecycle import Policy, RestartPolicy
from watchkeeper.control.settings import AnyServer
from watchkeeper.model import VERBS, Verb
from watchkeeper.quantities import Duration

if TYPE_CHECKING:
    from watchkeeper.seams import Driver

SLACK_SECONDS = 5.0
"""A look and a stop that another program carries out take this much longer than they were given."""


class Elsewhere(AnyServer, frozen=True, kw_only=True):
    """What all servers that run elsewhere have in common."""

    restart: RestartPolicy = "never"
    autostart: bool = False
    period: Duration = Duration(5)
    start_grace: Duration = Duration(90)

    def __post_init__(self) -> None:
        """Refuse what this driver could never do."""
        super().__post_init__()
        if not 0.1 <= self.period <= 3600:
            raise ValueError("period: expected 100ms to 1h")
        if self.liveness and (self.liveness.notify or self.liveness.watchdog):
            raise ValueError("liveness: only a server that we start ourselves can be told where to send READY=1 and WATCHDOG=1")
        if "start" not in self.verbs and (self.autostart or self.restart != "never"):
            raise ValueError(f"autostart, restart: {self.lacks('start')}")
        if "restart" not in self.verbs:
            restarts = [f"limits.{name}" for name, limit in self.limits.each() if limit.then == "restart"]
            restarts += ["schedule"] if self.schedule else []
            restarts += ["liveness"] if self.liveness and self.liveness.then == "restart" else []
            if restarts:
                raise ValueError(f"{', '.join(restarts)}: {self.lacks('restart')}")

    @property
    def policy(self) -> Policy:
        """See `AnyServer`: who says ``never`` has others see to it, also when a start fails."""
        return msgspec.structs.replace(super().policy, retries=self.restart != "never")

    @property
    def verbs(self) -> tuple[Verb, ...]:
        """See `AnyServer`."""
        missing = self.missing
        return tuple(verb for verb in VERBS if verb not in missing)

    @property
    def missing(self) -> frozenset[Verb]:
        """The verbs that it lacks."""
        return frozenset()

    def open(self, server: str, log: Path, ring: Callable[[], None]) -> Driver:
        """Reach the server. `log` is a file of ours for what is said on the way; `ring` when another look is worth it."""
        raise NotImplementedError


def own_pid(pid: int, word: str) -> int:
    """`pid`, if its control groups' names hold `word`, so that it is what it is said to be; else 0."""
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="replace") as file:  # noqa: PTH123  # as short as it gets
            return pid if word and word in file.read() else 0
    except OSError:
        return 0


def surroundings(own: dict[str, str]) -> dict[str, str]:
    """The environment of a command: the agent's, with `own` added."""
    return {**os.environ, **own}
