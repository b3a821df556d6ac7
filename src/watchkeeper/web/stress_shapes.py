"""What the API says about stress runs: plans, targets, runs and how one goes, second by second."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from watchkeeper.stress.hubside.files import StressFile
from watchkeeper.stress.hubside.lab import StressSecond
from watchkeeper.stress.run import Ended, Run, Stage
from watchkeeper.stress.serverside.joined import ServerSide

What = Literal["started", "again", "phase", "ended"]
Words = Annotated[str, msgspec.Meta(max_length=300)]


class StressAnnouncement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A stress run begins, comes to another phase, or is over; `outcome` its verdict, or why it has none.

    ``again``: it goes on, and the hub that knew of it has begun anew.

    POST /api/stress/announcements.
    """

    what: What
    run: Words
    plan: Words
    target: Words
    machine: Words = ""
    server: Words = ""
    outcome: Words = ""
    phase: Words = ""
    pid: int = 0


class StressProgress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a run went since its last word. POST /api/stress/progress."""

    run: Words
    seconds: Annotated[tuple[StressSecond, ...], msgspec.Meta(max_length=120)] = ()
    said: Annotated[tuple[Words, ...], msgspec.Meta(max_length=50)] = ()


class StressOrder(msgspec.Struct, frozen=True):
    """The answer to it: `ended_by` is who wants the run ended; empty while it may go on."""

    ended_by: str = ""


class StressPlan(msgspec.Struct, frozen=True):
    """A plan that can be started: what it does in a sentence, the kinds of its phases in order, and all of it as TOML.

    GET /api/stress/plans.
    """

    name: str
    about: str
    phases: tuple[str, ...]
    toml: str
    built_in: bool


class StressTarget(msgspec.Struct, frozen=True):
    """A supervised server and where it may be put under load (``protocol url``); none: it has not agreed.

    GET /api/stress/targets.
    """

    machine: str
    server: str
    health: str
    addresses: tuple[str, ...] = ()


class StressRunView(msgspec.Struct, frozen=True):
    """A run in the list. `state`: running, done, aborted, broken, or died (its process is gone). GET /api/stress/runs.

    `going`: it tells this hub how it goes and can be ended from here; `recorded`: its folder is on this hub's machine.
    """

    id: str
    plan: str
    target: str
    machine: str
    server: str
    state: str
    verdict: str
    why: str
    started_at: int
    ended_at: int
    by: str = ""
    phase: str = ""
    going: bool = False
    recorded: bool = True


class StressStageView(msgspec.Struct, frozen=True):
    """A stage: when it began (s into the run), what it was, how it ended; null while it goes on."""

    at: float
    stage: Stage
    ended: Ended | None


class StressRunDetail(msgspec.Struct, frozen=True):
    """A run, whole. `run` is null where its record is on another machine. GET /api/stress/runs/{run}."""

    view: StressRunView
    run: Run | None = None
    stages: tuple[StressStageView, ...] = ()
    serverside: ServerSide | None = None
    files: tuple[StressFile, ...] = ()


class StressFollowed(msgspec.Struct, frozen=True):
    """How a run goes: the seconds after `since` that are remembered, and what it has said.

    GET /api/stress/runs/{run}/progress; the same comes as ``stress`` messages on /live.
    """

    view: StressRunView
    seconds: tuple[StressSecond, ...]
    said: tuple[str, ...]
