"""Replays over the real store: what a rule would have done, and what is wrong with one."""

from __future__ import annotations

from pathlib import Path

import pytest

from rigs.bench import Rig, benched
from watchkeeper.errors import Refused
from watchkeeper.web.alert_shapes import RuleAsk

pytestmark = pytest.mark.usefixtures("each_store")

DAY = 86_400.0


async def fill(rig: Rig) -> None:
    """An hour at every 15 s: load is 5 from minute 20 to 30, and for one look at minute 50."""
    rig.connect()
    for place in range(240):
        busy = 80 <= place < 120 or place == 200
        rig.frame({"load": 5.0 if busy else 0.5})
        rig.clock.advance(15)
    await rig.settle()


async def test_when_it_would_have_fired(tmp_path: Path) -> None:
    """From when to when, how long, how many messages: a blip too, unless `for` is longer."""
    async with benched(tmp_path) as rig:
        await fill(rig)
        found = rig.desk.test(RuleAsk(rule="Try", expr="load > 1", since_seconds=3600), 30)
        assert (found.fired, found.series, found.step_seconds) == (2, 1, 15)
        first = found.firings[0]
        assert (first.until - first.since) / 1000 == 600
        assert (first.labels["machine"], first.value, first.ongoing) == ("box", 5.0, False)
        patient = rig.desk.test(RuleAsk(rule="Try", expr="load > 1", for_seconds=120, since_seconds=3600), 30)
        assert (patient.fired, patient.firing_seconds) == (1, 480)
        assert patient.messages == 2


async def test_hysteresis_and_keeping(tmp_path: Path) -> None:
    """As in earnest."""
    async with benched(tmp_path) as rig:
        await fill(rig)
        kept = rig.desk.test(RuleAsk(rule="T", expr="load > 1", keep_firing_for_seconds=600, since_seconds=3600), 30)
        assert kept.firings[0].until - kept.firings[0].since == 1_200_000
        never = rig.desk.test(RuleAsk(rule="T", expr="load > 1", clear="load < 0.1", since_seconds=3600), 30)
        assert [one.ongoing for one in never.firings] == [True]


async def test_a_known_rule_by_its_name(tmp_path: Path) -> None:
    """Or by its key; what there is not is refused, and what is no rule too."""
    async with benched(tmp_path, '[[rule]]\nalert = "Busy"\nexpr = "load > 1"\n') as rig:
        await fill(rig)
        assert rig.desk.test(RuleAsk(rule="Busy"), 30).fired == 2
        assert rig.desk.test(RuleAsk(rule="Busy/warning"), 30).fired == 2
        for ask, why in (
            (RuleAsk(rule="Nope"), "no rule 'Nope'"),
            (RuleAsk(expr="load >"), "unexpected end"),
            (RuleAsk(expr="load", since_seconds=400 * DAY), "a year at most"),
            (RuleAsk(expr="load", since_seconds=0), "a year at most"),
        ):
            with pytest.raises(Refused, match=why):
                rig.desk.test(ask, 30)
        with pytest.raises(Refused, match="longer than"):
            rig.desk.test(RuleAsk(expr="load > 1", since_seconds=300 * DAY), -1)


async def test_what_looks_wrong_is_told(tmp_path: Path) -> None:
    """A name that was never seen, a rule that would have paged today, one that is none; a good one is not mentioned."""
    async with benched(tmp_path) as rig:
        await fill(rig)
        asks = [
            RuleAsk(rule="Typo", expr="laod > 1", where="a.toml:3"),
            RuleAsk(rule="Noisy", expr="load > 1", where="a.toml:7"),
            RuleAsk(rule="Broken", expr="load >", where="a.toml:9"),
            RuleAsk(rule="Good", expr="load > 100", where="a.toml:11"),
            RuleAsk(rule="Shown", expr="load > 1", severity="info", where="a.toml:13"),
        ]
        found = {one.rule: (one.where, one.problem) for one in rig.desk.check(asks, 30)}
        assert found.keys() == {"Typo", "Noisy", "Broken"}
        assert found["Typo"] == ("a.toml:3", "no series named laod has ever been seen here")
        assert found["Noisy"][1].startswith("it would have fired 2 times in the last 24 h, for 10m15s in all: ")
        assert "unexpected end" in found["Broken"][1]
