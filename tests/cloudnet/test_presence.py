"""Who is here: one session a key, takeover only when asked for, keys that lead somewhere, watchers told once."""

from __future__ import annotations

import pytest

from cloudnet.codes import Code
from cloudnet.errors import Refused
from cloudnet.packets import KEYS, Presence, Resume
from cloudnet.presence import Attendance
from cloudnet.session import Session, State
from rigs.relay import LIMITS, ScriptedWire, bare_login

ANN, BOB, EVE, SERVICE = (name * 32 for name in (b"a", b"b", b"e", b"s"))


class Desk:
    """An attendance with what it has told."""

    def __init__(self, *known: bytes) -> None:
        self.changes: list[tuple[bytes, str]] = []
        self.attendance = Attendance(LIMITS, known, lambda device, state: self.changes.append((device, state)))

    def enter(
        self, key: bytes, *, takeover: bool = False, resume: Resume | None = None, opened: float = 1.0
    ) -> tuple[Session, ScriptedWire]:
        """A login, as the relay lets it in."""
        login = bare_login(key, takeover=takeover, resume=resume)
        wire = ScriptedWire()
        wire.line.opened = opened
        if rival := self.attendance.rival(wire.line, login):
            assert rival.session is not None
            self.attendance.lose(rival.session, 1.0, 1)
        session, resumed = self.attendance.enter(login, 1.0)
        self.attendance.ready(session, wire.line, 1.0, 1, resumed=resumed)
        return session, wire


def heard(wire: ScriptedWire) -> list[tuple[bytes, str]]:
    """The changes that a watcher was told."""
    return [(packet.key, packet.state) for packet in wire.said() if isinstance(packet, Presence)]


def test_a_key_has_one_session() -> None:
    """A second login is refused while the first is connected, unless it takes over or resumes that very session."""
    desk = Desk()
    first, _ = desk.enter(ANN)
    for resume in (None, Resume(b"x" * 16, 0)):
        with pytest.raises(Refused) as fault:
            desk.enter(ANN, resume=resume)
        assert fault.value.code == Code.ALREADY_CONNECTED
    resumed, _ = desk.enter(ANN, resume=Resume(first.epoch, 0))
    assert resumed is first
    fresh, _ = desk.enter(ANN, takeover=True)
    assert fresh is not first
    assert first.state is State.ENDED
    assert desk.attendance.sessions == {ANN: fresh}
    assert desk.attendance.routes == {ANN: fresh}


def test_a_login_that_was_held_up_takes_nothing_over() -> None:
    """A connection that was opened before the one which is in must go itself, whatever its login asks for."""
    desk = Desk()
    first, _ = desk.enter(ANN, opened=5.0)
    for resume in (None, Resume(first.epoch, 0)):
        with pytest.raises(Refused) as fault:
            desk.enter(ANN, takeover=True, resume=resume, opened=4.0)
        assert fault.value.code == Code.TAKEN_OVER
    assert desk.attendance.sessions == {ANN: first}
    desk.attendance.lose(first, 6.0, 6)
    assert desk.enter(ANN, opened=4.0)[0] is not first  # nobody is there to be taken over


def test_a_session_that_is_away_is_resumed_or_replaced() -> None:
    """No takeover is needed: whoever proves the key may come in."""
    desk = Desk()
    first, _ = desk.enter(ANN)
    desk.attendance.lose(first, 2.0, 2)
    assert not desk.attendance.is_present(ANN)
    assert desk.enter(ANN, resume=Resume(first.epoch, 0))[0] is first
    desk.attendance.lose(first, 2.0, 2)
    assert desk.enter(ANN)[0] is not first
    assert desk.attendance.is_present(ANN)


def test_watchers_hear_of_each_change_once() -> None:
    """A fresh start after a loss is one `came`; a profile that is the device's own key makes it no two."""
    desk = Desk()
    eve, wire = desk.enter(EVE)
    desk.attendance.watch(eve, [BOB, BOB], on=True)
    desk.attendance.watch(eve, [BOB], on=True)
    bob, _ = desk.enter(BOB)
    desk.attendance.own(bob, BOB)
    desk.attendance.lose(bob, 2.0, 2)
    desk.enter(BOB, resume=Resume(bob.epoch, 0))
    desk.attendance.lose(bob, 2.0, 2)
    fresh, _ = desk.enter(BOB)
    desk.attendance.end(fresh, "left", 3)
    assert heard(wire) == [(BOB, state) for state in ("came", "away", "resumed", "away", "came", "left")]
    assert [state for device, state in desk.changes if device == BOB] == ["came", "away", "resumed", "away", "came", "left"]
    assert BOB in desk.attendance.known


def test_a_watch_ends() -> None:
    """When it is taken back, and with the session; nothing of it is kept."""
    desk = Desk()
    eve, wire = desk.enter(EVE)
    desk.attendance.watch(eve, [BOB, ANN], on=True)
    desk.attendance.watch(eve, [BOB, SERVICE], on=False)
    bob, _ = desk.enter(BOB)
    assert heard(wire) == []
    ann, _ = desk.enter(ANN)
    assert heard(wire) == [(ANN, "came")]
    desk.attendance.end(eve)
    desk.attendance.lose(ann, 2.0, 2)
    desk.attendance.lose(bob, 2.0, 2)
    assert desk.attendance._watchers == {}


def test_a_watcher_without_a_connection_is_told_nothing() -> None:
    """And its watch is there still when it has come back."""
    desk = Desk()
    eve, first = desk.enter(EVE)
    desk.attendance.watch(eve, [BOB], on=True)
    desk.attendance.lose(eve, 2.0, 2)
    bob, _ = desk.enter(BOB)
    _, second = desk.enter(EVE, resume=Resume(eve.epoch, 0))
    desk.attendance.lose(bob, 2.0, 2)
    assert (heard(first), heard(second)) == ([], [(BOB, "away")])


def test_a_session_watches_so_many_keys_and_no_more() -> None:
    """The same ones again are no more; one too many changes nothing."""
    desk = Desk()
    eve, _ = desk.enter(EVE)
    keys = [number.to_bytes(32) for number in range(KEYS)]
    desk.attendance.watch(eve, keys, on=True)
    desk.attendance.watch(eve, keys, on=True)
    with pytest.raises(Refused) as fault:
        desk.attendance.watch(eve, [BOB], on=True)
    assert fault.value.code == Code.TOO_MANY
    assert len(eve.watches) == len(desk.attendance._watchers) == KEYS


def test_a_services_key_leads_to_its_device() -> None:
    """Its watchers hear of the device; another device that claims it has it alone, and giving it up ends it."""
    desk = Desk()
    eve, wire = desk.enter(EVE)
    desk.attendance.watch(eve, [SERVICE], on=True)
    ann, _ = desk.enter(ANN)
    bob, _ = desk.enter(BOB)
    desk.attendance.own(ann, SERVICE)
    desk.attendance.lose(ann, 2.0, 2)
    assert heard(wire) == [(SERVICE, "away")]
    desk.attendance.own(bob, SERVICE)
    assert desk.attendance.routes[SERVICE] is bob
    desk.attendance.end(ann)
    assert heard(wire) == []
    assert desk.attendance.routes[SERVICE] is bob
    desk.attendance.disown(bob, SERVICE)
    assert SERVICE not in desk.attendance.routes
    desk.attendance.disown(bob, BOB)
    assert desk.attendance.routes[BOB] is bob


@pytest.mark.parametrize("way", ["disowned", "ended", "logged in later"])
def test_a_device_whose_key_another_answered_for_is_reached_again(way: str) -> None:
    """Who lets another answer for its own key gets its messages itself once that one does so no more, or it comes itself."""
    desk = Desk()
    if way == "logged in later":
        ann, _ = desk.enter(ANN)
        desk.attendance.own(ann, BOB)
        bob, _ = desk.enter(BOB)
        assert ann.profiles == set()
    else:
        bob, _ = desk.enter(BOB)
        ann, _ = desk.enter(ANN)
        desk.attendance.own(ann, BOB)
        assert desk.attendance.routes[BOB] is ann
        if way == "disowned":
            desk.attendance.disown(ann, BOB)
        else:
            desk.attendance.end(ann)
    assert desk.attendance.routes[BOB] is bob


def test_devices_of_earlier_runs_are_known_and_absent() -> None:
    """Messages may be kept for them."""
    desk = Desk(ANN)
    assert desk.attendance.known == {ANN}
    assert not desk.attendance.is_present(ANN)
    assert desk.attendance.rival(ScriptedWire().line, bare_login(ANN)) is None


def test_those_who_are_away_hold_no_more_than_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each counts with the keys that it watches; beyond the bound whoever went first is over, and may come as a new one."""
    monkeypatch.setattr("cloudnet.presence.AWAY", 25)
    desk = Desk()
    watched = [number.to_bytes(32) for number in range(9)]
    sessions = []
    for key in (ANN, BOB, EVE):
        session, _ = desk.enter(key)
        desk.attendance.watch(session, watched, on=True)
        sessions.append(session)
    ann, bob, eve = sessions
    desk.attendance.lose(ann, 2.0, 2)
    desk.attendance.lose(bob, 2.0, 2)
    assert desk.enter(ANN, resume=Resume(ann.epoch, 0))[0] is ann, "what is back counts no more"
    desk.attendance.lose(ann, 3.0, 3)
    desk.attendance.lose(eve, 4.0, 4)
    assert [session.state for session in sessions] == [State.AWAY, State.ENDED, State.AWAY]
    assert (BOB, "left") in desk.changes
    assert desk.enter(BOB, resume=Resume(bob.epoch, 0))[0] is not bob
    for session in (ann, eve):
        desk.attendance.end(session)
    assert desk.attendance._away_in_all == 0
    assert desk.attendance._watchers == {}
