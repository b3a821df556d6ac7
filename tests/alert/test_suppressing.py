"""Why nobody is told: inhibition, silences, maintenance."""

from __future__ import annotations

from collections.abc import Callable

from watchkeeper.alert.reading import read_alerting
from watchkeeper.alert.settings import InhibitSettings, MaintenanceSettings
from watchkeeper.alert.suppressing import Suppression, inhibitions, maintenance, silence_state, silences_of
from watchkeeper.config import Document
from watchkeeper.model import Matcher
from watchkeeper.telling import Alert, Silence

MakeAlert = Callable[..., Alert]


def suppression(*rules: InhibitSettings) -> Suppression:
    """Inhibitions alone."""
    return Suppression(inhibitions(rules), [])


HOST = InhibitSettings(source=("alertname=HostSilent",), target=("alertname!=HostSilent",), equal=("machine",))


def test_a_graver_alert_inhibits_others_with_equal_labels(make_alert: MakeAlert) -> None:
    """A silent host's other alerts are not told, those of other hosts are."""
    silent = make_alert("HostSilent", machine="a")
    here, there = make_alert("DiskLow", machine="a"), make_alert("DiskLow", machine="b")
    reasons = suppression(HOST).reasons([silent, here, there], 2000)
    assert reasons == {silent.id: "", here.id: "inhibited by HostSilent", there.id: ""}


def test_only_what_fires_inhibits(make_alert: MakeAlert) -> None:
    """A source that is over does not."""
    silent, here = make_alert("HostSilent", state="resolved", machine="a"), make_alert("DiskLow", machine="a")
    assert suppression(HOST).reasons([silent, here], 2000)[here.id] == ""


def test_nobody_inhibits_itself_or_its_like(make_alert: MakeAlert) -> None:
    """An alert that is source and target of one rule is not inhibited by another such."""
    rule = InhibitSettings(source=("severity=critical",), target=("severity=~critical|warning",), equal=("machine",))
    one, other = make_alert("A", machine="a"), make_alert("B", machine="a")
    slight = make_alert("C", "warning", machine="a")
    reasons = suppression(rule).reasons([one, other, slight], 2000)
    assert reasons == {one.id: "", other.id: "", slight.id: "inhibited by A"}


def test_labels_that_are_both_absent_are_equal(make_alert: MakeAlert) -> None:
    """As in Alertmanager."""
    rule = InhibitSettings(source=("alertname=A",), target=("alertname=B",), equal=("nothing",))
    a, b = make_alert("A"), make_alert("B")
    assert suppression(rule).reasons([a, b], 2000)[b.id] == "inhibited by A"


def test_silences_hold_between_their_instants(make_alert: MakeAlert) -> None:
    """All matchers must; the reason names who and why."""
    alert = make_alert("DiskLow", machine="a")
    silence = Silence("s", (Matcher("machine", "=", "a"), Matcher("alertname", "=~", "Disk.*")), 1000, 2000, "kim", "new disk")
    quiet = Suppression([], [])
    quiet.silences = {"s": silence}
    assert quiet.reasons([alert], 999)[alert.id] == ""
    assert quiet.reasons([alert], 1000)[alert.id] == "silenced by kim: new disk"
    assert quiet.reasons([alert], 2000)[alert.id] == ""
    assert [silence_state(silence, at) for at in (999, 1000, 2000)] == ["pending", "active", "expired"]
    assert silences_of(alert, [silence], 1500) == ["s"]
    assert silences_of(make_alert("MemoryLow", machine="a"), [silence], 1500) == []


def test_maintenance(make_alert: MakeAlert) -> None:
    """A window with matchers holds by itself, one without only for routes that name it."""
    alert = make_alert("DiskLow", machine="a")
    windows = maintenance(
        [
            MaintenanceSettings(name="nightly", since="00:00", until="01:00", matchers=("machine=a",)),
            MaintenanceSettings(name="office", since="00:00", until="01:00"),
        ]
    )
    quiet = Suppression([], windows)
    assert quiet.reasons([alert], 1000)[alert.id] == "in maintenance: nightly"
    assert quiet.reasons([alert], 3_600_000)[alert.id] == ""
    assert quiet.is_muted(("office",), 1000) == "office"
    assert quiet.is_muted(("nightly",), 3_600_000) == ""


def test_the_stocks_own_inhibitions(make_alert: MakeAlert) -> None:
    """A host that is silent, the graver of two, a full disk that fills up, flapping for its single turns."""
    quiet = Suppression(read_alerting(Document({}, {})).inhibitions, [])
    alerts = {
        "silent": make_alert("HostSilent", machine="a"),
        "down": make_alert("ServerDown", machine="a", server="web"),
        "full": make_alert("DiskCritical", machine="b", mountpoint="/"),
        "low": make_alert("DiskLow", "warning", machine="b", mountpoint="/"),
        "other": make_alert("DiskLow", "warning", machine="b", mountpoint="/home"),
        "flapping": make_alert("ServerFlapping", "warning", machine="c", server="web"),
        "turn": make_alert("ServerDown", machine="c", server="web"),
        "neighbour": make_alert("ServerDown", machine="c", server="db"),
    }
    reasons = quiet.reasons(alerts.values(), 2000)
    assert {name for name, alert in alerts.items() if reasons[alert.id]} == {"down", "low", "turn"}
