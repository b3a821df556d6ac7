"""Whether a server fails: it should be up and is not, from the first that is known of it until it is up again. Pure.

Agent and hub ask it of the same statuses: the agent for its figures, the hub to judge before the next figures come.
"""

from __future__ import annotations

from watchkeeper.model import WELL, Family, ServerState, ServerStatus

FAMILIES = (
    Family("watchkeeper_server_up", "gauge", "Whether the server is up (1) or down (0); no value: not known."),
    Family("watchkeeper_server_wanted", "gauge", "Whether the server should run: nobody has stopped it."),
    Family(
        "watchkeeper_server_failing", "gauge", "Whether it should be up and is not, from its first fault until it is up again."
    ),
    Family("watchkeeper_server_restarts_total", "counter", "Unexpected ends of the server since the agent's start."),
    Family("watchkeeper_server_backoff_seconds", "gauge", "The pause before its next start; 0: it is not waiting for one."),
    Family(
        "watchkeeper_server_hung", "gauge", "Whether it gives no sign of life and is not at work, though its process lives."
    ),
    Family("watchkeeper_server_needs_person", "gauge", "Whether the agent has acted often enough and leaves it to a person."),
)
"""The figures that a status gives, in the order of `figures`."""


def is_wanted(status: ServerStatus) -> bool:
    """Whether it should run: it was not stopped, and has not ended as it may."""
    match status.state:
        case ServerState.STOPPED | ServerState.STOPPING:
            return False
        case ServerState.EXITED:
            return status.last_exit != "exit status 0" and not status.last_exit.startswith(WELL)
    return True


def is_failing(before: ServerStatus | None, was_failing: bool, status: ServerStatus) -> bool:  # noqa: FBT001  # a decider's own past
    """What is held of it after a new word; `before` is the last one.

    Not known is neither: a server that starts again after a fault fails until it answers, one that starts afresh does not.
    """
    if status.health == "up" or not is_wanted(status):
        return False
    if status.health == "down":
        return True
    return was_failing or has_ended(before, status)


def has_ended(before: ServerStatus | None, status: ServerStatus) -> bool:
    """Whether it has ended unexpectedly since the last word, however quickly it was started again."""
    return before is not None and status.restarts > before.restarts


def figures(status: ServerStatus, *, failing: bool) -> tuple[float, ...]:
    """One figure for each of `FAMILIES`."""
    up = {"up": 1.0, "down": 0.0}.get(status.health, float("nan"))
    waits = status.state is ServerState.BACKOFF and status.next_attempt_at > status.since
    pause = (status.next_attempt_at - status.since) / 1000 if waits else 0.0
    return (
        up,
        float(is_wanted(status)),
        float(failing),
        float(status.restarts),
        pause,
        float(status.liveness == "hung"),
        float(bool(status.asks)),
    )
