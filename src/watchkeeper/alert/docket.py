"""The docket: every alert that is pending, firing or unknown, and its timers. What was seen goes in, changes come out.

`court` brings it what programs and questions have shown; `judge` decides each case; whoever keeps the journal takes the
changes. No clock and no file: `now` comes in. Times are milliseconds.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple

import msgspec

from watchkeeper.alert.judge import Case, Sight, due, judge
from watchkeeper.alert.rules import Rule
from watchkeeper.alert.templates import Ask, Facts, expand
from watchkeeper.model import Labels, new_id
from watchkeeper.telling import Alert, AlertChange, AlertState

Key = tuple[str, Labels]
"""A rule's key, and the labels of the series that its expression gave (without the rule's own)."""
Step = Literal["pending", "firing", "unknown", "resolved", "inactive", "recovering"]


MOST = 20_000
"""Alerts that may go on at once: a rule that holds everywhere must not take all memory, and nobody reads so many."""


class Words(NamedTuple):
    """What templates may speak of besides an alert's own labels and value."""

    external_labels: Mapping[str, str] = {}
    url: str = ""
    ask: Ask | None = None


class Change(NamedTuple):
    """An alert that is not what it was. `told`: what its history says of it; `series` and `case` as the journal keeps them."""

    alert: Alert
    told: AlertChange
    series: Labels
    case: Case | None


class Entry:
    """One alert under judgement."""

    __slots__ = ("alert", "case", "labels", "rule", "seen_at", "source", "value")

    def __init__(self, rule: Rule, labels: Labels, source: str) -> None:
        self.rule = rule
        self.labels = labels
        self.source = source
        self.case: Case | None = None
        self.alert: Alert | None = None
        self.value = math.nan
        self.seen_at = 0


class Docket:
    """All entries, by key and by where they come from."""

    def __init__(self, words: Words | None = None) -> None:
        """An empty one."""
        self._words = words or Words()
        self._entries: dict[Key, Entry] = {}
        self._sources: dict[str, dict[Key, Entry]] = {}
        self._timers: list[tuple[int, Key]] = []
        self.is_drill: Callable[[Mapping[str, str]], bool] = lambda _: False
        """Whether an alert that begins, with these labels, is caused by a drill: then it says so for as long as it lasts."""
        self.refused = 0
        """How often an alert could not begin because there were too many already."""

    def entry(self, key: Key) -> Entry | None:
        """One of them."""
        return self._entries.get(key)

    def entries(self) -> Iterable[Entry]:
        """All of them."""
        return self._entries.values()

    def of(self, source: str) -> dict[Key, Entry]:
        """Those whose figures come from one source."""
        return self._sources.get(source, {})

    def see(self, rule: Rule, labels: Labels, source: str, sight: Sight, value: float, now: int) -> Change | None:
        """One look at one alert; returns what has changed by it. `value` is kept where the condition holds."""
        key = (rule.key, labels)
        entry = self._entries.get(key)
        if entry is None:
            if sight is not Sight.HOLDS:
                return None
            if len(self._entries) >= MOST:
                self.refused += 1
                return None
            entry = self._add(rule, labels, source)
        elif entry.source != source:
            self._move(key, entry, source)
        entry.rule = rule
        entry.seen_at = now if sight is not Sight.UNKNOWABLE else entry.seen_at
        if not math.isnan(value) or sight is Sight.HOLDS:
            entry.value = value
        return self._decide(key, entry, sight, now)

    def tick(self, now: int, fresh: int) -> list[Change]:
        """Look at what has become due; only what was seen less than `fresh` ms ago (or three of its intervals) is decided."""
        changes = []
        while self._timers and self._timers[0][0] <= now:
            _, key = heapq.heappop(self._timers)
            entry = self._entries.get(key)
            if entry is None or entry.case is None or not (at := due(entry.case, entry.rule.terms)):
                continue
            if at > now:
                heapq.heappush(self._timers, (at, key))
            elif now - entry.seen_at <= max(fresh, 3 * entry.rule.interval):
                sight = Sight.OVER if entry.case.over_at else Sight.HOLDS
                if change := self._decide(key, entry, sight, now):
                    changes.append(change)
        return changes

    @property
    def due(self) -> int:
        """When the next look is due; 0: never."""
        return self._timers[0][0] if self._timers else 0

    def drop(self, keys: Iterable[Key], reason: str, now: int) -> list[Change]:
        """End these: their rule or their machine is no more."""
        changes = []
        for key in list(keys):
            entry = self._entries[key]
            assert entry.case is not None
            before = entry.case
            after = msgspec.structs.replace(before, state=AlertState.RESOLVED)
            fired = before.state is AlertState.FIRING or (
                before.state is AlertState.UNKNOWN and before.was is AlertState.FIRING
            )
            changes.append(self._changed(key, entry, after if fired else None, reason, now))
        return changes

    def restore(self, rule: Rule, labels: Labels, source: str, case: Case, alert: Alert) -> None:
        """Put in what the journal has kept."""
        key = (rule.key, labels)
        entry = self._add(rule, labels, source)
        entry.case, entry.alert, entry.value = case, alert, alert.value
        self._arm(key, entry)

    def adopt(self, key: Key, late: Entry, now: int) -> Change | None:
        """Take over what late figures have shown: it is pending here from the instant on from which it held there."""
        assert late.case is not None
        mine = self._entries.get(key) or self._add(late.rule, late.labels, late.source)
        mine.case = msgspec.structs.replace(late.case, state=AlertState.PENDING, fired_at=0, over_at=0)
        mine.value, mine.seen_at = late.value, now
        return self._changed(key, mine, mine.case, "it holds since figures that came in late", now)

    def rehome(self, home: Callable[[Rule, Labels], str]) -> None:
        """Whoever is to bring news of each entry may have changed: `home` says who does."""
        for key, entry in self._entries.items():
            if (source := home(entry.rule, entry.labels)) != entry.source:
                self._move(key, entry, source)

    # -- leaves -------------------------------------------------------------------------------------

    def _add(self, rule: Rule, labels: Labels, source: str) -> Entry:
        entry = Entry(rule, labels, source)
        key = (rule.key, labels)
        self._entries[key] = entry
        self._sources.setdefault(source, {})[key] = entry
        return entry

    def _move(self, key: Key, entry: Entry, source: str) -> None:
        self._sources[entry.source].pop(key, None)
        entry.source = source
        self._sources.setdefault(source, {})[key] = entry

    def _forget(self, key: Key) -> None:
        entry = self._entries.pop(key)
        self._sources[entry.source].pop(key, None)

    def _decide(self, key: Key, entry: Entry, sight: Sight, now: int) -> Change | None:
        before = entry.case
        after, reason = judge(before, sight, entry.rule.terms, now)
        if after is before and after is not None:
            return None
        if reason:
            return self._changed(key, entry, after, reason, now)
        entry.case = after
        if after is None:
            self._forget(key)
        return None

    def _changed(self, key: Key, entry: Entry, after: Case | None, reason: str, now: int) -> Change:
        alert = entry.alert
        entry.case = after
        if after is None:
            assert alert is not None, "only what was told of can end"
            step: Step = "inactive"
            self._forget(key)
            alert = msgspec.structs.replace(alert, changed_at=now, reason=reason, resolved_at=now)
            return Change(alert, AlertChange(alert.id, now, step, reason, _told(entry.value)), entry.labels, None)
        if alert is None:
            alert = self._fresh(entry, after, now)
        resolved = after.state is AlertState.RESOLVED
        entry.alert = alert = msgspec.structs.replace(
            alert,
            state=after.state,
            value=_told(entry.value),
            active_at=after.active_at,
            fired_at=after.fired_at,
            resolved_at=now if resolved else 0,
            changed_at=now,
            reason=reason,
            annotations=self._expanded(entry),
        )
        step = "recovering" if after.over_at and not resolved else after.state.value
        if resolved:
            self._forget(key)
        else:
            self._arm(key, entry)
        return Change(alert, AlertChange(alert.id, now, step, reason, alert.value), entry.labels, after)

    def _arm(self, key: Key, entry: Entry) -> None:
        if entry.case is not None and (at := due(entry.case, entry.rule.terms)):
            heapq.heappush(self._timers, (at, key))

    def _fresh(self, entry: Entry, case: Case, now: int) -> Alert:
        labels = dict(entry.labels)
        facts = self._facts(entry)
        for name, written in entry.rule.labels.items():
            labels[name] = expand(written, facts).text
        labels["alertname"] = entry.rule.name
        if self.is_drill(labels):
            labels["drill"] = "true"
        labels = {name: value for name, value in sorted(labels.items()) if value}
        return Alert(
            id=new_id(now),
            rule=entry.rule.key,
            labels=labels,
            annotations={},
            state=case.state,
            severity=entry.rule.severity,
            value=_told(entry.value),
            active_at=case.active_at,
        )

    def _expanded(self, entry: Entry) -> dict[str, str]:
        facts = self._facts(entry)
        return {name: expand(written, facts).text for name, written in entry.rule.annotations.items()}

    def _facts(self, entry: Entry) -> Facts:
        words = self._words
        return Facts(dict(entry.labels), entry.value, words.external_labels, words.url, words.ask)


def _told(value: float) -> float:
    """A value as rows and JSON can hold it."""
    return value if math.isfinite(value) else 0.0 if math.isnan(value) else math.copysign(1.7976931348623157e308, value)
