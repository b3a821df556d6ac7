"""The switch and its counter, without sockets: what one client says bounds what it may cost others, and keys lead somewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloudnet.asking import FIND_COST, LOOKS_PER_MESSAGE, PAGES, PROFILES, REGISTER_COST, SEEN_MILLISECONDS
from cloudnet.codec import encode
from cloudnet.codes import Close, Code
from cloudnet.directory import PROFILE_BYTES
from cloudnet.errors import Refused
from cloudnet.keys import Identity, profile_text
from cloudnet.packets import (
    KEYS,
    Accepted,
    Ack,
    Deliver,
    Done,
    Find,
    Found,
    FromClient,
    Presence,
    Profile,
    Refusal,
    Register,
    Rejected,
    Resume,
    Send,
    Unregister,
    Watch,
)
from cloudnet.relay import BURST_SECONDS
from cloudnet.session import Flight
from rigs.relay import Office, ScriptedWire, bare_login, greeting

ANN, BOB, SERVICE = (Identity(bytes([number]) * 32) for number in (1, 2, 3))


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A relay of its own."""
    made = Office(tmp_path)
    try:
        yield made
    finally:
        made.settle()
        made.close()


def enter(office: Office, who: Identity, resume: Resume | None = None) -> ScriptedWire:
    """A login; the welcome is read."""
    wire = ScriptedWire(office.figures)
    office.relay.enter(wire.line, bare_login(who.key, takeover=True, resume=resume), greeting())
    wire.said()
    return wire


def say(office: Office, wire: ScriptedWire, *packets: FromClient) -> None:
    """One message of a client."""
    office.relay.take(wire.line, encode(packets))


def service(device: Identity) -> Profile:
    """A service that a device may answer for."""
    bare = Profile(SERVICE.key, "service", "clock", "time")
    return Profile(*(SERVICE.key, "service", "clock", "time", "", None, b"", SERVICE.sign(profile_text(bare, device.key))))


def spent(office: Office, who: Identity) -> int:
    """What a device's messages have cost since it came; the bucket has hardly filled again."""
    bucket = office.relay.buckets[who.key]
    return round(bucket._burst - bucket._left)


def test_one_message_asks_for_so_many_pages(office: Office) -> None:
    """A thousand searches in one message would be answered by a thousand times as much; the next message may ask again."""
    wire = enter(office, ANN)
    say(office, wire, *(Find(number) for number in range(1000)))
    said = wire.said()
    assert [type(packet) for packet in said] == [Found] * PAGES + [Refusal] * (1000 - PAGES)
    assert {packet.code for packet in said if isinstance(packet, Refusal)} == {Code.TOO_FAST}
    say(office, wire, Find(1))
    assert isinstance(wire.said()[0], Found)


def test_a_refused_search_counts_as_a_page_and_costs_its_looks(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search around a place that gives up has looked at as many profiles as any: no more than the turn's pages are begun."""
    monkeypatch.setattr("cloudnet.directory.LOOKED_AROUND", 20)
    for number in range(40):
        office.relay.directory.put(Profile(number.to_bytes(32), "service", "shop", str(number), "", (number / 10, 0.0)))
    wire = enter(office, ANN)
    say(office, wire, *(Find(number, type="nothing", near=(0.0, 0.0)) for number in range(100)))
    codes = [packet.code for packet in wire.said() if isinstance(packet, Refusal)]
    assert codes == [Code.TOO_MANY] * PAGES + [Code.TOO_FAST] * (100 - PAGES)
    assert spent(office, ANN) == PAGES * (FIND_COST + 21 // LOOKS_PER_MESSAGE) + 100 - PAGES


def test_a_registration_with_one_bad_signature_costs_what_it_has_taken(office: Office) -> None:
    """The good ones before it were verified all the same; one without any profile costs a message."""
    wire = enter(office, ANN)
    good = service(ANN)
    bad = Profile(SERVICE.key, "service", "clock", "time", "", None, b"", bytes(64))
    say(office, wire, Register(1, (*[good] * (PROFILES - 1), bad)), Register(2, ()))
    office.settle()
    assert [(type(packet), packet.ask) for packet in wire.said() if isinstance(packet, (Done, Refusal))] == [
        (Refusal, 1),
        (Done, 2),
    ]
    assert spent(office, ANN) == REGISTER_COST * PROFILES + 1


def test_who_reads_no_answers_is_not_read(office: Office) -> None:
    """Until it takes what was written; what is settled meanwhile does not change that."""
    wire = enter(office, ANN)
    office.relay.clogged(wire.line, time.monotonic())
    say(office, wire, Find(1))
    assert wire.is_paused
    wire.line.relieve()
    assert wire.is_paused
    office.relay.unclogged(wire.line)
    assert not wire.is_paused
    assert office.figures.paused[Code.SLOW_READER] == 1


def test_too_many_profiles_are_refused_before_they_are_verified(office: Office) -> None:
    """Their signatures would take half a second; at the limit they are taken."""
    wire = enter(office, ANN)
    say(office, wire, Register(1, (service(ANN),) * (PROFILES + 1)))
    (refusal,) = wire.said()
    assert isinstance(refusal, Refusal)
    assert refusal.code == Code.TOO_MANY
    say(office, wire, Register(2, (service(ANN),) * PROFILES))
    office.settle()
    assert Done(2) in wire.said()


def test_the_directory_has_room_for_so_much(office: Office) -> None:
    """Of two registrations at once that fit alone one is refused; what is there may be replaced, and given up for others."""
    office.relay.most_profile_bytes = 3 * PROFILE_BYTES
    first, second = enter(office, ANN), enter(office, BOB)
    say(office, first, Register(1, (Profile(ANN.key, "device", "", "x", "", None, bytes(900)),)))
    say(office, second, Register(1, (Profile(BOB.key, "device", "", "x", "", None, bytes(900)),)))
    office.settle()
    assert first.said() == [Done(1)]
    (refusal,) = second.said()
    assert isinstance(refusal, Refusal)
    assert (refusal.code, office.figures.refusals[Code.NO_ROOM]) == (Code.NO_ROOM, 1)
    assert [profile for key in (ANN.key, BOB.key) if (profile := office.relay.directory.profile(key))] != []
    say(office, first, Register(2, (Profile(ANN.key, "device", "", "y", "", None, bytes(900)),)), Unregister(3, (ANN.key,)))
    office.settle()
    assert first.said() == [Done(2), Done(3)]
    assert office.relay.directory.bytes == 0
    say(office, second, Register(4, (Profile(BOB.key, "device", "", "x", "", None, bytes(900)),)))
    office.settle()
    assert second.said() == [Done(4)]


def test_what_the_disk_refuses_is_not_done(office: Office) -> None:
    """A registration or its end that was answered with `no-room` has changed nothing, and nobody was told of it."""
    wire, watcher = enter(office, ANN), enter(office, BOB)
    say(office, watcher, Watch(1, (ANN.key, SERVICE.key)))
    say(office, wire, Register(1, (service(ANN),)))
    office.settle()
    wire.said()
    watcher.said()
    with broken(office, "profile"):
        say(office, wire, Register(2, (Profile(ANN.key, "device", "", "Ann"),)), Unregister(3, (SERVICE.key,)))
        office.settle()
    refusals = [(packet.ask, packet.code) for packet in wire.said() if isinstance(packet, Refusal)]
    assert refusals == [(2, Code.NO_ROOM), (3, Code.NO_ROOM)]
    assert watcher.said() == []
    assert office.relay.directory.profile(ANN.key) is None
    assert office.relay.directory.profile(SERVICE.key) is not None
    session = office.attendance.sessions[ANN.key]
    assert (session.profiles, office.attendance.routes[SERVICE.key]) == ({SERVICE.key}, session)


def test_registrations_at_once_are_counted_together(office: Office) -> None:
    """What is not on the disk yet counts for how many profiles a device may have."""
    wire = enter(office, ANN)
    owners = [Identity(number.to_bytes(32)) for number in range(100, 100 + PROFILES + 1)]
    profiles = []
    for owner in owners:
        bare = Profile(owner.key, "service", "", "x")
        profiles.append(Profile(owner.key, "service", "", "x", "", None, b"", owner.sign(profile_text(bare, ANN.key))))
    say(office, wire, Register(1, tuple(profiles[:-1])), Register(2, tuple(profiles[-1:])))
    office.settle()
    assert [(type(packet), packet.ask) for packet in wire.said() if isinstance(packet, (Done, Refusal))] == [
        (Refusal, 2),
        (Done, 1),
    ]
    assert len(office.relay.directory) == PROFILES


def test_a_key_moves_to_another_device_while_its_last_one_takes_it_back(office: Office) -> None:
    """Both are written at once, the newer registration first: taking back what is no longer one's own takes nothing."""
    first, second = enter(office, ANN), enter(office, BOB)
    say(office, first, Register(1, (service(ANN),)))
    office.settle()
    say(office, second, Register(2, (service(BOB),)))
    say(office, first, Unregister(3, (SERVICE.key,)))
    office.settle()
    profile = office.relay.directory.profile(SERVICE.key)
    assert profile is not None
    assert profile.device == BOB.key
    ((device, data),) = office.ask("SELECT device, data FROM profile")
    assert (device, bool(data)) == (BOB.key, True)
    assert office.attendance.routes[SERVICE.key] is office.attendance.sessions[BOB.key]


def test_who_was_here_is_written_down_once_the_disk_takes_it(office: Office) -> None:
    """A login with a disk that fails is noted at the next one, not an hour later; whoever stays is noted again and again."""
    with broken(office, "device"):
        enter(office, ANN)
        office.settle()
    assert office.ask("SELECT key FROM device") == []
    enter(office, ANN)
    office.settle()
    ((before,),) = office.ask("SELECT seen FROM device")
    office.relay.asking.know_all(before + SEEN_MILLISECONDS)
    office.settle()
    assert office.ask("SELECT key, seen FROM device") == [(ANN.key, before + SEEN_MILLISECONDS)]


@contextmanager
def broken(office: Office, table: str) -> Iterator[None]:
    """As if the disk took nothing that belongs into a table."""
    office.ask(f"CREATE TRIGGER broken BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no space'); END")
    try:
        yield
    finally:
        office.ask("DROP TRIGGER broken")


def test_who_begins_to_watch_hears_how_it_is_and_since_when(office: Office) -> None:
    """Of a client that is here, of one that may still resume, by its profile too, and of one of whom nothing is known."""
    began = time.time_ns() // 1_000_000
    wire, watcher = enter(office, ANN), enter(office, BOB)
    say(office, wire, Register(1, (service(ANN),)))
    office.settle()
    came = office.attendance.sessions[ANN.key].since
    assert began <= came <= time.time_ns() // 1_000_000
    say(office, watcher, Watch(1, (ANN.key, SERVICE.key)))
    assert watcher.said()[1:] == [Presence(ANN.key, "came", came), Presence(SERVICE.key, "came", came)]
    office.attendance.lose(office.attendance.sessions[ANN.key], time.monotonic(), came + 5)
    watcher.said()
    say(office, watcher, Watch(2, (ANN.key, SERVICE.key, bytes(32))))
    *told, unknown = watcher.said()[1:]
    assert told == [Presence(ANN.key, "away", came + 5), Presence(SERVICE.key, "away", came + 5)]
    assert isinstance(unknown, Presence)
    assert unknown.state == "left"
    assert unknown.at >= came


def test_a_key_named_often_is_told_once(office: Office) -> None:
    """Else one message would be multiplied for everybody who watches; too many keys are refused."""
    wire, watcher = enter(office, ANN), enter(office, BOB)
    say(office, wire, Register(1, (service(ANN),)))
    office.settle()
    say(office, watcher, Watch(1, (SERVICE.key,)))
    watcher.said()
    say(
        office,
        wire,
        Unregister(2, (SERVICE.key,) * 5000),
        Unregister(3, tuple(number.to_bytes(32) for number in range(KEYS + 1))),
    )
    office.settle()
    assert [packet.state for packet in watcher.said() if isinstance(packet, Presence)] == ["left"]
    answers = wire.said()
    assert Done(2) in answers
    assert [packet.code for packet in answers if isinstance(packet, Refusal)] == [Code.TOO_MANY]


def test_a_service_is_reached_before_its_device_has_registered_it_again(office: Office) -> None:
    """In a fresh session the key leads nowhere yet, but the device is known and here: the message goes to it at once."""
    first, sender = enter(office, ANN), enter(office, BOB)
    say(office, first, Register(1, (service(ANN),)))
    office.settle()
    fresh = enter(office, ANN)
    say(office, sender, Send(1, SERVICE.key, b"i" * 16, b"body"))
    office.settle()
    assert [packet.body for packet in fresh.said() if isinstance(packet, Deliver)] == [b"body"]
    say(office, fresh, Ack(1))
    assert Accepted((1,)) in sender.said()


def test_a_registration_of_a_session_that_has_ended_is_void(office: Office) -> None:
    """It was said, but its turn came after a takeover: the key must not lead to what is no more."""
    first, sender = enter(office, ANN), enter(office, BOB)
    say(office, first, Register(1, (service(ANN),)))
    fresh = enter(office, ANN)
    office.settle()
    assert SERVICE.key not in office.attendance.routes
    say(office, fresh, Register(1, (service(ANN),)))
    office.settle()
    say(office, sender, Send(1, SERVICE.key, b"i" * 16, b"body"))
    assert any(isinstance(packet, Deliver) for packet in fresh.said())


def test_a_malformed_message_is_not_counted_as_received(office: Office) -> None:
    """It ends the connection, so nobody would be told of it: what is received is accepted, rejected or under way."""
    for send in (Send(1, b"short", b"i" * 16, b""), Send(1, BOB.key, b"", b""), Send(2, BOB.key, b"i" * 16, b"")):
        wire = enter(office, ANN)
        with pytest.raises(Refused):
            say(office, wire, send)
    assert office.figures.received == 0


def test_what_waits_is_counted_right_when_a_message_comes_twice(office: Office) -> None:
    """Kept, sent again and taken: nothing is left in the file, nor in the count that bounds it."""
    enter(office, ANN)
    office.relay.lose(next(iter(office.attendance.sessions.values())).line or ScriptedWire().line)
    sender = enter(office, BOB)
    for seq in (1, 2, 3):
        say(office, sender, Send(seq, ANN.key, b"i" * 16, b"body"))
    office.settle()
    waiting = office.mailbox.waiting(ANN.key)
    assert waiting is not None
    assert (waiting.messages, waiting.bytes, office.stored()) == (1, 4, 1)
    wire = enter(office, ANN)
    office.settle()
    (deliver,) = (packet for packet in wire.said() if isinstance(packet, Deliver))
    session = wire.line.session
    assert session is not None
    for flight in session.take(deliver.position):
        office.mailbox.delete(ANN.key, flight)
        office.mailbox.delete(ANN.key, flight)
    office.settle()
    assert (office.mailbox.waiting(ANN.key), office.mailbox.total_messages, office.stored()) == (None, 0, 0)


def test_what_was_sent_on_and_not_taken_is_kept_no_longer_than_was_said(office: Office) -> None:
    """A recipient goes without having taken its messages: each waits as long as its sender has said, or goes back."""
    bob, ann = enter(office, BOB), enter(office, ANN)
    now, never = Send(1, BOB.key, b"1" * 16, b"now or never", keep=False), Send(2, BOB.key, b"2" * 16, b"soon", ttl=2)
    say(office, ann, now, never, Send(3, BOB.key, b"3" * 16, b"whenever"), Send(4, BOB.key, b"4" * 16, b"too late", ttl=60))
    flights = office.attendance.sessions[BOB.key].flights
    flights[3].at -= 61.0
    office.relay.sweeping.messages(time.monotonic() + 1.5)
    office.settle()
    assert [bool(flight.row) for flight in flights] == [False, True, True, False], "what may not wait stays off the disk"
    assert [packet.seqs for packet in ann.said() if isinstance(packet, Accepted)] == [(2, 3)]
    office.relay.lose(bob.line)
    office.settle()
    refused = {packet.seq: packet.code for packet in ann.said() if isinstance(packet, Rejected)}
    assert refused == {1: Code.UNKNOWN_RECIPIENT, 4: Code.EXPIRED}
    mails, _ = office.loop.run_until_complete(office.mailbox.read(BOB.key, 0, 10, 0))
    wall = time.time_ns() // 1_000_000
    assert [mail.body for mail in mails] == [b"soon", b"whenever"]
    assert mails[0].expires <= wall + 2000
    assert mails[1].expires > wall + 1000 * (office.limits.mailbox_seconds - 60)


def test_a_recipient_that_goes_at_once_keeps_the_time_that_was_given(office: Office) -> None:
    """Also what had no time to come to the disk before its recipient was lost."""
    bob, ann = enter(office, BOB), enter(office, ANN)
    say(office, ann, Send(1, BOB.key, b"1" * 16, b"soon", ttl=2), Send(2, BOB.key, b"2" * 16, b"now or never", keep=False))
    office.relay.lose(bob.line)
    office.settle()
    assert [packet.seq for packet in ann.said() if isinstance(packet, Rejected)] == [2]
    mails, _ = office.loop.run_until_complete(office.mailbox.read(BOB.key, 0, 10, 0))
    assert [mail.body for mail in mails] == [b"soon"]
    assert mails[0].expires <= time.time_ns() // 1_000_000 + 2000


def test_what_was_taken_before_a_connection_was_lost_is_counted(office: Office) -> None:
    """Its acknowledgement was lost with the connection: the client says so when it comes back, and is believed."""
    bob, ann = enter(office, BOB), enter(office, ANN)
    say(office, ann, *(Send(number, BOB.key, bytes([number]) * 16, b"body") for number in (1, 2, 3)))
    session = office.attendance.sessions[BOB.key]
    office.relay.lose(bob.line)
    office.settle()
    enter(office, BOB, Resume(session.epoch, 2))
    office.settle()
    assert office.attendance.sessions[BOB.key] is session
    assert office.figures.taken == 2
    assert office.stored() == 1


def test_a_message_sent_again_waits_as_long_as_the_last_attempt(office: Office) -> None:
    """The first one is over its time but still in the file: the second is not accepted only to be lost with it."""
    enter(office, BOB)
    for expires in (1, 1 << 60):
        flight = Flight(Deliver(0, ANN.key, b"i" * 16, 1, BOB.key, b"body"), None, 0, 0.0, 0)
        office.mailbox.put(BOB.key, flight, expires)
    office.settle()
    mails, _ = office.loop.run_until_complete(office.mailbox.read(BOB.key, 0, 10, time.time_ns() // 1_000_000))
    assert [mail.body for mail in mails] == [b"body"]
    assert office.loop.run_until_complete(office.mailbox.expire(2)) == 0


def test_strangers_cannot_be_known_without_end(office: Office) -> None:
    """A key costs nothing, so new ones are refused beyond a bound; who is known comes in as ever."""
    enter(office, ANN)
    office.relay.most_devices = 1
    with pytest.raises(Refused) as fault:
        enter(office, BOB)
    assert fault.value.code == Code.NO_ROOM
    enter(office, ANN)
    assert office.relay.attendance.known == {ANN.key}


def test_acknowledgements_alone_are_charged_too(office: Office) -> None:
    """Who floods with what needs no answer is not read for a while, as one who sends too fast."""
    wire = enter(office, ANN)
    for _ in range(round(3 * office.relay.limits.messages_per_second * BURST_SECONDS)):
        say(office, wire, Ack(0))
    assert office.relay.figures.paused[Code.TOO_FAST]


def test_who_reads_again_is_read_again(office: Office) -> None:
    """A pause for speed may end while the client is clogged; when it is not any more, nothing else would have it read on."""
    wire = enter(office, ANN)
    office.relay.clogged(wire.line, 1.0)
    wire.pause(1.0)
    office.relay.unclogged(wire.line)
    assert not wire.is_paused


def test_who_is_not_read_hears_that_we_live(office: Office) -> None:
    """However long its pause: its silence is not counted, and it gets a sign of life before it would ask for one in vain."""
    wire = enter(office, ANN)
    now = time.monotonic()
    wire.pause(1000.0)
    for seconds in range(0, 300, 5):
        office.relay.sweeping.everything(now + seconds)
    assert (wire.closed, wire.asked.count("beat"), wire.asked.count("ping")) == (None, 5, 0)
    wire.proceed()
    for seconds in range(300, 420, 5):
        office.relay.sweeping.everything(now + seconds)
    assert wire.closed == (Close.DEADLINE, Code.DEADLINE), "now it could speak, and does not"


def test_a_message_has_one_place_wherever_it_is_put(office: Office) -> None:
    """Mail that comes later from another node, but belongs before what waits, is read before it, and once."""
    enter(office, ANN)
    office.relay.lose(next(iter(office.attendance.sessions.values())).line or ScriptedWire().line)
    place = office.mailbox.next_row()
    say(office, enter(office, BOB), Send(1, ANN.key, b"2" * 16, b"newer"))
    for _ in range(2):  # it may be brought twice
        older = Flight(Deliver(0, BOB.key, b"1" * 16, 1, ANN.key, b"older"), None, 0, 0.0, 0, place)
        office.relay.diverting.keep_brought(ANN.key, older, 1 << 60)
    office.settle()
    wire = enter(office, ANN)
    office.settle()
    assert [packet.body for packet in wire.said() if isinstance(packet, Deliver)] == [b"older", b"newer"]
    oldest = Flight(Deliver(0, BOB.key, b"0" * 16, 1, ANN.key, b"oldest"), None, 0, 0.0, 0, place - 1)
    office.relay.diverting.keep_brought(ANN.key, oldest, 1 << 60)
    office.settle()
    assert [packet.body for packet in wire.said() if isinstance(packet, Deliver)] == [b"oldest"], "late, but not lost"
