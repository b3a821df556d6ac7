"""Runs that go on, as they tell the hub of themselves: announced, followed second by second, ended; and whoever wants an end.

A run tells each second how it goes and hears in the answer whether somebody wants it ended: so one that was begun in a
terminal, by the hub or on another machine is followed and aborted alike, and no process is ever signalled by a number that
may be somebody else's by now. All calls belong to the hub's event loop; nothing here waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from watchkeeper.errors import Refused
from watchkeeper.model import Dictionary, Frame
from watchkeeper.stress.hubside.frames import frame_of
from watchkeeper.stress.hubside.launching import Launcher

SECONDS = 3600
"""How much of a run is remembered for whoever begins to follow it late."""
WORDS = 200
RUNS = 50
"""Runs that are remembered; the oldest that are over go first."""
SILENT = 30_000
"""ms without a word after which a run that goes on is called silent."""


class StressSecond(msgspec.Struct, frozen=True):
    """How one second of a run went. `second` of the run; times in seconds, null where nothing was done or nobody answered."""

    second: int
    stage: int
    name: str
    kind: str
    due: int
    done: int
    failed: int
    p50: float | None
    p95: float | None
    p99: float | None
    connections: int


class Going(msgspec.Struct):
    """A run that goes on, or has lately. Times in ms of the hub's clock."""

    run: str
    plan: str
    target: str
    machine: str
    server: str
    by: str
    started_at: int
    pid: int = 0
    slot: int = 0
    phase: str = ""
    heard_at: int = 0
    ended_at: int = 0
    outcome: str = ""
    ended_by: str = ""
    """Who wants it ended; empty while nobody does."""
    seconds: deque[StressSecond] = msgspec.field(default_factory=lambda: deque(maxlen=SECONDS))
    said: deque[str] = msgspec.field(default_factory=lambda: deque(maxlen=WORDS))

    @property
    def is_over(self) -> bool:
        """Whether it has said that it has ended."""
        return self.ended_at > 0


class Lab:
    """All of them. `folder` is where this machine's runs are recorded."""

    def __init__(
        self,
        folder: Path,
        launcher: Launcher,
        keep: Callable[[str, Dictionary, Frame], None],
        heard: Callable[[Going, Sequence[StressSecond]], None],
    ) -> None:
        """`keep(stream, layout, frame)` takes a run's figures; `heard` is called with each piece of news of a run."""
        self.folder = folder
        self.launcher = launcher
        self._keep = keep
        self._heard = heard
        self._runs: dict[str, Going] = {}

    def going(self) -> list[Going]:
        """All that are remembered, the newest first."""
        return sorted(self._runs.values(), key=lambda one: one.started_at, reverse=True)

    def find(self, run: str) -> Going | None:
        """One of them."""
        return self._runs.get(run)

    def begin(self, going: Going, now: int) -> Going:
        """A run has begun. The one who had it started here is who it is `by`."""
        going.by = self.launcher.started_by(going.pid) or going.by
        taken = {one.slot for one in self._runs.values() if not one.is_over}
        going.slot = next(slot for slot in range(len(taken) + 1) if slot not in taken)
        going.heard_at = now
        self._runs[going.run] = going
        self._forget()
        return going

    def phase(self, run: str, phase: str, now: int) -> None:
        """Another phase begins."""
        if (going := self._runs.get(run)) is not None:
            going.phase, going.heard_at = phase, now

    def progress(self, run: str, seconds: Sequence[StressSecond], said: Sequence[str], now: int) -> str:
        """How it went lately; returns who wants it ended, or nothing. Raises Refused for a run that nobody has announced."""
        going = self._runs.get(run)
        if going is None:
            raise Refused(f"no run {run!r} was announced here", code="unknown-run")
        going.heard_at = now
        going.said.extend(said)
        fresh = [one for one in seconds if not going.seconds or one.second > going.seconds[-1].second]
        going.seconds.extend(fresh)
        for one in fresh:
            layout, frame = frame_of(going, one)
            self._keep(f"stress-{going.slot}", layout, frame)
        if fresh or said:
            self._heard(going, fresh)
        return going.ended_by

    def end(self, run: str, outcome: str, now: int) -> None:
        """It is over."""
        going = self._runs.get(run)
        if going is None or going.is_over:
            return
        going.ended_at, going.outcome, going.heard_at = now, outcome, now
        layout, frame = frame_of(going, None, at=now)
        self._keep(f"stress-{going.slot}", layout, frame)
        self._heard(going, ())

    def abort(self, run: str, by: str) -> Going:
        """Somebody wants it ended: it hears of it with its next word. Raises Refused where there is none that goes on."""
        going = self._runs.get(run)
        if going is None:
            raise Refused(f"no run {run!r} goes on", code="unknown-run")
        if going.is_over:
            raise Refused(f"the run {run} is over already", code="run-over")
        going.ended_by = going.ended_by or by
        self._heard(going, ())
        return going

    def _forget(self) -> None:
        over = sorted((one for one in self._runs.values() if one.is_over), key=lambda one: one.ended_at)
        for one in over[: max(0, len(self._runs) - RUNS)]:
            del self._runs[one.run]
