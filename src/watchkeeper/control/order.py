"""In which order servers start and stop: what `after` and `requires` say, checked for unknown names and circles. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from watchkeeper.config import nearest
from watchkeeper.errors import ConfigError


def levels(after: Mapping[str, tuple[str, ...]]) -> list[list[str]]:
    """Servers in groups: each group comes after those before it, and within one the order does not matter.

    `after`: for each server those that must be ready before it. Raises ConfigError naming what is wrong.
    """
    for server, before in after.items():
        for name in before:
            if name not in after:
                where = f"server.{server}.after"
                raise ConfigError(f"{name!r} is no server{nearest(name, sorted(after))}", where=where)
    done: set[str] = set()
    found: list[list[str]] = []
    while len(done) < len(after):
        level = [server for server, before in after.items() if server not in done and done.issuperset(before)]
        if not level:
            circle = " after ".join(_circle(after, done))
            raise ConfigError(f"these wait for one another: {circle}", where="server.*.after")
        found.append(level)
        done.update(level)
    return found


def _circle(after: Mapping[str, tuple[str, ...]], done: set[str]) -> list[str]:
    """One circle among the servers that are left: walk from any until a name comes back."""
    walked: list[str] = []
    here = next(server for server in after if server not in done)
    while here not in walked:
        walked.append(here)
        here = next(name for name in after[here] if name not in done)
    return [*walked[walked.index(here) :], here]
