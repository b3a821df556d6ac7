"""Rules that look back, and rules over several machines: answered by the whole engine, each at its interval at least.

When figures that a rule reads have just changed it is asked at once, as far as its allowance goes (`alert.arrival`).

One question at a time, in a thread, within limits of its own, so that rules never hold up what comes in. A recording rule's
answer is a frame in the store. A rule that fails keeps its alerts as they are, and says why.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
import math
import time
import zlib
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from watchkeeper.alert.arrival import SHARE, Allowance, Arrivals
from watchkeeper.alert.court import OTHERS, Court
from watchkeeper.alert.docket import Change
from watchkeeper.alert.judge import Sight
from watchkeeper.alert.program import Floats
from watchkeeper.alert.rules import Rule
from watchkeeper.alert.shape import can_answer, figure
from watchkeeper.clock import Clock, milliseconds
from watchkeeper.errors import Failed, Refused
from watchkeeper.model import Dictionary, Frame, Labels, Series, dictionary
from watchkeeper.query import Limits, evaluate
from watchkeeper.query.tree import Node
from watchkeeper.seams import Store
from watchkeeper.telling import AlertState

logger = logging.getLogger(__name__)

RECORDED = "_rules"
"""The machine under which recording rules' answers are kept."""
SECONDS = 10.0
"""What one rule may take."""
SOON = 15_000
"""Within so many ms of its first being heard of, a rule is asked for the first time, however long its interval."""
MOST_SERIES = 20_000
"""Series that one rule may answer with."""
Rows = Sequence[tuple[Labels, float]]


class RuleHealth(msgspec.Struct):
    """How a rule's last evaluation went. `at` in ms (0: none yet), `seconds` what it took, `fault` empty when it went well."""

    at: int = 0
    seconds: float = 0.0
    fault: str = ""


class Answer(NamedTuple):
    """What the engine has found: rows, and of alerts that do not hold any more whether they are over."""

    rows: Rows
    clear: Mapping[Labels, Sight]


class Asking:
    """All questions of one court."""

    def __init__(
        self, court: Court, store: Store, clock: Clock, limits: Limits, found: Callable[[Sequence[Change]], None]
    ) -> None:
        """Nothing is asked before `run`."""
        self._court = court
        self._store = store
        self._clock = clock
        self._limits = msgspec.structs.replace(limits, seconds=SECONDS)
        self._found = found
        self._due: list[tuple[int, str]] = []
        self._planned: set[str] = set()
        self._recorded: dict[str, tuple[tuple[Series, ...], int]] = {}
        self._arrivals = Arrivals()
        self._known: frozenset[str] = frozenset()
        self._hasty: dict[str, int] = {}
        self._allowances: dict[str, Allowance] = {}
        self._rung = asyncio.Event()
        self.health: dict[str, RuleHealth] = {}
        self.failures = 0

    async def run(self) -> None:
        """Ask what is due, until cancelled."""
        while True:
            now = milliseconds(self._clock.wall())
            self._plan(now)
            self._rung.clear()
            if self._hasty:
                await self._ask_hasty(*self._hasty.popitem())
                continue
            if not self._due or self._due[0][0] > now:
                pause = min(1.0, (self._due[0][0] - now) / 1000) if self._due else 1.0
                await self._rest(max(0.005, pause))
                continue
            due, key = heapq.heappop(self._due)
            rule = self._court.rule(key)
            if rule is None or key not in {one.key for one in self._court.questions()}:
                self._planned.discard(key)
                continue
            following = due + rule.interval
            if following <= now:  # what was missed is not made up for
                following = now + rule.interval - (now - due) % rule.interval
            heapq.heappush(self._due, (following, key))
            if can_answer(rule.tree, self._court.is_known):
                await self._ask(rule, now)

    def frame(self, source: str, stream: str, layout: Dictionary, at: int, figures: Floats) -> None:
        """A frame that is in the store already: rules that read what has changed in it are asked soon. `at`: its own time."""
        questions = self._court.asked_keys
        if questions != self._known:
            self._known = questions
            self._arrivals.replace(self._court.questions())
        now = self._clock.monotonic()
        share = SHARE / max(1, len(questions))
        for key in self._arrivals.take(source, stream, layout, figures):
            allowance = self._allowances.get(key)
            if allowance is None:
                allowance = self._allowances[key] = Allowance(now)
            if key in self._planned and allowance.may(now, share):
                self._hasty[key] = max(at, self._hasty.get(key, 0))
                self._rung.set()

    def forget(self, source: str) -> None:
        """A machine is no more."""
        self._arrivals.forget(source)

    async def _rest(self, seconds: float) -> None:
        """Wait so long, or until something has changed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()

    async def _ask_hasty(self, key: str, at: int) -> None:
        """Ask a rule beside its interval, at the instant of the newest frame where a machine's clock is ahead of ours."""
        rule = self._court.rule(key)
        if rule is None or rule.kind == "record" or not can_answer(rule.tree, self._court.is_known):
            return
        await self._ask(rule, max(at, milliseconds(self._clock.wall())))
        self._allowances[key].spent(self.health[key].seconds)

    def _plan(self, now: int) -> None:
        """New rules are due soon, each at a place of its own, so that not all are due at once then and for ever after."""
        for rule in self._court.questions():
            if rule.key not in self._planned:
                self._planned.add(rule.key)
                soon = min(rule.interval, SOON)
                heapq.heappush(self._due, (now + zlib.crc32(rule.key.encode()) % soon, rule.key))

    async def _ask(self, rule: Rule, now: int) -> None:
        health = self.health.setdefault(rule.key, RuleHealth())
        began = time.perf_counter()
        standing = [
            entry.labels
            for entry in self._court.docket.of("").values()
            if entry.rule.key == rule.key and entry.case is not None and entry.case.state is not AlertState.PENDING
        ]
        try:
            answer = await asyncio.to_thread(self._answer, rule, now, standing)
            fault = ""
        except (Refused, Failed) as refused:
            fault = refused.why
        health.at, health.seconds = now, time.perf_counter() - began
        if fault:
            self.failures += 1
            if fault != health.fault:
                logger.warning("the rule %s (%s) cannot be judged: %s", rule.name, rule.where, fault)
            health.fault = fault
            return
        health.fault = ""
        if rule.kind == "record":
            self._record(rule, answer.rows, now)
        elif changes := self._court.answer(rule, answer.rows, answer.clear, now):
            self._found(changes)

    def _answer(self, rule: Rule, at: int, standing: Sequence[Labels]) -> Answer:
        """In a thread: what holds, and whether what has stood and holds no more is over."""
        rows = answered(rule.tree, self._store, at, self._limits)
        held = {labels for labels, _ in rows}
        left = [labels for labels in standing if labels not in held]
        if not left or rule.clear is None or rule.kind == "record":
            return Answer(rows, {})
        cleared = {labels for labels, _ in answered(rule.clear, self._store, at, self._limits)}
        shown = {labels for labels, _ in answered(figure(rule.clear), self._store, at, self._limits)}
        return Answer(
            rows, {labels: Sight.BETWEEN if labels not in cleared and labels in shown else Sight.OVER for labels in left}
        )

    def _record(self, rule: Rule, rows: Rows, at: int) -> None:
        """Keep a recording rule's answer. Series that are no more are absent; the layout grows only."""
        values = {Series(rule.name, tuple(sorted((dict(labels) | rule.labels).items()))): value for labels, value in rows}
        known, last = self._recorded.get(rule.key, ((), 0))
        fresh = [series for series in values if series not in set(known)]
        series = (*known, *fresh)[:MOST_SERIES]
        if not series or at <= last:
            return
        layout = dictionary(series)
        figures = array("d", (values.get(one, math.nan) for one in series))
        try:
            if fresh or not known:
                self._store.define(RECORDED, rule.key, layout)
                self._court.learn((rule.name,), OTHERS)
            self._store.take(RECORDED, Frame(rule.key, layout.id, at, figures.tobytes()))
        except (Refused, Failed) as fault:
            logger.warning("what the rule %s has found cannot be kept: %s", rule.name, fault.why)
            return
        self._recorded[rule.key] = (series, at)


def answered(tree: Node, store: Store, at: int, limits: Limits) -> Rows:
    """An expression's series at an instant, without names; raises Refused."""
    found = evaluate(tree, store, at, at, 0, limits)
    rows = [(series.labels, float(found.values[row, 0])) for row, series in enumerate(found.series) if found.present[row, 0]]
    if len(rows) > MOST_SERIES:
        raise Refused(f"it answers with {len(rows):,} series, and {MOST_SERIES:,} are allowed", code="too-much")
    if len({labels for labels, _ in rows}) < len(rows):
        raise Refused("its answer has two series with the same labels once names are dropped", code="execution")
    return rows
