"""Which alerts belong together: one incident for what has one cause, as far as topology and time can tell. Pure.

An alert joins an open incident of the same server; of a server that this one requires, or that requires this one; or of the
same machine when its newest alert is young. Else it opens one. What fires again soon after its incident was over opens that
one again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import get_args

import msgspec

from watchkeeper.model import Severity, new_id
from watchkeeper.telling import Alert, AlertState, Incident

RELATED = 10 * 60_000
"""Alerts of one machine that begin within so many ms have one cause, as far as anybody can tell."""
REOPEN = 10 * 60_000
"""What fires again so soon after its incident was over belongs to it still."""
_SEVERITIES = get_args(Severity)


class Topology:
    """Which server requires which others, each as ``machine/server``; a name without a machine is that server anywhere."""

    def __init__(self, requires: Mapping[str, Iterable[str]]) -> None:
        """Take the table ``[requires]``."""
        self._requires = {name: tuple(needs) for name, needs in requires.items()}

    def __eq__(self, other: object) -> bool:
        """Whether the same servers require each other."""
        return isinstance(other, Topology) and self._requires == other._requires

    def __hash__(self) -> int:
        """Of what is equal when topologies are."""
        return hash(frozenset(self._requires))

    def needs(self, name: str) -> frozenset[str]:
        """All that a server requires, directly and through others."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            one = waiting.pop()
            for need in (*self._requires.get(one, ()), *self._requires.get(one.partition("/")[2], ())):
                if need not in found:
                    found.add(need)
                    waiting.append(need)
        return frozenset(found - {name})

    def related(self, one: str, other: str) -> bool:
        """Whether one of the two requires the other."""
        return _names(other, self.needs(one)) or _names(one, self.needs(other))


class Book:
    """The incidents that are open, and those that have just been over."""

    def __init__(self, topology: Topology) -> None:
        """None yet."""
        self._topology = topology
        self.incidents: dict[str, Incident] = {}
        self.changed: dict[str, Incident] = {}
        """Those that are not in the journal as they are now; whoever writes them there clears it."""
        self._newest: dict[str, int] = {}
        self._alerts: dict[str, dict[str, Alert]] = {}

    def restore(self, incident: Incident, alerts: Iterable[Alert]) -> None:
        """Put in what the journal has kept."""
        self.incidents[incident.id] = incident
        known = {alert.id: alert for alert in alerts}
        self._alerts[incident.id] = known
        self._newest[incident.id] = max([incident.opened_at, *(alert.fired_at for alert in known.values())])

    def take(self, alert: Alert, now: int) -> Incident | None:
        """An alert has fired, or one that had has changed: the incident as it is since.

        None where nothing has changed of it.
        """
        incident = self._of(alert)
        if incident is None:
            if not alert.is_told_firing:
                return None
            incident = self._related(alert, now) or self._open(alert)
        alerts = self._alerts[incident.id]
        is_new = alert.id not in alerts
        alerts[alert.id] = alert
        if is_new:
            self._newest[incident.id] = max(now, self._newest.get(incident.id, 0))
        after = self._summed(incident, alerts, now, is_new=is_new)
        self.incidents[incident.id] = after
        if after == incident and not is_new:
            return None
        self.changed[incident.id] = after
        return after

    def sum_up(self, identity: str, now: int) -> None:
        """Have an incident be what its alerts are."""
        incident, alerts = self.incidents[identity], self._alerts[identity]
        after = self._summed(incident, alerts, now, is_new=False) if alerts else incident
        if after != incident:
            self.incidents[identity] = self.changed[identity] = after

    def change(self, incident: Incident) -> None:
        """A person has changed it, and it is in the journal so."""
        self.incidents[incident.id] = incident
        if incident.id in self.changed:
            self.changed[incident.id] = incident  # what is yet to be written must not take that back

    def alerts(self, incident: str) -> tuple[Alert, ...]:
        """The alerts of an incident, the oldest first."""
        return tuple(self._alerts.get(incident, {}).values())

    def forget_old(self, now: int) -> None:
        """Let go what has long been over."""
        for one in [one for one in self.incidents.values() if one.state == "resolved" and now - one.resolved_at > REOPEN]:
            for table in (self.incidents, self._alerts, self._newest):
                table.pop(one.id, None)

    def _of(self, alert: Alert) -> Incident | None:
        return self.incidents.get(alert.incident) or next(
            (self.incidents[number] for number, alerts in self._alerts.items() if alert.id in alerts), None
        )

    def _related(self, alert: Alert, now: int) -> Incident | None:
        machine, name = alert.labels.get("machine", ""), _server(alert.labels)
        close: Incident | None = None
        for one in reversed(self.incidents.values()):
            if one.drill and one.state == "resolved":
                continue  # each drill has an incident of its own
            if one.drill != alert.is_drill or (one.state == "resolved" and now - one.resolved_at > REOPEN):
                continue
            alerts = self._alerts[one.id].values()
            if any(alert.labels == other.labels for other in alerts):
                return one
            if one.state == "resolved":
                continue
            servers = {_server(other.labels) for other in alerts} - {""}
            if name and (name in servers or any(self._topology.related(name, server) for server in servers)):
                return one
            if close is None and machine and machine == one.machine and now - self._newest[one.id] <= RELATED:
                close = one
        return close

    def _open(self, alert: Alert) -> Incident:
        machine, server = alert.labels.get("machine", ""), alert.labels.get("server", "")
        key = "/".join(filter(None, (machine, server))) or alert.labels.get("instance", "") or alert.name
        opened = alert.fired_at or alert.active_at
        incident = Incident(new_id(opened), key, "", alert.severity, "open", opened, (), machine, server, drill=alert.is_drill)
        self._alerts[incident.id] = {}
        self._newest[incident.id] = opened
        return incident

    @staticmethod
    def _summed(incident: Incident, alerts: Mapping[str, Alert], now: int, *, is_new: bool) -> Incident:
        """Its severity, title and state, from its alerts."""
        firing = [alert for alert in alerts.values() if alert.is_told_firing]
        worst = max(firing or alerts.values(), key=lambda one: (_SEVERITIES.index(one.severity), -one.active_at))
        more = len(firing) - 1
        title = headline(worst) + (f" (and {more} more)" if more > 0 else "")
        state = incident.state
        if not firing:
            state = "resolved"
        elif state == "resolved":
            state = "open"
        elif is_new and _SEVERITIES.index(worst.severity) > _SEVERITIES.index(incident.severity):
            state = "open"  # what was acknowledged was something slighter
        is_acknowledged = state == "acknowledged"
        return msgspec.structs.replace(
            incident,
            title=title if firing else incident.title or title,
            severity=worst.severity if firing else incident.severity,
            state=state,
            alerts=tuple(alerts),
            acknowledged_by=incident.acknowledged_by if is_acknowledged or state == "resolved" else "",
            acknowledged_at=incident.acknowledged_at if is_acknowledged or state == "resolved" else 0,
            resolved_at=(incident.resolved_at or now) if state == "resolved" else 0,
        )


def headline(alert: Alert) -> str:
    """One line for a person: its summary, or plain facts where it has none or its template failed."""
    summary = " ".join(alert.annotations.get("summary", "").split())
    if summary and not summary.startswith("<error expanding template"):
        return summary[:300]
    machine = alert.labels.get("machine", "") or alert.labels.get("instance", "")
    where = "/".join(filter(None, (machine, alert.labels.get("server", ""))))
    return f"{alert.name} on {where}" if where else alert.name


def is_over(alerts: Iterable[Alert]) -> bool:
    """Whether none of them goes on."""
    return all(alert.state is AlertState.RESOLVED for alert in alerts)


def _server(labels: Mapping[str, str]) -> str:
    server = labels.get("server", "")
    return f"{labels.get('machine', '')}/{server}" if server else ""


def _names(name: str, needs: frozenset[str]) -> bool:
    return name in needs or name.partition("/")[2] in needs
