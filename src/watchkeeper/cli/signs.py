"""A state as shape, word and colour: never colour alone, and the same shapes as on the page.

● up, ▲ on its way, ■ runs but does not do its work, ✕ not there, ◌ not known. Pure.
"""

from __future__ import annotations

from typing import NamedTuple

from watchkeeper.model import ServerState, Severity
from watchkeeper.web.shapes import MachineView, ServerView


class Sign(NamedTuple):
    """How a state is shown; `style` is a Rich and Textual style, `rank` sorts the worst first."""

    shape: str
    word: str
    style: str
    rank: int

    def text(self) -> str:
        """Shape and word."""
        return f"{self.shape} {self.word}"


_BY_STATE = {
    ServerState.RUNNING: Sign("■", "failing", "red", 0),
    ServerState.BACKOFF: Sign("✕", "down", "red", 0),
    ServerState.EXITED: Sign("✕", "exited", "red", 0),
    ServerState.STARTING: Sign("▲", "starting", "yellow", 2),
    ServerState.WAITING: Sign("▲", "waiting", "yellow", 2),
    ServerState.STOPPING: Sign("▲", "stopping", "yellow", 2),
    ServerState.STOPPED: Sign("✕", "stopped", "dim", 3),
}
_UP = Sign("●", "up", "green", 4)
_UNKNOWN = Sign("◌", "unknown", "magenta", 1)

SEVERITIES: dict[Severity, Sign] = {
    "critical": Sign("■", "critical", "red", 0),
    "warning": Sign("▲", "warning", "yellow", 1),
    "info": Sign("·", "info", "dim", 2),
}


def of_server(view: ServerView) -> Sign:
    """A server's sign: what is known of its health first, then where it stands."""
    state = view.status.state
    if view.health == "up":
        return _UP if state is ServerState.RUNNING else _UP._replace(word=state.value)
    if view.health == "unknown":
        # The agent itself may not know yet, while it starts; where it is away, its old word would be a guess.
        moving = view.status.health == "unknown" and _BY_STATE[state].rank == 2
        return _UNKNOWN._replace(word=state.value) if moving else _UNKNOWN
    return _BY_STATE[state]


def of_machine(view: MachineView) -> Sign:
    """A machine's sign: is its agent there?"""
    return _UP if view.health == "up" else _UNKNOWN._replace(word="out of touch")
