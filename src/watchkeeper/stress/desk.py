"""What a run in progress holds, and who has a part in it: its request, its workers' words, its clock; watchers and sides.

`conduct` makes a desk and takes it away; `staging` works on it. Nothing here decides.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from watchkeeper.stress import talk
from watchkeeper.stress.crew import Crew, Member
from watchkeeper.stress.distant import Distant, DistantMember
from watchkeeper.stress.gathering import Gathering
from watchkeeper.stress.objective import tally
from watchkeeper.stress.plan import Plan
from watchkeeper.stress.record import Recording
from watchkeeper.stress.recovery import Moment
from watchkeeper.stress.run import Happening, Run, Stage
from watchkeeper.stress.serverside.told import Teller
from watchkeeper.stress.target import Supervised


class Abort(Exception):
    """The run is to end now, and why: an operator's word, or a guard's."""


class EndWord(asyncio.Event):
    """Set when somebody wants the run ended; `whose` word it is."""

    whose = "an operator"


class Watcher(Protocol):
    """Whoever follows a run: a terminal, the hub. Nothing it does holds the run up."""

    async def began(self, run: Run) -> None:
        """It begins."""
        ...

    def staged(self, stage: Stage) -> None:
        """A stage begins."""
        ...

    def saw(self, moment: Moment, stage: Stage, connections: int) -> None:
        """A second of a stage is whole."""
        ...

    def said(self, text: str) -> None:
        """A decision, or something that whoever watches should know."""
        ...

    async def ended(self, run: Run) -> None:
        """It is over, and on disk."""
        ...


class Side(Protocol):
    """Somebody who can say how the target's own machine is: asked once a second, on the run's clock."""

    source: str

    async def figures(self) -> dict[str, float]:
        """What it says now; empty for nothing. Raises nothing."""
        ...


class Guard(Protocol):
    """Somebody who knows whether a machine is in need. Raises Failed and Refused when it cannot tell."""

    async def look(self, machine: str) -> str:
        """Why nothing should be put under load there now, in words; empty for nothing."""
        ...


class Request(NamedTuple):
    """What is to be run. `text`: the plan as TOML; `folder`: where runs are kept; `here`: what this machine is called.

    `teller` is asked for the server's side when the run is over, `guard` all the while;
    a hub is both, where there is one. `origins`: the machines that make the load; none: this one does.
    """

    plan: Plan
    text: str
    folder: Path
    command: tuple[str, ...] = ()
    supervised: Supervised | None = None
    sides: Sequence[Side] = ()
    here: str = ""
    origins: Sequence[Distant] = ()
    teller: Teller | None = None
    guard: Guard | None = None


class Desk:
    """What a run in progress holds: its record, its workers, its clock, and what they have told."""

    def __init__(
        self, request: Request, recording: Recording, crew: Crew, gathering: Gathering, zero: int, abort: asyncio.Event
    ) -> None:
        """Everything is made; nothing runs yet. `zero`: the run's zero in ns of the monotonic clock."""
        self.request = request
        self.plan = request.plan
        self.recording = recording
        self.crew = crew
        self.gathering = gathering
        self.zero = zero
        self.abort = abort
        self.why = ""
        self.changed = asyncio.Condition()
        self.ready: set[int] = set()
        self.tries: dict[int, dict[str, int]] = {}
        self.operations: tuple[str, ...] = ()

    @property
    def now(self) -> float:
        """Seconds into the run."""
        return (time.monotonic_ns() - self.zero) / 1e9

    def note(self, kind: str, text: str, **facts: str) -> None:
        """Write down that something happened."""
        self.recording.happen(Happening(round(self.now, 3), kind, text, facts))

    async def take(self, member: Member | DistantMember, said: talk.Report) -> None:
        """A worker's word."""
        match said:
            case talk.Tick():
                self.gathering.take(member.number, said, self.now)
                return
            case talk.Ready(operations=operations):
                self.operations = operations
                self.ready.add(member.number)
            case talk.Connected(tries=tries):
                self.tries[member.number] = tries
            case talk.Over(stage=stage, missing=missing):
                self.gathering.stage(stage).over.add(member.number)
                tally(self.gathering.stage(stage).missing, missing)
            case talk.Settled(stage=stage):
                self.gathering.stage(stage).settled.add(member.number)
            case talk.Clocked():
                for distant in self.crew.distant:
                    if distant.machine == member.machine:
                        distant.clocked(said)
                return
            case talk.Broken():
                pass
        async with self.changed:
            self.changed.notify_all()

    async def wait(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Wait until `holds()`; False when it did not within `seconds`."""
        try:
            async with asyncio.timeout(seconds), self.changed:
                await self.changed.wait_for(holds)
        except TimeoutError:
            return False
        return True
