"""One client's WebSocket: frames in to the relay, packets out in one write a turn, and an end in every case.

`frames` holds the rules of frames; `Connection` is picows' listener and the relay's `Wire`. Everything that is said to a client
within a
turn of the event loop leaves as one WebSocket message; acceptances alone may wait a few milliseconds for company when much is
going on. Nothing here knows what packets mean beyond the login.
"""

from __future__ import annotations

import asyncio
import logging
import time

from picows import WSMsgType, WSTransport

from cloudnet.errors import Refused
from cloudnet.figures import Figures
from cloudnet.frames import Framed
from cloudnet.framing import Broken
from cloudnet.keys import Identity, written
from cloudnet.packets import Bye, Close, Code, Login, from_client
from cloudnet.relay import Relay
from cloudnet.session import Greeting, Line

logger = logging.getLogger(__name__)

FEW = 16
"""So many lines with nothing but acceptances are written at once; when there are more, they wait for company."""
COMPANY_SECONDS = 0.005

_BINARY = WSMsgType.BINARY


class Pen:
    """Writes for all connections of one event loop, once a turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Nothing waits yet."""
        self._loop = loop
        self._now: list[Line] = []
        self._later: list[Line] = []
        self._is_due = False
        self._timer: asyncio.TimerHandle | None = None

    def ring(self, line: Line) -> None:
        """See `session.Wire`."""
        self._now.append(line)
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._write)

    def ring_later(self, line: Line) -> None:
        """See `session.Wire`."""
        self._later.append(line)
        if not self._is_due and self._timer is None:
            self._is_due = True
            self._loop.call_soon(self._write)

    def _write(self) -> None:
        self._is_due = False
        lines, self._now = self._now, []
        for line in lines:
            line.wire.write()  # type: ignore[attr-defined]  # every wire of a pen is a Connection
        if self._later and self._timer is None:
            if len(self._later) <= FEW:
                self._write_later()
            else:
                self._timer = self._loop.call_later(COMPANY_SECONDS, self._write_later)

    def _write_later(self) -> None:
        self._timer = None
        lines, self._later = self._later, []
        for line in lines:
            if line.safe and not line.rung:
                line.wire.write()  # type: ignore[attr-defined]  # as above


class Connection(Framed):
    """A client that has found us; known by name after its login."""

    def __init__(
        self,
        relay: Relay,
        identity: Identity,
        certificate: bytes,
        pen: Pen,
        figures: Figures,
        greetings: set[Connection],
        authority: str,
        address: str,
    ) -> None:
        """`greetings`: all that have not logged in, for the sweep; `authority`: the Host that the handshake named."""
        super().__init__()
        self.relay = relay
        self.figures = figures
        self.greeting: Greeting | None = Greeting(identity, time.monotonic(), certificate)
        self.line = Line(self, address)
        self.ring = pen.ring
        self.ring_later = pen.ring_later
        self._greetings = greetings
        self._authority = authority
        self._pause: asyncio.TimerHandle | None = None

    # -- picows' listener ---------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done: challenge."""
        self._transport = transport
        assert self.greeting is not None
        self._greetings.add(self)
        self.line.say(self.greeting.challenge(time.time_ns() // 1_000_000))

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002  # picows' own signature
        """It is gone."""
        if self._pause is not None:
            self._pause.cancel()
        self._is_closing = True
        self._lose()
        self._transport = None

    def pause_writing(self) -> None:
        """The client does not take what we write."""
        self.line.clogged_at = time.monotonic()

    def resume_writing(self) -> None:
        """It takes it again."""
        self.relay.unclogged(self.line)

    # -- the relay's wire -----------------------------------------------------------------------------

    def write(self) -> None:
        """Send everything that waits, as one message."""
        if self._transport is not None and (message := self.line.drain()):
            self._transport.send(_BINARY, message)

    def end(self, close: int, code: str, why: str) -> None:
        """See `session.Wire`."""
        if self._is_closing or self._transport is None:
            return
        self._is_closing = True
        self.figures.closes[code] += 1
        level = logging.DEBUG if close == Close.LEFT else logging.INFO  # who leaves as agreed is no news
        logger.log(level, "closing %s: %s (%s)", self._who(), why, code)
        if close != Close.TEXT:
            self.line.say(Bye(code, why))
        self.write()
        self._part(close, why)

    def ping(self) -> None:
        """See `session.Wire`."""
        if self._transport is not None and not self._is_closing:
            self._transport.send_ping()

    def pause(self, seconds: float) -> None:
        """See `session.Wire`."""
        if self._transport is None or self._is_closing:
            return
        self._transport.underlying_transport.pause_reading()
        if seconds != float("inf"):
            if self._pause is not None:
                self._pause.cancel()
            self._pause = asyncio.get_running_loop().call_later(seconds, self._paused_enough)

    def proceed(self) -> None:
        """See `session.Wire`."""
        if self._transport is not None and not self._is_closing and self._pause is None:
            self._transport.underlying_transport.resume_reading()

    # -- within ---------------------------------------------------------------------------------------

    def _take(self, message: bytes) -> None:
        if self.greeting is None:
            self.relay.take(self.line, message)
        else:
            self._login(message)

    def _login(self, message: bytes) -> None:
        assert self.greeting is not None
        packets = from_client(message)
        if len(packets) != 1 or not isinstance(packets[0], Login):
            self.figures.logins["not a login"] += 1
            raise Refused("a login was expected, and it alone", Code.NOT_LOGGED_IN)
        login = packets[0]
        try:
            self.greeting.check(login, self._authority)
            self.relay.enter(self.line, login, self.greeting)
        except Refused as fault:
            self.figures.logins[fault.code] += 1
            if fault.code == Code.ALREADY_CONNECTED:
                self.end(Close.ALREADY_CONNECTED, fault.code, fault.why)
                return
            raise
        self.figures.logins["ok"] += 1
        self.greeting = None
        self._greetings.discard(self)

    def _fail(self, fault: Exception) -> None:
        match fault:
            case Refused():
                self.figures.refusals[fault.code] += 1
                self.end(Close.LOGIN_REFUSED if self.greeting else Close.MALFORMED, fault.code, fault.why)
            case Broken():
                self.end(fault.code, Code.MALFORMED, fault.why)
            case _:
                logger.error("a connection of %s broke", self._who(), exc_info=fault)
                self.end(Close.FAULT, Code.FAULT, "a mistake of ours; it was written down")
        self._lose()

    def _hear(self) -> None:
        if self.line.session is not None:
            self.line.session.hear(time.monotonic())

    def _lose(self) -> None:
        self._greetings.discard(self)
        self.relay.lose(self.line)

    def _paused_enough(self) -> None:
        self._pause = None
        if not self.line.paused:
            self.proceed()

    def _who(self) -> str:
        session = self.line.session
        return f"{written(session.key)[:12]}… at {self.line.address}" if session else self.line.address
