"""Who is here: sessions by key, which keys lead to which session, and who wants to hear of whom.

`relay` asks where a key leads; logins, losses and ends come in through `rival` and `enter`, `lose` and `end`. A key has one
session at the most; a second login takes it over only on a connection that was opened later, and only when it says so or proves
that it resumes. Known devices outlive their sessions, since messages may be kept for them. Tells changes to watchers and to
`changed` (the backbone); nothing here moves messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from cloudnet.codes import Close, Code
from cloudnet.deadlines import Deadlines
from cloudnet.errors import Refused
from cloudnet.line import Line
from cloudnet.packets import KEYS, Limits, Login, Presence
from cloudnet.session import Session, State

AWAY = 250_000
"""Sessions that are away and keys that they watch, together: beyond it, whoever went first is ended before its time."""

Changed = Callable[[bytes, str], None]


class Attendance:
    """All sessions of one server."""

    def __init__(self, limits: Limits, known: Iterable[bytes], changed: Changed) -> None:
        """`known`: devices of earlier runs; `changed(device, state)` hears of everybody who comes and goes here."""
        self.sessions: dict[bytes, Session] = {}
        self.routes: dict[bytes, Session] = {}
        """From a device's or a profile's key to its session."""
        self.known: set[bytes] = set(known)
        self.deadlines = Deadlines()
        self.flying: set[Session] = set()
        """All with something in flight, and some that had: whoever goes through it takes those out."""
        self._limits = limits
        self._changed = changed
        self._away: dict[Session, int] = {}
        """What each that is away counts, whoever went first stands first."""
        self._away_in_all = 0
        self._watchers: dict[bytes, set[Session]] = {}

    def is_present(self, device: bytes) -> bool:
        """Whether its client is connected here now."""
        session = self.sessions.get(device)
        return session is not None and session.state is State.READY

    def standing(self, device: bytes) -> tuple[str, int] | None:
        """How a device that has a session here is, for who watches it, and since when in ms; None for any other."""
        session = self.sessions.get(device)
        return None if session is None else ("came" if session.state is State.READY else "away", session.since)

    def rival(self, line: Line, login: Login) -> Line | None:
        """The connection that must go for a proved login; raises Refused when it is that login which must go.

        The key is connected and this is no takeover; or its login has been held up on its way, and its client, or the next one
        of this key, has connected again meanwhile.
        """
        session = self.sessions.get(login.key)
        if session is None or session.line is None:
            return None
        if line.opened < session.line.opened:
            raise Refused(TAKEN_OVER[2], Code.TAKEN_OVER)
        if not login.takeover and not session.fits(login.resume):
            raise Refused("this key is connected already; a takeover must be asked for", Code.ALREADY_CONNECTED)
        return session.line

    def enter(self, login: Login, now: float) -> tuple[Session, bool]:
        """The session of a proved login whose rival is gone, and whether it is resumed; else it is a fresh one."""
        session = self.sessions.get(login.key)
        if session is not None:
            if session.fits(login.resume):
                return session, True
            self.end(session, "")
        session = Session(login.key, now, self._limits, self.flying)
        self.sessions[login.key] = session
        self._lead(login.key, session)
        return session, False

    def ready(self, session: Session, line: Line, now: float, at: int, *, resumed: bool) -> None:
        """It has a connection. `at` in ms since the epoch."""
        self._is_back(session)
        session.attach(line, now)
        session.since = at
        self.deadlines.watch(session)
        self.known.add(session.key)
        self.tell(session, "resumed" if resumed else "came", at)

    def lose(self, session: Session, now: float, at: int) -> None:
        """Its connection is gone; it may come back."""
        session.detach(now)
        session.since = at
        self.deadlines.watch(session)
        self.tell(session, "away", at)
        self._is_back(session)
        count = self._away[session] = 1 + len(session.watches)
        self._away_in_all += count
        while self._away_in_all > AWAY and (first := next(iter(self._away))) is not session:
            self.end(first, "left", at)

    def end(self, session: Session, state: str = "left", at: int = 0) -> None:
        """It is over; an empty `state` tells nobody, since the key comes back at once."""
        session.end()
        self._is_back(session)
        self.flying.discard(session)
        if state:
            self.tell(session, state, at)
        if self.sessions.get(session.key) is session:
            del self.sessions[session.key]
        for key in (session.key, *session.profiles):
            self._mislead(key, session)
        for key in session.watches:
            self._unwatch(session, key)
        session.watches.clear()

    def tell(self, session: Session, state: str, at: int) -> None:
        """Say to all who watch the device or one of its profiles how it is now."""
        self._changed(session.key, state)
        for key in {session.key, *session.profiles}:  # a device may have registered its own key
            self.tell_watchers(key, state, at)

    def tell_watchers(self, key: bytes, state: str, at: int) -> None:
        """Say to those who watch one key, here, how it is."""
        for watcher in self._watchers.get(key, ()):
            if watcher.line is not None:
                watcher.line.say(Presence(key, state, at))

    def watch(self, session: Session, keys: Iterable[bytes], *, on: bool) -> None:
        """Begin or end to watch; raises Refused when it would be too many."""
        wanted = set(keys)
        if not on:
            for key in wanted & session.watches:
                self._unwatch(session, key)
            session.watches -= wanted
            return
        if len(session.watches | wanted) > KEYS:
            raise Refused(f"a session watches {KEYS} keys at the most", Code.TOO_MANY)
        session.watches |= wanted
        for key in wanted:
            self._watchers.setdefault(key, set()).add(session)

    def own(self, session: Session, key: bytes) -> None:
        """A profile's key leads to this session from now on."""
        self._lead(key, session)
        session.profiles.add(key)

    def disown(self, session: Session, key: bytes) -> None:
        """No longer."""
        session.profiles.discard(key)
        if key != session.key:
            self._mislead(key, session)

    def _is_back(self, session: Session) -> None:
        """It is not away any more, if it was."""
        self._away_in_all -= self._away.pop(session, 0)

    def _lead(self, key: bytes, session: Session) -> None:
        """A key leads here now; whoever had it before has it no more."""
        before = self.routes.get(key)
        if before is not None and before is not session:
            before.profiles.discard(key)
        self.routes[key] = session

    def _mislead(self, key: bytes, session: Session) -> None:
        """A key leads to this session no more, but to the device whose own it is, if that is here."""
        if self.routes.get(key) is session:
            if key in self.sessions:
                self.routes[key] = self.sessions[key]
            else:
                del self.routes[key]

    def _unwatch(self, session: Session, key: bytes) -> None:
        watchers = self._watchers.get(key)
        if watchers is not None:
            watchers.discard(session)
            if not watchers:
                del self._watchers[key]


TAKEN_OVER = (Close.TAKEN_OVER, Code.TAKEN_OVER, "another connection has proved this key and taken over")
"""How a connection ends that had to go for another."""
