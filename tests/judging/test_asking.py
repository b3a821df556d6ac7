"""Rules that look back: asked at their interval over the real store, recording rules kept, faults told and nothing lost."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from rigs.bench import Rig, benched
from watchkeeper.alert.docket import Change
from watchkeeper.clock import FakeClock
from watchkeeper.errors import Refused
from watchkeeper.judging.asking import answered
from watchkeeper.model import Matcher
from watchkeeper.query import Limits, parse

pytestmark = pytest.mark.usefixtures("each_store")


def fill(rig: Rig, values: Sequence[float], metric: str = "total", machine: str = "box") -> None:
    """A frame every 5 s."""
    for value in values:
        rig.frame({metric: value}, machine=machine)
        rig.clock.advance(5)


async def ask_all(rig: Rig) -> list[Change]:
    """Ask every question once, now."""
    before = len(rig.bench._pending)
    await rig.settle()
    for rule in rig.bench.court.questions():
        await rig.bench.asking._ask(rule, rig.now)
    return rig.bench._pending[before:]


def told(changes: Sequence[Change]) -> list[tuple[str, str]]:
    """Name and step."""
    return [(change.alert.name, change.told.state) for change in changes]


async def test_a_rate_fires_and_clears(tmp_path: Path) -> None:
    """Over the store's own history; between the two bounds it goes on."""
    rules = '[[rule]]\nalert = "Quick"\nexpr = "rate(total[1m]) > 10"\nclear = "rate(total[1m]) < 1"\n'
    async with benched(tmp_path, rules) as rig:
        rig.connect()
        fill(rig, [place * 100.0 for place in range(24)])
        assert told(await ask_all(rig)) == [("Quick", "firing")]
        fill(rig, [2400.0 + place * 25.0 for place in range(24)])
        assert told(await ask_all(rig)) == []
        fill(rig, [3000.0] * 24)
        assert told(await ask_all(rig)) == [("Quick", "resolved")]


async def test_rules_over_all_machines(tmp_path: Path) -> None:
    """What no single machine can say."""
    async with benched(tmp_path, '[[rule]]\nalert = "Sum"\nexpr = "sum(total) > 10"\n') as rig:
        for machine in ("a", "b"):
            rig.connect(machine)
            fill(rig, [6.0], machine=machine)
        changes = await ask_all(rig)
        assert told(changes) == [("Sum", "firing")]
        assert changes[0].alert.labels == {"alertname": "Sum", "severity": "warning"}


async def test_recording_rules_are_kept_and_can_be_asked(tmp_path: Path) -> None:
    """In the store, with their labels; a series that is no more is absent, a new one joins."""
    rules = '[[rule]]\nrecord = "job:total:rate1m"\nexpr = "sum by (machine) (rate(total[1m]))"\nlabels = { by = "us" }\n'
    rules += '[[rule]]\nalert = "Quick"\nexpr = "job:total:rate1m > 10"\n'
    async with benched(tmp_path, rules) as rig:
        rig.connect()
        fill(rig, [place * 100.0 for place in range(24)])
        await ask_all(rig)
        found = rig.store.latest([Matcher("__name__", "=", "job:total:rate1m")])
        assert [(series.label("by"), value) for series, _, value in found] == [("us", pytest.approx(20))]
        rig.clock.advance(15)
        assert told(await ask_all(rig)) == [("Quick", "firing")]
        rig.connect("other")
        fill(rig, [place * 100.0 for place in range(24)], machine="other")
        await ask_all(rig)
        recorded = [Matcher("__name__", "=", "job:total:rate1m")]
        assert [series.label("machine") for series, _, _ in rig.store.latest(recorded)] == ["other"]
        await rig.settle()
        assert len(rig.store.series(recorded)) == 2


async def test_a_rule_that_fails_keeps_its_alerts_and_says_why(tmp_path: Path) -> None:
    """Its last words are shown; the next good answer clears them."""
    async with benched(tmp_path, '[[rule]]\nalert = "Both"\nexpr = "rate(a[1m]) > on (machine) rate(b[1m])"\n') as rig:
        rig.connect()
        for place in range(24):
            rig.frame({"a": place * 10.0, "b": float(place)})
            rig.clock.advance(5)
        assert told(await ask_all(rig)) == [("Both", "firing")]
        for place in range(24, 48):
            rig.frame({"a": place * 10.0, "b": float(place)})
            rig.frame({"b": float(place)}, stream="10s", server="web")
            rig.clock.advance(5)
        assert told(await ask_all(rig)) == []
        (view,) = rig.desk.rules()
        assert "many-to-many matching not allowed" in view.fault
        assert view.alerts == 0
        assert rig.bench.asking.failures == 1
        await rig.turn()
        assert rig.states() == {"Both": "firing"}


async def test_dormant_rules_are_not_asked_and_say_what_they_wait_for(tmp_path: Path) -> None:
    """Never silently."""
    rules = '[[rule]]\nalert = "Nothing"\nexpr = "rate(nothing[1m]) > 1"\nneeds = "a thing"\n'
    rules += '[[rule]]\nalert = "Other"\nexpr = "nothing > 1"\n'
    async with benched(tmp_path, rules) as rig:
        nothing, other = rig.desk.rules()
        assert nothing.dormant == "it needs a thing"
        assert other.dormant == "no series named nothing has been seen since the hub's start"
        assert (nothing.judged, other.judged) == ("every 15s", "on arrival")
        rig.connect()
        rig.frame({"nothing": 1.0})
        assert [view.dormant for view in rig.desk.rules()] == ["", ""]


async def test_questions_are_asked_at_their_interval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spread over it, one at a time; what was missed is not made up for."""
    rules = '[[rule]]\nalert = "A"\nexpr = "rate(total[1m]) >= 0"\ninterval = "30s"\n'
    rules += '[[rule]]\nalert = "B"\nexpr = "rate(total[1m]) >= 0"\ninterval = "30s"\n'
    async with benched(tmp_path, rules, clock=FakeClock()) as rig:
        rig.connect()
        fill(rig, [1.0, 2.0, 3.0])
        asking = rig.bench.asking
        asked: list[tuple[str, int]] = []
        whole = asking._ask

        async def noted(rule: object, now: int) -> None:
            asked.append((rule.name, now))  # type: ignore[attr-defined]  # a rule
            await whole(rule, now)  # type: ignore[arg-type]  # a rule

        asking._ask = noted  # type: ignore[method-assign]  # to look
        end = rig.clock.wall() + 150

        async def pause(seconds: float) -> None:
            rig.clock.advance(seconds)
            if rig.clock.wall() > end:
                raise asyncio.CancelledError

        monkeypatch.setattr(asking, "_rest", pause)
        with pytest.raises(asyncio.CancelledError):
            await asking.run()
        times = [at for name, at in asked if name == "A"]
        assert len(times) == 5
        assert {at % 30_000 for at in times} != {at % 30_000 for name, at in asked if name == "B"}
        gaps = {round((later - earlier) / 1000) for earlier, later in itertools.pairwise(times)}
        assert all(29 <= gap <= 31 for gap in gaps), gaps


async def test_an_answer_of_two_equal_series_is_refused(tmp_path: Path) -> None:
    """As Prometheus refuses it: nobody could tell the two alerts apart."""
    async with benched(tmp_path) as rig:
        rig.connect()
        rig.frame({"a": 1.0, "b": 1.0})
        await rig.settle()
        with pytest.raises(Refused, match="two series with the same labels"):
            answered(parse('{__name__=~"a|b"}'), rig.store, rig.now, Limits())


async def test_a_change_is_judged_when_it_comes_in(tmp_path: Path) -> None:
    """Long before the interval is over; a frame that changes nothing asks nothing."""
    rules = '[alert]\nstock = false\ninterval = "1h"\n[[rule]]\nalert = "Errors"\nexpr = "increase(total[1m]) > 0"\n'
    async with benched(tmp_path, rules, clock=FakeClock(wall=1_760_000_000.0)) as rig:
        asking = rig.bench.asking
        rig.connect()
        asking._plan(rig.now)
        fill(rig, [5.0])
        while asking._hasty:
            await asking._ask_hasty(*asking._hasty.popitem())
        fill(rig, [5.0])
        assert not asking._hasty
        rig.frame({"total": 6.0})
        assert list(asking._hasty) == ["Errors/warning"]
        await rig.settle()
        await asking._ask_hasty(*asking._hasty.popitem())
        assert told(rig.bench._pending) == [("Errors", "firing")]


async def test_what_is_asked_too_often_waits_for_its_interval(tmp_path: Path) -> None:
    """A rule whose answer costs much is asked early only as often as its share of a core allows."""
    rules = '[alert]\nstock = false\ninterval = "1h"\n[[rule]]\nalert = "Errors"\nexpr = "increase(total[1m]) > 0"\n'
    async with benched(tmp_path, rules) as rig:
        asking = rig.bench.asking
        rig.connect()
        asking._plan(rig.now)
        asked = 0
        for value in range(200):
            rig.frame({"total": float(value)})
            rig.clock.advance(1)
            for key in list(asking._hasty):
                del asking._hasty[key]
                asking._allowances[key].spent(0.5)
                asked += 1
        assert asked <= 200 * 0.02 / 0.5 + 1
