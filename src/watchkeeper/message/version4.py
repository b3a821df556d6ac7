"""A bulletin as Alertmanager writes it: the body of its webhooks, version 4, and its alerts as its API takes them.

Names of fields are Alertmanager's own. What a bulletin knows beyond that (value, slope, processes, log lines, links) stands in
annotations, where every receiver of that form shows or ignores it; no field is added that a strict one would refuse.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from watchkeeper.message.facts import facts, is_resolved, subject
from watchkeeper.telling import Alert, AlertState, Bulletin, BulletinAlert

MOST_ALERTS = 500
"""Alerts in one body; how many more there are stands in ``truncatedAlerts``."""
NEVER = "0001-01-01T00:00:00Z"
"""How Go writes a time that is not set."""
_MASK = (1 << 64) - 1


def body(bulletin: Bulletin, receiver: str, zone: tzinfo) -> dict[str, Any]:
    """The body of a webhook, version 4; `receiver` is whom it is for."""
    shown = bulletin.alerts[:MOST_ALERTS]
    labels = [labels_of(one.alert, bulletin) for one in shown]
    notes = [notes_of(one) for one in shown]
    key = ", ".join(f'{name}="{value}"' for name, value in sorted(bulletin.group.items()))
    return {
        "version": "4",
        "groupKey": f"{{}}:{{{key}}}",
        "truncatedAlerts": len(bulletin.alerts) - len(shown) + bulletin.more,
        "status": "resolved" if is_resolved(bulletin) else "firing",
        "receiver": receiver,
        "groupLabels": bulletin.group,
        "commonLabels": shared(labels),
        "commonAnnotations": shared(notes) | evidence(bulletin, zone),
        "externalURL": bulletin.links.get("page", ""),
        "alerts": [
            {
                "status": "resolved" if one.alert.state is AlertState.RESOLVED else "firing",
                "labels": told,
                "annotations": note,
                "startsAt": instant(one.alert.active_at or one.alert.fired_at or bulletin.at),
                "endsAt": instant(one.alert.resolved_at),
                "generatorURL": bulletin.links.get("page", ""),
                "fingerprint": fingerprint(told),
            }
            for one, told, note in zip(shown, labels, notes, strict=True)
        ],
    }


def labels_of(alert: Alert, bulletin: Bulletin) -> dict[str, str]:
    """An alert's labels; those of a drill say so."""
    return alert.labels | ({"drill": "true"} if bulletin.drill else {})


def notes_of(told: BulletinAlert) -> dict[str, str]:
    """An alert's own annotations, and what the bulletin knows of it."""
    known = {
        "summary": told.summary,
        "description": told.description,
        "value": f"{told.alert.value:.6g}" if math.isfinite(told.alert.value) else "",
        "threshold": told.threshold,
        "slope": told.slope,
        "runbook_url": told.runbook,
        "reason": told.alert.reason,
    }
    return told.alert.annotations | {name: text for name, text in known.items() if text}


def evidence(bulletin: Bulletin, zone: tzinfo) -> dict[str, str]:
    """What stands around the alerts, each as one text."""
    told = {"title": subject(bulletin)}
    for fact in facts(bulletin, zone):
        if fact.label in {"Top processes", "Last change", "Last log lines"}:
            told[fact.label.lower().replace(" ", "_")] = "\n".join(fact.lines)
        elif fact.kind == "link" and fact.label != "Runbook":
            told[f"{fact.label.lower()}_url"] = fact.lines[0]
    return told


def shared(maps: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """What is the same in all of them."""
    found: dict[str, str] | None = None
    for one in maps:
        found = dict(one) if found is None else {name: text for name, text in found.items() if one.get(name) == text}
    return found or {}


def instant(at: int) -> str:
    """A time (ms) as RFC 3339 has it; 0 as Go writes what is not set."""
    if not at:
        return NEVER
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def fingerprint(labels: Mapping[str, str]) -> str:
    """Alertmanager's name for a set of labels: 64 bits of FNV-1a over the sorted pairs, each text ended by 0xFF."""
    digest = 0xCBF29CE484222325
    for name in sorted(labels):
        for byte in b"%s\xff%s\xff" % (name.encode(), labels[name].encode()):
            digest = (digest ^ byte) * 0x100000001B3 & _MASK
    return f"{digest:016x}"
