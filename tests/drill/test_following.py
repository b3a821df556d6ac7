"""Rows of the journal become legs: of the right alert, in the right order, each with the instant of its row."""

from __future__ import annotations

import msgspec
import pytest

from watchkeeper.drill.following import Look, chosen, first_told, follow, is_through, undelivered
from watchkeeper.model import Event, EventKind
from watchkeeper.telling import Alert, AlertChange, AlertState, Bulletin, Incident, Notification

AT = 1_760_000_000_000
LABELS = {"alertname": "ServerDown", "machine": "m", "server": "canary", "severity": "critical", "drill": "true"}


def alert(name: str = "ServerDown", **changes: object) -> Alert:
    """One that a drill has caused."""
    one = Alert(f"id-{name}", f"{name}/critical", LABELS | {"alertname": name}, {}, AlertState.FIRING, "critical", 1.0, AT + 10)
    return msgspec.structs.replace(one, **{"fired_at": AT + 20, "incident": "i", **changes})


def row(channel: str = "ops", kind: str = "firing", number: int = 1, **changes: object) -> Notification:
    """One message for one channel."""
    bulletin = Bulletin(kind, AT + 21, "t", "critical", "i", "i", {}, (), drill=True, id=f"i-root-{number}")  # type: ignore[arg-type]  # one of the kinds, from the table
    return msgspec.structs.replace(Notification(f"{channel}-{number}", AT + 21, channel, bulletin), **changes)


def delivered(channel: str = "ops", kind: str = "firing", number: int = 1, **changes: object) -> Notification:
    """One that has arrived."""
    known = {"claimed_at": AT + 22, "sent_at": AT + 23, "ended_at": AT + 30, "receipt": "HTTP 200", "attempts": 1}
    return row(channel, kind, number, state="delivered", **known | changes)


def test_the_whole_way() -> None:
    """Each leg that was reached, with what was seen there; what was not reached is not there."""
    sign = Event("e", AT + 5, EventKind.SERVER_EXITED, "it ended", "m", "canary")
    changes = (AlertChange("a", AT + 10, "pending", "it holds"),)
    over = alert(state=AlertState.RESOLVED, resolved_at=AT + 50, reason="it is over")
    incident = Incident("i", "k", "t", "critical", "resolved", AT, acknowledged_by="ann", acknowledged_at=AT + 40)
    rows = (delivered(), delivered(kind="resolved", number=2, ended_at=AT + 60))
    legs = follow(Look((sign,), over, changes, rows, incident), AT)
    assert [(leg.name, leg.at - AT) for leg in legs] == [
        ("detected", 5), ("pending", 10), ("firing", 20), ("claimed", 22), ("handed-over", 23), ("delivered", 30),
        ("acknowledged", 40), ("resolved", 50), ("told", 60),
    ]  # fmt: skip
    assert legs[5].text == "HTTP 200"
    assert legs[6].text == "by ann"
    assert follow(Look(), AT) == ()


def test_detected_by_the_condition_where_no_event_tells() -> None:
    """A disk that fills is no event: then its condition is the first sign, never before the fault."""
    assert [(leg.name, leg.at - AT) for leg in follow(Look(alert=alert(fired_at=0)), AT)] == [("detected", 10)]
    late = Event("e", AT + 500, EventKind.PROBE_FAILED, "later", "m")
    assert follow(Look((late,), alert(fired_at=0)), AT)[0].at == AT + 10
    early = Event("e", AT - 5000, EventKind.PROBE_FAILED, "another fault", "m")
    assert follow(Look((early,)), AT) == ()


@pytest.mark.parametrize(
    ("alerts", "name"),
    [
        ([], None),
        ([alert("ServerDown", active_at=AT - 9000)], None),
        ([alert("ServerFlapping"), alert("ServerDown", incident="", fired_at=0)], "ServerDown"),
        ([alert("Other", incident="", fired_at=0), alert("ServerFlapping")], "ServerFlapping"),
        ([msgspec.structs.replace(alert(), labels={"alertname": "ServerDown"})], None),
    ],
)
def test_which_alert_is_followed(alerts: list[Alert], name: str | None) -> None:
    """The expected rule's, else one that is told, else any; nothing older than the fault, and nothing that is not a drill's."""
    found = chosen(alerts, AT, ("ServerDown",))
    assert (found.name if found else None) == name


def test_whether_a_message_has_arrived() -> None:
    """Everywhere, by a fall-back too; else the channel and its reason are named."""
    rows = [row("ops"), row("mail", state="failed", why="HTTP 400"), delivered("sms", after="mail-1")]
    assert not is_through(first_told(rows, resolved=False))
    assert undelivered(rows) == "ops has not delivered it: it is still under way"
    rows[0] = delivered("ops")
    assert is_through(rows)
    assert undelivered(rows) == ""
    assert undelivered(rows[:2]) == "mail has not delivered it: HTTP 400"
    assert undelivered([]) == "nobody was told"
    assert first_told([*rows, delivered(number=2)], resolved=False) == rows
    assert first_told(rows, resolved=True) == []
