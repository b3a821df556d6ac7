"""The life of one server: a pure state machine. No clock, no process, no task; `supervisor` feeds it and obeys.

    STOPPED ──Start──▸ WAITING ──Clear──▸ STARTING ──Spawned──▸ RUNNING
       ▲                                     │ ▲                   │ Exited
       │                          SpawnFailed│ │due                ├─▸ EXITED (its policy says: enough)
       └──Exited── STOPPING ◂──Stop/Restart──┘ └──── BACKOFF ◂─────┘

The first restart after an unexpected end comes at once; after that pauses double with jitter up to a
cap, for ever, and a stable run sets them back. A stop is SIGTERM, a grace, then SIGKILL.
"""

from __future__ import annotations

import enum
from typing import Literal, NamedTuple

import msgspec

from watchkeeper.model import ServerState

RestartPolicy = Literal["always", "on-failure", "never"]
KILL_AGAIN_SECONDS = 1.0


class Policy(msgspec.Struct, frozen=True):
    """How one server is kept: times in seconds."""

    restart: RestartPolicy = "always"
    stop_grace: float = 10.0
    first: float = 1.0
    most: float = 60.0
    stable: float = 10.0


class Do(enum.Enum):
    """What the supervisor must do after a step."""

    NOTHING = "nothing"
    SPAWN = "spawn"
    TERMINATE = "terminate"
    KILL = "kill"


class Start(NamedTuple):
    """Somebody wants it to run."""

    by: str


class Stop(NamedTuple):
    """Somebody wants it to stop."""

    by: str


class Restart(NamedTuple):
    """Somebody wants it stopped and started again."""

    by: str


class Clear(NamedTuple):
    """Everything that it comes after is ready."""


class Spawned(NamedTuple):
    """Its process runs."""


class SpawnFailed(NamedTuple):
    """Its process could not be started."""

    why: str


class Exited(NamedTuple):
    """Its process has ended. `clean`: with status 0; `words`: what it said last, if that may tell why."""

    how: str
    clean: bool
    words: str = ""

    @property
    def told(self) -> str:
        """How it has ended, with its last words."""
        return f"{self.how}, saying “{self.words}”" if self.words else self.how


class Tick(NamedTuple):
    """Time has passed."""


Input = Start | Stop | Restart | Clear | Spawned | SpawnFailed | Exited | Tick


class Life(msgspec.Struct, frozen=True):
    """Where a server stands. `due`: when time matters next (inf: never); `failures` in a row; `again`: start after the stop.

    `restarts` counts unexpected ends so far.
    """

    state: ServerState = ServerState.STOPPED
    reason: str = "not started yet"
    due: float = float("inf")
    spawned_at: float = 0.0
    failures: int = 0
    restarts: int = 0
    again: bool = False


class Step(NamedTuple):
    """The life after an input, and what to do."""

    life: Life
    do: Do = Do.NOTHING


NEVER = float("inf")
ALIVE = frozenset({ServerState.STARTING, ServerState.RUNNING, ServerState.STOPPING})
"""States in which there is or may be a process."""


def pause(failures: int, policy: Policy, chance: float) -> float:
    """Seconds before the next start after so many failures in a row: none after the first, then doubling, half of it jitter."""
    if failures <= 1:
        return 0.0
    ceiling = min(policy.most, policy.first * 2.0 ** min(failures - 2, 40))
    return ceiling * (0.5 + 0.5 * chance)


def step(life: Life, given: Input, policy: Policy, now: float, chance: float) -> Step:  # noqa: PLR0911  # a table of inputs
    """What becomes of a life. `now` in monotonic seconds, `chance` in [0, 1); an input that does not fit changes nothing."""
    match given:
        case Start(by):
            return _start(life, by)
        case Stop(by):
            return _stop(life, policy, now, by, again=False)
        case Restart(by):
            return _stop(life, policy, now, by, again=True) if life.state in ALIVE else _start(life, by)
        case Clear() if life.state is ServerState.WAITING:
            return _spawn(life, life.reason, now)
        case Spawned() if life.state is ServerState.STARTING:
            return Step(_to(life, ServerState.RUNNING, life.reason, spawned_at=now))
        case SpawnFailed(why) if life.state is ServerState.STARTING:
            failures = max(life.failures, 1) + 1  # what cannot be started at all is not tried again at once
            return Step(_back_off(life, f"cannot be started: {why}", failures, policy, now, chance))
        case SpawnFailed() if life.state is ServerState.STOPPING:
            return _ended(life)
        case Exited():
            return _exited(life, given.told, policy, now, chance, clean=given.clean)
        case Tick() if now >= life.due:
            return _due(life, now)
    return Step(life)


def _start(life: Life, by: str) -> Step:
    match life.state:
        case ServerState.STOPPED | ServerState.EXITED | ServerState.BACKOFF:
            return Step(_to(life, ServerState.WAITING, by, failures=0, again=False))  # STOPPED, EXITED, BACKOFF -> WAITING
        case ServerState.STOPPING:
            return Step(msgspec.structs.replace(life, again=True, reason=by))
        case _:
            return Step(life)


def _stop(life: Life, policy: Policy, now: float, by: str, *, again: bool) -> Step:
    match life.state:
        case ServerState.STARTING | ServerState.RUNNING:  # -> STOPPING
            return Step(_to(life, ServerState.STOPPING, by, due=now + policy.stop_grace, again=again), Do.TERMINATE)
        case ServerState.STOPPING:
            return Step(msgspec.structs.replace(life, again=again, reason=by))
        case ServerState.WAITING | ServerState.BACKOFF | ServerState.EXITED:  # -> STOPPED
            return Step(_to(life, ServerState.STOPPED, by, failures=0))
        case _:
            return Step(life)


def _exited(life: Life, how: str, policy: Policy, now: float, chance: float, *, clean: bool) -> Step:
    if life.state is ServerState.STOPPING:
        return _ended(life)
    if life.state not in ALIVE:
        return Step(life)
    if policy.restart == "never" or (policy.restart == "on-failure" and clean):
        return Step(_to(life, ServerState.EXITED, f"ended by itself: {how}", failures=0))  # RUNNING -> EXITED
    failures = 1 if now - life.spawned_at >= policy.stable else life.failures + 1
    backed = _back_off(life, f"ended unexpectedly: {how}", failures, policy, now, chance)
    backed = msgspec.structs.replace(backed, restarts=life.restarts + 1)
    if backed.due <= now:
        return _spawn(backed, backed.reason, now)  # RUNNING -> STARTING, at once
    return Step(backed)  # RUNNING -> BACKOFF


def _ended(life: Life) -> Step:
    if life.again:
        return Step(_to(life, ServerState.WAITING, life.reason, failures=0, again=False))  # STOPPING -> WAITING
    return Step(_to(life, ServerState.STOPPED, life.reason, failures=0))  # STOPPING -> STOPPED


def _due(life: Life, now: float) -> Step:
    match life.state:
        case ServerState.BACKOFF:  # -> STARTING
            return _spawn(life, life.reason, now)
        case ServerState.STOPPING:
            return Step(msgspec.structs.replace(life, due=now + KILL_AGAIN_SECONDS), Do.KILL)
        case _:
            return Step(msgspec.structs.replace(life, due=NEVER))


def _spawn(life: Life, reason: str, now: float) -> Step:
    return Step(_to(life, ServerState.STARTING, reason, spawned_at=now), Do.SPAWN)


def _back_off(life: Life, reason: str, failures: int, policy: Policy, now: float, chance: float) -> Life:
    return _to(life, ServerState.BACKOFF, reason, due=now + pause(failures, policy, chance), failures=failures)


def _to(
    life: Life,
    state: ServerState,
    reason: str,
    *,
    due: float = NEVER,
    spawned_at: float | None = None,
    failures: int | None = None,
    again: bool = False,
) -> Life:
    return Life(
        state=state,
        reason=reason,
        due=due,
        spawned_at=life.spawned_at if spawned_at is None else spawned_at,
        failures=life.failures if failures is None else failures,
        restarts=life.restarts,
        again=again,
    )
