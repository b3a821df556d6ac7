"""A connection's WebSocket half: frames in, whole messages on, and an end in every case (RFC 6455 sections 5 and 7).

picows unmasks frames and refuses bad opcodes, lengths and masks; `framing.Assembler` joins messages. This listener does what is
between the two and the meaning of messages: reserved bits, pings, the closing handshake. `connection.Connection` builds on it
for clients, and `programs.echo` for the conformance cases, so that those prove what clients meet. It knows no packet.
"""

from __future__ import annotations

import asyncio

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from cloudnet.codes import Close
from cloudnet.framing import TEXT, Assembler, Broken
from cloudnet.packets import MESSAGE_BYTES

CLOSING_SECONDS = 1.0
"""How long the other side may take to answer a close frame, or to take what was written before ours."""
WHOLE_SECONDS = 120.0
"""How long a message may take from its first fragment to its last: what has come of it is held in memory."""

_BINARY = WSMsgType.BINARY
_PING = WSMsgType.PING
_PONG = WSMsgType.PONG
_CLOSE = WSMsgType.CLOSE
_OPCODES = {WSMsgType.CONTINUATION: 0, WSMsgType.TEXT: TEXT, WSMsgType.BINARY: 2}
_NEVER_SENT = {0, 1006}
"""Codes that no close frame may bear and that picows lets pass; it refuses the others below 3000 itself (section 7.4)."""
_LAST_CODE = 4999


class Framed(WSListener):
    """The rules of frames for one connection. Subclasses say what becomes of messages and of faults."""

    __slots__ = ("_assembler", "_is_closing", "_transport", "_whole_by", "is_shaken")

    def __init__(self) -> None:
        """Nothing has come yet."""
        self.is_shaken = False
        """Whether the handshake was ever done."""
        self._assembler: Assembler | None = None
        """Of the message that has begun; most come in one frame and need none."""
        self._whole_by: asyncio.TimerHandle | None = None
        self._transport: WSTransport | None = None
        self._is_closing = False

    # -- what a subclass says -------------------------------------------------------------------------

    def write(self) -> None:
        """Send whatever waits: the other side has begun to close, this is the last chance."""

    def _take(self, message: bytes) -> None:
        """A whole binary message has come."""
        raise NotImplementedError

    def _take_text(self, message: bytes) -> None:
        """A whole text message of valid UTF-8 has come; a Cloud Server wants none."""
        del message
        raise Broken(Close.TEXT, "packets are binary messages, not text")

    def _hear(self) -> None:
        """A ping or a pong has come: the other side lives."""

    def _weigh(self, size: int, *, is_control: bool) -> None:
        """A ping, a pong or a fragment has come, of so many bytes; raises Broken when there are too many."""

    def is_held(self) -> bool:
        """Whether nothing is read at the moment, so that the other side cannot go on with what it has begun."""
        return False

    def _fail(self, fault: Exception) -> None:
        """End this connection: Broken by the other side, or whatever taking a message has raised."""
        raise NotImplementedError

    # -- picows' listener -----------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done."""
        self._transport = transport
        self.is_shaken = True

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002  # picows' own signature
        """It is gone."""
        self._transport = None
        self._put_down()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """A frame; whole binary messages are taken straight away."""
        kind = frame.msg_type
        if (self._is_closing or transport.is_close_frame_sent) and kind != _CLOSE:
            return  # picows reads on for a moment when it has refused a frame
        try:
            is_plain = frame.fin and not (frame.rsv1 or frame.rsv2 or frame.rsv3)
            if is_plain and kind == _BINARY and self._assembler is None:
                self._take(frame.get_payload_as_bytes())
            elif (whole := self._joined(transport, frame)) is not None:
                (self._take_text if whole[0] == TEXT else self._take)(whole[1])
        except Exception as fault:  # noqa: BLE001  # the border of a connection: `_fail` ends it, and logs what is our fault
            self._fail(fault)

    # -- within ---------------------------------------------------------------------------------------

    def _joined(self, transport: WSTransport, frame: WSFrame) -> tuple[int, bytes] | None:
        """Whatever is no whole binary message in one frame; kind and bytes of a message that it completes."""
        kind = frame.msg_type
        reserved = frame.rsv1 or frame.rsv2 or frame.rsv3
        if kind != _CLOSE:
            self._weigh(frame.payload_size, is_control=kind not in _OPCODES)
        if kind in _OPCODES:
            if self._assembler is None:
                self._assembler = Assembler(MESSAGE_BYTES)
                self._await_whole()
            whole = self._assembler.take(_OPCODES[kind], frame.get_payload_as_bytes(), fin=frame.fin, reserved=reserved)
            if whole is not None:
                self._put_down()
            return whole
        if reserved:
            raise Broken(Close.MALFORMED, "a reserved bit is set, and no extension was agreed on")
        if kind == _PING:
            self._hear()
            transport.send_pong(frame.get_payload_as_bytes())
        elif kind == _PONG:
            self._hear()
        elif kind == _CLOSE:
            self._closed(transport, frame)
        return None

    def _await_whole(self) -> None:
        self._whole_by = asyncio.get_running_loop().call_later(WHOLE_SECONDS, self._not_whole)

    def _not_whole(self) -> None:
        if self.is_held():
            self._await_whole()
        else:
            self._fail(Broken(Close.DEADLINE, f"a message was begun {WHOLE_SECONDS:g} s ago and is not whole"))
            self._put_down()

    def _put_down(self) -> None:
        """No message is begun any more."""
        self._assembler = None
        if self._whole_by is not None:
            self._whole_by.cancel()
            self._whole_by = None

    def _closed(self, transport: WSTransport, frame: WSFrame) -> None:
        """Answer a close frame with its own code and hang up, as servers do first (sections 5.5.1 and 7.1.1)."""
        if not self._is_closing:
            code = int.from_bytes(frame.get_payload_as_bytes()[:2]) if frame.payload_size else 1000
            if code in _NEVER_SENT or code > _LAST_CODE:
                raise Broken(Close.MALFORMED, f"{code} is no code of a close frame")
            self.write()
            self._part(code)
        transport.disconnect()

    def _part(self, code: int, why: str = "") -> None:
        """Send the close frame; a connection that is still there after `CLOSING_SECONDS` is cut."""
        self._is_closing = True
        if self._transport is not None:
            self._transport.send_close(WSCloseCode(code), why.encode()[:120].decode("utf-8", "ignore"))
            asyncio.get_running_loop().call_later(CLOSING_SECONDS, self._cut)

    def _cut(self) -> None:
        if self._transport is not None:
            self._transport.disconnect(graceful=False)
