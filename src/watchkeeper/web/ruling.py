"""Rules and alerts as Prometheus' API tells them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from watchkeeper.query.telling import figure
from watchkeeper.telling import Alert, AlertState
from watchkeeper.web.alert_shapes import RuleView


class Wanted(NamedTuple):
    """What is asked for: empty fields ask for all."""

    kind: str = ""
    names: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()


def groups(rules: Sequence[RuleView], alerts: Sequence[Alert], wanted: Wanted) -> list[dict[str, Any]]:
    """Groups in the order of their files, each with its rules."""
    by_rule: dict[str, list[Alert]] = {}
    for one in alerts:
        by_rule.setdefault(one.rule, []).append(one)
    found: dict[tuple[str, str], list[RuleView]] = {}
    for rule in rules:
        file = rule.where.rpartition(":")[0] or rule.where
        if _fits(rule, file, wanted):
            found.setdefault((file, rule.group), []).append(rule)
    return [
        {
            "name": name,
            "file": file,
            "interval": 15.0,
            "limit": 0,
            "evaluationTime": sum(rule.seconds for rule in some),
            "lastEvaluation": _time(max(rule.at for rule in some)),
            "rules": [_rule(rule, by_rule.get(rule.key, [])) for rule in some],
        }
        for (file, name), some in found.items()
    ]


def alert(one: Alert) -> dict[str, Any]:
    """An alert. What nobody can tell of is as it was before: Prometheus knows no third state."""
    fires = one.state is AlertState.FIRING or (one.state is AlertState.UNKNOWN and one.fired_at)
    return {
        "labels": one.labels,
        "annotations": one.annotations,
        "state": "firing" if fires else "pending",
        "activeAt": _time(one.active_at),
        "value": figure(one.value),
    }


def _rule(rule: RuleView, alerts: Sequence[Alert]) -> dict[str, Any]:
    shared = {
        "name": rule.name,
        "query": rule.expr,
        "labels": rule.labels,
        "health": "err" if rule.fault else "ok",
        "lastError": rule.fault,
        "evaluationTime": rule.seconds,
        "lastEvaluation": _time(rule.at),
    }
    if not rule.fault:
        del shared["lastError"]
    if rule.kind == "record":
        return shared | {"type": "recording"}
    told = [alert(one) for one in alerts]
    states = {one["state"] for one in told}
    return shared | {
        "type": "alerting",
        "state": "firing" if "firing" in states else "pending" if states else "inactive",
        "duration": rule.for_seconds,
        "keepFiringFor": rule.keep_firing_for_seconds,
        "annotations": rule.annotations,
        "alerts": told,
    }


def _fits(rule: RuleView, file: str, wanted: Wanted) -> bool:
    return (
        (not wanted.kind or rule.kind == wanted.kind)
        and (not wanted.names or rule.name in wanted.names)
        and (not wanted.groups or rule.group in wanted.groups)
        and (not wanted.files or file in wanted.files)
    )


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
