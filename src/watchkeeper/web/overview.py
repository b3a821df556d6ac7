"""Is anything wrong: the sentence, the count and the order, as pure functions of what is known.

Absence is data: a machine whose agent is away, or silent for longer than three of its rounds, is unknown, and so are
its servers, whatever was last said of them. A server that was stopped on purpose is not wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

from watchkeeper.model import Health, ServerState
from watchkeeper.web.desk import Presence
from watchkeeper.web.shapes import MachineView, ServerView

SILENT_ROUNDS = 3
"""After this many rounds without a word, nothing is known any more."""
LEAST_SILENCE = 5.0
"""But never before this many seconds: a 1 s agent may pause for a moment."""


def machine_health(presence: Presence, now: int) -> Health:
    """Up while its agent speaks, else unknown; down is never known from here."""
    if not presence.connected:
        return "unknown"
    silence = (now - presence.seen_at) / 1000
    return "unknown" if silence > max(SILENT_ROUNDS * presence.period, LEAST_SILENCE) else "up"


def server_health(said: Health, machine: Health) -> Health:
    """The agent's word, as long as the agent can give it."""
    return said if machine == "up" else "unknown"


def needs_attention(view: ServerView) -> bool:
    """Down, and not because somebody stopped it."""
    return view.health == "down" and view.status.state is not ServerState.STOPPED


def worst_first_servers(views: Sequence[ServerView]) -> tuple[ServerView, ...]:
    """Down, then unknown, then up, then stopped on purpose; each by machine and name."""

    def rank(view: ServerView) -> tuple[int, str, str]:
        if view.health == "unknown":
            worst = 1
        elif view.status.state is ServerState.STOPPED:
            worst = 3
        else:
            worst = 0 if view.health == "down" else 2
        return worst, view.machine, view.status.name

    return tuple(sorted(views, key=rank))


def worst_first_machines(views: Sequence[MachineView]) -> tuple[MachineView, ...]:
    """Those out of touch first, then by name."""
    return tuple(sorted(views, key=lambda view: (view.health == "up", view.machine.name)))


def wrong_count(machines: Sequence[MachineView], servers: Sequence[ServerView]) -> int:
    """How many things need a person: servers down, and machines out of touch (their servers are not counted twice)."""
    return sum(map(needs_attention, servers)) + sum(view.health != "up" for view in machines)


def sentence(machines: Sequence[MachineView], servers: Sequence[ServerView]) -> str:
    """The answer to "is anything wrong", for the top of the page and the first line of `status`."""
    if not machines:
        return "No machine has reported yet."
    down = [view for view in servers if needs_attention(view)]
    away = [view for view in machines if view.health != "up"]
    parts = []
    if len(down) == 1:
        parts.append(f"{_of(1, len(servers), 'server')} needs attention: {down[0].status.name} is down")
    elif down:
        parts.append(f"{_of(len(down), len(servers), 'server')} need attention")
    if len(away) == 1:
        silent = sum(view.machine == away[0].machine.name for view in servers)
        theirs = f", its {_count(silent, 'server')} unknown" if silent else ""
        parts.append(f"{away[0].machine.name} is out of touch{theirs}")
    elif away:
        parts.append(f"{_of(len(away), len(machines), 'machine')} are out of touch")
    if parts:
        text = "; ".join(parts) + "."
        return text[0].upper() + text[1:] if down else text
    return _well(machines, servers)


def _well(machines: Sequence[MachineView], servers: Sequence[ServerView]) -> str:
    stopped = sum(view.status.state is ServerState.STOPPED for view in servers)
    unsure = sum(view.health == "unknown" for view in servers)
    up = sum(view.health == "up" for view in servers)
    where = _count(len(machines), "machine")
    if not servers:
        return f"All is well: {where} watched, no server yet."
    parts = [f"{_count(up, 'server')} up on {where}"]
    if unsure:
        parts.append(f"{unsure} not known yet")
    if stopped:
        parts.append(f"{stopped} stopped on purpose")
    return f"{'So far so good' if unsure else 'All is well'}: {', '.join(parts)}."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _of(number: int, whole: int, noun: str) -> str:
    return f"{number} of {_count(whole, noun)}" if whole > 1 else f"{number} {noun}"
