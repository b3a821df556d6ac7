"""How far a server had come when its agent died, and where the next agent takes it up. Pure.

An agent that is killed changes nothing: what was stopped stays stopped, what paused between two starts goes on pausing,
counts go on. One that was told to end with its servers begins anew the next time, and so does every boot of the machine;
only the counts and the last exit last.
"""

from __future__ import annotations

import msgspec

from watchkeeper.control.lifecycle import ALIVE, Do, Life, Step
from watchkeeper.model import ServerState


class History(msgspec.Struct, frozen=True):
    """A server's life as last written down. `order` is the start that its process came from, `since` in ms.

    The life's times are of the monotonic clock, which all programs of one boot share. `done`: the agent was ending it for good.
    """

    boot_id: str
    life: Life
    since: int
    order: str = ""
    last_exit: str = ""
    done: bool = False


def resumed(history: History | None, boot_id: str, now: float, *, runs: bool) -> Step | None:
    """Where a server is taken up whose process runs, or does not; None: from the beginning, as if nobody had known it.

    `now` in monotonic seconds. A start that was under way is made again, a stop is asked for again.
    """
    if history is None or history.boot_id != boot_id or history.done:
        return None
    life = history.life
    if runs:
        if life.state is ServerState.STOPPING:
            return Step(life, Do.TERMINATE)
        reason = "running since before this agent"
        return Step(msgspec.structs.replace(life, state=ServerState.RUNNING, reason=reason, due=float("inf"), again=False))
    if life.state not in ALIVE:
        return Step(life)
    if life.state is ServerState.STOPPING:
        state = ServerState.WAITING if life.again else ServerState.STOPPED
        return Step(msgspec.structs.replace(life, state=state, due=float("inf"), again=False))
    # It was about to run, or ran and nobody knows what became of it.
    return Step(msgspec.structs.replace(life, state=ServerState.BACKOFF, due=now))


def counted(history: History | None) -> Life:
    """A life that begins anew, with what lasts of the one before."""
    return Life(restarts=history.life.restarts) if history else Life()


def running_since(history: History | None, spawned_at: float) -> Life:
    """The life of a process that was found running and of which no more is known. `spawned_at` in monotonic seconds."""
    reason = "running since before this agent"
    return msgspec.structs.replace(counted(history), state=ServerState.RUNNING, reason=reason, spawned_at=spawned_at)
