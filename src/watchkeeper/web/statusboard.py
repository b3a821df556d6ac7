"""What the public page says: the configured services by their titles, as they are now and as they were by days.

Made at most once a minute, however many ask, by one of them in a thread; days that are over are kept for an hour, because
an agent may still hand in what it saw while the hub was away. Nothing of the inside is in a report: no machine, no server,
no reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import numpy as np

from watchkeeper.clock import milliseconds
from watchkeeper.errors import Refused
from watchkeeper.model import Health, Matcher, Rollup
from watchkeeper.web.board import Board
from watchkeeper.web.desk import Desk
from watchkeeper.web.settings import ServiceSettings, StatusSettings
from watchkeeper.web.uptime import DAY, STEP, Day, Windows, day_of, together
from watchkeeper.web.workshop import Workshop

LIFE = 60.0
"""Seconds that a report is good for."""
PAST_LIFE = 3600.0
"""Seconds that days which are over are not read again."""


class DayReport(msgspec.Struct, frozen=True):
    """A day of UTC: its start (ms), and how many seconds of it were what."""

    start: int
    up: float
    down: float
    unknown: float


class ServiceReport(msgspec.Struct, frozen=True):
    """A service. `share` of the known time it was up; `unknown` is the share of all time of which nothing is known."""

    title: str
    about: str
    state: Health
    share: float | None
    unknown: float | None
    days: tuple[DayReport, ...]


class StatusReport(msgspec.Struct, frozen=True):
    """All of it, as at `at` (ms)."""

    title: str
    about: str
    at: int
    services: tuple[ServiceReport, ...]


class StatusBoard:
    """The public page's memory; one for each web."""

    def __init__(self, desk: Desk, board: Board, settings: StatusSettings, studio: Workshop) -> None:
        """Nothing is read before somebody asks."""
        self._desk = desk
        self._board = board
        self.settings = settings
        self._studio = studio
        self._turn = asyncio.Lock()
        self._made: tuple[float, StatusReport] | None = None
        self._past: tuple[float, int, list[tuple[int, tuple[Day, ...]]]] = (-PAST_LIFE, 0, [])

    async def report(self) -> StatusReport:
        """The newest; raises `Refused` (``busy``, ``timeout``) when it could not be made and there is no older one."""
        async with self._turn:
            now = self._desk.clock.monotonic()
            if self._made and now - self._made[0] < LIFE:
                return self._made[1]
            at = milliseconds(self._desk.clock.wall())
            states = [self._state(one) for one in self.settings.services]
            periods = [self._board.period(one.machine) for one in self.settings.services]
            days = await self._studio.work(lambda _: self._days(at, now, periods))
            services = tuple(map(_service, self.settings.services, states, days))
            report = StatusReport(self.settings.title, self.settings.about, at, services)
            self._made = (now, report)
            return report

    def _state(self, one: ServiceSettings) -> Health:
        try:
            return self._board.server(one.machine, one.server).health
        except Refused:
            return "unknown"  # nobody has heard of it yet

    def _days(self, at: int, now: float, periods: Sequence[float]) -> list[tuple[Day, ...]]:
        """The days of each service, oldest first; called in a thread."""
        today = at // DAY * DAY
        first = today - (self.settings.days - 1) * DAY
        made, until, past = self._past
        if now - made >= PAST_LIFE or until != today:
            both = zip(self.settings.services, periods, strict=True)
            past = [self._read(one, first, today, at, period) for one, period in both]
            self._past = (now, today, past)
        found = []
        for one, period, (since, days) in zip(self.settings.services, periods, past, strict=True):
            found.append((*days, *self._read(one, today, today + DAY, at, period, since)[1]))
        return found

    def _read(
        self, one: ServiceSettings, first: int, last: int, at: int, period: float, since: int = 0
    ) -> tuple[int, tuple[Day, ...]]:
        """The days of ``first <= start < last``, and since when anything is known at all (ms; 0: never)."""
        if first >= last:
            return since, ()
        windows = _windows(self._desk.store.rollups(_matchers(one), first, min(last, at + 1) - 1, STEP))
        if not since and len(windows.times):
            since = int(windows.times[0])
        if not since:
            return 0, tuple(Day(start, 0.0, 0.0, 0.0) for start in range(first, last, DAY))
        return since, tuple(day_of(windows, start, since, at, period) for start in range(first, last, DAY))


def _matchers(one: ServiceSettings) -> list[Matcher]:
    named = {"__name__": "watchkeeper_server_up", "machine": one.machine, "server": one.server}
    return [Matcher(label, "=", value) for label, value in named.items()]


def _windows(found: Sequence[Rollup]) -> Windows:
    """All rollups of one server as one row of windows: after a change of its agent's layout there may be several."""
    parts: dict[int, list[float]] = {}
    for part in found:
        seen, total = np.nansum(part.seen, axis=1), np.nansum(part.total, axis=1)
        for at, count, amount in zip(part.times.tolist(), seen.tolist(), total.tolist(), strict=True):
            sums = parts.setdefault(at, [0.0, 0.0])
            sums[0] += count
            sums[1] += amount
    times = sorted(parts)
    columns = np.array([parts[at] for at in times]).reshape(-1, 2)
    return Windows(np.array(times, np.int64), columns[:, 0], columns[:, 1])


def _service(one: ServiceSettings, state: Health, days: tuple[Day, ...]) -> ServiceReport:
    whole = together(days)
    return ServiceReport(one.title, one.about, state, whole.share, whole.unknown, tuple(DayReport(*day) for day in days))
