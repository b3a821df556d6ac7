"""What a rule would have done: replayed over stored history, for `alert test` and `config check`. In threads.

History is read in parts, so that memory is bounded; the answer says how finely it looked. How many messages it would have
been is found by the same groups and routes that tell in earnest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from watchkeeper.alert.docket import Docket
from watchkeeper.alert.grouping import Teller
from watchkeeper.alert.incidents import Book, Topology
from watchkeeper.alert.judge import Sight
from watchkeeper.alert.replay import Fired, firings
from watchkeeper.alert.routing import Routing
from watchkeeper.alert.rules import Fault, Rule, make, tuned
from watchkeeper.alert.settings import RouteSettings, RuleSettings
from watchkeeper.alert.shape import figure
from watchkeeper.config import Duration
from watchkeeper.errors import Refused
from watchkeeper.model import Labels, Matcher
from watchkeeper.query import Limits, evaluate
from watchkeeper.query.tree import Node
from watchkeeper.seams import Store
from watchkeeper.telling import Alert
from watchkeeper.web.alert_shapes import BackTest, Firing, RuleAsk, RuleFinding

DAY = 86_400_000
STEPS = 20_000
"""Steps of a whole replay at most."""
PART = 2_000
"""Steps that are asked at once."""
MOST_CELLS = 20_000_000
LONGEST = 366 * DAY
SHOWN = 1_000


def asked_rule(ask: RuleAsk, known: Callable[[str], Rule | None], interval: float) -> Rule:
    """The rule that is meant or written; raises Refused (``unknown-rule``, ``bad-rule``)."""
    if ask.rule and not ask.expr:
        found = known(ask.rule)
        if found is None:
            raise Refused(f"there is no rule {ask.rule!r}", code="unknown-rule")
        if not ask.set and not ask.for_seconds:
            return found
        try:
            return tuned(found, ask.set, round(ask.for_seconds * 1000))
        except (Fault, ValueError) as fault:
            raise Refused(str(fault), code="bad-rule") from None
    try:
        settings = RuleSettings(
            alert=ask.rule or "Test",
            expr=ask.expr,
            for_=Duration(ask.for_seconds),
            keep_firing_for=Duration(ask.keep_firing_for_seconds),
            clear=ask.clear,
            severity=ask.severity,
        )
        return make(settings, interval=interval, where=ask.where, file="", group="test")
    except (Fault, ValueError) as fault:
        raise Refused(str(fault), code="bad-rule") from None


def back_test(rule: Rule, store: Store, start: int, end: int, limits: Limits, seconds: float) -> BackTest:
    """Replay a rule over ``start`` to ``end`` (ms). Raises Refused where that is too much, or takes longer than `seconds`."""
    if end - start > LONGEST or end <= start:
        raise Refused("a replay reaches back a year at most", code="bad-range")
    step = max(rule.interval, 1000, -(-(end - start) // STEPS))
    began = time.monotonic()
    count = (end - start) // step + 1
    holds: dict[Labels, np.ndarray] = {}
    clears: dict[Labels, np.ndarray] = {}
    values: dict[Labels, np.ndarray] = {}
    shown: set[Labels] = set()
    for first in range(0, count, PART):
        last = min(first + PART, count) - 1
        if time.monotonic() - began > seconds:
            raise Refused(f"replaying it takes longer than {seconds:g} s; ask for a shorter time", code="timeout")
        _read(rule, store, (start + first * step, start + last * step, step), limits, (holds, values), first, count)
        if rule.clear is not None:
            last_at = start + last * step
            shown |= {series.labels for series in evaluate(figure(rule.clear), store, last_at, last_at, 0, limits).series}
            _mark(rule.clear, store, (start + first * step, start + last * step, step), limits, clears, first, count)
    times = start + step * np.arange(count, dtype=np.int64)
    found: list[tuple[Labels, Fired]] = []
    for labels, held in holds.items():
        if rule.is_for(dict(labels)):
            # Without a figure for these labels nothing could ever clear it: then not holding is over, as in earnest.
            nothing = np.zeros(count, np.bool_) if labels in shown else np.ones(count, np.bool_)
            cleared = None if rule.clear is None else clears.get(labels, nothing)
            found += [(labels, fired) for fired in firings(times, held, cleared, rule.terms)]
    found.sort(key=lambda one: one[1].since)
    return BackTest(
        rule.name,
        rule.text,
        start,
        end,
        step / 1000,
        len(holds),
        len(found),
        sum(fired.until - fired.since for _, fired in found) / 1000,
        messages(rule, found[:SHOWN]),
        tuple(
            Firing(dict(labels), fired.since, fired.until, fired.ongoing, float(values[labels][fired.place]))
            for labels, fired in found[:SHOWN]
        ),
    )


def messages(rule: Rule, found: Sequence[tuple[Labels, Fired]], settings: RouteSettings | None = None) -> int:
    """How many messages these firings are, by the root route's own timing (Alertmanager's defaults unless told otherwise)."""
    teller = Teller(Routing(settings or RouteSettings()))
    book = Book(Topology({}))
    docket = Docket()
    free = msgspec.structs.replace(rule, hold=0, keep=0, clear=None, annotations={}, labels={})
    turns: list[tuple[int, Labels, Sight]] = []
    for labels, fired in found:
        turns.append((fired.since, labels, Sight.HOLDS))
        if not fired.ongoing:
            turns.append((fired.until, labels, Sight.OVER))
    sent = 0
    for at, labels, sight in sorted(turns, key=lambda one: one[0]):
        sent += _flushed(teller, at)
        if change := docket.see(free, labels, "", sight, 1.0, at):
            incident = book.take(change.alert, at)
            place = incident.id if incident else _place(book, change.alert)
            teller.take(msgspec.structs.replace(change.alert, severity=rule.severity), place, place, at)
    last = max((at for at, _, _ in turns), default=0)
    return sent + _flushed(teller, last + 2 * teller.longest)


def check(rule: Rule, store: Store, now: int, limits: Limits, seconds: float) -> list[RuleFinding]:
    """What looks wrong with a rule: it reads what has never been there, or it would have told somebody today."""
    found = [
        RuleFinding(rule.name, rule.where, f"no series named {name} has ever been seen here")
        for name in sorted(rule.reads - {""})
        if not store.series([Matcher("__name__", "=", name)])
    ]
    if found or rule.kind == "record" or rule.severity == "info":
        return found
    try:
        past = back_test(rule, store, now - DAY, now, limits, seconds)
    except Refused as fault:
        return [RuleFinding(rule.name, rule.where, f"it cannot be replayed over the last day: {fault.why}")]
    if past.fired:
        lasted = Duration(round(past.firing_seconds))
        times, messages = ("once" if past.fired == 1 else f"{past.fired} times"), _plural(past.messages, "message")
        told = f"it would have fired {times} in the last 24 h, for {lasted} in all: {messages}"
        found.append(RuleFinding(rule.name, rule.where, told))
    return found


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _flushed(teller: Teller, until: int) -> int:
    sent = 0
    while (due := teller.due) and due <= until:
        for plan in teller.flush(due, {}, frozenset(), {}):
            teller.told(plan, due)
            sent += 1
    return sent


def _place(book: Book, alert: Alert) -> str:
    return next((one.id for one in book.incidents.values() if alert.id in one.alerts), "")


def _read(
    rule: Rule,
    store: Store,
    steps: tuple[int, int, int],
    limits: Limits,
    into: tuple[dict[Labels, np.ndarray], dict[Labels, np.ndarray]],
    first: int,
    count: int,
) -> None:
    holds, values = into
    found = evaluate(rule.tree, store, *steps, limits)
    for row, series in enumerate(found.series):
        if series.labels not in holds:
            if (len(holds) + 1) * count > MOST_CELLS:
                raise Refused(f"more than {len(holds):,} series over so long a time; ask for a shorter one", code="too-much")
            holds[series.labels] = np.zeros(count, np.bool_)
            values[series.labels] = np.full(count, np.nan)
        width = found.present.shape[1]
        holds[series.labels][first : first + width] |= found.present[row]
        here = values[series.labels][first : first + width]
        here[found.present[row]] = found.values[row][found.present[row]]


def _mark(
    tree: Node,
    store: Store,
    steps: tuple[int, int, int],
    limits: Limits,
    into: dict[Labels, np.ndarray],
    first: int,
    count: int,
) -> None:
    found = evaluate(tree, store, *steps, limits)
    for row, series in enumerate(found.series):
        marks = into.setdefault(series.labels, np.zeros(count, np.bool_))
        marks[first : first + found.present.shape[1]] |= found.present[row]
