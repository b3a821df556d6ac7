"""When a cron expression comes true next: for restarts, drills, and what is expected by the clock. Pure."""

from __future__ import annotations

from datetime import datetime, tzinfo


def next_after(expression: str, zone: tzinfo, at: float) -> float:
    """The first instant after `at` (both Unix seconds) at which it comes true in `zone`; in a night when clocks are set, once.

    Raises cronsim's CronSimError for what is no expression, StopIteration for one that never comes true.
    """
    from cronsim import CronSim  # noqa: PLC0415  # only who has a schedule pays for it

    here = datetime.fromtimestamp(at, zone)
    # In the hour that a clock which is set back repeats, instants of the first time round are named, too.
    return next(found for one in CronSim(expression, here) if (found := one.timestamp()) > at)
