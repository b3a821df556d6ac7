"""One connection of a Cloud Client under load: dialled, logged in, packets both ways; by `cloudnet`'s lower rooms, for speed.

Whoever makes one gives it a `take` for packets and is told when it `ended`. Everything that is to be said in one turn of
the event loop goes out as one message, what was taken first.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from picows.common import WSHandshakeError, WSProtocolError

from cloudnet.codec import from_server, messages
from cloudnet.errors import Refused
from cloudnet.keys import Identity, login_text
from cloudnet.packets import (
    MESSAGE_BYTES,
    NONCE_BYTES,
    Ack,
    Bye,
    Challenge,
    Deliver,
    FromClient,
    FromServer,
    Login,
    Resume,
    Welcome,
)
from watchkeeper.stress.faults import Code, Failure
from watchkeeper.stress.lane import Ground

AGENT = "watchkeeper-stress"

_quiet = logging.LoggerAdapter(logging.getLogger("watchkeeper.picows"), {})
_quiet.logger.setLevel(logging.CRITICAL)
_quiet.logger.propagate = False


class Connection(WSListener):
    """One connection of one identity."""

    def __init__(self, identity: Identity, take: Callable[[FromServer], None], ended: Callable[[str], None]) -> None:
        """`ended(code)` is called once, when a connection that was logged in is over."""
        self.identity = identity
        self.received = self.sent = 0
        """Bytes."""
        self.welcome: Welcome | None = None
        self._take = take
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._transport: WSTransport | None = None
        self._challenge: asyncio.Future[Challenge] = self._loop.create_future()
        self._welcome: asyncio.Future[Welcome] = self._loop.create_future()
        self._out: list[FromClient] = []
        self._position = self._acknowledged = 0
        self._is_due = False
        self._is_in = False
        self._why = ""

    @property
    def position(self) -> int:
        """The last position that was taken, for a later resume."""
        return self._position

    async def open(
        self, ground: Ground, number: int, server_key: bytes, *, resume: Resume | None = None, reads: bool = True
    ) -> Welcome:
        """Connect and log in, ending any other connection of this identity. Raises Failure, and what the network raises."""
        await self._dial(ground, number)
        try:
            async with asyncio.timeout(ground.timeout):
                challenge = await self._challenge
                if server_key and challenge.server != server_key:
                    raise Failure("rejected-wrong-server", "this is not the server whose key was given")
                nonce = os.urandom(NONCE_BYTES)
                authority = urlsplit(ground.url).netloc.rpartition("@")[2]
                certificate = self._certificate()
                key = self.identity.key
                text = login_text(challenge.server, challenge.nonce, key, nonce, authority, certificate, takeover=True)
                self._position = self._acknowledged = resume.position if resume is not None else 0
                login = Login(key, nonce, authority, certificate, self.identity.sign(text), True, resume, AGENT)
                self._write([login])
                welcome = await self._welcome
        except BaseException:
            self.cut()
            raise
        if resume is not None and not welcome.resumed:
            self._position = self._acknowledged = 0
        self._is_in = True
        if not reads:
            self.read(reads=False)
        return welcome

    def say(self, packet: FromClient) -> None:
        """Have a packet sent at the end of this turn."""
        self._out.append(packet)
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._flush)

    def read(self, *, reads: bool) -> None:
        """Stop to read, or begin again."""
        if self._transport is not None:
            under = self._transport.underlying_transport
            (under.resume_reading if reads else under.pause_reading)()

    def cut(self) -> None:
        """Drop the connection, as a network does."""
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    # -- picows' side ---------------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done."""
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Packets, or the end."""
        kind = frame.msg_type
        if kind == WSMsgType.BINARY:
            content = frame.get_payload_as_bytes()
            self.received += len(content)
            try:
                packets = from_server(content)
            except Refused as fault:
                self._break(Code.PROTOCOL, fault.why)
                return
            for packet in packets:
                self._deal(packet)
        elif kind == WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """It is over."""
        self._transport = None
        closed: Any = getattr(transport.close_handshake, "recv", None)
        code = self._why or (f"closed-{closed.code.value}" if closed is not None and closed.code else Code.CLOSED)
        for waiting in (self._challenge, self._welcome):
            if not waiting.done():
                waiting.set_exception(Failure(code, "the connection ended before the login"))
                waiting.exception()
        if self._is_in:
            self._is_in = False
            self._ended(code)

    # -- leaves ---------------------------------------------------------------------------------------

    def _deal(self, packet: FromServer) -> None:
        kind = type(packet)
        if kind is Deliver:
            self._position = packet.position  # type: ignore[union-attr]  # its own field
            if not self._is_due:
                self._is_due = True
                self._loop.call_soon(self._flush)
            self._take(packet)
        elif kind is Challenge:
            if not self._challenge.done():
                self._challenge.set_result(packet)  # type: ignore[arg-type]  # its kind was looked at above
        elif kind is Welcome:
            if not self._welcome.done():
                self.welcome = packet  # type: ignore[assignment]  # its kind was looked at above
                self._welcome.set_result(packet)  # type: ignore[arg-type]  # its kind was looked at above
        elif kind is Bye:
            self._why = f"rejected-{packet.code}"  # type: ignore[union-attr]  # its kind was looked at above
        else:
            self._take(packet)

    def _flush(self) -> None:
        self._is_due = False
        out, self._out = self._out, []
        if self._position > self._acknowledged and self._is_in:
            self._acknowledged = self._position
            out.insert(0, Ack(self._position))
        self._write(out)

    def _write(self, packets: list[FromClient]) -> None:
        if self._transport is not None:
            for message in messages(packets):
                self.sent += len(message)
                self._transport.send(WSMsgType.BINARY, message)

    def _break(self, code: str, why: str) -> None:
        self._why = code
        for waiting in (self._challenge, self._welcome):
            if not waiting.done():
                waiting.set_exception(Failure(code, why))
                waiting.exception()
        self.cut()

    def _certificate(self) -> bytes:
        assert self._transport is not None
        secure = self._transport.underlying_transport.get_extra_info("ssl_object")
        return b"" if secure is None else hashlib.sha256(secure.getpeercert(binary_form=True) or b"").digest()

    async def _dial(self, ground: Ground, number: int) -> None:
        plugged = await ground.plug(number)

        def plug(_: object) -> socket.socket:
            return plugged

        more: dict[str, Any] = {} if ground.tls is None else {"server_hostname": ground.server_name}
        try:
            await ws_connect(
                lambda: self,
                ground.url,
                ssl_context=ground.tls,
                websocket_handshake_timeout=ground.timeout,
                max_redirects=0,
                max_frame_size=MESSAGE_BYTES,
                read_buffer_init_size=2048,
                socket_factory=plug,
                logger_name=_quiet,
                **more,
            )
        except WSHandshakeError as fault:
            plugged.close()
            response = fault.response
            raise Failure(Code.UPGRADE, f"the handshake was answered with {response.status if response else fault}") from None
        except WSProtocolError as fault:
            raise Failure(Code.PROTOCOL, str(fault)) from None
        except BaseException:
            plugged.close()
            raise
        if self._transport is None:
            raise Failure(Code.CLOSED, "the connection was closed before its handshake")
