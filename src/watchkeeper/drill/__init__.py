"""Drills: a real but harmless fault, followed until a person has the word of it, and undone. The door of the scenarios.

    killed, hung, closed, disk, silent, real   the scenarios, a leaf each; `seam` is what a leaf is given
    scene, guardian   a pretended machine with its agent and canary, and what undoes all of it, whoever dies
    following, course what the journal tells of a drill's legs (pure); the frame: one drill from fault to told
    drills            all of them in the hub: start, schedule, figures; `certificate` is what is kept of one

One more scenario is one file, its test and one arm of `Leaf`.
"""

from __future__ import annotations

from typing import get_args

from watchkeeper.config import nearest
from watchkeeper.drill.closed import Closed
from watchkeeper.drill.disk import Disk
from watchkeeper.drill.hung import Hung
from watchkeeper.drill.killed import Killed
from watchkeeper.drill.real import Real
from watchkeeper.drill.settings import DrillSettings
from watchkeeper.drill.silent import Silent
from watchkeeper.errors import Refused

__all__ = ["SCENARIOS", "DrillSettings", "Leaf", "scenario"]

Leaf = Killed | Hung | Closed | Disk | Silent | Real
SCENARIOS: dict[str, type[Leaf]] = {kind.NAME: kind for kind in get_args(Leaf)}


def scenario(name: str, settings: DrillSettings) -> Leaf:
    """The scenario of this name; raises Refused (``unknown-scenario``)."""
    kind = SCENARIOS.get(name)
    if kind is None:
        raise Refused(f"there is no scenario {name!r}{nearest(name, sorted(SCENARIOS))}", code="unknown-scenario")
    return Disk(scratch=settings.scratch) if kind is Disk else kind()
