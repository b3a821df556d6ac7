"""What runs on this machine already, and what of it is worth watching: for `watchkeeper init`.

`listening` reads who listens (proc), `containers` asks a container engine, `asking` tries each port once, `known` is the
table of servers that we know by name, and `proposal` turns all of it into a commented configuration, purely. Nothing
here starts, stops or changes anything, and nothing is read of a process beyond its name, program and unit.
"""

from __future__ import annotations

from pathlib import Path

from watchkeeper.survey.asking import ask
from watchkeeper.survey.containers import containers
from watchkeeper.survey.found import Found
from watchkeeper.survey.listening import listening

__all__ = ["look"]


def look(root: Path = Path("/"), *, connect: bool = True) -> list[Found]:
    """Servers that listen here, by name; with `connect` each port is asked once what it speaks (a second at most each)."""
    found = listening(root, containers(root))
    return [ask(one) for one in found] if connect else found
