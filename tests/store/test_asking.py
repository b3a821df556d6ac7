"""Questions to a store elsewhere: bounded in time, kept connections shared by all threads, faults in words."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from rigs.stalled import Stalled
from watchkeeper.errors import Failed
from watchkeeper.store import asking
from watchkeeper.store.asking import Asking


@pytest.fixture
def stalled() -> Iterator[Stalled]:
    """One that holds its answers."""
    with Stalled() as one:
        yield one


def test_an_answer_that_never_ends_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though each byte of it comes soon; the next question fails at once, without being asked."""
    monkeypatch.setattr(asking, "LONGEST", 0.2)
    with Stalled(drip=True) as drip:
        one = Asking(drip.url, "")
        with pytest.raises(Failed, match=r"not over after 0\.2 s"):
            one.ask("/api/v1/export", {})
        with pytest.raises(Failed, match="a moment ago"):
            one.ask("/api/v1/export", {})
        assert drip.asked == ["/api/v1/export"]
        one.close()


def test_who_does_not_begin_to_answer_is_given_up(stalled: Stalled, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the patience for one answer."""
    monkeypatch.setattr(asking, "PATIENCE", 0.2)
    one = Asking(stalled.url, "")
    with pytest.raises(Failed, match="does not answer: timed out"):
        one.ask("/api/v1/series", {})
    one.close()


def test_threads_share_kept_connections(stalled: Stalled) -> None:
    """A question's thread ends with it, its connection is the next one's."""
    stalled.free.set()
    one = Asking(stalled.url, "")
    for _ in range(5):
        thread = threading.Thread(target=one.ask, args=("/api/v1/series", {}))
        thread.start()
        thread.join(10)
    assert len(stalled.asked) == 5
    assert len(one._idle) == 1
    assert not one._busy
    one.close()


def test_closing_wakes_who_waits(stalled: Stalled) -> None:
    """The hub's end is not held up by an answer that does not come; afterwards nobody is asked."""
    one = Asking(stalled.url, "")
    faults: list[str] = []

    def ask() -> None:
        try:
            one.ask("/api/v1/series", {})
        except Failed as fault:
            faults.append(fault.why)

    thread = threading.Thread(target=ask)
    thread.start()
    assert stalled.waiting.acquire(timeout=30)
    one.close()
    thread.join(30)
    assert not thread.is_alive()
    assert len(faults) == 1
    with pytest.raises(Failed):
        one.ask("/api/v1/series", {})
    assert len(stalled.asked) == 1
