"""When which session is to be looked at: a wheel of seconds, so that ten thousand silent clients cost nothing until one is due.

`presence` has a session watched when its state changes, `relay` takes those that are due and acts on them. A session stands in
the second of its earliest deadline; what it hears meanwhile moves nothing: it is looked at then, found not to be due, and put
further on. So a message costs no deadline, and a silent client two looks a minute. Pure: every question takes `now`.
"""

from __future__ import annotations

from math import ceil

from cloudnet.session import Session


class Deadlines:
    """The sessions of one server by the second in which they are looked at next."""

    def __init__(self) -> None:
        """Nobody is watched."""
        self._seconds: dict[int, list[bytes]] = {}
        """Keys, not sessions: one that has ended is kept by nobody. A session that was put earlier stands at both places."""
        self._due: list[tuple[bytes, int]] = []

    def watch(self, session: Session) -> None:
        """Have it looked at once its deadline is over, unless it is looked at before that anyway."""
        second = ceil(session.due)
        if not session.look_at or second < session.look_at:
            session.look_at = second
            self._seconds.setdefault(second, []).append(session.key)

    def due(self, sessions: dict[bytes, Session], now: float, most: int) -> list[Session]:
        """At most `most` of those that are to be looked at by now; they are watched no longer. Fewer: these were all."""
        for second in sorted(second for second in self._seconds if second <= now):
            self._due += [(key, second) for key in self._seconds.pop(second)]
        found: list[Session] = []
        while self._due and len(found) < most:
            key, second = self._due.pop()
            session = sessions.get(key)
            if session is not None and session.look_at == second:
                session.look_at = 0
                found.append(session)
        return found
