"""A run's figures as frames: one a second, so that charts and rules know them without a further mechanism. Pure."""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING

from watchkeeper.model import Dictionary, Family, Frame, Series, dictionary

if TYPE_CHECKING:
    from watchkeeper.stress.hubside.lab import Going, StressSecond

FAMILIES = (
    Family("watchkeeper_stress_running", "gauge", "Whether a stress run goes on against the server."),
    Family("watchkeeper_stress_due_per_second", "gauge", "Operations that were due in the last second."),
    Family("watchkeeper_stress_done_per_second", "gauge", "Operations that ended well in the last second."),
    Family("watchkeeper_stress_failed_per_second", "gauge", "Operations that failed or were given up in the last second."),
    Family("watchkeeper_stress_connections", "gauge", "Connections that the load holds."),
    Family("watchkeeper_stress_latency_seconds", "gauge", "Time from the intended start, by `quantile`, of the last second."),
)
QUANTILES = (("0.5", "p50"), ("0.95", "p95"), ("0.99", "p99"))


def frame_of(going: Going, second: StressSecond | None, *, at: int = 0) -> tuple[Dictionary, Frame]:
    """A second of a run as a layout and a frame; without one, the end of it: nothing more but that it does not run."""
    labels = {"machine": going.machine, "server": going.server, "plan": going.plan}
    whose = {name: value for name, value in labels.items() if value}
    names = [family.name for family in FAMILIES[:-1]]
    series = [Series(name, tuple(sorted(whose.items()))) for name in names]
    latency = FAMILIES[-1].name
    series += [Series(latency, tuple(sorted((whose | {"quantile": quantile}).items()))) for quantile, _ in QUANTILES]
    values: list[float]
    if second is None:
        values = [0.0] + [math.nan] * (len(series) - 1)
    else:
        at = going.started_at + (second.second + 1) * 1000
        values = [1.0, *map(float, (second.due, second.done, second.failed, second.connections))]
        values += [math.nan if (found := getattr(second, name)) is None else found for _, name in QUANTILES]
    layout = dictionary(tuple(series), FAMILIES)
    return layout, Frame(f"stress-{going.slot}", layout.id, at, array("d", values).tobytes())
