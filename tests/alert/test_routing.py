"""The routing tree, as Alertmanager walks it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from watchkeeper.alert.routing import Routing, missing
from watchkeeper.alert.settings import BranchSettings, RouteSettings
from watchkeeper.quantities import Duration
from watchkeeper.telling import Alert

MakeAlert = Callable[..., Alert]

TREE = Routing(
    RouteSettings(
        channels=("mail",),
        group_wait=Duration(10),
        mute=("night",),
        routes=(
            BranchSettings(matchers=("team=db",), channels=("db",), continue_=True, group_by=("alertname",)),
            BranchSettings(matchers=("severity=critical",), channels=("pager",), group_wait=Duration(0), mute=()),
            BranchSettings(matchers=("severity=~.*",), least="info"),
        ),
    )
)


def channels(alert: Alert) -> list[tuple[str, ...]]:
    """Who is told of it, route by route."""
    return [route.channels for route in TREE.routes(alert)]


def test_the_first_branch_that_fits_takes_it(make_alert: MakeAlert) -> None:
    """Later ones are not tried, unless it says `continue`; without any the root does."""
    assert channels(make_alert("A")) == [("pager",)]
    assert channels(make_alert("A", team="db")) == [("db",), ("pager",)]
    assert channels(make_alert("A", "warning", team="db")) == [("db",), ("mail",)]
    plain = Routing(RouteSettings(channels=("mail",)))
    assert [route.name for route in plain.routes(make_alert("A"))] == ["root"]


def test_what_a_branch_does_not_say_is_the_roots() -> None:
    """Times, channels and windows are handed down; what it says, even if empty, is its own."""
    db, pager, rest = TREE.branches
    assert (db.group_wait, db.mute, db.group_by) == (10_000, ("night",), ("alertname",))
    assert (pager.group_wait, pager.mute, pager.repeat_interval) == (0, (), 4 * 3_600_000)
    assert rest.channels == ("mail",)


def test_alertmanagers_defaults() -> None:
    """30 s, 5 min, 4 h."""
    root = Routing(RouteSettings()).root
    assert (root.group_wait, root.group_interval, root.repeat_interval) == (30_000, 300_000, 14_400_000)


def test_what_is_too_slight_is_only_shown(make_alert: MakeAlert) -> None:
    """Info is not sent unless a route asks for it."""
    root = Routing(RouteSettings()).root
    assert [root.takes(make_alert("A", severity)) for severity in ("info", "warning", "critical")] == [False, True, True]
    assert TREE.branches[2].takes(make_alert("A", "info"))


def test_groups(make_alert: MakeAlert) -> None:
    """By incident, by labels (an absent one is empty), or by all."""
    labels = make_alert("A", machine="a").labels
    root = Routing(RouteSettings()).root
    assert root.group(labels, "i1") == {"incident": "i1"}
    by = msgspec.structs.replace(root, group_by=("machine", "nothing"))
    assert by.group(labels, "i1") == {"machine": "a", "nothing": ""}
    assert msgspec.structs.replace(root, group_by=("...",)).group(labels, "i1") == labels


def test_names() -> None:
    """Every channel and window that is named can be checked."""
    assert TREE.channels() == {"mail", "db", "pager"}
    assert TREE.windows() == {"night"}
    assert missing(TREE.channels(), ["mail", "db"]) == "pager"
    assert missing(TREE.windows(), ["night"]) == ""
    assert TREE.route("1") is TREE.branches[1]
    assert TREE.route("gone") is None
