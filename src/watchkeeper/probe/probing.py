"""The frame of the probes: asks each one in its turn, measures, bounds, isolates and counts misses.

The agent hands over what to ask (`Asking`), is told of every attempt that changed the verdict,
and reads the newest figures as one more reader of its rounds. One slow probe delays no other.
A verdict is made by `judge`, which is pure; a miss or two is not yet "down".
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import get_args
from urllib.parse import quote

import msgspec

from watchkeeper.clock import Clock, milliseconds
from watchkeeper.errors import Failed
from watchkeeper.model import Event, EventKind, Family, Health, Notes, ProbeResult, Series, new_id
from watchkeeper.probe import Leaf
from watchkeeper.probe.patience import Patience

logger = logging.getLogger(__name__)

EAGER_SECONDS = 0.5
"""How often a server that has not answered since its start is asked: readiness should not wait a whole period."""

FAMILIES = (
    Family("probe_success", "gauge", "Whether the last attempt of the probe succeeded (1) or not (0)."),
    Family("probe_duration_seconds", "gauge", "How long the last attempt of the probe took."),
)
"""Of every probe; its leaf's own come on top."""


class Asking(msgspec.Struct, frozen=True):
    """One probe to be asked: whose it is (`server`, empty for a probe of its own), its name, the leaf and the period."""

    server: str
    name: str
    leaf: Leaf
    period: float


class Verdict(msgspec.Struct, frozen=True):
    """What is held of a server after some attempts: `health`, misses in a row, and the reason for the last change."""

    health: Health = "unknown"
    misses: int = 0
    reason: str = "not asked yet"


def judge(before: Verdict, *, ok: bool, why: str, tolerated: int) -> Verdict:
    """Weigh one more attempt: a success is up at once, `tolerated` misses in a row are down, fewer change nothing."""
    if ok:
        return Verdict("up", 0, "answered")
    misses = before.misses + 1
    if misses >= tolerated:
        return Verdict("down", misses, why)
    return Verdict(before.health, misses, before.reason)


class Probing:
    """Asks all probes of one agent; also a reader of its rounds (`series`, `read`)."""

    def __init__(
        self,
        clock: Clock,
        folder: Path,
        *,
        wanted: Callable[[str], bool],
        changed: Callable[[str, Health, str], None],
        emit: Callable[[Event], None],
        answered: Callable[[str, str, bool, str], None] = lambda *_: None,
    ) -> None:
        """`folder` is for what probes keep. `wanted(server)`: does it make sense to ask now?

        `changed(server, health, why)` is called at each new verdict, `answered(server, probe, ok, why)` after each attempt at a
        server, and with a miss for every half period that one is still waited for.
        """
        self.series: tuple[Series, ...] = ()
        self._clock = clock
        self._folder = folder
        self._wanted = wanted
        self._changed = changed
        self._emit = emit
        self._answered = answered
        self._askings: dict[tuple[str, str], Asking] = {}
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._results: dict[tuple[str, str], ProbeResult] = {}
        self._verdicts: dict[tuple[str, str], Verdict] = {}
        self._figures: dict[Series, float] = {}
        self._group: asyncio.TaskGroup | None = None
        self._renewed: dict[tuple[str, str], asyncio.Event] = {}

    def families(self) -> tuple[Family, ...]:
        """Kind and sentence of everything that `read` may give."""
        own = {family.name: family for kind in get_args(Leaf) for family in kind.FAMILIES}
        return (*FAMILIES, *own.values())

    def results(self, server: str) -> tuple[ProbeResult, ...]:
        """The last attempt of each of a server's probes."""
        return tuple(result for (of, _), result in self._results.items() if of == server)

    def health(self, server: str) -> tuple[Health, str]:
        """Down if any of its probes says so, else up if any is, else unknown; with the reason."""
        verdicts = [verdict for (of, _), verdict in self._verdicts.items() if of == server]
        for health in ("down", "up"):
            for verdict in verdicts:
                if verdict.health == health:
                    return verdict.health, verdict.reason
        return "unknown", "not asked yet"

    def renew(self, server: str) -> None:
        """A server's process is another one: what the last one has answered tells nothing of it, and it is asked soon."""
        for key in [key for key in self._askings if key[0] == server]:
            self._verdicts.pop(key, None)
            self._results.pop(key, None)
            if event := self._renewed.get(key):
                event.set()

    def replace(self, askings: Iterable[Asking]) -> None:
        """Ask these from now on: gone ones end, new ones start, unchanged ones go on undisturbed."""
        wanted = {(asking.server, asking.name): asking for asking in askings}
        for key, asking in list(self._askings.items()):
            if wanted.get(key) != asking:
                self._forget(key)
        self._askings = wanted
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
        if len(self.series) != len(self._figures):
            self.series = tuple(self._figures)
        return list(self._figures.values())

    def close(self) -> None:
        """Nothing is held open between attempts."""

    def _start_missing(self, group: asyncio.TaskGroup) -> None:
        for key, asking in self._askings.items():
            if key not in self._tasks:
                self._tasks[key] = group.create_task(self._ask(asking), name=f"probe {asking.server}/{asking.name}")

    def _forget(self, key: tuple[str, str]) -> None:
        if task := self._tasks.pop(key, None):
            task.cancel()
        self._renewed.pop(key, None)
        self._results.pop(key, None)
        self._verdicts.pop(key, None)
        self._clear_figures(self._askings[key])

    async def _ask(self, asking: Asking) -> None:
        """Ask one probe for as long as the agent runs, on a grid of its period that a slow answer does not shift."""
        key = (asking.server, asking.name)
        due = self._clock.monotonic()
        renewed = self._renewed[key] = asyncio.Event()
        while True:
            renewed.clear()
            if asking.server and not self._wanted(asking.server):
                self._verdicts.pop(key, None)
                self._results.pop(key, None)
                self._clear_figures(asking)
            else:
                await self._attempt(asking, renewed)
            eager = self._verdicts.get(key, Verdict()).health == "unknown"
            period = min(asking.period, EAGER_SECONDS) if eager else asking.period
            now = self._clock.monotonic()
            due = max(due + period, now)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(due - now):
                    await renewed.wait()
                    await asyncio.sleep(min(EAGER_SECONDS, max(0.0, due - self._clock.monotonic())))
                    due = self._clock.monotonic()

    async def _attempt(self, asking: Asking, renewed: asyncio.Event) -> None:
        """Ask once. Once the server is `renewed`, whatever comes of it is of the process before, and nobody's."""
        began = self._clock.monotonic()
        notes = Notes({}, self._folder / folder_name(asking))
        why = ""
        patience = Patience(asking.period, asking.leaf.timeout, lambda waited: self._miss(asking, waited, renewed))
        held_up = False
        try:
            async with asyncio.timeout(asking.leaf.timeout):
                await asking.leaf.attempt(notes)
        except TimeoutError:
            why = f"no answer within {asking.leaf.timeout}"
            held_up = patience.is_ours(self._clock.monotonic() - began - asking.leaf.timeout)
        except Failed as fault:
            why = fault.why
        except Exception:  # the leaf's own bug must not end the agent: it is a miss, told with its traceback
            logger.exception("the probe %s of %s broke", asking.name, asking.server or "this machine")
            why = "the probe itself broke; see the agent's log"
        finally:
            patience.end()
        took = self._clock.monotonic() - began
        at = milliseconds(self._clock.wall())
        key = (asking.server, asking.name)
        if renewed.is_set() or self._askings.get(key) != asking:  # an equal one after a reload is the same probe
            return
        self._results[key] = ProbeResult(asking.name, type(asking.leaf).__name__.lower(), not why, at, took, why)
        self._keep({"probe_success": float(not why), "probe_duration_seconds": took} | notes.figures, asking)
        before = self._verdicts.get(key, Verdict())
        after = judge(before, ok=not why, why=why, tolerated=asking.leaf.misses)
        self._verdicts[key] = after
        if asking.server and not held_up:
            self._answered(asking.server, asking.name, not why, why)
        if after.health != before.health:
            self._tell(asking, before, after, at)

    def _miss(self, asking: Asking, waited: float, renewed: asyncio.Event) -> None:
        """An answer is late: a hang must not hide behind a long time-out."""
        if asking.server and not renewed.is_set():
            self._answered(asking.server, asking.name, False, f"no answer for {waited:.2f} s")

    def _tell(self, asking: Asking, before: Verdict, after: Verdict, at: int) -> None:
        whose = f"{asking.server}'s probe {asking.name}" if asking.server else f"The probe {asking.name}"
        if after.health == "down":
            text = f"{whose} failed {after.misses} times in a row: {after.reason}"
            self._emit(Event(new_id(at), at, EventKind.PROBE_FAILED, text, server=asking.server, severity="critical"))
        elif before.health == "down":
            self._emit(Event(new_id(at), at, EventKind.PROBE_RECOVERED, f"{whose} answers again", server=asking.server))
        self._changed(asking.server, *self.health(asking.server))

    def _keep(self, figures: dict[str, float], asking: Asking) -> None:
        labels = _labels(asking)
        for series in self._figures:
            if series.labels == labels and series.name not in figures:
                self._figures[series] = math.nan
        for name, value in figures.items():
            self._figures[Series(name, labels)] = value

    def _clear_figures(self, asking: Asking) -> None:
        self._keep({}, asking)


def _labels(asking: Asking) -> tuple[tuple[str, str], ...]:
    labels = (("probe", asking.name),)
    return (*labels, ("server", asking.server)) if asking.server else labels


def folder_name(asking: Asking) -> str:
    """What the folder of one probe is called: different for each, and never a way out of the folder it is in."""
    return quote(f"{asking.server}~{asking.name}", safe="")


def name_probes(server: str, leaves: Sequence[Leaf], period: float) -> list[Asking]:
    """Give each probe of a server its name: its own, else its kind, numbered from the second on."""
    askings: list[Asking] = []
    for leaf in leaves:
        wanted = leaf.name or type(leaf).__name__.lower()
        taken = {asking.name for asking in askings}
        name = wanted
        number = 2
        while name in taken:
            name = f"{wanted}-{number}"
            number += 1
        askings.append(Asking(server, name, leaf, float(leaf.period or period)))
    return askings
