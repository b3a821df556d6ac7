"""What clients ask beside sending: registering, searching, watching, pings and the server's status.

Each ask is answered with `Done`, its own answer or a `Refusal` that names it, in the order in which the answers are there. A
question costs as many messages of a client's rate as it costs the server in time. Called by `relay`; changes of the directory
and of who is known are written to the mailbox's file before they are answered.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from cloudnet import __version__
from cloudnet.codes import Code
from cloudnet.directory import checked_profile
from cloudnet.errors import CloudError, Refused
from cloudnet.keys import profile_text, verify
from cloudnet.line import Line
from cloudnet.packets import (
    KEY_BYTES,
    KEYS,
    AskStatus,
    Done,
    Find,
    Found,
    FromClient,
    Ping,
    Pong,
    Presence,
    Profile,
    Refusal,
    Register,
    ServerStatus,
    Unregister,
    Watch,
)
from cloudnet.session import Session, State

if TYPE_CHECKING:
    from cloudnet.relay import Relay

PROFILES = 100
"""How many profiles one device may have."""
REGISTER_COST = 10
"""In messages, for each profile: its signature takes as long as so many messages."""
FIND_COST = 50
LOOKS_PER_MESSAGE = 4
KEYS_PER_MESSAGE = 4
PAGES = 32
"""How many searches of one client are answered in one turn of the event loop."""
WAITING = 4
"""How many pages wait for the end of the turn: each may be 100 KB, and what a client does not take shows by writing."""

_LIST = "INSERT OR REPLACE INTO profile VALUES (?, ?, ?, ?)"
"""An empty profile is one that was taken back: other nodes may have heard of it, and are to hear of that too."""

_KNOW = "INSERT OR REPLACE INTO device VALUES (?, ?)"
_UNLIST = (
    "INSERT INTO profile VALUES (?, ?, x'', ?) ON CONFLICT (key) DO UPDATE SET data = x'', at = excluded.at"
    " WHERE device = excluded.device"
)
"""Another device may have registered the same key in the transaction before."""

SEEN_MILLISECONDS = 3_600_000
"""How often it is written down that a device was seen."""


class Asking:
    """The counter beside the switch."""

    def __init__(self, relay: Relay, spawn: Callable[[Coroutine[Any, Any, None]], object]) -> None:
        """`spawn` runs what has to wait for the disk."""
        self._relay = relay
        self._spawn = spawn
        self._seen: dict[bytes, int] = {}
        self._owned_soon: dict[bytes, list[set[bytes]]] = {}
        """By device, the keys whose profiles are being written; and"""
        self._growing = 0
        """by how much these will make the directory grow."""
        self._cost = 1
        """Of the packet that is being answered, in messages, whatever becomes of it."""

    def take(self, line: Line, session: Session, packet: FromClient) -> int:
        """Answer one packet; returns its cost in messages, refused or not. Raises Refused for one that ends the connection."""
        self._cost = 1
        try:
            match packet:
                case Ping(ask=ask):
                    line.say(Pong(ask, _wall()))
                case Find():
                    self._find(line, packet)
                case Watch():
                    self._watch(line, session, packet)
                case AskStatus(ask=ask):
                    line.say(self._status(session, ask))
                case Register():
                    self._claim(line, session, packet)
                case Unregister(ask=ask, keys=keys):
                    self._spawn(self._unregister(line, session, ask, keys))
                case _:
                    raise Refused("a second login on one connection", Code.OUT_OF_ORDER)
        except Refused as fault:
            if not hasattr(packet, "ask"):
                raise
            self._refuse(line, packet.ask, fault.code, fault.why)
        return self._cost

    def know(self, device: bytes, at: int, *, at_once: bool = False) -> None:
        """Write down that a device was seen, once an hour at the most unless it is to be done `at_once`."""
        if at_once or at - self._seen.get(device, 0) >= SEEN_MILLISECONDS:
            self._spawn(self._note([device], at))

    def know_all(self, at: int) -> None:
        """Write down of all whose sessions are here that they are, once an hour: some stay for longer than others are kept."""
        sessions, seen = self._relay.attendance.sessions, self._seen
        if due := [device for device in sessions if at - seen.get(device, 0) >= SEEN_MILLISECONDS]:
            self._spawn(self._note(due, at))

    def _find(self, line: Line, query: Find) -> None:
        if line.clogged_at or line.pages >= PAGES:
            raise Refused("too many searches whose answers you have not taken", Code.TOO_FAST)
        line.pages += 1  # before it is known whether it is refused: that may take as long
        directory = self._relay.directory
        try:
            entries, cursor = directory.find(query, self._relay.is_present)
        finally:
            self._cost = FIND_COST + directory.looked_at // LOOKS_PER_MESSAGE
        line.say(Found(query.ask, entries, cursor))
        if line.pages % WAITING == 0:
            line.write_early()

    def _claim(self, line: Line, session: Session, packet: Register) -> None:
        profiles = self._claimed(packet.profiles, session)
        self._spawn(self._register(line, session, packet.ask, profiles))

    def _watch(self, line: Line, session: Session, packet: Watch) -> None:
        if len(packet.keys) > KEYS or any(len(key) != KEY_BYTES for key in packet.keys):
            raise Refused(f"at most {KEYS} keys of {KEY_BYTES} bytes", Code.MALFORMED)
        self._cost = 1 + len(packet.keys) // KEYS_PER_MESSAGE
        self._relay.attendance.watch(session, packet.keys, on=packet.on)
        line.say(Done(packet.ask))
        if packet.on:
            for key in packet.keys:
                line.say(Presence(key, *self._relay.standing(self._relay.device_of(key) or key)))

    def _status(self, session: Session, ask: int) -> ServerStatus:
        relay = self._relay
        waiting = relay.mailbox.waiting(session.key)
        since = round(relay.figures.started_at * 1000)
        count = waiting.messages if waiting else 0
        return ServerStatus(ask, since, len(relay.attendance.sessions), len(relay.directory), count, __version__)

    def _claimed(self, profiles: tuple[Profile, ...], session: Session) -> list[Profile]:
        """The profiles, if the owners of their keys let this device answer for them."""
        if len(profiles) > PROFILES:  # before their signatures cost anything
            raise Refused(f"a device has {PROFILES} profiles at the most", Code.TOO_MANY)
        self._cost = max(1, REGISTER_COST * len(profiles))
        for profile in profiles:
            checked_profile(profile)
            if profile.key != session.key:
                verify(profile.key, profile_text(profile, session.key), profile.signature)
            elif profile.kind != "device":
                raise Refused("a device's own key is a device", Code.MALFORMED)
        return [msgspec.structs.replace(profile, device=session.key) for profile in profiles]

    async def _register(self, line: Line, session: Session, ask: int, profiles: list[Profile]) -> None:
        relay = self._relay
        if line.session is not session:  # gone meanwhile: who comes back asks again, and a session that ended owns nothing
            return
        keys = {profile.key for profile in profiles}
        profiles = list({profile.key: profile for profile in profiles}.values())  # of several for one key the last counts
        if len(session.profiles.union(keys, *self._owned_soon.get(session.key, ()))) > PROFILES:
            self._refuse(line, ask, Code.TOO_MANY, f"a device has {PROFILES} profiles at the most")
            return
        growth, most = max(0, relay.directory.growth(profiles)), relay.most_profile_bytes
        if most and growth and relay.directory.bytes + self._growing + growth > most:
            self._refuse(line, ask, Code.NO_ROOM, "the directory of this server is full")
            return
        encode = msgspec.msgpack.encode
        listed = [(profile, relay.moment_of_listing(profile.key)) for profile in profiles]
        rows = [(profile.key, profile.device, encode(profile), moment) for profile, moment in listed]
        with self._reserved(session.key, keys, growth):
            if not await self._write(lambda connection: connection.executemany(_LIST, rows), line, ask):
                return
        at = _wall()
        for profile, moment in listed:
            relay.directory.put(profile)
            if session.state is not State.ENDED:
                relay.attendance.own(session, profile.key)
            relay.listed(profile.key, profile, moment)
        for key in keys:
            relay.attendance.tell_watchers(key, "came", at)

    async def _unregister(self, line: Line, session: Session, ask: int, keys: tuple[bytes, ...]) -> None:
        relay = self._relay
        if line.session is not session:
            return
        keys = tuple(dict.fromkeys(keys))  # each once, else every repetition would be told to all who watch
        if len(keys) > KEYS:
            self._refuse(line, ask, Code.TOO_MANY, f"a packet names {KEYS} keys at the most")
            return
        if not all(self._is_of(key, session) for key in keys):
            self._refuse(line, ask, Code.NOT_YOURS, "this profile is not of this device")
            return
        listed = [(key, relay.moment_of_listing(key)) for key in keys]
        rows = [(key, session.key, moment) for key, moment in listed]
        if not await self._write(lambda connection: connection.executemany(_UNLIST, rows), line, ask):
            return
        at = _wall()
        for key, moment in listed:
            if self._is_of(key, session):  # another device may have registered it meanwhile
                relay.directory.remove(key)
                relay.attendance.tell_watchers(key, "left", at)
                relay.attendance.disown(session, key)
                relay.listed(key, None, moment)

    async def _note(self, devices: list[bytes], at: int) -> None:
        rows = [(device, at) for device in devices]
        if await self._write(lambda connection: connection.executemany(_KNOW, rows)):
            self._seen.update(rows)

    def _is_of(self, key: bytes, session: Session) -> bool:
        profile = self._relay.directory.profile(key)
        return profile is not None and profile.device == session.key

    @contextmanager
    def _reserved(self, device: bytes, keys: set[bytes], growth: int) -> Iterator[None]:
        """Count what is being written, so that others are not promised the same room."""
        soon = self._owned_soon.setdefault(device, [])
        soon.append(keys)
        self._growing += growth
        try:
            yield
        finally:
            self._growing -= growth
            soon.remove(keys)
            if not soon:
                del self._owned_soon[device]

    def _refuse(self, line: Line, ask: int, code: str, why: str) -> None:
        self._relay.figures.refusals[code] += 1
        line.say(Refusal(ask, code, why))

    async def _write(self, work: Callable[[sqlite3.Connection], Any], line: Line | None = None, ask: int = 0) -> bool:
        """Whether the disk took it; the client hears of it after what is done in the same turn."""
        try:
            await self._relay.mailbox.do(work)
        except (CloudError, sqlite3.Error) as fault:
            if line is not None:
                self._refuse(line, ask, Code.NO_ROOM, str(fault))
            return False
        if line is not None:
            line.say(Done(ask))
        return True


def load_known(connection: sqlite3.Connection) -> tuple[dict[bytes, int], list[tuple[bytes, Profile | None, int]]]:
    """Of earlier runs: devices and when they were seen (ms); keys with their profile, None if taken back, and since when.

    Whoever has mail is known, even if the disk was full when it was last seen.
    """
    devices = dict(connection.execute("SELECT recipient, 0 FROM mail UNION SELECT key, seen FROM device ORDER BY 2"))
    decoder = msgspec.msgpack.Decoder(Profile)
    rows = connection.execute("SELECT key, data, at FROM profile")
    return devices, [(key, decoder.decode(data) if data else None, at) for key, data, at in rows]


def forget_before(connection: sqlite3.Connection, at: int) -> list[bytes]:
    """Forget devices that were not seen since `at` (ms) and for whom nothing waits, with their profiles.

    Returns who they were.
    """
    gone = connection.execute(
        "SELECT key FROM device WHERE seen < ? AND NOT EXISTS (SELECT 1 FROM mail WHERE recipient = key)", (at,)
    ).fetchall()
    connection.executemany("DELETE FROM profile WHERE device = ?", gone)
    connection.execute("DELETE FROM profile WHERE data = x'' AND at < ?", (at,))
    connection.executemany("DELETE FROM device WHERE key = ?", gone)
    return [row[0] for row in gone]


def _wall() -> int:
    return time.time_ns() // 1_000_000
