"""A relay that speaks the Cloud Server's protocol and lies: of every so many messages it loses, doubles, swaps or changes one.

It accepts everything at once, whatever becomes of it, but for what it rejects or swallows.
It keeps nothing and proves nothing; what it does is known exactly.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

from cloudnet.codec import encode, from_client
from cloudnet.packets import (
    Accepted,
    Ack,
    Challenge,
    Deliver,
    Done,
    Leave,
    Limits,
    Login,
    Ping,
    Pong,
    Register,
    Rejected,
    Send,
    Welcome,
)


class Liar:
    """What it does, and to how many it has done it."""

    def __init__(self, fault: str, nth: int) -> None:
        """`fault`: ``lose``, ``double``, ``swap``, ``change``, ``reject`` or ``swallow`` each `nth` message."""
        self.fault = fault
        self.nth = nth
        self.least = 0
        """Bytes that a body has at least of a message that something happens to."""
        self.messages = 0
        self.faults = 0
        self.clients: dict[bytes, Line] = {}
        self.open = self.most = 0
        """Connections now, and at most."""
        self.held: tuple[Line, Send] | None = None
        self.last: tuple[Line, Send] | None = None

    def relay(self, sender: Line, packet: Send) -> None:
        """One message."""
        self.messages += 1
        self.last = (sender, packet)
        recipient = self.clients.get(packet.to)
        is_nth = self.messages % self.nth == 0 and len(packet.body) >= self.least
        self.faults += is_nth
        if is_nth and self.fault == "reject":
            sender.say(Rejected(packet.seq, "no-room", "there is no room"))
            return
        if is_nth and self.fault == "swallow":
            return
        sender.say(Accepted((packet.seq,)))
        if recipient is None or (is_nth and self.fault == "lose"):
            return
        if is_nth and self.fault == "swap":
            sender.held = packet
            return
        body = packet.body[:-1] + bytes([packet.body[-1] ^ 1]) if is_nth and self.fault == "change" else packet.body
        recipient.deliver(sender.key, packet, body)
        if is_nth and self.fault == "double":
            recipient.deliver(sender.key, packet, body)
        if sender.held is not None:
            late, sender.held = sender.held, None
            self.clients[late.to].deliver(sender.key, late, late.body)


class Line(WSListener):
    """One client's connection."""

    def __init__(self, liar: Liar) -> None:
        self.liar = liar
        self.key = b""
        self.position = 0
        self.held: Send | None = None
        self.transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Challenge it."""
        self.transport = transport
        self.liar.open += 1
        self.liar.most = max(self.liar.most, self.liar.open)
        self.say(Challenge(1, b"k" * 32, b"n" * 32, 0))

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """It has gone."""
        self.liar.open -= 1

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Its packets."""
        if frame.msg_type != WSMsgType.BINARY:
            return
        for packet in from_client(frame.get_payload_as_bytes()):
            match packet:
                case Login():
                    self.key = packet.key
                    self.liar.clients[packet.key] = self
                    self.say(Welcome(b"e" * 16, False, 0, b"s" * 64, Limits()))
                case Send():
                    self.liar.relay(self, packet)
                case Register(ask=ask):
                    self.say(Done(ask))
                case Ping(ask=ask):
                    self.say(Pong(ask, 0))
                case Leave():
                    transport.disconnect()
                case Ack():
                    pass

    def say(self, packet: Any) -> None:
        """One packet."""
        assert self.transport is not None
        self.transport.send(WSMsgType.BINARY, encode([packet]))

    def deliver(self, sender: bytes, packet: Send, body: bytes) -> None:
        """A message for it."""
        self.position += 1
        self.say(Deliver(self.position, sender, packet.id, 0, packet.to, body))


@asynccontextmanager
async def lying(fault: str, nth: int) -> AsyncIterator[tuple[Liar, str]]:
    """One that lies, and its address."""
    liar = Liar(fault, nth)
    server = await ws_create_server(lambda _: Line(liar), "127.0.0.1", 0)
    try:
        yield liar, f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
