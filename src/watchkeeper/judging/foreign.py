"""Alerts that others have judged and post to us as to an Alertmanager: a Prometheus, or `amtool alert add`.

They go the same way as ours from here on: rows, incidents, silences, routes. One ends when it is posted as ended, or when
nobody has posted it again until the end that it was given (five minutes, if none). Synchronous; times are milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from watchkeeper.alert.docket import Change
from watchkeeper.alert.judge import Case
from watchkeeper.alert.rules import severity_of
from watchkeeper.errors import Refused
from watchkeeper.journal.alerts import KeptAlert
from watchkeeper.model import new_id
from watchkeeper.query.lexing import LABEL
from watchkeeper.telling import Alert, AlertChange, AlertState

PREFIX = "foreign/"
"""Of such an alert's rule: the rest is its name."""
RESOLVE = 300_000
"""How long an alert without an end goes on after it was posted, as Alertmanager's `resolve_timeout`."""
MOST = 5_000
MOST_LABELS = 64
LONGEST = 4_096


class Posted(NamedTuple):
    """One alert as it was posted; instants in ms, 0: none given."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: int = 0
    ends_at: int = 0


class Foreign:
    """All that go on, by fingerprint, each with its end."""

    def __init__(self) -> None:
        """None yet."""
        self._alerts: dict[str, tuple[Alert, int]] = {}

    def take(self, posted: Sequence[Posted], now: int) -> list[Change]:
        """Take what was posted, all of it or nothing; raises Refused (``bad-alert``, ``too-many``)."""
        for one in posted:
            check(one)
        fresh_ones = [_alert({name: value for name, value in sorted(one.labels.items()) if value}, one, now) for one in posted]
        going_on = {fresh.fingerprint for one, fresh in zip(posted, fresh_ones, strict=True) if not 0 < one.ends_at <= now}
        if len(self._alerts.keys() | going_on) > MOST:
            raise Refused(f"{MOST} alerts of others may go on, and these would be more", code="too-many")
        changes = []
        for one, fresh in zip(posted, fresh_ones, strict=True):
            ends_at = one.ends_at or now + RESOLVE
            known = self._alerts.get(fresh.fingerprint)
            if known is not None:
                alert = msgspec.structs.replace(known[0], annotations=dict(one.annotations))
                if ends_at <= now:
                    changes.append(self._end(fresh.fingerprint, alert, "whoever posted it says that it is over", now))
                else:
                    self._alerts[fresh.fingerprint] = (alert, ends_at)
            elif ends_at > now:
                self._alerts[fresh.fingerprint] = (fresh, ends_at)
                changes.append(_change(fresh, "firing", "it was posted", ends_at, now))
        return changes

    def tick(self, now: int) -> list[Change]:
        """The ends of those that nobody has posted again."""
        over = [(mark, alert) for mark, (alert, ends_at) in self._alerts.items() if ends_at <= now]
        return [self._end(mark, alert, "nobody has posted it again", now) for mark, alert in over]

    @property
    def due(self) -> int:
        """When the next one ends; 0: never."""
        return min((ends_at for _, ends_at in self._alerts.values()), default=0)

    def restore(self, kept: KeptAlert, now: int) -> None:
        """Put in what the journal has kept. Its end there is the first post's: whoever posts it gets time to do so again."""
        self._alerts[kept.alert.fingerprint] = (kept.alert, max(kept.held_at, now + RESOLVE))

    def _end(self, mark: str, alert: Alert, reason: str, now: int) -> Change:
        del self._alerts[mark]
        over = msgspec.structs.replace(alert, state=AlertState.RESOLVED, resolved_at=now, changed_at=now, reason=reason)
        return _change(over, "resolved", reason, now, now)


def check(posted: Posted) -> None:
    """Raise Refused for what is no alert."""
    if not posted.labels.get("alertname"):
        raise Refused("an alert needs the label alertname", code="bad-alert")
    if len(posted.labels) > MOST_LABELS or len(posted.annotations) > MOST_LABELS:
        raise Refused(f"an alert has {MOST_LABELS} labels and annotations at most", code="bad-alert")
    for name, value in (*posted.labels.items(), *posted.annotations.items()):
        if not LABEL.fullmatch(name) or len(value) > LONGEST:
            raise Refused(f"{name[:80]!r} is no label, or its value is longer than {LONGEST} characters", code="bad-alert")
    if posted.ends_at and posted.starts_at and posted.ends_at < posted.starts_at:
        raise Refused("an alert must not end before it starts", code="bad-alert")


def _alert(labels: Mapping[str, str], posted: Posted, now: int) -> Alert:
    starts_at = min(posted.starts_at or now, now)
    return Alert(
        id=new_id(now),
        rule=PREFIX + labels["alertname"],
        labels=dict(labels),
        annotations=dict(posted.annotations),
        state=AlertState.FIRING,
        severity=severity_of(labels.get("severity", "warning")),
        value=0.0,
        active_at=starts_at,
        fired_at=starts_at,
        changed_at=now,
        reason="it was posted",
    )


def _change(alert: Alert, step: str, reason: str, held_at: int, now: int) -> Change:
    case = Case(alert.state, alert.active_at, held_at, alert.fired_at)
    return Change(alert, AlertChange(alert.id, now, step, reason), (), case)  # type: ignore[arg-type]  # one of two steps
