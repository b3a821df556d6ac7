"""The frame of the servers' own figures: asks each page in its turn, bounds, isolates, and keeps the newest.

The agent hands over what to ask (`Page address of a server`) and reads the newest figures as one more
reader of its rounds. Figures of a page that has not answered lately are gaps, not yesterday's news.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec

from watchkeeper.clock import Clock
from watchkeeper.collect.exposition import NOTHING, Page, Parser
from watchkeeper.collect.openmetrics import OpenMetrics
from watchkeeper.collect.process import FAMILIES as PROCESS_FAMILIES
from watchkeeper.errors import Failed
from watchkeeper.model import Family, Series

logger = logging.getLogger(__name__)

STALE_PERIODS = 2.5
"""A page's figures are believed for so many of its periods."""

FAMILIES = (
    Family("watchkeeper_scrape_success", "gauge", "Whether the server's page of figures could be read."),
    Family("watchkeeper_scrape_duration_seconds", "gauge", "How long reading the server's page of figures took."),
    Family("watchkeeper_scrape_series", "gauge", "Series on the server's page of figures."),
)


class Source(msgspec.Struct, frozen=True):
    """One page to be asked: whose it is, its name among that server's pages, the leaf and the period in seconds."""

    server: str
    name: str
    leaf: OpenMetrics
    period: float


class _Kept:
    """What is known of one source."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.parser = Parser(source.leaf.most_series)
        self.page = NOTHING
        self.series: tuple[Series, ...] = ()
        self.parsed: tuple[Series, ...] = ()
        self.several = False
        """Whether its server has other pages too."""
        self.columns: list[int] | None = None
        """Which of the page's figures are taken; None for all."""
        self.read_at = -math.inf
        self.figures = [0.0, math.nan, math.nan]
        self.trouble = ""
        self.told = False
        """Whether the trouble was logged: the second time in a row, since a server that has just started may need a moment."""
        labels = (("page", source.name), ("server", source.server))
        self.own = tuple(Series(family.name, labels) for family in FAMILIES)


class Scraping:
    """Asks all pages of one agent; also a reader of its rounds (`series`, `read`, `families`)."""

    def __init__(self, clock: Clock, wanted: Callable[[str], bool]) -> None:
        """`wanted(server)`: does it make sense to ask now."""
        self.series: tuple[Series, ...] = ()
        self._clock = clock
        self._wanted = wanted
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._layouts: list[tuple[Series, ...]] = []

    def families(self) -> tuple[Family, ...]:
        """Kind and sentence of our own figures and of all that the pages described."""
        told = {family.name: family for kept in self._kept.values() for family in kept.page.families}
        return (*told.values(), *FAMILIES)

    def replace(self, sources: Iterable[Source]) -> None:
        """Ask these from now on; unchanged ones go on undisturbed."""
        wanted = {(source.server, source.name): source for source in sources}
        for key in [key for key, kept in self._kept.items() if wanted.get(key) != kept.source]:
            del self._kept[key]
            if task := self._tasks.pop(key, None):
                task.cancel()
        for key, source in wanted.items():
            if key not in self._kept:
                self._kept[key] = _Kept(source)
        pages = Counter(server for server, _ in self._kept)
        for (server, _), kept in self._kept.items():
            if kept.several != (pages[server] > 1):
                kept.several = not kept.several
                kept.parsed = ()  # its series are named anew when it is read next
        if self._group is not None:
            self._start_missing(self._group)

    async def run(self) -> None:
        """Ask until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            self._start_missing(group)
            try:
                await asyncio.Event().wait()
            finally:
                self._group = None

    def read(self) -> Sequence[float]:
        """The newest figures in the order of `series`."""
        layouts = [layout for kept in self._kept.values() for layout in (kept.series, kept.own)]
        if len(layouts) != len(self._layouts) or any(
            mine is not known for mine, known in zip(layouts, self._layouts, strict=True)
        ):
            self._layouts = layouts
            self.series = tuple(series for layout in layouts for series in layout)
        now = self._clock.monotonic()
        values: list[float] = []
        for kept in self._kept.values():
            fresh = now - kept.read_at <= kept.source.period * STALE_PERIODS
            if not fresh:
                values += [math.nan] * len(kept.series)
            elif kept.columns is None:
                values += kept.page.values
            else:
                values += [kept.page.values[column] for column in kept.columns]
            values += kept.figures
        return values

    def close(self) -> None:
        """Nothing is held open between pages."""

    def _start_missing(self, group: asyncio.TaskGroup) -> None:
        for key, kept in self._kept.items():
            if key not in self._tasks:
                self._tasks[key] = group.create_task(self._ask(kept), name=f"page {'/'.join(key)}")

    async def _ask(self, kept: _Kept) -> None:
        due = self._clock.monotonic()
        while True:
            if self._wanted(kept.source.server):
                await self._attempt(kept)
            else:
                kept.figures = [math.nan] * 3
                kept.read_at = -math.inf
            now = self._clock.monotonic()
            due = max(due + kept.source.period, now)
            await asyncio.sleep(due - now)

    async def _attempt(self, kept: _Kept) -> None:
        source = kept.source
        began = self._clock.monotonic()
        why = ""
        try:
            async with asyncio.timeout(source.leaf.timeout):
                page = kept.parser.read(await source.leaf.scrape())
        except TimeoutError:
            why = f"no answer within {source.leaf.timeout}"
        except Failed as fault:
            why = fault.why
        except Exception:  # a leaf's own bug must not end the agent
            logger.exception("reading the figures of %s broke", source.server)
            why = "reading it broke; see the agent's log"
        took = self._clock.monotonic() - began
        if why:
            kept.figures = [0.0, took, math.nan]
            kept.read_at = -math.inf
        else:
            self._keep(kept, page)
            kept.figures = [1.0, took, float(len(page.series))]
        if why and why == kept.trouble and not kept.told:
            logger.warning("the figures of %s cannot be read: %s", source.server, why)
        kept.told = bool(why) and why == kept.trouble
        kept.trouble = why

    def _keep(self, kept: _Kept, page: Page) -> None:
        if page.series is not kept.parsed:
            kept.parsed = page.series
            source = kept.source
            every = [placed(series, source.server, source.name if kept.several else "") for series in page.series]
            columns = [column for column, series in enumerate(every) if series not in _own(source.server)]
            kept.columns = columns if len(columns) < len(every) else None
            kept.series = tuple(every[column] for column in columns)
        kept.page = page
        kept.read_at = self._clock.monotonic()


@functools.cache
def _own(server: str) -> frozenset[Series]:
    """What the agent reads of a server's processes itself, its children counted in: the page's twins would be added to it."""
    return frozenset(Series(family.name, (("server", server),)) for family in PROCESS_FAMILIES)


def placed(series: Series, server: str, page: str = "") -> Series:
    """A page's series with its server's label, and its page's where one server has several.

    A label of that name which it has itself becomes ``exported_server``, as in Prometheus.
    """
    labels = dict(series.labels)
    for name, value in (("server", server), ("page", page)):
        if value:
            if name in labels:
                labels[f"exported_{name}"] = labels.pop(name)
            labels[name] = value
    return Series(series.name, tuple(sorted(labels.items())))
