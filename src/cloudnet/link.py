"""One connection of a client: the handshake, packets both ways, and why it ended. `reaching` makes one after the other."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import logging
import os
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from picows.url import WSParsedURL

from cloudnet.codec import from_server, messages
from cloudnet.errors import Failed, Refused
from cloudnet.framing import BINARY, Assembler
from cloudnet.packets import MESSAGE_BYTES, Bye, Challenge, FromClient, FromServer, Welcome

SILENCE_SECONDS = 65.0
"""After so long without a word from the server it is pinged, which has pinged a silent client before; and"""
ANSWER_SECONDS = 30.0
"""it is taken for gone if it does not answer within this."""

_OPCODES = {WSMsgType.CONTINUATION: 0, WSMsgType.BINARY: BINARY}
_quiet = logging.LoggerAdapter(logging.getLogger("cloudnet.picows"), {})
_quiet.logger.setLevel(logging.CRITICAL)
_quiet.logger.propagate = False


class Link(WSListener):
    """One connection's socket."""

    def __init__(self, take: Callable[[FromServer], None]) -> None:
        """Not connected yet; `take` gets each packet behind the welcome once `open` was said."""
        loop = asyncio.get_running_loop()
        self.challenge: asyncio.Future[Challenge] = loop.create_future()
        self.welcome: asyncio.Future[Welcome] = loop.create_future()
        self.ended: asyncio.Future[str] = loop.create_future()
        self._early: list[FromServer] = []
        self._deliver = take
        self._is_open = False
        self._transport: WSTransport | None = None
        self._bye: Bye | None = None
        self._assembler = Assembler(MESSAGE_BYTES)
        self._socket: socket.socket | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done."""
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Packets, or the end."""
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            if not transport.is_close_frame_sent:
                transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif kind in _OPCODES:
            reserved = frame.rsv1 or frame.rsv2 or frame.rsv3
            whole = self._assembler.take(_OPCODES[kind], frame.get_payload_as_bytes(), fin=frame.fin, reserved=reserved)
            if whole is not None and whole[0] == BINARY:
                self._take(whole[1])

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """It is over."""
        why = self._bye.why if self._bye else "the connection was lost"
        closed = getattr(transport.close_handshake, "recv", None)  # None without a close frame, whatever the stub says
        if closed is not None and not self._bye:
            why = f"closed by the server with {closed.code}"
        fault = Refused(self._bye.why, self._bye.code) if self._bye else Failed(why)
        for waiting in (self.challenge, self.welcome):
            if not waiting.done():
                waiting.set_exception(fault)
                waiting.exception()
        if not self.ended.done():
            self.ended.set_result(why)

    @property
    def is_connected(self) -> bool:
        """Whether there was a handshake."""
        return self._transport is not None

    def send(self, packets: list[FromClient]) -> None:
        """Write packets, in messages of no more than a server takes."""
        if self._transport is not None:
            for message in messages(packets):
                self._transport.send(WSMsgType.BINARY, message)

    def open(self) -> None:
        """The welcome was dealt with: hand over what came with it, and all that comes from now on."""
        early, self._early = self._early, []
        self._is_open = True
        for packet in early:
            self._deliver(packet)

    def certificate(self) -> bytes:
        """SHA-256 of the server's TLS certificate; empty without TLS."""
        assert self._transport is not None
        secure = self._transport.underlying_transport.get_extra_info("ssl_object")
        if secure is None:
            return b""
        return hashlib.sha256(secure.getpeercert(binary_form=True) or b"").digest()

    def cut(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.disconnect(graceful=False)
        elif self._socket is not None:  # picows leaves a connection open whose handshake was broken off
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    async def plug(self, address: WSParsedURL) -> socket.socket:
        """A connected socket, the first of the host's addresses that answers. Raises OSError."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        for place, (family, kind, protocol, _, where) in enumerate(found, 1):
            plugged = socket.socket(family, kind, protocol)
            plugged.setblocking(False)
            try:
                await loop.sock_connect(plugged, where)
            except BaseException as fault:
                plugged.close()
                if place < len(found) and isinstance(fault, OSError):
                    continue
                raise
            self._socket = plugged
            return plugged
        raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))

    def _take(self, message: bytes) -> None:
        for packet in from_server(message):
            if isinstance(packet, Bye):
                self._bye = packet
            if isinstance(packet, Challenge) and not self.challenge.done():
                self.challenge.set_result(packet)
            elif isinstance(packet, Welcome) and not self.welcome.done():
                self.welcome.set_result(packet)
            elif self._is_open:
                self._deliver(packet)
            else:
                self._early.append(packet)


async def dial(link: Link, address: str, authority: str, tls: ssl.SSLContext | None) -> None:
    """Connect; raises what picows and the network raise."""
    await ws_connect(
        lambda: link,
        address,
        ssl_context=tls,
        extra_headers={"Host": authority},
        enable_auto_ping=True,
        auto_ping_idle_timeout=SILENCE_SECONDS,
        auto_ping_reply_timeout=ANSWER_SECONDS,
        max_frame_size=MESSAGE_BYTES,
        read_buffer_init_size=4096,
        socket_factory=link.plug,
        logger_name=_quiet,
    )
    if not link.is_connected:
        raise Failed("the connection was closed before its handshake")  # picows tells nobody
