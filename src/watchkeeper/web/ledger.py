"""What one page has been told of machines and servers, and so what it has to be told next: what is not the same any more.

Of the machines whose figures it shows a page hears everything that is new; of all others only when they stand differently.
Three hundred machines of which ten have changed cost as much as ten. `live` keeps one ledger for each stream.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import msgspec

from watchkeeper.web.board import Kept, Reading
from watchkeeper.web.shapes import MachineView, ServerView


class Due(NamedTuple):
    """What is to be told; `partial`: what is not there is as it was."""

    machines: tuple[MachineView, ...]
    servers: tuple[ServerView, ...]
    partial: bool


class Ledger:
    """What was told last, by machine, as of a revision of the board; `_withheld`: of whom only figures have changed since."""

    def __init__(self) -> None:
        self._told: dict[str, Kept] = {}
        self._revision = -1
        self._withheld: set[str] = set()

    def due(self, reading: Reading, shown: Collection[str] | None) -> Due:
        """What this page does not know yet, and write it down as told; `shown`: whose figures it shows, None: all."""
        fresh = [name for name, kept in reading.kept.items() if kept.revision > self._revision]
        fresh += [name for name in sorted(self._withheld & reading.kept.keys()) if shown is None or name in shown]
        self._revision = reading.revision
        machines: list[MachineView] = []
        servers: list[ServerView] = []
        lost = not self._told or not self._told.keys() <= reading.kept.keys()
        for name in fresh:
            kept, last = reading.kept[name], self._told.get(name)
            if last is not None and shown is not None and name not in shown and stands(kept, last):
                self._withheld.add(name)
                continue
            self._withheld.discard(name)
            lost = lost or (last is not None and not names(last) <= names(kept))
            self._told[name] = kept
            machines.append(kept.machine)
            servers += kept.servers
        if lost:
            self._told = dict(reading.kept)
            self._withheld.clear()
            return Due(reading.machines, reading.servers, partial=False)
        return Due(tuple(machines), tuple(servers), partial=True)


def names(kept: Kept) -> set[str]:
    """The servers of a machine."""
    return {view.status.name for view in kept.servers}


def stands(one: Kept, other: Kept) -> bool:
    """Whether a machine and its servers stand as before, whatever their figures."""
    if len(one.servers) != len(other.servers) or not machine_stands(one.machine, other.machine):
        return False
    return all(
        view.status.name == last.status.name and server_stands(view, last)
        for view, last in zip(one.servers, other.servers, strict=True)
    )


def machine_stands(one: MachineView, other: MachineView) -> bool:
    """Whether a machine stands as before, whatever its figures."""
    return one.health == other.health and one.connected == other.connected and one.machine == other.machine


def server_stands(one: ServerView, other: ServerView) -> bool:
    """Whether a server stands as before, whatever its figures; of its probes what they say, not when."""
    if one.health != other.health:
        return False
    if one.status == other.status:
        return True
    said, before = ([(probe.name, probe.ok, probe.why) for probe in view.status.probes] for view in (one, other))
    return said == before and msgspec.structs.replace(one.status, probes=()) == msgspec.structs.replace(other.status, probes=())
