"""The hub's timeline is told when a stress run begins and ends, so that a test is never taken for an incident.

There need not be a hub: then there is no timeline, and that is said once. Telling never holds a run up for long.
"""

from __future__ import annotations

import argparse
import asyncio

from watchkeeper.cli.client import connect
from watchkeeper.cli.options import reach
from watchkeeper.errors import Failed, Refused
from watchkeeper.model import Event
from watchkeeper.stress.run import Run


class Timeline:
    """The hub that `args` lead to, if there is one."""

    def __init__(self, args: argparse.Namespace) -> None:
        """Nothing is asked yet."""
        self._args = args
        self._is_there = True

    async def tell(self, what: str, run: Run) -> str:
        """Announce; returns why nobody could be told, or nothing. After the first failure nothing more is tried."""
        if not self._is_there:
            return ""
        outcome = run.verdict or (f"{run.state}: {run.why}" if what == "ended" else "")
        body = {"what": what, "run": run.id, "plan": run.plan, "target": run.target[:300], "server": run.server}
        body |= {"machine": run.machine, "outcome": outcome[:300]}
        try:
            await asyncio.to_thread(self._ask, body)
        except (Failed, Refused) as fault:
            self._is_there = False
            return str(fault)
        return ""

    def _ask(self, body: dict[str, str]) -> None:
        connect(reach(self._args)).ask("POST", "/api/stress/announcements", Event, body, seconds=5.0)
