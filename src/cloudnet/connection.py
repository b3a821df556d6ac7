"""One client's WebSocket: frames in to the relay, packets out in one write a turn, and an end in every case.

`frames` holds the rules of frames; `Connection` is picows' listener and the relay's `Wire`, and `pen` has it write. Nothing
here knows what packets mean beyond the login.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import time

from picows import WSCloseCode, WSMsgType, WSTransport

from cloudnet.backbone import Handover
from cloudnet.codec import from_client
from cloudnet.codes import Close, Code
from cloudnet.errors import Refused
from cloudnet.figures import Figures
from cloudnet.frames import Framed
from cloudnet.framing import Broken
from cloudnet.greeting import Greeting
from cloudnet.keys import Identity, written
from cloudnet.limits import FLOOD_SECONDS, Admission, FrameAllowance
from cloudnet.line import GONE, Line
from cloudnet.packets import Bye, Login
from cloudnet.pen import Pen
from cloudnet.porch import GREETING_BYTES, Porch
from cloudnet.relay import Relay

logger = logging.getLogger(__name__)

CLOSES: dict[str, Close] = {Code.ALREADY_CONNECTED: Close.ALREADY_CONNECTED, Code.TAKEN_OVER: Close.TAKEN_OVER}
"""How a login is refused that was right, by its reason."""
BROKEN: dict[int, Code] = {Close.TOO_BIG: Code.TOO_BIG, Close.POLICY: Code.TOO_FAST, Close.DEADLINE: Code.DEADLINE}
"""The reason for a close code of frames; `malformed` for the others."""

CAN_COUNT = sys.platform == "linux"
"""Whether the system tells how much the other side has acknowledged."""

_ACKED = slice(120, 128)
"""Where `tcpi_bytes_acked` stands in the `struct tcp_info` of tcp(7), since Linux 4.1."""
_BINARY = WSMsgType.BINARY


class Connection(Framed):
    """A client that has found us; known by name after its login."""

    __slots__ = (
        "_authority",
        "_callers",
        "_frames",
        "_greetings",
        "_is_caller",
        "_is_entering",
        "_pause",
        "_paused_until",
        "_porch",
        "figures",
        "greeting",
        "line",
        "relay",
    )

    def __init__(
        self,
        relay: Relay,
        identity: Identity,
        certificate: bytes,
        pen: Pen,
        figures: Figures,
        greetings: set[Connection],
        callers: Admission | None,
        authority: str,
        address: str,
    ) -> None:
        """`greetings`: all that have not logged in, for the sweep; `authority`: the Host that the handshake named.

        `callers` admits by `address` where a proxy stands before us, so that the street has seen no address but the proxy's.
        """
        super().__init__()
        self.relay = relay
        self.figures = figures
        now = time.monotonic()
        self.greeting: Greeting | None = Greeting(identity, now, certificate)
        self.line = Line(self, pen, figures, address, now)
        self._greetings = greetings
        self._callers = callers
        self._is_caller = False
        self._authority = authority
        self._pause: asyncio.TimerHandle | None = None
        self._paused_until = 0.0
        self._frames: FrameAllowance | None = None
        """Most connections need none."""
        self._porch: Porch | None = None
        self._is_entering = False

    # -- picows' listener ---------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done: challenge."""
        super().on_ws_connected(transport)
        assert self.greeting is not None
        if self._callers is not None:
            if reason := self._callers.admit(self.line.address, time.monotonic()):
                self.figures.turned_away[reason] += 1
                self.end(Close.OVERLOADED, reason, "too much comes from your address")
                return
            self._is_caller = True
        self._greetings.add(self)
        self._porch = Porch(transport.underlying_transport, self._overrun)
        self.line.say(self.greeting.challenge(time.time_ns() // 1_000_000))

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """It is gone."""
        if self._pause is not None:
            self._pause.cancel()
        sent = getattr(transport.close_handshake, "sent", None)  # None without a close frame, whatever the stub says
        if sent is not None and not self._is_closing:  # picows has found a bad frame itself
            self.figures.closes[Code.TOO_BIG if sent.code == WSCloseCode.MESSAGE_TOO_BIG else Code.MALFORMED] += 1
        self._is_closing = True
        self._porch = None
        super().on_ws_disconnected(transport)
        if self._is_caller and self._callers is not None:
            self._is_caller = False
            self._callers.leave(self.line.address)
        try:
            self._lose()
        except Exception:  # picows would swallow it
            logger.exception("a connection of %s was not given up cleanly", self.line.address)
        self.line.wire = GONE  # no ring of references: what a connection has held is to go with it, not at some collection

    def pause_writing(self) -> None:
        """The client does not take what we write: nor do we read what would only make us write more."""
        self.relay.clogged(self.line, time.monotonic())
        if self._transport is not None and not self._is_closing:
            self._transport.underlying_transport.pause_reading()

    def resume_writing(self) -> None:
        """It takes it again."""
        self.relay.unclogged(self.line)
        self.proceed()

    # -- the relay's wire -----------------------------------------------------------------------------

    def write_all(self) -> None:
        """Send everything that waits; called for one connection after the other, so a fault of one must not stop the rest."""
        try:
            self.write()
        except Exception as fault:  # noqa: BLE001  # the border of a connection, as for what comes in
            self._fail(fault)

    def write(self) -> None:
        """Send everything that waits, as one message where it fits into one."""
        for message in self.line.drain():
            if self._transport is not None and not self._is_closing:  # nothing may follow a close frame (section 5.5.1)
                self._transport.send(_BINARY, message)

    def end(self, close: int, code: str, why: str) -> None:
        """See `line.Wire`."""
        if self._is_closing or self._transport is None:
            return
        self.figures.closes[code] += 1
        level = logging.DEBUG if close == Close.LEFT else logging.INFO  # who leaves as agreed is no news
        logger.log(level, "closing %s: %s (%s)", self._who(), why, code)
        if close != Close.TEXT:
            self.line.say(Bye(code, why))
        self.write()
        self._part(close, why)

    def ping(self) -> None:
        """See `line.Wire`."""
        if self._transport is not None and not self._is_closing:
            self._transport.send_ping()

    def beat(self) -> None:
        """See `line.Wire`: a pong that nobody has asked for (RFC 6455 section 5.5.3)."""
        if self._transport is not None and not self._is_closing:
            self._transport.send_pong()

    def taken(self) -> int:
        """See `line.Wire`: bytes that the other side has acknowledged; where no system tells, what waits here, below 0."""
        if self._transport is None:
            return 0
        underneath = self._transport.underlying_transport
        if not CAN_COUNT:
            return -underneath.get_write_buffer_size()
        told = underneath.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKED.stop)
        return int.from_bytes(told[_ACKED], sys.byteorder)

    def pause(self, seconds: float) -> None:
        """See `line.Wire`."""
        if self._transport is None or self._is_closing:
            return
        self._transport.underlying_transport.pause_reading()
        if seconds != float("inf"):
            until = time.monotonic() + seconds
            if self._pause is not None:
                if until <= self._paused_until:
                    return  # there is more than one reason to pause, and the longest counts
                self._pause.cancel()
            self._paused_until = until
            self._pause = asyncio.get_running_loop().call_later(seconds, self._paused_enough)

    def proceed(self) -> None:
        """See `line.Wire`."""
        if self._transport is not None and not self._is_closing and not self.is_held():
            self._transport.underlying_transport.resume_reading()
            self._hear()  # it could say nothing meanwhile

    def is_held(self) -> bool:
        """See `line.Wire`."""
        return self._pause is not None or self.line.paused or bool(self.line.clogged_at)

    # -- within ---------------------------------------------------------------------------------------

    def _take(self, message: bytes) -> None:
        if self.greeting is None:
            self.relay.take(self.line, message)
        else:
            self._login(message)

    def _login(self, message: bytes) -> None:
        assert self.greeting is not None
        try:
            packets = from_client(message)
            if len(packets) != 1 or not isinstance(packets[0], Login):
                raise Refused("a login was expected, and it alone", Code.NOT_LOGGED_IN)
            if self._is_entering:
                raise Refused("a login is being dealt with; nothing may follow before the welcome", Code.NOT_LOGGED_IN)
            login = packets[0]
            self.greeting.check(login, self._authority, self.relay.names)
        except Refused as fault:
            self.figures.logins[fault.code] += 1
            raise
        self._is_entering = True
        self.relay.knock(self.line, login, lambda handover: self._enter(login, handover))

    def _enter(self, login: Login, handover: Handover | None) -> None:
        """Its session is here, if there was one anywhere. May be called after the client has gone again."""
        greeting = self.greeting
        if greeting is None or (self._transport is None and handover is None):
            return
        try:
            self.relay.enter(self.line, login, greeting, handover)
        except Refused as fault:
            self.figures.logins[fault.code] += 1
            if close := CLOSES.get(fault.code):
                self.end(close, fault.code, fault.why)
            else:
                self._fail(fault)
            return
        except Exception as fault:  # noqa: BLE001  # as in `frames`: the border of a connection
            self._fail(fault)
            return
        self.figures.logins["ok"] += 1
        self.greeting = None
        self._greetings.discard(self)
        if self._porch is not None:
            self._porch.let_in()
            self._porch = None
        if self._transport is None:
            self._lose()

    def _overrun(self) -> None:
        self._fail(Broken(Close.TOO_BIG, f"more than {GREETING_BYTES} bytes, and no login among them"))

    def _fail(self, fault: Exception) -> None:
        match fault:
            case Refused():
                self.figures.refusals[fault.code] += 1
                self.end(Close.LOGIN_REFUSED if self.greeting else Close.MALFORMED, fault.code, fault.why)
            case Broken():
                self.end(fault.code, BROKEN.get(fault.code, Code.MALFORMED), fault.why)
                if fault.code == Close.POLICY and self._transport is not None:
                    self._transport.underlying_transport.pause_reading()  # the flood may go on until the connection is cut
            case _:
                logger.error("a connection of %s broke", self._who(), exc_info=fault)
                self.end(Close.FAULT, Code.FAULT, "a mistake of ours; it was written down")
        self._lose()

    def _hear(self) -> None:
        if self.line.session is not None:
            self.line.session.hear(time.monotonic())

    def _weigh(self, size: int, *, is_control: bool) -> None:
        now = time.monotonic()
        if self._frames is None:
            self._frames = FrameAllowance(now)
        wait = self._frames.take(size, now, is_control=is_control, is_known=self.greeting is None)
        if wait > FLOOD_SECONDS:
            raise Broken(Close.POLICY, "more pings, pongs or small fragments than anybody needs")
        if wait:
            self.figures.paused[Code.TOO_FAST] += self._pause is None
            self.pause(wait)

    def _lose(self) -> None:
        self._greetings.discard(self)
        self.relay.lose(self.line)

    def _paused_enough(self) -> None:
        self._pause = None
        self.proceed()

    def _who(self) -> str:
        session = self.line.session
        return f"{written(session.key)[:12]}… at {self.line.address}" if session else self.line.address
