"""Who waits for whom: what a server comes after, what it requires, and who goes down with it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from watchkeeper.control.carrying import DOWN
from watchkeeper.control.server import KeptServer
from watchkeeper.model import ServerState

Ready = Callable[[str], bool]


def blocked(kept: KeptServer, servers: Mapping[str, KeptServer], ready: Ready) -> str:
    """What must be ready before this one and is not, in words; empty when all are."""
    for name in kept.settings.before:
        one = servers.get(name)
        if one and not (one.life.state is ServerState.RUNNING and ready(name)):
            return f"{name} is ready"
    return ""


def down(kept: KeptServer, servers: Mapping[str, KeptServer], ready: Ready) -> str:
    """What this one requires and is down for longer than a restart takes; empty when nothing is."""
    if kept.life.state in DOWN and kept.life.state is not ServerState.BACKOFF:
        return ""
    for name in kept.settings.requires:
        one = servers.get(name)
        if one is None or kept.life.state is ServerState.STOPPING:
            continue
        life = one.life
        stopping = life.state is ServerState.STOPPING and not life.again
        waiting = life.state is ServerState.WAITING and (blocked(one, servers, ready) or one.settings.start_when)
        if life.state in DOWN or stopping or waiting:
            return name
    return ""


def dependents(name: str, servers: Mapping[str, KeptServer]) -> tuple[str, ...]:
    """Those that are held when this one goes down, and those that are then."""
    found: list[str] = [name]
    for one in found:
        found += [kept.name for kept in servers.values() if one in kept.settings.requires and kept.name not in found]
    return tuple(found[1:])
