"""What the judge knows of machines, as figures of the hub's own: silence, lateness, clocks, and when what has happened last.

Stock rules stand on these: a silent machine is a figure that rises, an event is the instant at which it happened. Cheap to
read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from watchkeeper.fleet import Fleet
from watchkeeper.model import Event, EventKind, Family, Labels
from watchkeeper.web.desk import Figure

FAMILIES = (
    Family(
        "watchkeeper_machine_silent_seconds", "gauge", "Since when nothing was heard of the machine, while this hub listened."
    ),
    Family("watchkeeper_machine_period_seconds", "gauge", "How often the machine's agent reads its quickest figures."),
    Family("watchkeeper_machine_late_seconds", "gauge", "How old the newest frame was when it came in."),
    Family("watchkeeper_machine_clock_seconds", "gauge", "How far the machine's clock is ahead of the hub's."),
    Family("watchkeeper_event_timestamp_seconds", "gauge", "When an event of this `kind` happened last, in Unix time."),
    Family("watchkeeper_hub_blind", "gauge", "Whether all of the hub's witnesses are out of reach."),
    Family("watchkeeper_hub_data_avail_bytes", "gauge", "Space available on the file system of the hub's data folder."),
    Family("watchkeeper_hub_data_size_bytes", "gauge", "Size of that file system."),
    Family("watchkeeper_hub_alerts", "gauge", "Alerts of this `state` now."),
    Family("watchkeeper_hub_rules", "gauge", "Rules that are judged."),
    Family("watchkeeper_hub_rule_failures_total", "counter", "Evaluations of rules that failed."),
)
_BY_NAME = {family.name.removeprefix("watchkeeper_"): family for family in FAMILIES}
TOLD = frozenset(
    {
        EventKind.SERVER_EXITED,
        EventKind.SERVER_START_FAILED,
        EventKind.CONFIG_REJECTED,
        EventKind.CONFIG_RELOADED,
        EventKind.MACHINE_REBOOTED,
        EventKind.SPOOL_OVERFLOWED,
        EventKind.STORE_FULL,
        EventKind.MARK,
    }
)
"""Events whose newest instant is a figure."""
MOST = 5_000


class Happened:
    """When what has happened last: kind, machine and server to Unix seconds."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._at: dict[tuple[str, str, str], float] = {}

    def take(self, event: Event) -> bool:
        """Note an event; true where it is one that rules may ask about."""
        if event.kind not in TOLD:
            return False
        key = (event.kind.value, event.machine, event.server)
        if key in self._at or len(self._at) < MOST:
            self._at[key] = max(event.at / 1000, self._at.get(key, 0.0))
        return True

    def forget(self, machine: str) -> None:
        """A machine is no more."""
        for key in [key for key in self._at if key[1] == machine]:
            del self._at[key]

    def figure(self) -> Figure:
        """All of them."""
        return Figure(
            _BY_NAME["event_timestamp_seconds"],
            [(_labels(kind=kind, machine=machine, server=server), at) for (kind, machine, server), at in self._at.items()],
        )


def machine_figures(
    fleet: Fleet, started_at: int, now: int, late: Mapping[str, int], skews: Mapping[str, int]
) -> Sequence[Figure]:
    """Silence, period, lateness and clock of each machine; times in ms."""
    known = fleet.known()
    silent = [(one.machine.name, max(0, now - max(one.seen_at, started_at)) / 1000) for one in known]
    return (
        _each("machine_silent_seconds", silent),
        _each("machine_period_seconds", [(one.machine.name, one.period) for one in known]),
        _each("machine_late_seconds", [(name, ms / 1000) for name, ms in late.items()]),
        _each("machine_clock_seconds", [(name, ms / 1000) for name, ms in skews.items()]),
    )


def disk_figures(folder: Path) -> Sequence[Figure]:
    """How much room the hub has."""
    if not hasattr(os, "statvfs"):
        return ()
    try:
        found = os.statvfs(folder)
    except OSError:
        return ()
    return (
        _one("hub_data_avail_bytes", found.f_bavail * found.f_frsize),
        _one("hub_data_size_bytes", found.f_blocks * found.f_frsize),
    )


def court_figures(states: Mapping[str, int], rules: int, failures: int, *, blind: bool) -> Sequence[Figure]:
    """How many alerts there are, and what the judge itself does."""
    return (
        Figure(_BY_NAME["hub_alerts"], [(_labels(state=state), float(count)) for state, count in states.items()]),
        _one("hub_rules", rules),
        _one("hub_rule_failures_total", failures),
        _one("hub_blind", float(blind)),
    )


def _each(name: str, values: Sequence[tuple[str, float]]) -> Figure:
    return Figure(_BY_NAME[name], [(_labels(machine=machine), float(value)) for machine, value in values])


def _one(name: str, value: float) -> Figure:
    return Figure(_BY_NAME[name], [((), float(value))])


def _labels(**labels: str) -> Labels:
    return tuple(sorted((name, value) for name, value in labels.items() if value))
