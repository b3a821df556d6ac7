"""What may be done to a server by orders from outside: the agent's own file has the last word. Pure.

Whatever the hub asks for comes by here first. What the agent does by itself is in the same file, so it is not asked about.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

import msgspec

from watchkeeper.config import Part
from watchkeeper.model import VERBS, Verb


class ControlSettings(Part, frozen=True, kw_only=True):
    """``[agent.control]``: what this machine lets a hub do to its servers (`allow`), whatever its people's roles are.

    `automatic` bounds what the agent does by itself to one server within an hour (restarts of what hangs or uses too much);
    then a person is asked.
    """

    allow: tuple[Verb, ...] = VERBS
    automatic: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 6


def allowed(machine: Collection[Verb], server: bool | Collection[Verb]) -> tuple[Verb, ...]:  # noqa: FBT001  # as it is written in TOML
    """The verbs that both the machine and the server let through."""
    if server is True:
        return tuple(verb for verb in VERBS if verb in machine)
    return tuple(verb for verb in VERBS if server and verb in machine and verb in server)


def refusal(verb: Verb, name: str, machine: Collection[Verb], server: bool | Collection[Verb]) -> str:  # noqa: FBT001  # as above
    """Why an order is turned down; empty when it is not."""
    if verb in allowed(machine, server):
        return ""
    if verb not in machine:
        return f"this machine does not let a hub {verb} its servers: its own file says so ([agent.control] allow)"
    return f"this machine does not let a hub {verb} {name}: its own file says so ([server.{name}] control)"
