"""The life of one server: a pure state machine. No clock, no process, no task; `supervisor` feeds it and obeys.

    STOPPED ──Start──▸ WAITING ──Clear──▸ STARTING ──Spawned──▸ RUNNING
       ▲                                     │ ▲                   │ Exited
       │                          SpawnFailed│ │due                ├─▸ EXITED (its policy says: enough)
       └──Exited── STOPPING ◂──Stop/Restart──┘ └──── BACKOFF ◂─────┘
                      ◂── Hung, Hold (what it requires is down)

The first restart after an unexpected end comes at once; after that pauses double, all of each a matter of
chance, up to a cap, where a slow retry goes on for ever; a stable run sets them back. A stop is SIGTERM, a
grace, then SIGKILL. While somebody has it paused, nothing happens but what a person orders.
"""

from __future__ import annotations

import enum
from typing import Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from watchkeeper.model import ServerState, Severity

RestartPolicy = Literal["always", "on-failure", "never"]
KILL_AGAIN_SECONDS = 1.0
"""Until a kill is tried again that did not end it; then twice as long each time, up to a minute."""
KILL_AGAIN_MOST = 60.0
LONGEST_EXTENSION = 600.0
"""A server that is stopping may ask for more time (EXTEND_TIMEOUT_USEC), but never for more than this at once."""


class Policy(msgspec.Struct, frozen=True):
    """How one server is kept: times in seconds.

    `hung_grace` is for one that hangs, which `abort` asks for a core first. `gated`: every start must be cleared anew.
    `retries`: a start that failed is tried again.
    """

    restart: RestartPolicy = "always"
    stop_grace: float = 10.0
    first: float = 1.0
    most: float = 60.0
    stable: float = 10.0
    hung_grace: float = 1.0
    abort: bool = False
    gated: bool = False
    retries: bool = True


class Do(enum.Enum):
    """What the supervisor must do after a step."""

    NOTHING = "nothing"
    SPAWN = "spawn"
    ABORT = "abort"
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


class Hung(NamedTuple):
    """It does not answer any more, and evidence of that is saved: end it and start it again."""

    why: str


class Hold(NamedTuple):
    """What it requires is down: stop it, and start it once that is back."""

    why: str


class Waits(NamedTuple):
    """What it waits for at present."""

    why: str


class Pause(NamedTuple):
    """Nothing more is to happen by itself. `wanted`: it would be started now were it not for this."""

    why: str
    wanted: bool = False


class Resume(NamedTuple):
    """Things happen by themselves again."""

    by: str


class Extend(NamedTuple):
    """It asks for so many seconds more before anything is forced on it."""

    seconds: float


class Appeared(NamedTuple):
    """It runs, though nobody here has started it: whoever keeps it has. `again`: after it had failed."""

    by: str
    again: bool = False


class Unheeded(NamedTuple):
    """It cannot be stopped: whoever keeps it refuses."""

    why: str


class Tick(NamedTuple):
    """Time has passed."""


Input = (
    Start | Stop | Restart | Clear | Spawned | SpawnFailed | Exited | Hung | Hold | Waits | Pause | Resume | Extend | Tick
    | Appeared | Unheeded
)  # fmt: skip


class Life(msgspec.Struct, frozen=True):
    """Where a server stands. `due`: when time matters next (inf: never); `failures` in a row; `again`: start after the stop.

    `restarts` counts unexpected ends so far; `failing_since` is when the present row of failures began. `left`: what follows
    if a stop is not heeded; `hung`: the stop is because it hung. `paused` says why (empty: it is not); `held`: it would be
    started were it not paused. `waited`: it waits for something, and that was told. `kills`: how often this stop has killed it.
    """

    state: ServerState = ServerState.STOPPED
    reason: str = "not started yet"
    due: float = float("inf")
    spawned_at: float = 0.0
    failures: int = 0
    restarts: int = 0
    again: bool = False
    failing_since: float = float("inf")
    left: tuple[Do, ...] = ()
    hung: bool = False
    paused: str = ""
    held: bool = False
    waited: bool = False
    kills: int = 0


class Step(NamedTuple):
    """The life after an input, and what to do."""

    life: Life
    do: Do = Do.NOTHING


NEVER = float("inf")
NOT_STARTED = "cannot be started"
ALIVE = frozenset({ServerState.STARTING, ServerState.RUNNING, ServerState.STOPPING})
"""States in which there is or may be a process."""
IDLE = frozenset({ServerState.STOPPED, ServerState.EXITED, ServerState.BACKOFF, ServerState.WAITING})
"""States in which nothing of ours is under way."""


def pause(failures: int, policy: Policy, chance: float) -> float:
    """Seconds before the next start after so many failures in a row.

    None after the first; then any part of a ceiling that doubles, so that many that failed together do not come back
    together; at the cap never less than half of it, so that what is retried for ever is retried slowly.
    """
    if failures <= 1:
        return 0.0
    if at_cap(failures, policy):
        return policy.most * (0.5 + 0.5 * chance)
    return ceiling(failures, policy) * chance


def ceiling(failures: int, policy: Policy) -> float:
    """The longest that the pause after so many failures may be."""
    return min(policy.most, policy.first * 2.0 ** min(failures - 2, 40))


def at_cap(failures: int, policy: Policy) -> bool:
    """Whether pauses have grown as far as they may."""
    return failures > 1 and ceiling(failures, policy) >= policy.most


def gravity(failures: int, policy: Policy) -> Severity:
    """How grave it is that a start is to be tried again: it rises while it goes on."""
    return "critical" if at_cap(failures, policy) else "warning" if failures > 1 else "info"


def worth_telling(failures: int, policy: Policy) -> bool:
    """Whether one more failure is told: all before the cap, from there the 1st, 2nd, 4th, 8th …, ever more rarely."""
    if not at_cap(failures, policy):
        return True
    first_at_cap = next(count for count in range(2, 50) if at_cap(count, policy) or count == 42)
    beyond = failures - first_at_cap + 1
    return beyond & (beyond - 1) == 0


def step(life: Life, given: Input, policy: Policy, now: float, chance: float) -> Step:  # noqa: C901, PLR0911, PLR0912  # a table of inputs
    """What becomes of a life. `now` in monotonic seconds, `chance` in [0, 1); an input that does not fit changes nothing."""
    match given:
        case Start(by):
            return _start(life, by)
        case Stop(by):
            return _stop(life, policy, now, by, again=False)
        case Restart(by):
            return _stop(life, policy, now, by, again=True) if life.state in ALIVE else _start(life, by)
        case Clear() if life.state is ServerState.WAITING:
            return _spawn(life, life.reason if not life.waited else "what it waited for is there", now)
        case Waits(why) if life.state is ServerState.WAITING and why != life.reason:
            return Step(replace(life, reason=why, waited=True))
        case Spawned() if life.state is ServerState.STARTING:
            before = life.reason.replace(NOT_STARTED, "could not be started before", 1)  # it can be now
            return Step(_to(life, ServerState.RUNNING, before, spawned_at=now))
        case SpawnFailed(why) if life.state is ServerState.STARTING and not policy.retries:
            return Step(_to(life, ServerState.EXITED, f"{NOT_STARTED}: {why}"))  # STARTING -> EXITED
        case SpawnFailed(why) if life.state is ServerState.STARTING:
            failures = max(life.failures, 1) + 1  # what cannot be started at all is not tried again at once
            return _fail(life, f"{NOT_STARTED}: {why}", failures, policy, now, chance)
        case SpawnFailed() if life.state is ServerState.STOPPING:
            return _ended(life)
        case Exited():
            return _exited(life, given.told, policy, now, chance, clean=given.clean)
        case Hung(why) if life.state is ServerState.RUNNING and not life.paused:
            return _stop(life, policy, now, why, again=True, hung=True)
        case Hold(why) if not life.paused:
            return _hold(life, policy, now, why)
        case Pause(why, wanted):
            return _pause(life, why, wanted=wanted)
        case Resume(by) if life.paused:
            resumed = replace(life, paused="", held=False)
            return _start(resumed, by) if life.held else Step(resumed)
        case Extend(seconds) if life.state is ServerState.STOPPING and life.left:
            return Step(replace(life, due=max(life.due, now + min(seconds, LONGEST_EXTENSION))))
        case Appeared(by, again) if life.state in IDLE:
            restarts = life.restarts + 1 if again else life.restarts
            found = replace(life, restarts=restarts, held=False)
            return Step(_to(found, ServerState.RUNNING, by, spawned_at=now))  # STOPPED, EXITED, BACKOFF, WAITING -> RUNNING
        case Unheeded(why) if life.state is ServerState.STOPPING:
            return Step(_to(life, ServerState.RUNNING, f"it could not be stopped: {why}"))  # STOPPING -> RUNNING
        case Tick() if now >= life.due:
            return _due(life, policy, now)
    return Step(life)


def _start(life: Life, by: str) -> Step:
    match life.state:
        case ServerState.STOPPED | ServerState.EXITED | ServerState.BACKOFF:
            fresh = replace(life, failures=0, failing_since=NEVER, held=False)
            return Step(_to(fresh, ServerState.WAITING, by))  # STOPPED, EXITED, BACKOFF -> WAITING
        case ServerState.STOPPING:
            return Step(replace(life, again=True, reason=by, held=False))
        case _:
            return Step(life)


def _stop(life: Life, policy: Policy, now: float, by: str, *, again: bool, hung: bool = False) -> Step:
    match life.state:
        case ServerState.STARTING | ServerState.RUNNING:  # -> STOPPING
            first, *left = (Do.ABORT, Do.TERMINATE, Do.KILL) if hung and policy.abort else (Do.TERMINATE, Do.KILL)
            due = now + (policy.hung_grace if hung else policy.stop_grace)
            stopping = _to(life, ServerState.STOPPING, by, due=due, again=again)
            return Step(replace(stopping, left=tuple(left), hung=hung, held=False), first)
        case ServerState.STOPPING:
            return Step(replace(life, again=again, reason=by, hung=life.hung and again, held=False))
        case ServerState.WAITING | ServerState.BACKOFF | ServerState.EXITED:  # -> STOPPED
            return Step(replace(_to(life, ServerState.STOPPED, by), failures=0, failing_since=NEVER, held=False))
        case _:
            return Step(replace(life, held=False) if life.held else life)


def _hold(life: Life, policy: Policy, now: float, why: str) -> Step:
    match life.state:
        case ServerState.STARTING | ServerState.RUNNING:  # -> STOPPING, and WAITING after that
            return _stop(life, policy, now, why, again=True)
        case ServerState.BACKOFF:  # -> WAITING
            return Step(_to(life, ServerState.WAITING, why))
        case _:
            return Step(life)


def _pause(life: Life, why: str, *, wanted: bool) -> Step:
    paused = replace(life, paused=why)
    if life.state is ServerState.STOPPING and life.again and not life.hung:
        return Step(replace(paused, again=False, held=True))
    if life.state in {ServerState.WAITING, ServerState.BACKOFF} or (wanted and life.state is ServerState.STOPPED):  # -> STOPPED
        return Step(replace(_to(paused, ServerState.STOPPED, f"it would be started, but is {why}"), held=True))
    return Step(paused)


def _exited(life: Life, how: str, policy: Policy, now: float, chance: float, *, clean: bool) -> Step:
    if life.state is ServerState.STOPPING and not life.hung:
        return _ended(life)
    if life.state not in ALIVE:
        return Step(life)
    ends = policy.restart == "never" or (policy.restart == "on-failure" and clean)
    if ends and not life.hung:
        return Step(replace(_to(life, ServerState.EXITED, f"ended by itself: {how}"), failures=0, failing_since=NEVER))
    stable = now - life.spawned_at >= policy.stable
    failures = 1 if stable else life.failures + 1
    why = f"was ended because it hung: {life.reason}" if life.hung else f"ended unexpectedly: {how}"
    begun = replace(life, restarts=life.restarts + 1, failing_since=now if failures == 1 else min(life.failing_since, now))
    return _fail(begun, why, failures, policy, now, chance)


def _fail(life: Life, why: str, failures: int, policy: Policy, now: float, chance: float) -> Step:
    """After a failure: again at once, again after a pause, or not by itself since it is paused."""
    failed = replace(life, failures=failures, failing_since=min(life.failing_since, now))
    if life.paused:
        return Step(replace(_to(failed, ServerState.EXITED, f"{why}; not started again: {life.paused}"), held=True))
    wait = pause(failures, policy, chance)
    if wait > 0:
        return Step(_to(failed, ServerState.BACKOFF, why, due=now + wait))  # RUNNING, STARTING -> BACKOFF
    return _again(failed, why, policy, now)  # RUNNING -> STARTING, at once


def _again(life: Life, reason: str, policy: Policy, now: float) -> Step:
    return Step(_to(life, ServerState.WAITING, reason)) if policy.gated else _spawn(life, reason, now)


def _ended(life: Life) -> Step:
    settled = replace(life, failures=0, failing_since=NEVER)
    if life.again:
        return Step(_to(settled, ServerState.WAITING, life.reason))  # STOPPING -> WAITING
    reason = f"it would be started, but is {life.paused}" if life.held and life.paused else life.reason
    return Step(_to(settled, ServerState.STOPPED, reason))  # STOPPING -> STOPPED


def _due(life: Life, policy: Policy, now: float) -> Step:
    match life.state:
        case ServerState.BACKOFF:  # -> STARTING
            return _again(life, life.reason, policy, now)
        case ServerState.STOPPING if len(life.left) > 1:
            return Step(replace(life, due=now + policy.hung_grace, left=life.left[1:]), life.left[0])
        case ServerState.STOPPING:
            wait = min(KILL_AGAIN_MOST, KILL_AGAIN_SECONDS * 2.0 ** min(life.kills, 40))
            return Step(replace(life, due=now + wait, left=(), kills=life.kills + 1), Do.KILL)
        case _:
            return Step(replace(life, due=NEVER))


def _spawn(life: Life, reason: str, now: float) -> Step:
    return Step(_to(life, ServerState.STARTING, reason, spawned_at=now), Do.SPAWN)


def _to(
    life: Life, state: ServerState, reason: str, *, due: float = NEVER, spawned_at: float | None = None, again: bool = False
) -> Life:
    """Into another state: what belongs to the old one alone (its due time, a stop under way) is gone."""
    began = life.spawned_at if spawned_at is None else spawned_at
    fresh = replace(life, state=state, reason=reason, due=due, spawned_at=began, again=again)
    return replace(fresh, left=(), hung=False, waited=False, kills=0)
