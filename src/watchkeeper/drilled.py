"""Drills joined to the hub: who is there, who is told, which alerts are theirs, and how an order reaches a server.

The hub comes in with its parts and gets its `Drills`. Nothing here decides.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from watchkeeper.clock import Clock, milliseconds
from watchkeeper.drill.drills import Drills, Ends
from watchkeeper.drill.scene import Outside
from watchkeeper.drill.settings import DrillSettings
from watchkeeper.errors import Failed, Refused
from watchkeeper.fleet import Fleet
from watchkeeper.journal import Journal
from watchkeeper.judging.bench import Bench
from watchkeeper.model import Action, Event, Outcome, new_id
from watchkeeper.office import Office

Order = Callable[[Action], Awaitable[Outcome]]


def join(
    settings: DrillSettings,
    data: Path,
    url: str,
    bench: Bench,
    fleet: Fleet,
    office: Office,
    order: Order,
    tell: Callable[[Event], None],
    clock: Clock,
) -> Drills:
    """The drills of a hub that answers at `url` and keeps its state in `data`."""

    def holds(names: Sequence[str]) -> float:
        return max((rule.hold / 1000 for rule in bench.court.rules if rule.name in names), default=0.0) + notice(names)

    def forget(machine: str) -> None:
        fleet.forget(machine)
        bench.forget(machine)

    outside = Outside(
        hub=lambda: url,
        token=data / "link-token",
        statuses=fleet.statuses,
        is_connected=lambda machine: fleet.link(machine) is not None,
        order=lambda machine, server, verb, seconds: ordered(order, bench.journal, clock, machine, server, verb, seconds),
    )
    ends = Ends(outside, lambda: tuple(office.channels), holds, lambda: bench.teller.longest / 1000, tell, forget)
    drills = Drills(settings, bench.journal, clock, data, ends)
    bench.court.docket.is_drill = drills.is_part
    bench.drill_channels = drills.channels
    bench.teller.drills_wait = settings.waits
    return drills


def notice(names: Sequence[str]) -> float:
    """What a rule's own expression waits for, in seconds, beside its `for`: a machine is silent after a minute and a half."""
    return 120.0 if "HostSilent" in names else 0.0


async def ordered(order: Order, journal: Journal, clock: Clock, machine: str, server: str, verb: str, seconds: float) -> str:
    """Give an order as a person would, a row before it is a message; its outcome in words. Raises Failed when it fails."""
    at = milliseconds(clock.wall())
    action = Action(new_id(at), at, machine, server, verb, "a drill", "a drill", seconds)  # type: ignore[arg-type]  # one of the verbs
    await journal.actions.request(action, "")
    try:
        outcome = await order(action)
    except Refused as fault:
        await journal.actions.end(Outcome(action.id, milliseconds(clock.wall()), ok=False, text=fault.why))
        raise Failed(fault.why, retry=False) from None
    if not outcome.ok:
        raise Failed(outcome.text, retry=False)
    return outcome.text
