"""Plans made into bulletins: what, where, since when, against which bound, how it moves, and what was going on at that instant.

Whatever is looked up besides the alert itself is looked up at once, side by side and within `PATIENCE`; what does not come
in time is left out, since a message must not wait for its ornaments. Nothing here sends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

from watchkeeper.alert.court import Court
from watchkeeper.alert.grouping import Plan
from watchkeeper.alert.incidents import headline
from watchkeeper.alert.shape import figure
from watchkeeper.alert.wording import narrowed, shown, slope, threshold, unit
from watchkeeper.clock import Clock, milliseconds
from watchkeeper.errors import Failed, Refused
from watchkeeper.journal import Journal
from watchkeeper.journal.events import Sought
from watchkeeper.model import EventKind, LogLines, Matcher, ServerStatus
from watchkeeper.query import Limits, evaluate, parse
from watchkeeper.seams import Store
from watchkeeper.telling import Alert, Bulletin, BulletinAlert, BulletinProcess, Incident

logger = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE = 0.4
"""Seconds that a message waits for log lines, processes and trends."""
HOUR = 3_600_000
TREND_STEP = 60_000
MOST_ALERTS = 2_000
EVIDENCE_BEFORE = 10 * 60_000
"""It is saved before a server is ended, and an alert of its end may have waited for its `for`."""
LOG_LINES = 10
PROCESSES = 5
BUSIEST = 3
"""So many of them for their CPU, if they use `BUSY` cores; the others for their memory."""
BUSY = 0.01
CHANGES = (
    EventKind.MARK,
    EventKind.CONFIG_RELOADED,
    EventKind.ACTION_ENDED,
    EventKind.AGENT_STARTED,
    EventKind.MACHINE_REBOOTED,
)


class Sources(NamedTuple):
    """Where the ornaments come from."""

    store: Store
    journal: Journal
    logs: Callable[[str, str, int], AsyncIterator[LogLines]]
    statuses: Callable[[str], Sequence[ServerStatus]]


class Messages:
    """Makes bulletins."""

    def __init__(self, court: Court, sources: Sources, clock: Clock, url: str) -> None:
        """`url` is where people open the dashboard."""
        self._court = court
        self._sources = sources
        self._clock = clock
        self._url = url
        self._limits = Limits(samples=2_000_000, figures=200_000, series=2_000, seconds=PATIENCE)

    async def bulletin(self, plan: Plan, incident: Incident | None) -> Bulletin:
        """Everything that one message tells."""
        ended = plan.resolved[:MOST_ALERTS]  # these first: what is cut off of them would be told never
        told = [*plan.firing[: MOST_ALERTS - len(ended)], *ended]
        lead = max(
            plan.firing or plan.resolved, key=lambda one: (("info", "warning", "critical").index(one.severity), -one.active_at)
        )
        machine, server = lead.labels.get("machine", ""), lead.labels.get("server", "")
        trends, processes, lines, change, evidence = await asyncio.gather(
            _soon(self._trends(told), {}),
            _soon(self._processes(machine), ()),
            _soon(self._lines(machine, server), ()),
            _soon(self._change(machine), ""),
            _soon(self._evidence(machine, server, lead.active_at), {}),
        )
        kind = plan.kind
        title = incident.title if incident and plan.firing else headline(lead)
        if lead.fingerprint in plan.flapping:
            title += " (goes up and down; told once)"
        return Bulletin(
            kind=kind,
            at=milliseconds(self._clock.wall()),
            title=title,
            severity=lead.severity,
            incident=plan.group.incident,
            thread=plan.group.thread,
            group=plan.group.labels,
            alerts=tuple(self._told(alert, trends.get(alert.id, ())) for alert in told),
            machine=machine,
            server=server,
            drill=lead.is_drill,
            processes=processes if plan.firing else (),
            log_lines=lines if plan.firing else (),
            last_change=change,
            links=self._links(plan) | evidence,
            trend=tuple(trends.get(lead.id, ())),
            id=plan.id,
            more=len(plan.firing) + len(plan.resolved) - len(told),
        )

    def _told(self, alert: Alert, trend: Sequence[tuple[int, float]]) -> BulletinAlert:
        rule = self._court.rule(alert.rule)
        description = alert.annotations.get("description", "")
        if description.startswith("<error expanding template"):
            description = f"{_facts(alert)} ({description.strip('<>')})"
        return BulletinAlert(
            alert,
            headline(alert),
            description or _facts(alert),
            threshold(rule) if rule else "",
            slope(trend, unit(figure(rule.tree))) if rule else "",
            alert.annotations.get("runbook_url", ""),
        )

    def _links(self, plan: Plan) -> dict[str, str]:
        return {"page": f"{self._url}/incidents/{plan.group.incident}" if plan.group.incident else self._url}

    async def _trends(self, alerts: Sequence[Alert]) -> Mapping[str, Sequence[tuple[int, float]]]:
        """The last hour of the leading alerts' figures."""
        now = milliseconds(self._clock.wall())
        return await asyncio.to_thread(self._trends_of, alerts[:5], now)

    def _trends_of(self, alerts: Sequence[Alert], now: int) -> dict[str, list[tuple[int, float]]]:
        found: dict[str, list[tuple[int, float]]] = {}
        for alert in alerts:
            rule = self._court.rule(alert.rule)
            if rule is None:
                continue
            labels = {label: alert.labels[label] for label in ("machine", "instance") if label in alert.labels}
            matchers = tuple(Matcher(label, "=", value) for label, value in list(labels.items())[:1])
            tree = narrowed(figure(rule.tree), matchers)
            with suppress(Refused, Failed):
                value = evaluate(tree, self._sources.store, now - HOUR, now, TREND_STEP, self._limits)
                for series, times, values in value.lines():
                    if all(alert.labels.get(label, text) == text for label, text in series.labels):
                        found[alert.id] = list(zip(times.tolist(), values.tolist(), strict=True))
                        break
        return found

    async def _processes(self, machine: str) -> tuple[BulletinProcess, ...]:
        """What weighs most on a machine now: programs, or where no agent tells of these, servers."""
        if not machine:
            return ()
        at = milliseconds(self._clock.wall())
        pids = {status.name: status.pid for status in self._sources.statuses(machine)}
        return await asyncio.to_thread(self._processes_of, machine, pids, at)

    def _processes_of(self, machine: str, pids: Mapping[str, int], at: int) -> tuple[BulletinProcess, ...]:
        where = f'{{machine="{machine}"}}'
        for label, prefix, numbers in (("program", "watchkeeper_program", {}), ("server", "process", pids)):
            figures: list[dict[str, float]] = []
            for question in (
                f"sum by ({label}) (rate({prefix}_cpu_seconds_total{where}[1m]))",
                f"sum by ({label}) ({prefix}_resident_memory_bytes{where})",
            ):
                found = evaluate(parse(question), self._sources.store, at, at, 0, self._limits)
                figures.append({one.label(label): float(found.values[row, 0]) for row, one in enumerate(found.series)})
            cpu, memory = figures
            if names := heaviest(cpu, memory):
                return tuple(BulletinProcess(numbers.get(one, 0), one, cpu.get(one, 0.0), int(memory[one])) for one in names)
        return ()

    async def _lines(self, machine: str, server: str) -> tuple[str, ...]:
        """A server's last words."""
        if not machine or not server:
            return ()
        found: list[str] = []
        parts = self._sources.logs(machine, server, LOG_LINES)
        try:
            async for part in parts:
                found += part.lines
                if part.end:
                    break
        finally:
            if close := getattr(parts, "aclose", None):
                await close()
        return tuple(line[:500] for line in found[-LOG_LINES:])

    async def _evidence(self, machine: str, server: str, since: int) -> dict[str, str]:
        """Where to read what a server was doing when it was given up, if that was saved around this alert."""
        if not machine or not server:
            return {}
        sought = Sought(machine, server, (EventKind.EVIDENCE_SAVED,), since=since - EVIDENCE_BEFORE)
        saved = await self._sources.journal.events.page(sought, 20)
        found = next((event.facts["evidence"] for event in saved if event.facts.get("evidence")), "")
        return {"evidence": f"{self._url}/machines/{quote(machine, safe='')}/evidence/{quote(found, safe='')}"} if found else {}

    async def _change(self, machine: str) -> str:
        """What was changed last, there or everywhere, within a day."""
        now = milliseconds(self._clock.wall())
        events = await self._sources.journal.events.page(Sought(kinds=CHANGES, since=now - 24 * HOUR), 20)
        for event in events:
            if event.machine in {"", machine}:
                ago = shown((now - event.at) / 1000, "s")
                return f"{event.text} ({ago} before)"
        return ""


def heaviest(cpu: Mapping[str, float], memory: Mapping[str, float]) -> list[str]:
    """The names that weigh most: first those that are busy, then those with most memory."""
    busy = sorted((name for name in memory if name and cpu.get(name, 0.0) >= BUSY), key=lambda name: -cpu[name])
    large = sorted((name for name in memory if name and memory[name] > 0), key=lambda name: -memory[name])
    return list(dict.fromkeys([*busy[:BUSIEST], *large]))[:PROCESSES]


async def _soon(work: Coroutine[Any, Any, T], otherwise: T) -> T:
    """What comes within `PATIENCE`; whatever goes wrong is left out of the message, never the message."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await work
    except (TimeoutError, Refused, Failed) as fault:
        logger.debug("a message goes without %s: %s", getattr(work, "__name__", "a part"), fault)
        return otherwise


def _facts(alert: Alert) -> str:
    """The plain facts of an alert."""
    labels = ", ".join(f"{name}={value}" for name, value in alert.labels.items() if name not in {"alertname", "job"})
    return f"value {alert.value:g}; {labels}"
