"""Who is told what, and when: groups of alerts along their routes, with Alertmanager's timing and its idea of what is news.

    take ──▸ group (waits group_wait) ──flush──▸ Plan ──told──▸ (again after group_interval, repeat_interval) ──▸ empty: gone

A plan is carried out by whoever writes the outbox; `told` then notes it, so that after a crash in between the same plan is
made again and has the same id. What is graver than all that was told of a group, or the first of it that may be told, waits for
`group_wait` and not for `group_interval`. What goes up and down too often is told once, and its end when it has been calm.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, get_args

import msgspec

from watchkeeper.alert.routing import Route, Routing
from watchkeeper.model import Severity
from watchkeeper.telling import Alert, AlertState, BulletinKind

FLAPS = 4
"""So many times within `FLAP_WINDOW` is up and down."""
FLAP_WINDOW = 30 * 60_000
CALM = 10 * 60_000
"""After so long without firing, what went up and down is over."""
DRILL_INTERVAL = 1_000
"""How soon the end of a drill is told after its beginning: a drill that is over is no news that could wait, ms."""
AGAIN = 5_000
"""How soon a plan that could not be written down is made again, ms."""
_RANKS = {severity: rank for rank, severity in enumerate(get_args(Severity), 1)}


class Group(msgspec.Struct):
    """Alerts that share messages on one route, and how far these have been told; kept in the journal. Times are ms, 0 = never.

    `firing` and `resolved`: fingerprint and id of the alerts of the last message; `owed`: of those that were told before it and
    nobody is told of at present, whose end is still to be told. `number` counts messages since `born_at`;
    with `key` they make a message's id, since an incident may have several groups, and a group anew when it is open again.
    `told_rank`: the gravest severity that was told of it, 0 = nothing. A drill's waits for nobody, unless drills are told to.
    """

    key: str
    route: str
    labels: dict[str, str]
    incident: str
    thread: str
    due_at: int = 0
    told_at: int = 0
    number: int = 0
    escalated: int = 0
    escalate_at: int = 0
    firing: dict[str, str] = {}
    resolved: dict[str, str] = {}
    drill: bool = False
    born_at: int = 0
    told_rank: int = 0
    owed: dict[str, str] = {}


class Plan(NamedTuple):
    """A message that is due: `reason` says why. `id` is the same as long as it has not been told."""

    id: str
    group: Group
    kind: BulletinKind
    reason: str
    firing: tuple[Alert, ...]
    resolved: tuple[Alert, ...]
    channels: tuple[str, ...]
    flapping: frozenset[str] = frozenset()


class Teller:
    """All groups."""

    def __init__(self, routing: Routing) -> None:
        """No group yet."""
        self._routing = routing
        self.drills_wait = False
        """Whether drills wait as long as routes say."""
        self.groups: dict[str, Group] = {}
        self._members: dict[str, dict[str, Alert]] = {}
        self._fired: dict[str, deque[int]] = {}
        self._held: dict[str, tuple[Alert, int]] = {}
        self._changed: set[str] = set()

    def restore(self, group: Group, alerts: Iterable[Alert]) -> None:
        """Put in what the journal has kept, with the alerts that were told last."""
        self.groups[group.key] = group
        self._members[group.key] = {alert.fingerprint: alert for alert in alerts}

    def take(self, alert: Alert, incident: str, thread: str, now: int) -> None:
        """An alert has fired, or one that had has changed or ended."""
        mark = alert.fingerprint
        if alert.state is AlertState.RESOLVED:
            if self._is_flapping(mark, now) and not alert.is_drill:
                self._held[mark] = (alert, now + CALM)
                return
        elif alert.is_told_firing:
            if alert.changed_at == alert.fired_at and not alert.is_drill:
                self._fired.setdefault(mark, deque(maxlen=FLAPS)).append(now)
            self._held.pop(mark, None)
        for route in self._routing.routes(alert):
            if route.takes(alert):
                self._put(route, alert, mark, incident, thread, now)

    def is_for(self, alert: Alert) -> bool:
        """Whether anybody is told of an alert at all, now or when a reason not to has gone."""
        return any(route.takes(alert) for route in self._routing.routes(alert))

    def end(self, alert: Alert) -> None:
        """Take an end that was held back as what it is now."""
        for members in self._members.values():
            if alert.fingerprint in members:
                members[alert.fingerprint] = alert

    @property
    def longest(self) -> int:
        """The longest time until what is over has been told, ms."""
        routes = (self._routing.root, *self._routing.branches)
        return max(one.group_wait + one.group_interval for one in routes)

    def members(self) -> list[Alert]:
        """Every alert of every group."""
        return [alert for members in self._members.values() for alert in members.values()]

    @property
    def due(self) -> int:
        """When the next flush is due; 0: never."""
        return min((at for group in self.groups.values() if (at := self._due(group))), default=0)

    def flush(
        self, now: int, suppressed: Mapping[str, str], acknowledged: frozenset[str], muted: Mapping[str, str]
    ) -> list[Plan]:
        """The messages that are due.

        `suppressed`: by alert id; `acknowledged`: incidents; `muted`: routes in a window of theirs.
        """
        for mark, (alert, until) in list(self._held.items()):
            if now >= until:
                del self._held[mark]
                self.end(alert)
        plans = []
        for group in list(self.groups.values()):
            due = self._due(group)
            if not due or due > now:
                continue
            route = self._routing.route(group.route)
            if route is None:  # the configuration has changed
                self._drop(group)
                continue
            plan = self._plan(group, route, now, suppressed, group.incident in acknowledged, muted)
            if plan is None:
                self._settle(group, route, now)
            else:
                plans.append(plan)
        return plans

    def told(self, plan: Plan, now: int) -> None:
        """It is in the outbox."""
        group = plan.group
        route = self._routing.route(group.route)
        group.number += 1
        self._changed.add(group.key)
        if plan.kind == "escalation":
            group.escalated += 1
            group.escalate_at = self._escalate_at(group, route, now)
            return
        if not plan.firing:
            group.escalated = group.escalate_at = 0
        elif not group.firing:
            group.escalate_at = self._escalate_at(group, route, now)
        group.told_at = now
        told = {alert.fingerprint for alert in (*plan.firing, *plan.resolved)}
        before = group.owed | group.firing
        group.owed = {mark: before[mark] for mark in before.keys() & self._members[group.key].keys() - told}
        group.told_rank = max([group.told_rank, *(_RANKS[alert.severity] for alert in plan.firing)])
        group.firing = {alert.fingerprint: alert.id for alert in plan.firing}
        group.resolved = {alert.fingerprint: alert.id for alert in plan.resolved}
        if route is not None:
            self._settle(group, route, now, over=group.resolved.keys())

    def put_off(self, plan: Plan, now: int) -> None:
        """It could not be written down; it is due again soon."""
        if plan.kind == "escalation":
            plan.group.escalate_at = now + AGAIN
        else:
            plan.group.due_at = now + AGAIN

    def take_changed(self) -> tuple[dict[str, Group], list[str]]:
        """Groups that must be kept as they are now, by key, and the keys of those that are gone."""
        changed, self._changed = self._changed, set()
        return {key: self.groups[key] for key in changed if key in self.groups}, [
            key for key in changed if key not in self.groups
        ]

    # -- leaves -------------------------------------------------------------------------------------

    def _put(self, route: Route, alert: Alert, mark: str, incident: str, thread: str, now: int) -> None:
        labels = route.group(alert.labels, incident)
        key = f"{route.name}:{msgspec.json.encode(sorted(labels.items())).decode()}"
        group = self.groups.get(key)
        if group is None:
            if not alert.is_told_firing:
                return
            group = Group(key, route.name, labels, incident, thread, drill=alert.is_drill, born_at=now)
            group.due_at = self._waited(group, route, alert, now)
            self.groups[key] = group
            self._members[key] = {}
            self._changed.add(key)
        elif alert.is_told_firing and (not group.firing or 0 < group.told_rank < _RANKS[alert.severity]):
            # Not as Alertmanager: who was told of something slight, or of nothing since all else in the group is silenced,
            # would sleep on for the rest of `group_interval`.
            group.due_at = min(group.due_at, self._waited(group, route, alert, now))
            self._changed.add(key)
        self._members[key][mark] = alert

    def _waited(self, group: Group, route: Route, alert: Alert, now: int) -> int:
        """When it has waited for company; as Alertmanager: who has waited long enough already waits no longer."""
        return max(now, alert.fired_at + (0 if self._is_hasty(group) else route.group_wait))

    def _due(self, group: Group) -> int:
        if self._routing.route(group.route) is None:
            return 1
        return min(group.due_at, group.escalate_at) if group.escalate_at else group.due_at

    @staticmethod
    def _escalate_at(group: Group, route: Route | None, now: int) -> int:
        return now + route.escalate_after if route is not None and group.escalated < len(route.escalate) else 0

    def _is_flapping(self, mark: str, now: int) -> bool:
        fired = self._fired.get(mark)
        return fired is not None and len(fired) == FLAPS and now - fired[0] <= FLAP_WINDOW

    def _plan(
        self,
        group: Group,
        route: Route,
        now: int,
        suppressed: Mapping[str, str],
        acknowledged: bool,  # noqa: FBT001  # of one call, just above
        muted: Mapping[str, str],
    ) -> Plan | None:
        alerts = [one for one in self._members[group.key].values() if not suppressed.get(one.id)]
        if group.route in muted:
            return None
        firing = tuple(one for one in alerts if one.is_told_firing)
        resolved = tuple(one for one in alerts if one.state is AlertState.RESOLVED and _was_told(group, one))
        flapping = frozenset(one.fingerprint for one in firing if self._is_flapping(one.fingerprint, now))
        identity = f"{group.thread}-{_mark(group)}-{group.number + 1}"
        if now >= group.due_at:
            kind, reason = news(group, firing, resolved, route, now, acknowledged=acknowledged)
            if kind is not None:
                to = route.channels
                if kind == "resolved" and to:  # whoever was woken because nobody had acknowledged it can sleep again
                    to = tuple(dict.fromkeys((*to, *route.escalate[: group.escalated])))
                return Plan(identity, group, kind, reason, firing, resolved, to, flapping)
        if group.escalate_at and now >= group.escalate_at:
            if group.escalated >= len(route.escalate):  # the configuration has changed
                group.escalate_at = 0
                return None
            if firing and not acknowledged:
                to = (route.escalate[group.escalated],)
                return Plan(identity, group, "escalation", "nobody has acknowledged it", firing, (), to, flapping)
            group.escalate_at = now + route.escalate_after  # somebody looks after it; that may be taken back
        return None

    def _settle(self, group: Group, route: Route, now: int, over: Iterable[str] = ()) -> None:
        """After a flush: what has ended is let go, and an empty group with it."""
        members = self._members[group.key]
        told = frozenset(over)
        for mark, alert in list(members.items()):
            if alert.state is AlertState.RESOLVED and (mark in told or not _was_told(group, alert) or not route.resolved):
                del members[mark]
                group.firing.pop(mark, None)
                group.owed.pop(mark, None)
        self._changed.add(group.key)
        if not members:
            self._drop(group)
        elif now >= group.due_at:
            group.due_at = now + (DRILL_INTERVAL if self._is_hasty(group) else route.group_interval)

    def _is_hasty(self, group: Group) -> bool:
        return group.drill and not self.drills_wait

    def _drop(self, group: Group) -> None:
        self.groups.pop(group.key, None)
        self._members.pop(group.key, None)
        self._changed.add(group.key)


def _was_told(group: Group, alert: Alert) -> bool:
    """Whether somebody knows that it fires, or fired, and has not heard of its end."""
    return alert.fingerprint in group.firing or alert.fingerprint in group.owed


def _mark(group: Group) -> str:
    """Tells a group from every other of the same thread: another's at the same time, and its own in an earlier life."""
    return hashlib.blake2s(f"{group.key} {group.born_at}".encode(), digest_size=8).hexdigest()


def news(  # noqa: PLR0911  # a table of cases
    group: Group, firing: Sequence[Alert], resolved: Sequence[Alert], route: Route, now: int, *, acknowledged: bool
) -> tuple[BulletinKind | None, str]:
    """Whether a group is worth a message, and why: what Alertmanager's `needsUpdate` decides. None: it is not."""
    if not firing:
        if (group.firing or group.owed) and resolved and route.resolved:
            return "resolved", "all of it is over"
        return None, ""
    if not group.firing:
        return "firing", "it is new"
    if any(alert.fingerprint not in group.firing for alert in firing):
        is_graver = max(_RANKS[alert.severity] for alert in firing) > group.told_rank
        return "firing", "it is graver now" if is_graver else "there is more of it"
    if route.resolved and any(alert.fingerprint not in group.resolved for alert in resolved):
        return "firing", "some of it is over"
    if now - group.told_at >= route.repeat_interval and not acknowledged:
        return "reminder", "it goes on"
    return None, ""
