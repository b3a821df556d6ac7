"""Figures before the court: at once, by time alone, late, silent, and with rules that change."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from watchkeeper.alert import docket as docket_room
from watchkeeper.alert.court import AGENTS, OTHERS, Court
from watchkeeper.alert.docket import Change
from watchkeeper.alert.judge import Case, Sight
from watchkeeper.alert.rules import Rule
from watchkeeper.model import Dictionary, Labels, Matcher, Series, dictionary
from watchkeeper.telling import AlertState

MakeRule = Callable[..., Rule]


def series(name: str, machine: str = "box", **labels: str) -> Series:
    """A series as the hub places it."""
    return Series(name, tuple(sorted((labels | {"machine": machine, "instance": machine}).items())))


def layout(*names: str, machine: str = "box") -> Dictionary:
    """A layout of these metrics."""
    return dictionary(tuple(series(name, machine) for name in names))


def told(changes: Sequence[Change]) -> list[tuple[str, str]]:
    """Name and step of each change."""
    return [(change.alert.name, change.told.state) for change in changes]


AB = layout("a", "b")


def frame(court: Court, at: int, *figures: float, late: bool = False) -> list[tuple[str, str]]:
    """A frame of a and b."""
    return told(court.frame("box", "5s", AB, at, np.array(figures), late=late))


def test_an_alert_fires_with_its_frame_and_ends_with_another(make_rule: MakeRule) -> None:
    """At for = 0 nothing is waited for."""
    court = Court([make_rule("a > 1")])
    assert frame(court, 1000, 0.0, 0.0) == []
    assert frame(court, 2000, 2.0, 0.0) == [("Test", "firing")]
    assert frame(court, 3000, 3.0, 0.0) == []
    assert frame(court, 4000, 1.0, 0.0) == [("Test", "resolved")]


def test_for_is_over_at_its_instant_and_not_with_the_next_frame(make_rule: MakeRule) -> None:
    """A timer decides between two frames, by the last figures, if these are young."""
    court = Court([make_rule("a > 1", hold="7s")])
    assert frame(court, 1000, 2.0, 0.0) == [("Test", "pending")]
    assert court.docket.due == 8000
    assert told(court.tick(7999)) == []
    assert told(court.tick(8000)) == [("Test", "firing")]


def test_old_figures_decide_nothing(make_rule: MakeRule) -> None:
    """When a machine has said nothing for long, its pending alert waits for its next word."""
    court = Court([make_rule("a > 1", hold="2m")])
    frame(court, 1000, 2.0, 0.0)
    assert told(court.tick(121_000)) == []
    assert frame(court, 122_000, 2.0, 0.0) == [("Test", "firing")]


def test_hysteresis(make_rule: MakeRule) -> None:
    """It ends by its clear condition, not by its condition alone; and when its series is no more."""
    court = Court([make_rule("a > 10", clear="a < 5")])
    assert frame(court, 1000, 11.0, 0.0) == [("Test", "firing")]
    assert frame(court, 2000, 7.0, 0.0) == []
    assert frame(court, 3000, 4.0, 0.0) == [("Test", "resolved")]
    frame(court, 4000, 11.0, 0.0)
    gone = court.frame("box", "5s", layout("b"), 5000, np.array([1.0]))
    assert told(gone) == [("Test", "resolved")]


def test_what_has_no_figure_is_held_by_its_clear_condition_only_so_long(make_rule: MakeRule) -> None:
    """After five minutes without a figure there is nothing left to clear."""
    court = Court([make_rule("a > 10", clear="a < 5")])
    frame(court, 1000, 11.0, 0.0)
    assert frame(court, 60_000, math.nan, 0.0) == []
    assert frame(court, 302_000, math.nan, 0.0) == [("Test", "resolved")]


def test_two_streams_of_one_machine_are_one_source(make_rule: MakeRule) -> None:
    """A rule may speak of figures that are read at different periods; what has long been silent is absent."""
    court = Court([make_rule("a > on (machine) b")])
    court.frame("box", "1s", layout("a"), 1000, np.array([5.0]))
    assert told(court.frame("box", "30s", layout("b"), 1000, np.array([3.0]))) == [("Test", "firing")]
    assert told(court.frame("box", "1s", layout("a"), 302_000, np.array([5.0]))) == [("Test", "resolved")]


def test_an_overlay_is_judged_at_once_and_lasts_until_a_younger_frame(make_rule: MakeRule) -> None:
    """What a status says before the next frame: a frame that was read earlier does not undo it."""
    court = Court([make_rule("a == 1")])
    frame(court, 1000, 0.0, 0.0)
    assert told(court.overlay("box", {series("a"): 1.0}, 1500, 1600)) == [("Test", "firing")]
    assert frame(court, 1400, 0.0, 0.0) == []
    assert frame(court, 2000, 0.0, 0.0) == [("Test", "resolved")]
    assert court.overlay("nobody", {series("a"): 1.0}, 1, 1) == []
    assert court.overlay("box", {series("unknown"): 1.0}, 1, 1) == []


def test_late_figures_page_nobody_and_are_noted(make_rule: MakeRule) -> None:
    """What they would have fired, and was over before figures were of now again, is told once as missed."""
    court = Court([make_rule("a > 1")])
    frame(court, 1000, 0.0, 0.0)
    assert frame(court, 10_000, 2.0, 0.0, late=True) == []
    assert frame(court, 20_000, 2.0, 0.0, late=True) == []
    assert frame(court, 30_000, 0.0, 0.0, late=True) == []
    missed = court.take_missed()
    assert [(one.rule.name, one.since, one.until) for one in missed] == [("Test", 10_000, 30_000)]
    assert court.take_missed() == []
    assert frame(court, 500_000, 0.0, 0.0) == []


def test_what_late_figures_began_and_still_holds_fires_now(make_rule: MakeRule) -> None:
    """It is true now, so it is told; since when it has held is known from the late ones."""
    court = Court([make_rule("a > 1", hold="1m")])
    frame(court, 10_000, 2.0, 0.0, late=True)
    assert frame(court, 400_000, 2.0, 0.0) == [("Test", "pending"), ("Test", "firing")]
    entry = next(iter(court.docket.entries()))
    assert entry.case is not None
    assert entry.case.active_at == 10_000
    assert court.take_missed() == []


def test_what_late_figures_fired_and_is_over_now_is_missed(make_rule: MakeRule) -> None:
    """It went on until the last late figure, and not any more."""
    court = Court([make_rule("a > 1")])
    frame(court, 10_000, 2.0, 0.0, late=True)
    assert frame(court, 400_000, 0.0, 0.0) == [("Test", "pending"), ("Test", "inactive")]
    assert [one.rule.name for one in court.take_missed()] == ["Test"]


def test_a_silent_machine_is_unknown(make_rule: MakeRule) -> None:
    """Neither resolved nor firing until it speaks again, with the reason."""
    court = Court([make_rule("a > 1")])
    frame(court, 1000, 2.0, 0.0)
    court.silent = {"box": "box is silent"}
    changes = court.tick(100_000)
    assert told(changes) == [("Test", "unknown")]
    assert changes[0].alert.reason == "box is silent"
    assert told(court.tick(101_000)) == []
    court.silent = {}
    assert frame(court, 200_000, 2.0, 0.0) == [("Test", "firing")]


def own(silent: float) -> tuple[Dictionary, np.ndarray]:
    """The hub's own frame: how long box is silent."""
    return dictionary((Series("silent", (("machine", "box"),)),)), np.array([silent])


def test_the_hubs_own_figures_speak_of_any_machine(make_rule: MakeRule) -> None:
    """A rule on them is judged with the hub's frame, and is not silenced by the silence that it tells of."""
    court = Court([make_rule("silent > 90")])
    court.silent = {"box": "box is silent"}
    shape, figures = own(91.0)
    changes = court.frame("_hub", "5s", shape, 1000, figures)
    assert told(changes) == [("Test", "firing")]
    assert changes[0].alert.labels["machine"] == "box"


def test_a_blind_hub_says_nothing_of_others(make_rule: MakeRule) -> None:
    """While it is cut off, silence tells nothing: nothing fires, and what fired is unknown."""
    court = Court([make_rule("silent > 90")])
    court.blind = {"box": "the hub is cut off"}
    shape, figures = own(91.0)
    assert court.frame("_hub", "5s", shape, 1000, figures) == []
    court.blind = {}
    assert told(court.frame("_hub", "5s", shape, 2000, figures)) == [("Test", "firing")]
    court.blind = {"box": "the hub is cut off"}
    assert told(court.frame("_hub", "5s", shape, 3000, figures)) == [("Test", "unknown")]


def test_a_rule_on_metrics_of_several_origins_is_the_engines(make_rule: MakeRule) -> None:
    """Once others tell a metric too, one machine's figures are not all there is; its alerts move along."""
    court = Court([make_rule("a > 1")])
    assert court.questions() == []
    frame(court, 1000, 2.0, 0.0)
    court.learn(["a"], OTHERS)
    assert [rule.name for rule in court.questions()] == ["Test"]
    rule = court.questions()[0]
    assert told(court.answer(rule, [], {}, 2000)) == [("Test", "resolved")]
    court.learn(["a"], AGENTS)
    assert court.is_known("a")


def test_answers_of_the_engine(make_rule: MakeRule) -> None:
    """Rows that hold fire, rows that are gone end, and those that are between neither."""
    rule = make_rule("rate(a[5m]) > 1", clear="rate(a[5m]) < 1")
    court = Court([rule])
    labels: Labels = (("machine", "box"),)
    assert told(court.answer(rule, [(labels, 2.0)], {}, 1000)) == [("Test", "firing")]
    assert court.answer(rule, [], {labels: Sight.BETWEEN}, 2000) == []
    assert told(court.answer(rule, [], {labels: Sight.OVER}, 3000)) == [("Test", "resolved")]
    court.silent = {"box": "box is silent"}
    court.answer(rule, [(labels, 2.0)], {}, 4000)
    assert court.docket.entry((rule.key, labels)) is None


def test_a_rule_that_is_no_more_ends_its_alerts(make_rule: MakeRule) -> None:
    """A changed configuration tells what it has ended, and why."""
    court = Court([make_rule("a > 1"), make_rule("b > 1", "Other")])
    frame(court, 1000, 2.0, 2.0)
    changes = court.replace([make_rule("b > 1", "Other")], 2000)
    assert told(changes) == [("Test", "resolved")]
    assert changes[0].alert.reason == "its rule is no more"
    assert frame(court, 3000, 2.0, 2.0) == []


def test_a_change_for_some_machines_alone(make_rule: MakeRule) -> None:
    """The rule holds for those it is meant for, its twin for the others; a machine's name may stand in it."""
    import msgspec  # noqa: PLC0415  # of this test alone

    box = (Matcher("machine", "=", "box"),)
    strict = msgspec.structs.replace(make_rule("a > 1", "Strict"), only=box)
    lax = msgspec.structs.replace(make_rule("a > 1", "Lax"), but=(box,))
    named = make_rule('a{machine="box"} > 1', "Named")
    court = Court([strict, lax, named])
    assert frame(court, 1000, 2.0, 2.0) == [("Strict", "firing"), ("Named", "firing")]
    other = layout("a", "b", machine="other")
    assert told(court.frame("other", "5s", other, 1000, np.array([2.0, 2.0]))) == [("Lax", "firing")]


def test_restored_alerts_go_on(make_rule: MakeRule) -> None:
    """What the journal has kept is judged on: its clocks run on, its end is told."""
    rule = make_rule("a > 1", hold="1m")
    court = Court([rule])
    frame(court, 1000, 2.0, 0.0)
    first = next(iter(court.docket.entries()))
    assert first.case is not None
    assert first.alert is not None
    again = Court([rule])
    again.docket.restore(rule, first.labels, again.home(rule, first.labels), first.case, first.alert)
    assert told(again.frame("box", "5s", AB, 61_000, np.array([2.0, 0.0]))) == [("Test", "firing")]
    ended = Court([rule])
    firing = Case(AlertState.FIRING, 1000, 1000, 1000)
    ended.docket.restore(rule, first.labels, ended.home(rule, first.labels), firing, first.alert)
    changes = ended.frame("box", "5s", AB, 61_000, np.array([0.0, 0.0]))
    assert told(changes) == [("Test", "resolved")]
    assert changes[0].alert.id == first.alert.id


def test_a_machine_that_is_no_more(make_rule: MakeRule) -> None:
    """Its alerts end with it."""
    court = Court([make_rule("a > 1")])
    frame(court, 1000, 2.0, 0.0)
    assert told(court.forget("box", 2000)) == [("Test", "resolved")]


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_odd_figures_do_not_break_a_row(make_rule: MakeRule, value: float) -> None:
    """What JSON cannot hold is told as what it can."""
    court = Court([make_rule("a != 0")])
    changes = court.frame("box", "5s", AB, 1000, np.array([value, 0.0]))
    assert all(math.isfinite(change.alert.value) for change in changes)


def test_labels_and_words_of_an_alert(make_rule: MakeRule) -> None:
    """Rule labels and annotations are templates over the series' own; an empty label is none."""
    rule = make_rule(
        "a > 1",
        labels={"team": "{{ $labels.machine }}-team", "instance": ""},
        annotations={"summary": "{{ $value | humanize }} on {{ $labels.machine }}", "broken": "{{ $labels.x.y.z }}"},
    )
    alert = Court([rule]).frame("box", "5s", AB, 1000, np.array([1500.0, 0.0]))[0].alert
    assert alert.labels == {"alertname": "Test", "machine": "box", "severity": "warning", "team": "box-team"}
    assert alert.annotations["summary"] == "1.5k on box"
    assert alert.annotations["broken"].startswith("<error expanding template")


def test_a_rule_that_holds_everywhere_is_bounded(make_rule: MakeRule, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more alerts begin than anybody could read; those that go on are judged as ever."""
    monkeypatch.setattr(docket_room, "MOST", 3)
    shape = dictionary(tuple(series("a", number=str(number)) for number in range(5)))
    court = Court([make_rule("a > 1")])
    assert len(court.frame("box", "5s", shape, 1000, np.full(5, 2.0))) == 3
    assert court.docket.refused == 2
    assert len(court.frame("box", "5s", shape, 2000, np.full(5, 0.0))) == 3
