"""What a hub knows of a run's time, as the run needs it: figures of the server and its machine, what happened, which alerts.

`Teller` is the seam: whoever conducts a run hands in one that speaks to a hub. Here its answers become lines, marks and
alerts with their lags. Pure; the hub's clock is brought to the run's by `offset`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from watchkeeper.model import Event, EventKind
from watchkeeper.stress.serverside.figures import Sampled
from watchkeeper.stress.serverside.joined import Fired, Mark, MarkKind
from watchkeeper.stress.serverside.saturation import Span
from watchkeeper.telling import Alert


class Offset(NamedTuple):
    """How far another machine's clock is ahead of this one's, and by how much that may be wrong at the most. ms."""

    ahead: float
    bound: float


class Teller(Protocol):
    """A hub that can be asked about a run. All times in ms of the hub's own clock. Raises Failed and Refused."""

    async def offset(self) -> Offset:
        """Its clock against ours."""
        ...

    async def series(self, machine: str, server: str, start: int, end: int) -> list[Sampled]:
        """What it has of a server (empty: of the machine itself), as it was sampled."""
        ...

    async def events(self, machine: str, start: int, end: int) -> Sequence[Event]:
        """What happened on a machine, the oldest first."""
        ...

    async def alerts(self, machine: str, start: int, end: int) -> Sequence[Alert]:
        """Alerts about it that were firing at some time between, going on or over."""
        ...


_RESTARTS = {EventKind.SERVER_STARTED, EventKind.SERVER_EXITED, EventKind.SERVER_START_FAILED}
_HANGS = {EventKind.SERVER_HUNG, EventKind.SERVER_LIVES}
_ALERTS = {EventKind.ALERT_FIRED, EventKind.ALERT_RESOLVED}
_TOLD = {
    EventKind.SERVER_STOPPED,
    EventKind.SERVER_WARNED,
    EventKind.SERVER_BUSY,
    EventKind.PROBE_FAILED,
    EventKind.PROBE_RECOVERED,
    EventKind.LIMIT_EXCEEDED,
    EventKind.LIMIT_KEPT,
    EventKind.MACHINE_CONNECTED,
    EventKind.MACHINE_LOST,
    EventKind.MACHINE_REBOOTED,
    EventKind.SPOOL_OVERFLOWED,
    EventKind.MARK,
}
"""What is worth a line across the charts beside: not the run's own beginning and end."""


def marks(events: Sequence[Event], server: str, offset: Offset) -> list[Mark]:
    """Events about a server and its machine as marks; what is about the machine's other servers is left out."""
    found = []
    for event in events:
        if event.server not in {"", server}:
            continue
        kind: MarkKind
        if event.kind in _ALERTS:
            kind = "alert-firing" if event.kind is EventKind.ALERT_FIRED else "alert-resolved"
        elif event.kind in _RESTARTS:
            kind = "restart"
        elif event.kind in _HANGS:
            kind = "hang"
        elif event.kind in _TOLD:
            kind = "event"
        else:
            continue
        found.append(Mark(round(event.at - offset.ahead), kind, event.text))
    return found


def in_need(alerts: Sequence[Alert], machine: str) -> str:
    """The critical alert of the machine itself that goes on, in words; empty for none.

    Those about a server do not count: that a server under test is in trouble is what a test is for.
    """
    for one in alerts:
        own = one.labels.get("machine") == machine and not one.labels.get("server")
        if own and one.severity == "critical" and one.is_told_firing:
            return f"the critical alert {one.name} of {machine} fires: {one.annotations.get('summary') or one.reason}"
    return ""


def fired(alerts: Sequence[Alert], server: str, stages: Sequence[Span], started_at: int, offset: Offset) -> tuple[Fired, ...]:
    """Alerts with their lags: from the beginning of the load, from the beginning of the condition, until resolved.

    Those about the server and its machine whose condition began in the run: the machine's other servers' are not of it, nor
    is what held before.
    """
    found = []
    for one in sorted(alerts, key=lambda alert: alert.fired_at):
        held = (one.active_at - offset.ahead - started_at) / 1000
        if one.labels.get("server", "") not in {"", server} or held < -offset.bound / 1000:
            continue
        stage = next((span for span in stages if span.began <= held <= span.ended), None)
        lag = (one.fired_at - one.active_at) / 1000
        after = round(held - stage.began, 3) if stage else None
        to_resolve = (one.resolved_at - one.fired_at) / 1000 if one.resolved_at else None
        words = f"{one.name} ({one.severity}) fired {lag:.1f} s after its condition began to hold"
        if stage:
            words += f", which was {after:.1f} s into the stage {stage.name}"
        words += f"; resolved {to_resolve:.1f} s later" if to_resolve is not None else "; not resolved when the run ended"
        fired_at = round(one.fired_at - offset.ahead)
        name = stage.name if stage else ""
        found.append(Fired(one.name, one.severity, name, fired_at, round(lag, 3), after, to_resolve, words))
    return tuple(found)
