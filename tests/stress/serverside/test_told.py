"""What a hub knows becomes marks, alerts with their lags, and a reason not to begin."""

from __future__ import annotations

from watchkeeper.model import Event, EventKind
from watchkeeper.stress.serverside import told
from watchkeeper.stress.serverside.saturation import Span
from watchkeeper.stress.serverside.told import Offset
from watchkeeper.telling import Alert, AlertState

NO_OFFSET = Offset(0.0, 1.0)


def alert(name: str = "ServerDown", severity: str = "critical", state: str = "firing", **more: object) -> Alert:
    """An alert that began to hold at 12 s and fired 3 s later."""
    labels = {"alertname": name, "severity": severity, "machine": "box"} | more.pop("labels", {})  # type: ignore[operator]  # labels, where there are any
    given = {"active_at": 12_000, "fired_at": 15_000, "resolved_at": 0} | more
    return Alert("id", name, labels, {"summary": "it is so"}, AlertState(state), severity, 1.0, **given)  # type: ignore[arg-type]  # labels, where there are any


def test_lags_are_told_from_the_load_from_the_condition_and_until_resolved() -> None:
    """It held 2 s into the stage, fired 3 s after that, and was resolved 10 s later: by the run's clock, not the hub's."""
    stages = [Span("overload", 10.0, 20.0)]
    offset = Offset(500.0, 1.0)
    (found,) = told.fired([alert(active_at=12_500, fired_at=15_500, resolved_at=25_500)], "s", stages, 0, offset)
    assert (found.after_load, found.lag, found.to_resolve, found.stage) == (2.0, 3.0, 10.0, "overload")
    assert found.fired_at == 15_000
    (still,) = told.fired([alert(active_at=1_000, fired_at=2_000)], "s", stages, 0, NO_OFFSET)
    assert (still.after_load, still.to_resolve, still.stage) == (None, None, "")


def test_alerts_of_others_and_of_before_are_not_the_runs() -> None:
    """Another server's of the same machine, and one whose condition began a minute before the load, are left out."""
    given = [
        alert("Own", labels={"server": "s"}),
        alert("Machine"),
        alert("Neighbour", labels={"server": "other"}),
        alert("Before", active_at=-60_000, fired_at=5_000),
        alert("AsItBegan", active_at=-1, fired_at=5_000),
    ]
    found = told.fired(given, "s", [Span("overload", 10.0, 20.0)], 0, NO_OFFSET)
    assert sorted(one.name for one in found) == ["AsItBegan", "Machine", "Own"]


def test_events_of_the_server_and_its_machine_are_marks_by_kind() -> None:
    """Another server's are not, nor is the run's own announcement; the clock is the run's."""
    kinds = [
        (EventKind.ALERT_FIRED, "s", "alert-firing"),
        (EventKind.ALERT_RESOLVED, "", "alert-resolved"),
        (EventKind.SERVER_STARTED, "s", "restart"),
        (EventKind.SERVER_HUNG, "s", "hang"),
        (EventKind.PROBE_FAILED, "s", "event"),
        (EventKind.SERVER_STARTED, "other", ""),
        (EventKind.STRESS_STARTED, "s", ""),
    ]
    events = [Event(str(n), 1000 + n, kind, "text", "box", server) for n, (kind, server, _) in enumerate(kinds)]
    found = told.marks(events, "s", Offset(1000.0, 1.0))
    assert [(one.at, one.kind) for one in found] == [(n, kind) for n, (_, _, kind) in enumerate(kinds) if kind]


def test_only_a_critical_alert_of_the_machine_itself_is_its_need() -> None:
    """A server in trouble is what a test is for; another machine's alert and a warning are no reason either."""
    assert told.in_need([alert("DiskFull")], "box") == "the critical alert DiskFull of box fires: it is so"
    assert told.in_need([alert(labels={"server": "s"})], "box") == ""
    assert told.in_need([alert(severity="warning")], "box") == ""
    assert told.in_need([alert(state="pending")], "box") == ""
    assert told.in_need([alert()], "other") == ""
