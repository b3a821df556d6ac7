"""The hub hears of a stress run: its beginning, phases and end for the timeline, each second for whoever follows it.

There need not be a hub: then there is no timeline, and that is said once. Telling never holds a run up: what cannot be told
in time is left out. In each answer the run hears whether somebody wants it ended.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
from collections import deque
from typing import Any

import msgspec

from watchkeeper.cli.client import connect
from watchkeeper.cli.options import reach
from watchkeeper.errors import Failed, Refused
from watchkeeper.model import Event
from watchkeeper.stress.desk import EndWord
from watchkeeper.stress.hubside.lab import StressSecond
from watchkeeper.stress.recovery import Moment
from watchkeeper.stress.run import Run, Stage
from watchkeeper.web.stress_shapes import StressAnnouncement, StressOrder, StressProgress, What

EACH = 1.0
AWAY = 5.0
"""Seconds until a hub that did not answer is told something again."""
AT_ONCE = 120
WORD = 300
"""Characters of a sentence that is told."""


class Timeline:
    """The hub that `args` lead to, if there is one."""

    def __init__(self, args: argparse.Namespace) -> None:
        """Nothing is asked yet."""
        self._args = args
        self._is_there = True
        self._run: Run | None = None
        self._phase = -1
        self._seconds: deque[StressSecond] = deque(maxlen=AT_ONCE)
        self._said: deque[str] = deque(maxlen=20)
        self._phases: deque[str] = deque(maxlen=50)
        self._telling = asyncio.Lock()

    async def tell(self, what: What, run: Run, phase: str = "") -> str:
        """Announce; returns why nobody could be told, or nothing. After a beginning that nobody heard nothing more is tried."""
        if not self._is_there:
            return ""
        self._run = run
        outcome = run.verdict or (f"{run.state}: {run.why}" if what == "ended" else "")
        body = StressAnnouncement(
            what,
            run.id,
            run.plan,
            run.target[:WORD],
            run.machine,
            run.server,
            outcome[:WORD],
            phase[:WORD],
            os.getpid(),
        )
        try:
            await asyncio.to_thread(self._ask, "/api/stress/announcements", Event, msgspec.to_builtins(body))
        except (Failed, Refused) as fault:
            self._is_there = what != "started"
            return str(fault)
        return ""

    def staged(self, stage: Stage) -> None:
        """A stage begins; the first of a phase is worth an event."""
        if stage.phase != self._phase:
            self._phase = stage.phase
            self._phases.append(f"{stage.kind} begins ({stage.name})")

    def saw(self, moment: Moment, stage: Stage, connections: int) -> None:
        """A second of a stage is whole."""
        p50, p95, p99 = (value if math.isfinite(value) else None for value in (moment.p50, moment.p95, moment.p99))
        figures = (moment.scheduled, moment.done, moment.failed, p50, p95, p99)
        self._seconds.append(StressSecond(moment.second, stage.index, stage.name, stage.kind, *figures, connections))

    def said(self, text: str) -> None:
        """A decision."""
        self._said.append(text[:WORD])

    async def run(self, abort: EndWord) -> None:
        """Tell, for as long as the run goes on; `abort` is set when the hub says so."""
        while True:
            await asyncio.sleep(EACH)
            if not self._is_there or self._run is None:
                continue
            if not await self._turn(self._run, abort):
                await asyncio.sleep(AWAY)

    async def ended(self, run: Run) -> None:
        """It is over: tell what was not told yet, and that."""
        if self._is_there:
            await self._turn(run, EndWord())
            await self.tell("ended", run)

    async def _turn(self, run: Run, abort: EndWord) -> bool:
        """Tell what there is; False when nobody heard it."""
        async with self._telling:
            return await self._tell_all(run, abort)

    async def _tell_all(self, run: Run, abort: EndWord) -> bool:
        while self._phases:
            if await self.tell("phase", run, self._phases[0]):
                return False
            self._phases.popleft()
        seconds, said = tuple(self._seconds), tuple(self._said)
        body = msgspec.to_builtins(StressProgress(run.id, seconds, said))
        try:
            answer = await asyncio.to_thread(self._ask, "/api/stress/progress", StressOrder, body)
        except Refused as fault:
            if fault.code == "unknown-run":  # the hub has begun anew and has forgotten
                await self.tell("again", run, "it goes on")
            return False
        except Failed:
            return False
        for told, waiting in ((seconds, self._seconds), (said, self._said)):
            for _ in range(min(len(told), len(waiting))):
                if waiting[0] in told:
                    waiting.popleft()
        if answer.ended_by:
            abort.whose = answer.ended_by
            abort.set()
        return True

    def _ask(self, path: str, wanted: type[Any], body: dict[str, Any]) -> Any:
        return connect(reach(self._args)).ask("POST", path, wanted, body, seconds=5.0)
