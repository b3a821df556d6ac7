"""What belongs together: topology, time, and what opens again."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from watchkeeper.alert.incidents import RELATED, REOPEN, Book, Topology, headline
from watchkeeper.telling import Alert, AlertState, Incident

MakeAlert = Callable[..., Alert]
REQUIRES = Topology({"a/shop": ("b/db", "cache"), "b/db": ("c/disk",), "web": ("a/shop",)})


def over(alert: Alert, at: int) -> Alert:
    """The same alert, ended."""
    return msgspec.structs.replace(alert, state=AlertState.RESOLVED, resolved_at=at, changed_at=at)


def taken(book: Book, alert: Alert, now: int = 1000) -> Incident:
    """Take it and return its incident."""
    found = book.take(alert, now)
    assert found is not None
    return found


def test_what_requires_what() -> None:
    """Directly, through others, and by a name without a machine; whichever of the two it is."""
    assert REQUIRES.needs("a/shop") == {"b/db", "cache", "c/disk"}
    assert REQUIRES.related("a/shop", "c/disk")
    assert REQUIRES.related("c/disk", "a/shop")
    assert REQUIRES.related("a/shop", "x/cache")
    assert REQUIRES.related("x/web", "b/db")
    assert not REQUIRES.related("b/db", "x/cache")
    loop = Topology({"a": ("b",), "b": ("a",)})
    assert loop.needs("a") == {"b"}


def test_alerts_of_one_machine_that_begin_together_are_one(make_alert: MakeAlert) -> None:
    """And those that begin much later are another, unless they are about the same server."""
    book = Book(REQUIRES)
    first = taken(book, make_alert("MemoryCritical", machine="a", at=0), 0)
    assert taken(book, make_alert("ServerDown", machine="a", server="shop", at=60_000), 60_000).id == first.id
    later = RELATED + 120_000
    assert taken(book, make_alert("DiskLow", machine="a", at=later), later).id != first.id
    assert taken(book, make_alert("ServerSlow", machine="a", server="shop", at=later), later).id == first.id


def test_alerts_of_servers_that_need_each_other_are_one(make_alert: MakeAlert) -> None:
    """Over machines, and whichever fires first."""
    book = Book(REQUIRES)
    db = taken(book, make_alert("ServerDown", machine="b", server="db"))
    assert taken(book, make_alert("ServerDown", machine="a", server="shop")).id == db.id
    assert taken(book, make_alert("ServerDown", machine="x", server="lonely")).id != db.id


def test_an_incident_is_over_with_its_last_alert_and_opens_again(make_alert: MakeAlert) -> None:
    """What fires again soon is the same incident; after a while it is another."""
    book = Book(REQUIRES)
    a, b = make_alert("A", machine="a"), make_alert("B", "warning", machine="a")
    first = taken(book, a)
    taken(book, b)
    assert taken(book, over(a, 2000), 2000).state == "open"
    closed = taken(book, over(b, 3000), 3000)
    assert (closed.state, closed.resolved_at, len(closed.alerts)) == ("resolved", 3000, 2)
    again = taken(book, make_alert("A", machine="a", at=4000), 4000)
    assert (again.id, again.state, again.resolved_at) == (first.id, "open", 0)
    book.take(over(again_alert(book, again), 5000), 5000)
    book.forget_old(5000 + REOPEN + 1)
    assert taken(book, make_alert("A", machine="a", at=6000 + REOPEN), 6000 + REOPEN).id != first.id


def again_alert(book: Book, incident: Incident) -> Alert:
    """The alert of an incident that fires."""
    return next(alert for alert in book.alerts(incident.id) if alert.state is AlertState.FIRING)


def test_its_title_and_gravity_are_those_of_its_worst(make_alert: MakeAlert) -> None:
    """With how many more there are."""
    book = Book(REQUIRES)
    assert taken(book, make_alert("Slight", "warning", machine="a")).severity == "warning"
    worse = taken(book, make_alert("Grave", machine="a"))
    assert worse.severity == "critical"
    assert worse.title == "Grave on a (and 1 more)"


def test_something_graver_takes_an_acknowledgement_back(make_alert: MakeAlert) -> None:
    """What was acknowledged was something slighter; more of the same leaves it."""
    book = Book(REQUIRES)
    opened = taken(book, make_alert("Slight", "warning", machine="a"))
    book.change(msgspec.structs.replace(opened, state="acknowledged", acknowledged_by="kim", acknowledged_at=5))
    assert taken(book, make_alert("Other", "warning", machine="a")).state == "acknowledged"
    graver = taken(book, make_alert("Grave", machine="a"))
    assert (graver.state, graver.acknowledged_by) == ("open", "")


def test_a_drill_is_an_incident_of_its_own(make_alert: MakeAlert) -> None:
    """It never mixes with what is real."""
    book = Book(REQUIRES)
    real = taken(book, make_alert("A", machine="a"))
    drill = taken(book, make_alert("B", machine="a", drill="true"))
    assert drill.id != real.id
    assert drill.drill


def test_what_has_never_fired_opens_nothing(make_alert: MakeAlert) -> None:
    """Pending and unknown ones are no incidents."""
    book = Book(REQUIRES)
    pending = msgspec.structs.replace(make_alert("A", machine="a"), state=AlertState.PENDING, fired_at=0)
    assert book.take(pending, 1000) is None


def test_restored_incidents_go_on(make_alert: MakeAlert) -> None:
    """With the alerts that the journal has of them."""
    book = Book(REQUIRES)
    a = make_alert("A", machine="a")
    kept = taken(book, a)
    again = Book(REQUIRES)
    again.restore(kept, [a])
    assert taken(again, over(a, 5000), 5000).id == kept.id


def test_the_headline_is_there_whatever_the_template_did(make_alert: MakeAlert) -> None:
    """A summary, or the plain facts."""
    alert = make_alert("A", machine="a", server="web")
    assert headline(alert) == "A on a/web"
    assert headline(msgspec.structs.replace(alert, annotations={"summary": "two\n words"})) == "two words"
    broken = msgspec.structs.replace(alert, annotations={"summary": "<error expanding template: x>"})
    assert headline(broken) == "A on a/web"
