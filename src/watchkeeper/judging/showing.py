"""What the web is shown of the judge: rules and how they stand, alerts, and the desk that people's acts go to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from watchkeeper.alert.rules import Rule
from watchkeeper.alert.shape import can_answer, missing
from watchkeeper.alert.suppressing import silences_of
from watchkeeper.errors import Refused
from watchkeeper.judging.asking import RuleHealth
from watchkeeper.judging.bench import Bench
from watchkeeper.judging.foreign import Posted
from watchkeeper.judging.looking_back import asked_rule, back_test, check
from watchkeeper.judging.people import People
from watchkeeper.quantities import Duration
from watchkeeper.telling import Alert
from watchkeeper.web.alert_shapes import AlertDetail, BackTest, RuleAsk, RuleFinding, RuleView


class AlertDesk(People):
    """`web.desk.AlertDesk` over a bench."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self._bench = bench

    @property
    def started_at(self) -> int:
        """Since when it judges, ms."""
        return self._bench.started_at

    def channels(self) -> list[str]:
        """The channels that routes name; ``all`` where one names none."""
        return sorted(self._bench.alerting.routing.channels()) or ["all"]

    def alerts(self) -> list[Alert]:
        """All that go on, those that fire first, the gravest first."""
        states = {"firing": 0, "unknown": 1, "pending": 2}
        severities = {"critical": 0, "warning": 1, "info": 2}
        return sorted(
            self._bench.keeping.live.values(),
            key=lambda one: (states.get(one.state.value, 3), severities[one.severity], -one.active_at),
        )

    async def alert(self, identity: str) -> AlertDetail:
        """One alert with its steps; raises Refused (``unknown-alert``)."""
        found = self._bench.keeping.live.get(identity)
        if found is None:
            kept = await self._journal.alerts.some([identity])
            if not kept:
                raise Refused(f"there is no alert {identity!r}", code="unknown-alert")
            found = kept[0]
        incident = await self.incident(found.incident) if found.incident else None
        rule = self._bench.court.rule(found.rule)
        history = await self._journal.alerts.history(identity)
        return AlertDetail(found, history, incident, self._rule_view(rule, Counter()) if rule else None)

    def rules(self) -> list[RuleView]:
        """All rules and how they stand."""
        counts = Counter(alert.rule for alert in self._bench.keeping.live.values())
        return [self._rule_view(rule, counts) for rule in self._bench.court.rules]

    def take_posted(self, posted: Sequence[tuple[dict[str, str], dict[str, str], int, int]]) -> None:
        """Alerts that others have judged: labels, annotations, start and end (ms, 0: none given)."""
        self._bench.take_posted([Posted(*one) for one in posted])

    def silenced_by(self, alert: Alert) -> list[str]:
        """The ids of the silences that hold for an alert."""
        return silences_of(alert, self._bench.suppression.silences.values(), self._bench.now())

    def channels_of(self, alert: Alert) -> list[str]:
        """Which channels are told of an alert; ``all`` where the route names none."""
        routes = [route for route in self._bench.alerting.routing.routes(alert) if route.takes(alert)]
        return list(dict.fromkeys(channel for route in routes for channel in (route.channels or ("all",))))

    def test(self, ask: RuleAsk, seconds: float) -> BackTest:
        """Replay a rule over stored history; in a thread."""
        rule = asked_rule(ask, self._named, float(self._bench.alerting.settings.interval))
        end = self._bench.now()
        return back_test(rule, self._bench.store, end - round(ask.since_seconds * 1000), end, self._bench.limits, seconds)

    def check(self, asks: Sequence[RuleAsk], seconds: float) -> list[RuleFinding]:
        """What looks wrong with these rules, held against what is stored; in a thread."""
        found: list[RuleFinding] = []
        for ask in asks:
            try:
                rule = asked_rule(ask, lambda _: None, float(self._bench.alerting.settings.interval))
            except Refused as fault:
                found.append(RuleFinding(ask.rule, ask.where, fault.why))
                continue
            found += check(rule, self._bench.store, self._bench.now(), self._bench.limits, seconds / max(1, len(asks)))
        return found

    def _named(self, name: str) -> Rule | None:
        court = self._bench.court
        return court.rule(name) or next((rule for rule in court.rules if rule.name == name), None)

    def _rule_view(self, rule: Rule, counts: Counter[str]) -> RuleView:
        court = self._bench.court
        health = self._bench.asking.health.get(rule.key, RuleHealth())
        is_asked = rule.key in court.asked_keys
        dormant = ""
        if not can_answer(rule.tree, court.is_known):
            names = ", ".join(missing(rule.tree, court.is_known))
            dormant = f"it needs {rule.needs}" if rule.needs else f"no series named {names} has been seen since the hub's start"
        return RuleView(
            rule.key,
            rule.name,
            rule.kind,
            rule.text,
            rule.group,
            rule.severity,
            rule.stock,
            rule.where,
            f"every {Duration(rule.interval / 1000)}" if is_asked else "on arrival",
            rule.hold / 1000,
            rule.keep / 1000,
            rule.clear_text,
            rule.labels,
            rule.annotations,
            rule.parameters,
            rule.why,
            rule.first,
            rule.runbook,
            dormant,
            health.fault,
            health.at,
            health.seconds,
            counts[rule.key],
        )
