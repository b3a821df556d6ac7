"""Which servers a person means: names, globs and groups, ``web``, ``game-*``, ``rack-1/*``, ``@edge``, turned into servers.

Pure. Who acts asks `resolve`, which is all or nothing: one mistyped name, and no server is touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from watchkeeper.config import nearest
from watchkeeper.errors import Refused
from watchkeeper.web.shapes import ServerView


def resolve(patterns: Sequence[str], servers: Iterable[ServerView], *, unique: bool = False) -> list[ServerView]:
    """The servers that the patterns mean, each once, in the order of `servers`; no pattern means all.

    A pattern with a slash is ``MACHINE/SERVER``; ``@GROUP`` in place of the server means all of a group. With `unique`, a
    plain name must mean one server alone. Raises `Refused`: ``unknown-server`` with the nearest name,
    ``ambiguous-server`` with the machines.
    """
    known = list(servers)
    if not patterns:
        return known
    meant: set[int] = set()
    for pattern in patterns:
        hits = [place for place, view in enumerate(known) if _fits(pattern, view)]
        if not hits:
            raise Refused(_unknown(pattern, known), code="unknown-server")
        if unique and len(hits) > 1 and not is_glob(pattern):
            machines = ", ".join(f"{known[place].machine}/{pattern}" for place in hits[:5])
            raise Refused(
                f"{pattern} is a server of {len(hits)} machines: say {machines} or */{pattern} for all", code="ambiguous-server"
            )
        meant.update(hits)
    return [known[place] for place in sorted(meant)]


def is_glob(pattern: str) -> bool:
    """Whether it may mean several by intent."""
    return any(sign in pattern for sign in "*?[@")


def title(view: ServerView, servers: Sequence[ServerView]) -> str:
    """A server's name, with its machine before it where several machines are in play."""
    name = view.status.name
    return name if len({other.machine for other in servers}) == 1 else f"{view.machine}/{name}"


def _fits(pattern: str, view: ServerView) -> bool:
    machine, slash, server = pattern.rpartition("/")
    if server.startswith("@"):
        fits = bool(view.status.group) and fnmatchcase(view.status.group, server[1:])
    else:
        fits = fnmatchcase(view.status.name, server)
    return fits and (not slash or fnmatchcase(view.machine, machine))


def _unknown(pattern: str, known: Sequence[ServerView]) -> str:
    if not known:
        return f"there is no server {pattern!r}: this hub knows none"
    names = {view.status.name for view in known}
    if pattern.rpartition("/")[2].startswith("@"):
        groups = sorted({f"@{view.status.group}" for view in known if view.status.group})
        return f"there is no group {pattern!r}{nearest(pattern, groups[:50])}"
    if "/" in pattern:
        names = {f"{view.machine}/{view.status.name}" for view in known}
    what = "no server fits" if is_glob(pattern) else "there is no server"
    return f"{what} {pattern!r}{nearest(pattern, sorted(names)[:50])}"
