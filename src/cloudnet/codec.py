"""Packets as bytes and back: one WebSocket message is one MessagePack array of packets, checked as it is decoded.

`from_client` is what a stranger's bytes meet first: what is not described in `packets` is refused as malformed, whatever it is.
`messages` cuts what would be longer than either side takes. Nothing here knows who is talking.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from cloudnet.codes import Code
from cloudnet.errors import Refused
from cloudnet.packets import MESSAGE_BYTES, PACKETS, FromClient, FromServer

_encoder = msgspec.msgpack.Encoder()
_from_client: msgspec.msgpack.Decoder[list[FromClient]] = msgspec.msgpack.Decoder(
    Annotated[list[FromClient], msgspec.Meta(max_length=PACKETS)]
)
_from_server: msgspec.msgpack.Decoder[list[FromServer]] = msgspec.msgpack.Decoder(list[FromServer])

encode = _encoder.encode
"""A list of packets as the bytes of one WebSocket message."""


def from_client(message: bytes) -> list[FromClient]:
    """Decode what a client sent; raises Refused (``malformed``) with the reason."""
    try:
        return _from_client.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise Refused(f"not packets of a client: {fault}", Code.MALFORMED) from None


def from_server(message: bytes) -> list[FromServer]:
    """Decode what a server sent; raises Refused (``malformed``) with the reason."""
    try:
        return _from_server.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise Refused(f"not packets of a server: {fault}", Code.MALFORMED) from None


def messages(packets: Sequence[FromClient | FromServer]) -> list[bytes]:
    """Packets as WebSocket messages, one if they fit, none if there are none; no single packet is longer than MESSAGE_BYTES."""
    if not packets:
        return []
    message = _encoder.encode(packets)
    if len(packets) == 1 or (len(message) <= MESSAGE_BYTES and len(packets) <= PACKETS):
        return [message]
    half = len(packets) >> 1
    return messages(packets[:half]) + messages(packets[half:])


def encode_one(packet: FromClient | FromServer) -> bytes:
    """One packet as a WebSocket message of its own."""
    return _encoder.encode([packet])
