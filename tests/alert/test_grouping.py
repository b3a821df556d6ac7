"""Who is told what and when: Alertmanager's timing, news and repeats, escalation, and what goes up and down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.alert.grouping import CALM, FLAPS, Group, Plan, Teller
from watchkeeper.alert.routing import Routing
from watchkeeper.alert.settings import BranchSettings, RouteSettings
from watchkeeper.quantities import Duration
from watchkeeper.telling import Alert, AlertState

MakeAlert = Callable[..., Alert]
BEGIN = 1_760_000_000_000
SECOND = 1000
MINUTE = 60 * SECOND


class Rig:
    """A teller on which time goes by; `told` are its messages: instant, kind, firing names, resolved names."""

    def __init__(self, *routes: BranchSettings, **settings: Any) -> None:
        self.teller = Teller(Routing(RouteSettings(channels=("mail",), routes=routes, **settings)))
        self.told: list[tuple[int, str, str, str]] = []
        self.plans: list[Plan] = []
        self.suppressed: dict[str, str] = {}
        self.acknowledged: frozenset[str] = frozenset()
        self.muted: dict[str, str] = {}
        self.now = BEGIN

    def take(self, alert: Alert, incident: str = "i") -> None:
        """An alert has changed."""
        self.teller.take(alert, incident, incident, self.now)
        self.run(self.now)

    def run(self, until: int) -> None:
        """Let time go by, up to so long after the beginning."""
        until = until if until >= BEGIN else BEGIN + until
        while (due := self.teller.due) and due <= until:
            self.now = max(self.now, due)
            for plan in self.teller.flush(self.now, self.suppressed, self.acknowledged, self.muted):
                firing = ",".join(sorted(one.name for one in plan.firing))
                resolved = ",".join(sorted(one.name for one in plan.resolved))
                self.told.append((self.now - BEGIN, plan.kind, firing, resolved))
                self.plans.append(plan)
                self.teller.told(plan, self.now)
        self.now = max(self.now, until)


def over(alert: Alert, at: int) -> Alert:
    """The same alert, ended."""
    return msgspec.structs.replace(alert, state=AlertState.RESOLVED, resolved_at=at, changed_at=at)


def again(alert: Alert, at: int) -> Alert:
    """The same labels fire anew."""
    return msgspec.structs.replace(alert, id=f"{alert.id}+{at}", active_at=at, fired_at=at, changed_at=at)


def test_a_new_group_waits_for_company(make_alert: MakeAlert) -> None:
    """group_wait, then one message for both."""
    rig = Rig()
    rig.take(make_alert("A", at=BEGIN))
    rig.run(10 * SECOND)
    rig.take(make_alert("B", at=BEGIN + 10 * SECOND))
    rig.run(60 * SECOND)
    assert rig.told == [(30 * SECOND, "firing", "A,B", "")]


def test_what_joins_and_what_ends_is_told_after_group_interval(make_alert: MakeAlert) -> None:
    """Not before; and all of it in one message."""
    rig = Rig()
    a, b = make_alert("A", at=BEGIN), make_alert("B", at=BEGIN + MINUTE)
    rig.take(a)
    rig.run(MINUTE)
    rig.take(b)
    rig.take(over(a, BEGIN + 2 * MINUTE))
    rig.run(20 * MINUTE)
    assert rig.told == [(30 * SECOND, "firing", "A", ""), (330 * SECOND, "firing", "B", "A")]


def test_what_is_graver_than_all_that_was_told_waits_for_company_only(make_alert: MakeAlert) -> None:
    """A warning was told, then it is critical: after group_wait and not group_interval; what else has changed comes along."""
    rig = Rig()
    a, b = make_alert("A", "warning", at=BEGIN), make_alert("B", "warning", at=BEGIN)
    rig.take(a)
    rig.take(b)
    rig.run(MINUTE)
    rig.take(over(a, BEGIN + MINUTE))
    rig.take(make_alert("C", at=BEGIN + MINUTE))
    rig.run(4 * MINUTE)
    assert rig.told == [(30 * SECOND, "firing", "A,B", ""), (90 * SECOND, "firing", "B,C", "A")]
    assert rig.plans[-1].reason == "it is graver now"
    rig.take(make_alert("D", at=BEGIN + 4 * MINUTE))
    rig.run(8 * MINUTE)
    assert rig.told[2:] == [(390 * SECOND, "firing", "B,C,D", "")], "as grave as what was told: no haste"


def test_what_is_grave_again_is_no_news_that_cannot_wait(make_alert: MakeAlert) -> None:
    """A group that was told as critical stays so while it lasts: what comes and goes does not haste each time."""
    rig = Rig()
    rig.take(make_alert("A", "warning", at=BEGIN))
    grave = make_alert("B", at=BEGIN)
    rig.take(grave)
    rig.run(MINUTE)
    rig.take(over(grave, BEGIN + MINUTE))
    rig.run(6 * MINUTE)
    rig.take(again(grave, BEGIN + 6 * MINUTE))
    rig.run(20 * MINUTE)
    assert [at for at, *_ in rig.told] == [30 * SECOND, 330 * SECOND, 630 * SECOND]


def test_a_graver_alert_that_nobody_may_be_told_of_hastes_nothing(make_alert: MakeAlert) -> None:
    """Silenced or inhibited: no message goes early, and none is lost."""
    rig = Rig()
    rig.take(make_alert("A", "warning", at=BEGIN))
    rig.run(MINUTE)
    grave = make_alert("B", at=BEGIN + MINUTE)
    rig.suppressed = {grave.id: "silenced"}
    rig.take(grave)
    rig.run(3 * MINUTE)
    assert len(rig.told) == 1
    rig.suppressed = {}
    rig.run(10 * MINUTE)
    assert [(kind, firing) for _, kind, firing, _ in rig.told] == [("firing", "A"), ("firing", "A,B")]


def test_what_may_be_told_does_not_wait_behind_what_may_not(make_alert: MakeAlert) -> None:
    """A group of which nobody was told, since all of it is silenced or in maintenance, is as good as new to what comes then."""
    rig = Rig()
    quiet = make_alert("A", at=BEGIN)
    rig.suppressed = {quiet.id: "in maintenance"}
    rig.take(quiet)
    rig.run(MINUTE)
    rig.take(make_alert("B", "warning", at=BEGIN + MINUTE))
    rig.run(2 * MINUTE)
    assert rig.told == [(90 * SECOND, "firing", "B", "")]
    rig.take(over(make_alert("B", "warning", at=BEGIN + MINUTE), BEGIN + 2 * MINUTE))
    rig.run(7 * MINUTE)
    assert rig.told[1:] == [(390 * SECOND, "resolved", "", "B")]
    rig.take(make_alert("C", "warning", at=BEGIN + 7 * MINUTE))
    rig.run(8 * MINUTE)
    assert rig.told[2:] == [(450 * SECOND, "firing", "C", "")]


def test_a_group_anew_has_ids_of_its_own(make_alert: MakeAlert) -> None:
    """What was told and over and fires again in the same incident is not taken for the message that was told before."""
    rig = Rig(group_wait=Duration(0), group_interval=Duration(1))
    a = make_alert("A", at=BEGIN)
    for turn in range(3):
        at = BEGIN + turn * 10 * SECOND
        rig.run(at)
        rig.take(again(a, at))
        rig.run(at + SECOND)
        rig.take(over(again(a, at), at + SECOND))
        rig.run(at + 5 * SECOND)
    assert [kind for _, kind, _, _ in rig.told] == ["firing", "resolved"] * 3
    assert len({plan.id for plan in rig.plans}) == 6


def test_groups_of_one_incident_have_ids_of_their_own(make_alert: MakeAlert) -> None:
    """Grouped by server, two servers of one incident that fail in the same instant are two messages."""
    rig = Rig(group_by=("server",), group_wait=Duration(0))
    for name in ("web", "shop"):
        rig.teller.take(make_alert("A", at=BEGIN, server=name), "i", "i", BEGIN)
    rig.run(SECOND)
    assert len(rig.plans) == len({plan.id for plan in rig.plans}) == 2


def test_the_end_of_all_is_told_and_the_group_is_gone(make_alert: MakeAlert) -> None:
    """After it the same labels are a new group that waits anew."""
    rig = Rig()
    a = make_alert("A", at=BEGIN)
    rig.take(a)
    rig.run(MINUTE)
    rig.take(over(a, BEGIN + MINUTE))
    rig.run(10 * MINUTE)
    assert rig.told == [(30 * SECOND, "firing", "A", ""), (330 * SECOND, "resolved", "", "A")]
    assert not rig.teller.groups
    rig.take(again(a, BEGIN + 10 * MINUTE))
    rig.run(11 * MINUTE)
    assert rig.told[-1] == (10 * MINUTE + 30 * SECOND, "firing", "A", "")


def test_what_is_over_before_it_was_told_is_never_told(make_alert: MakeAlert) -> None:
    """A blip within group_wait."""
    rig = Rig()
    a = make_alert("A", at=BEGIN)
    rig.take(a)
    rig.run(2 * SECOND)
    rig.take(over(a, BEGIN + 2 * SECOND))
    rig.run(60 * MINUTE)
    assert rig.told == []
    assert not rig.teller.groups


def test_what_goes_on_is_told_again(make_alert: MakeAlert) -> None:
    """repeat_interval after the last message; not if somebody has acknowledged it."""
    rig = Rig()
    rig.take(make_alert("A", at=BEGIN))
    rig.run(9 * 60 * MINUTE)
    assert [(at // MINUTE, kind) for at, kind, _, _ in rig.told] == [(0, "firing"), (240, "reminder"), (480, "reminder")]
    rig = Rig()
    rig.acknowledged = frozenset({"i"})
    rig.take(make_alert("A", at=BEGIN))
    rig.run(9 * 60 * MINUTE)
    assert [kind for _, kind, _, _ in rig.told] == ["firing"]


def test_no_waiting_where_none_is_wanted(make_alert: MakeAlert) -> None:
    """group_wait = 0: told in the turn in which it fired; one that has long fired waits no more."""
    rig = Rig(group_wait=Duration(0))
    rig.take(make_alert("A", at=BEGIN))
    assert rig.told == [(0, "firing", "A", "")]
    rig = Rig()
    rig.now = BEGIN + 10 * MINUTE
    rig.take(make_alert("A", at=BEGIN))
    assert [at for at, _, _, _ in rig.told] == [10 * MINUTE]


def test_the_end_is_not_told_where_nobody_wants_it(make_alert: MakeAlert) -> None:
    """Resolved = false."""
    rig = Rig(resolved=False)
    a = make_alert("A", at=BEGIN)
    rig.take(a)
    rig.run(MINUTE)
    rig.take(over(a, BEGIN + MINUTE))
    rig.run(60 * MINUTE)
    assert [kind for _, kind, _, _ in rig.told] == ["firing"]
    assert not rig.teller.groups


def test_what_is_suppressed_is_not_told_and_told_once_it_is_not(make_alert: MakeAlert) -> None:
    """A silence that ends while the alert goes on: the next flush tells it."""
    rig = Rig()
    a = make_alert("A", at=BEGIN)
    rig.suppressed = {a.id: "silenced by kim"}
    rig.take(a)
    rig.run(20 * MINUTE)
    assert rig.told == []
    rig.suppressed = {}
    rig.run(26 * MINUTE)
    assert [kind for _, kind, _, _ in rig.told] == ["firing"]


def test_a_silenced_end_is_not_told(make_alert: MakeAlert) -> None:
    """Whoever silences what was told hears no end of it, as in Alertmanager."""
    rig = Rig()
    a = make_alert("A", at=BEGIN)
    rig.take(a)
    rig.run(MINUTE)
    rig.suppressed = {a.id: "silenced by kim"}
    rig.run(6 * MINUTE)
    rig.take(over(a, BEGIN + 6 * MINUTE))
    rig.run(60 * MINUTE)
    assert [kind for _, kind, _, _ in rig.told] == ["firing"]


def test_a_muted_route(make_alert: MakeAlert) -> None:
    """In a window of its own it tells nothing; after it what still goes on."""
    rig = Rig()
    rig.muted = {"root": "night"}
    rig.take(make_alert("A", at=BEGIN))
    rig.run(30 * MINUTE)
    assert rig.told == []
    rig.muted = {}
    rig.run(36 * MINUTE)
    assert [kind for _, kind, _, _ in rig.told] == ["firing"]


def test_escalation(make_alert: MakeAlert) -> None:
    """What nobody has acknowledged goes to the next channel after each step, and ends with acknowledgement."""
    rig = Rig(escalate=("boss", "owner"), escalate_after=Duration(900))
    rig.take(make_alert("A", at=BEGIN))
    rig.run(40 * MINUTE)
    steps = [(plan.kind, plan.channels) for plan in rig.plans]
    assert steps == [("firing", ("mail",)), ("escalation", ("boss",)), ("escalation", ("owner",))]
    assert [at // SECOND for at, _, _, _ in rig.told] == [30, 930, 1830]
    rig = Rig(escalate=("boss",), escalate_after=Duration(900))
    rig.take(make_alert("A", at=BEGIN))
    rig.run(10 * MINUTE)
    rig.acknowledged = frozenset({"i"})
    rig.run(60 * MINUTE)
    assert [kind for _, kind, _, _ in rig.told] == ["firing"]


def test_two_routes_have_groups_of_their_own(make_alert: MakeAlert) -> None:
    """A branch that goes on: both are told, each in its time."""
    branch = BranchSettings(matchers=("alertname=A",), channels=("db",), continue_=True, group_wait=Duration(0))
    every = BranchSettings(matchers=("alertname=~.*",), channels=("all",))
    rig = Rig(branch, every)
    rig.take(make_alert("A", at=BEGIN))
    rig.run(MINUTE)
    assert [(at, plan.channels) for (at, _, _, _), plan in zip(rig.told, rig.plans, strict=True)] == [
        (0, ("db",)),
        (30 * SECOND, ("all",)),
    ]


def test_what_goes_up_and_down_is_told_once(make_alert: MakeAlert) -> None:
    """From the fourth time within half an hour on its end is held back, until it has been calm for ten minutes."""
    rig = Rig(group_wait=Duration(0), group_interval=Duration(10))
    a = make_alert("A", at=BEGIN)
    for turn in range(12):
        at = BEGIN + turn * MINUTE
        rig.run(at)
        rig.take(again(a, at))
        rig.run(at + 30 * SECOND)
        rig.take(over(again(a, at), at + 30 * SECOND))
    rig.run(60 * MINUTE)
    before = [one for one in rig.told if one[0] < FLAPS * MINUTE]
    after = [one for one in rig.told if one[0] >= FLAPS * MINUTE]
    assert len(before) <= 2 * FLAPS
    assert [kind for _, kind, _, _ in after] == ["resolved"]
    assert after[0][0] >= 11 * MINUTE + 30 * SECOND + CALM
    assert any(plan.flapping for plan in rig.plans)


def test_a_plan_has_the_same_id_until_it_was_told(make_alert: MakeAlert) -> None:
    """After a crash between the outbox and the note of it the same message is planned again, under the same id."""
    teller = Teller(Routing(RouteSettings(group_wait=Duration(0))))
    a = make_alert("A", at=BEGIN)
    teller.take(a, "i", "i", BEGIN)
    first = teller.flush(BEGIN, {}, frozenset(), {})[0]
    kept = msgspec.json.encode(first.group)
    restored = Teller(Routing(RouteSettings(group_wait=Duration(0))))
    restored.restore(msgspec.json.decode(kept, type=Group), [])
    restored.take(a, "i", "i", BEGIN + 5)
    second = restored.flush(BEGIN + 5, {}, frozenset(), {})[0]
    assert first.id == second.id
    restored.told(second, BEGIN + 5)
    restored.take(over(a, BEGIN + 6), "i", "i", BEGIN + 6)
    third = restored.flush(BEGIN + 400_000, {}, frozenset(), {})[0]
    assert third.kind == "resolved"
    assert third.id != first.id


def test_what_ended_while_nobody_looked_is_told(make_alert: MakeAlert) -> None:
    """A restored group whose alert has ended since: its end is told."""
    a = make_alert("A", at=BEGIN)
    group = Group("root:i", "root", {"incident": "i"}, "i", "i", due_at=10, told_at=5, number=1, firing={a.fingerprint: a.id})
    teller = Teller(Routing(RouteSettings()))
    teller.restore(group, [over(a, 7)])
    plans = teller.flush(10, {}, frozenset(), {})
    assert [(plan.kind, len(plan.resolved)) for plan in plans] == [("resolved", 1)]


def test_a_route_that_is_no_more(make_alert: MakeAlert) -> None:
    """A group of an older configuration is let go."""
    teller = Teller(Routing(RouteSettings()))
    teller.restore(Group("7:x", "7", {}, "i", "i", due_at=10), [make_alert("A")])
    assert teller.flush(10, {}, frozenset(), {}) == []
    assert teller.take_changed() == ({}, ["7:x"])


steps = st.lists(st.tuples(st.integers(0, 6 * MINUTE), st.integers(0, 2), st.booleans()), min_size=1, max_size=25)


@given(steps)
def test_nothing_is_lost_and_nothing_ends_that_was_not_told(taken: list[tuple[int, int, bool]]) -> None:
    """Whatever comes in whatever order: each end told was told as firing before; what goes on in the end was told."""
    rig = Rig()
    current: dict[int, Alert] = {}
    for gap, which, fires in taken:
        rig.run(rig.now + gap)
        known = current.get(which)
        goes_on = known is not None and known.state is AlertState.FIRING
        if fires == goes_on:
            continue
        if fires:
            name = f"A{which}"
            fresh = Alert(
                f"{which}-{rig.now}",
                name,
                {"alertname": name},
                {},
                AlertState.FIRING,
                "critical",
                1.0,
                rig.now,
                fired_at=rig.now,
                changed_at=rig.now,
            )
        else:
            assert known is not None
            fresh = over(known, rig.now)
        current[which] = fresh
        rig.take(fresh)
    rig.run(rig.now + 45 * MINUTE)
    open_now: set[str] = set()
    for _, _, firing, resolved in rig.told:
        for name in filter(None, resolved.split(",")):
            assert name in open_now
            open_now.discard(name)
        open_now |= set(filter(None, firing.split(",")))
    assert open_now == {alert.name for alert in current.values() if alert.state is AlertState.FIRING}


def held_back(make_alert: MakeAlert) -> tuple[Rig, Alert, Alert]:
    """One was told, and is inhibited by the other since, which was told after it: two minutes after the beginning."""
    rig = Rig(group_wait=Duration(0))
    first, other = make_alert("A", "warning", at=BEGIN), make_alert("B", at=BEGIN + MINUTE)
    rig.take(first)
    rig.run(MINUTE)
    rig.suppressed = {first.id: "inhibited by B"}
    rig.take(other)
    rig.run(2 * MINUTE)
    return rig, first, other


def test_what_was_told_and_is_held_back_then_is_told_to_be_over(make_alert: MakeAlert) -> None:
    """Another message in between, while it is inhibited, does not make its end be forgotten."""
    rig, first, other = held_back(make_alert)
    assert rig.told[1:] == [(MINUTE, "firing", "B", "")]
    rig.take(over(first, BEGIN + 2 * MINUTE))
    rig.run(10 * MINUTE)
    assert len(rig.told) == 2
    rig.suppressed = {}
    rig.take(over(other, BEGIN + 10 * MINUTE))
    rig.run(30 * MINUTE)
    assert [one[1:] for one in rig.told[2:]] == [("resolved", "", "A,B")]
    assert not rig.teller.groups


def test_what_is_owed_and_fires_on_is_told_again_and_over_once(make_alert: MakeAlert) -> None:
    """Once nothing holds it back any more it is part of the message again, as news."""
    rig, first, other = held_back(make_alert)
    rig.suppressed = {}
    rig.take(over(other, BEGIN + 2 * MINUTE))
    rig.run(20 * MINUTE)
    rig.take(over(first, BEGIN + 20 * MINUTE))
    rig.run(40 * MINUTE)
    assert [one[1:] for one in rig.told] == [
        ("firing", "A", ""),
        ("firing", "B", ""),
        ("firing", "A", "B"),
        ("resolved", "", "A"),
    ]


def test_whoever_was_woken_hears_the_end(make_alert: MakeAlert) -> None:
    """The channels of the steps that were taken, beside the route's own; those of the others sleep on."""
    rig = Rig(escalate=("boss", "owner"), escalate_after=Duration(900))
    alert = make_alert("A", at=BEGIN)
    rig.take(alert)
    rig.run(20 * MINUTE)
    rig.take(over(alert, BEGIN + 20 * MINUTE))
    rig.run(40 * MINUTE)
    assert [(plan.kind, plan.channels) for plan in rig.plans[1:]] == [("escalation", ("boss",)), ("resolved", ("mail", "boss"))]


def test_steps_that_the_configuration_has_no_more(make_alert: MakeAlert) -> None:
    """A group that waits for a step which has gone goes on without it."""
    alert = make_alert("A", at=BEGIN)
    group = Group(
        "root:i",
        "root",
        {"incident": "i"},
        "i",
        "i",
        due_at=BEGIN + MINUTE,
        told_at=BEGIN,
        number=2,
        escalated=1,
        escalate_at=BEGIN + 1,
        firing={alert.fingerprint: alert.id},
    )
    teller = Teller(Routing(RouteSettings()))
    teller.restore(group, [alert])
    assert teller.flush(BEGIN + 1, {}, frozenset(), {}) == []
    assert teller.due > BEGIN + 1
