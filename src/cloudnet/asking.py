"""What clients ask beside sending: registering, searching, watching, pings and the server's status.

Each ask is answered with `Done`, its own answer or a `Refusal` that names it, in the order in which the answers are there. A
question costs as many messages of a client's rate as it costs the server in time. Called by `relay`; changes of the directory
and of who is known are written to the mailbox's file before they are answered.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Coroutine
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
from cloudnet.session import Session

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

SEEN_MILLISECONDS = 3_600_000
"""How often it is written down that a device was seen."""


class Asking:
    """The counter beside the switch."""

    def __init__(self, relay: Relay, spawn: Callable[[Coroutine[Any, Any, None]], object]) -> None:
        """`spawn` runs what has to wait for the disk."""
        self._relay = relay
        self._spawn = spawn
        self._seen: dict[bytes, int] = {}
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
            self._relay.figures.refusals[fault.code] += 1
            line.say(Refusal(packet.ask, fault.code, fault.why))
        return self._cost

    def know(self, device: bytes, at: int, *, at_once: bool = False) -> None:
        """Write down that a device was seen, once an hour at the most unless it is to be done `at_once`."""
        if at_once or at - self._seen.get(device, 0) >= SEEN_MILLISECONDS:
            self._seen[device] = at
            self._spawn(self._write(lambda connection: _know(connection, device, at)))

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
            at = _wall()
            for key in packet.keys:
                device = self._relay.device_of(key) or key
                line.say(Presence(key, "came" if self._relay.is_present(device) else "left", at))

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
        keys = session.profiles | {profile.key for profile in profiles}
        if len(keys) > PROFILES:
            line.say(Refusal(ask, Code.TOO_MANY, f"a device has {PROFILES} profiles at the most"))
            return
        rows = []
        for profile in profiles:
            relay.directory.put(profile)
            relay.attendance.own(session, profile.key)
            rows.append((profile.key, profile.device, msgspec.msgpack.encode(profile), relay.listed(profile.key, profile)))
        await self._write(lambda connection: connection.executemany(_LIST, rows), line, ask)
        at = _wall()
        for profile in profiles:
            relay.attendance.tell_watchers(profile.key, "came", at)

    async def _unregister(self, line: Line, session: Session, ask: int, keys: tuple[bytes, ...]) -> None:
        relay = self._relay
        if line.session is not session:
            return
        keys = tuple(dict.fromkeys(keys))  # each once, else every repetition would be told to all who watch
        if len(keys) > KEYS:
            line.say(Refusal(ask, Code.TOO_MANY, f"a packet names {KEYS} keys at the most"))
            return
        for key in keys:
            profile = relay.directory.profile(key)
            if profile is None or profile.device != session.key:
                line.say(Refusal(ask, Code.NOT_YOURS, "this profile is not of this device"))
                return
        at = _wall()
        rows = []
        for key in keys:
            relay.directory.remove(key)
            relay.attendance.tell_watchers(key, "left", at)
            relay.attendance.disown(session, key)
            rows.append((key, session.key, b"", relay.listed(key, None)))
        await self._write(lambda connection: connection.executemany(_LIST, rows), line, ask)

    async def _write(self, work: Callable[[sqlite3.Connection], Any], line: Line | None = None, ask: int = 0) -> None:
        try:
            await self._relay.mailbox.do(work)
        except (CloudError, sqlite3.Error) as fault:
            if line is not None:
                line.say(Refusal(ask, Code.NO_ROOM, str(fault)))
            return
        if line is not None:
            line.say(Done(ask))


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


def _know(connection: sqlite3.Connection, device: bytes, at: int) -> None:
    connection.execute("INSERT OR REPLACE INTO device VALUES (?, ?)", (device, at))


def _wall() -> int:
    return time.time_ns() // 1_000_000
