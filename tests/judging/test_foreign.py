"""Alerts that others post: taken as an Alertmanager takes them, ended when nobody posts them again, kept over a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from rigs.bench import BEGIN, benched
from watchkeeper.clock import FakeClock
from watchkeeper.errors import Refused
from watchkeeper.judging import foreign

pytestmark = pytest.mark.usefixtures("each_store")

NOW = '[route]\ngroup_wait = "0s"\n'
LABELS = {"alertname": "FromAfar", "instance": "x:1", "severity": "page"}


async def test_a_posted_alert_goes_the_way_of_ours(tmp_path: Path) -> None:
    """A row, an incident, a message; posted again it goes on, posted as ended it is over."""
    async with benched(tmp_path, NOW) as rig:
        rig.desk.take_posted([(LABELS, {"summary": "far away"}, 0, 0)])
        await rig.turn()
        assert rig.messages() == [("firing", "far away")]
        (alert,) = rig.desk.alerts()
        assert (alert.severity, alert.rule) == ("critical", "foreign/FromAfar")
        for _ in range(3):
            await rig.turn(240)
            rig.desk.take_posted([(LABELS, {"summary": "far away"}, 0, 0)])
        assert rig.states() == {"FromAfar": "firing"}
        rig.desk.take_posted([(LABELS, {}, 0, rig.now)])
        await rig.turn(400)
        assert [kind for kind, _ in rig.messages()] == ["firing", "resolved"]


async def test_what_nobody_posts_again_is_over(tmp_path: Path) -> None:
    """After the end that it was given, or five minutes; a restart gives five minutes anew to whoever posts it."""
    async with benched(tmp_path, NOW) as rig:
        rig.desk.take_posted([(LABELS, {}, 0, 0), (LABELS | {"instance": "y:1"}, {}, 0, rig.now + 20_000)])
        await rig.turn(21)
        assert len(rig.desk.alerts()) == 1
        clock = rig.clock
    async with benched(tmp_path, NOW, clock=clock) as rig:
        assert rig.states() == {"FromAfar": "firing"}
        await rig.turn(299)
        assert rig.states() == {"FromAfar": "firing"}
        await rig.turn(2)
        assert rig.states() == {}
        assert (await rig.journal.alerts.page())[0].reason == "nobody has posted it again"


@pytest.mark.parametrize(
    ("labels", "annotations", "start", "end", "why"),
    [
        ({"a": "b"}, {}, 0, 0, "needs the label alertname"),
        (LABELS | {"1x": "y"}, {}, 0, 0, "no label"),
        (LABELS, {"a": "x" * 5000}, 0, 0, "longer than"),
        (LABELS | {f"l{place}": "x" for place in range(70)}, {}, 0, 0, "64 labels"),
        (LABELS, {}, 2000, 1000, "end before"),
    ],
)
async def test_what_is_no_alert(
    tmp_path: Path, labels: dict[str, str], annotations: dict[str, str], start: int, end: int, why: str
) -> None:
    """Refused with the reason; nothing of that post is taken."""
    async with benched(tmp_path) as rig:
        with pytest.raises(Refused, match=why):
            rig.desk.take_posted([(LABELS, {}, 0, 0), (labels, annotations, start, end)])
        await rig.turn()
        assert rig.desk.alerts() == []


async def test_a_restart_ends_nothing_that_is_posted_again_and_again(tmp_path: Path) -> None:
    """As a Prometheus does it, each minute with an end in four: no end and no new alert come of a restart."""
    clock = FakeClock(wall=BEGIN)
    async with benched(tmp_path, NOW, clock=clock) as rig:
        for _ in range(6):
            rig.desk.take_posted([(LABELS, {}, 0, rig.now + 240_000)])
            await rig.turn(60)
        incident = rig.told[0][0].incident
        await rig.desk.acknowledge(incident, "ann", "")
    async with benched(tmp_path, NOW, clock=clock) as rig:
        await rig.turn(30)
        rig.desk.take_posted([(LABELS, {}, 0, rig.now + 240_000)])
        await rig.turn(30)
        assert rig.states() == {"FromAfar": "firing"}
        assert rig.told == []
        assert (await rig.desk.incident(incident)).state == "acknowledged"


async def test_more_than_may_go_on_are_refused_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of a post that is too large is taken: what was refused has no alert that nobody is told of."""
    monkeypatch.setattr(foreign, "MOST", 3)
    async with benched(tmp_path, NOW) as rig:
        many = [(LABELS | {"instance": f"x:{number}"}, {}, 0, 0) for number in range(4)]
        with pytest.raises(Refused):
            rig.desk.take_posted(many)
        await rig.turn()
        assert rig.states() == {}
        rig.desk.take_posted(many[:3])
        rig.desk.take_posted(many[:3])
        await rig.turn()
        assert len(rig.desk.alerts()) == 3
        rig.desk.take_posted([(LABELS | {"instance": "x:9"}, {}, 0, rig.now - 1)])  # an end takes no place
