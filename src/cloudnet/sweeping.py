"""Once a second, what time does to a relay: silent clients are pinged or ended, windows close, messages nobody takes are kept.

`server` calls it from its round, a few sessions in a turn. Every question takes `now` in monotonic seconds; what a connection
is told goes through its `Wire`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cloudnet.codes import Close, Code
from cloudnet.session import DRAIN_SECONDS, KEEP_SECONDS

if TYPE_CHECKING:
    from cloudnet.relay import Relay

LOOKS = 64
"""Sessions whose deadlines are seen to in one turn of the event loop: thousands that came at once are due at once."""


class Sweeping:
    """One relay's deadlines."""

    def __init__(self, relay: Relay) -> None:
        """Nothing is due yet."""
        self._relay = relay

    def everything(self, now: float) -> None:
        """See to every deadline at once; a server takes the sessions a few at a time."""
        self.messages(now)
        while self.sessions(now):
            pass
        self.forget(now)

    def sessions(self, now: float) -> bool:
        """Silent clients and windows that close, `LOOKS` of them; whether there may be more."""
        due = self._relay.attendance.deadlines.due(self._relay.attendance.sessions, now, LOOKS)
        for session in due:
            line = session.line
            if line is not None and line.wire.is_held():
                session.hear(now)  # its silence is ours: whatever it says is not read,
                line.wire.beat()  # and what it asks is not answered: without a word it would take us for gone
            if not session.is_overdue(now):
                if line is None:
                    pass
                elif session.wants_beat(now):
                    line.wire.beat()
                elif session.wants_ping(now):
                    line.wire.ping()
                self._relay.attendance.deadlines.watch(session)
            elif line is not None:
                line.wire.end(Close.DEADLINE, Code.DEADLINE, "nothing was heard of you")
                self._relay.lose(line)
            else:
                self._relay.attendance.end(session, "left", _wall())
        return len(due) == LOOKS

    def messages(self, now: float) -> None:
        """Messages that nobody takes, connections that are stuck."""
        oldest = now
        flying = self._relay.attendance.flying
        for session in list(flying):
            if not session.flights:
                flying.discard(session)
            elif session.flights[0].at < now - KEEP_SECONDS:
                oldest = min(oldest, session.flights[0].at)
                self._relay.keeping.keep_overdue(session, now)
        for line in self._relay.clogs:
            if (taken := line.wire.taken()) > line.taken:
                line.taken, line.clogged_at = taken, now
        for line in [line for line in self._relay.clogs if line.session is not None and now - line.clogged_at >= DRAIN_SECONDS]:
            line.wire.end(Close.OVERLOADED, Code.SLOW_READER, "you do not read what is sent to you")
            self._relay.lose(line)
        self._relay.figures.oldest_under_way = now - oldest

    def forget(self, now: float) -> None:
        """Note who is here still, and drop what is known of the rates of those who are not and have been quiet."""
        self._relay.asking.know_all(_wall())
        sessions = self._relay.attendance.sessions
        for key in [key for key, bucket in self._relay.buckets.items() if key not in sessions and bucket.is_full(now)]:
            del self._relay.buckets[key]


def _wall() -> int:
    return time.time_ns() // 1_000_000
