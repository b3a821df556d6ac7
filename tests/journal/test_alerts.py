"""Alerts, incidents, silences and tellings as rows: what was written is what comes back, and what is old goes."""

from __future__ import annotations

import msgspec
import pytest

from watchkeeper.errors import Refused
from watchkeeper.journal import Journal
from watchkeeper.journal.alerts import KeptAlert
from watchkeeper.journal.events import cursor
from watchkeeper.journal.incidents import new_silence_id
from watchkeeper.model import Matcher
from watchkeeper.telling import Alert, AlertChange, AlertState, Comment, Incident, Silence

SERIES = (("machine", "box"), ("server", "web"))


def alert(number: int, state: str = "firing", name: str = "Down", at: int = 1000) -> Alert:
    """An alert."""
    labels = {"alertname": name, "severity": "critical", **dict(SERIES)}
    resolved = at + 500 if state == "resolved" else 0
    return Alert(
        f"{number:04}",
        f"{name}/critical",
        labels,
        {"summary": "ü"},
        AlertState(state),
        "critical",
        1.5,
        at,
        at,
        resolved,
        at,
        "it holds",
    )


def change(one: Alert, state: str, at: int) -> AlertChange:
    """A step of it."""
    return AlertChange(one.id, at, state, "a reason", 2.0)  # type: ignore[arg-type]  # one of the steps


async def test_an_alert_comes_back_as_it_was_written(journal: Journal) -> None:
    """With all that the judge needs to go on."""
    kept = KeptAlert(alert(1), SERIES, AlertState.PENDING, 900, 800)
    await journal.alerts.record([kept], [change(kept.alert, "firing", 1000)])
    assert await journal.alerts.standing() == (kept,)
    over = KeptAlert(msgspec.structs.replace(kept.alert, state=AlertState.RESOLVED, resolved_at=2000), SERIES)
    await journal.alerts.record([over], [change(kept.alert, "resolved", 2000)])
    assert await journal.alerts.standing() == ()
    assert await journal.alerts.some(["0001", "nope"]) == (over.alert,)
    assert [one.state for one in await journal.alerts.history("0001")] == ["firing", "resolved"]


async def test_a_pending_alert_that_did_not_last_leaves_no_row(journal: Journal) -> None:
    """Its steps stay."""
    pending = alert(1, "pending")
    await journal.alerts.record([KeptAlert(pending, SERIES)], [change(pending, "pending", 1)])
    await journal.alerts.record([KeptAlert(pending, SERIES)], [change(pending, "inactive", 2)])
    assert await journal.alerts.standing() == ()
    assert [one.state for one in await journal.alerts.history("0001")] == ["pending", "inactive"]


async def test_marks(journal: Journal) -> None:
    """Why nobody is told, and which incident it belongs to."""
    await journal.alerts.record([KeptAlert(alert(1), SERIES)], [])
    await journal.alerts.mark({"0001": "silenced by kim"}, {"0001": "i"})
    (kept,) = await journal.alerts.standing()
    assert (kept.alert.suppressed, kept.alert.incident) == ("silenced by kim", "i")


async def test_pages(journal: Journal) -> None:
    """The newest first, by machine and by rule, each page after the one before."""
    several = [alert(number, "resolved", "Down" if number % 2 else "Slow", at=number * 10) for number in range(1, 8)]
    await journal.alerts.record([KeptAlert(one, SERIES) for one in several], [])
    await journal.alerts.record([KeptAlert(msgspec.structs.replace(alert(9, "pending"), fired_at=0), SERIES)], [])
    first = await journal.alerts.page(limit=4)
    assert [one.id for one in first] == ["0007", "0006", "0005", "0004"]
    rest = await journal.alerts.page(limit=4, before=cursor(first[-1].active_at, first[-1].id))
    assert [one.id for one in rest] == ["0003", "0002", "0001"]
    assert [one.id for one in await journal.alerts.page(name="Slow")] == ["0006", "0004", "0002"]
    assert await journal.alerts.page(name="Slo") == ()
    assert await journal.alerts.page(machine="other") == ()


async def test_incidents(journal: Journal) -> None:
    """Written again they are replaced; open ones are found, others paged; what people say stays with them."""
    one = Incident("i1", "box/web", "web is down", "critical", "open", 1000, ("0001",), "box", "web")
    await journal.incidents.keep([one])
    over = msgspec.structs.replace(one, id="i2", state="resolved", opened_at=2000, resolved_at=3000)
    await journal.incidents.keep([over])
    assert await journal.incidents.open() == (one,)
    assert [found.id for found in await journal.incidents.page()] == ["i2", "i1"]
    assert await journal.incidents.page(machine="other") == ()
    acknowledged = msgspec.structs.replace(one, state="acknowledged", acknowledged_by="kim", acknowledged_at=5)
    await journal.incidents.note("kim", "10.0.0.1", "acknowledge", acknowledged, 5)
    assert await journal.incidents.one("i1") == acknowledged
    assert [(entry.by, entry.what, entry.about) for entry in await journal.audit.newest()] == [("kim", "acknowledge", "i1")]
    await journal.incidents.comment("i1", Comment(7, "kim", "hm"))
    assert await journal.incidents.comments("i1") == (Comment(7, "kim", "hm"),)
    with pytest.raises(Refused, match="no incident"):
        await journal.incidents.one("nope")


async def test_silences(journal: Journal) -> None:
    """Kept with their matchers; one with a known id takes its place; ids are UUIDs, as other tools expect."""
    silence = Silence(new_silence_id(), (Matcher("a", "=~", 'b"|c'),), 1, 2000, "kim", "why", 1)
    await journal.silences.put(silence, "kim", "", 1)
    longer = msgspec.structs.replace(silence, ends_at=3000)
    await journal.silences.put(longer, "kim", "", 2)
    assert await journal.silences.all() == (longer,)
    assert [entry.what for entry in await journal.audit.newest()] == ["change-silence", "silence"]
    assert [len(part) for part in silence.id.split("-")] == [8, 4, 4, 4, 12]


async def test_tellings(journal: Journal) -> None:
    """How far a group was told, by its key; gone ones are forgotten."""
    await journal.incidents.keep_tellings({"a": "1", "b": "2"}, [], 1)
    await journal.incidents.keep_tellings({"a": "3"}, ["b"], 2)
    assert await journal.incidents.tellings() == {"a": "3"}


async def test_what_is_old_goes_and_what_goes_on_stays(journal: Journal) -> None:
    """Retention never takes an alert or an incident that is not over."""
    old, going_on = alert(1, "resolved", at=1000), alert(2, "firing", at=1000)
    await journal.alerts.record(
        [KeptAlert(old, SERIES), KeptAlert(going_on, SERIES)], [change(old, "resolved", 1500), change(going_on, "firing", 9000)]
    )
    await journal.alerts.drop_older(5000)
    assert [one.id for one in await journal.alerts.some(["0001", "0002"])] == ["0002"]
    assert await journal.alerts.history("0001") == ()
    over = Incident("i1", "k", "t", "critical", "resolved", 1000, resolved_at=2000)
    still = Incident("i2", "k", "t", "critical", "open", 1000)
    await journal.incidents.keep([over])
    await journal.incidents.keep([still])
    await journal.incidents.comment("i1", Comment(1, "kim", "x"))
    await journal.incidents.drop_older(5000)
    assert [one.id for one in await journal.incidents.page()] == ["i2"]
    assert await journal.incidents.comments("i1") == ()
    await journal.silences.put(Silence("s", (), 1, 2, "kim", ""), "kim", "", 1)
    await journal.silences.drop_older(3)
    assert await journal.silences.all() == ()
