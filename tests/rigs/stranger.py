"""A client that is not ours: the PyPI package websockets, and packets written by hand from docs/cloud-protocol.md.

It does what it is told, also what no honest client does. Nothing of cloudnet is used but to make key pairs.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import nacl.signing
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

LOGIN, SEND, ACK, REGISTER, PING, LEAVE = 1, 2, 3, 4, 8, 10
CHALLENGE, WELCOME, DELIVER, ACCEPTED, REJECTED, REFUSAL, PONG, MOVING, BYE = 64, 65, 66, 67, 68, 70, 73, 74, 75


class Stranger:
    """One connection, its challenge taken."""

    def __init__(self, socket: ClientConnection, authority: str) -> None:
        self.socket = socket
        self.authority = authority
        self.signing = nacl.signing.SigningKey.generate()
        self.key = bytes(self.signing.verify_key)
        self.challenge: list[Any] = []
        self.waiting: list[list[Any]] = []

    def login(
        self,
        *,
        authority: str | None = None,
        certificate: bytes = b"",
        server: bytes | None = None,
        takeover: bool = False,
        resume: list[Any] | None = None,
    ) -> list[Any]:
        """A login as the protocol wants it, but for what is given."""
        authority = self.authority if authority is None else authority
        nonce = os.urandom(32)
        signed = b"".join(
            (
                b"cloudnet login 1\n",
                self.challenge[2] if server is None else server,
                self.challenge[3],
                self.key,
                nonce,
                bytes((takeover,)),
                bytes((len(certificate),)),
                certificate,
                authority.lower().encode(),
            )
        )
        return [
            LOGIN,
            self.key,
            nonce,
            authority,
            certificate,
            self.signing.sign(signed).signature,
            takeover,
            resume,
            "stranger",
        ]

    async def enter(self, **more: Any) -> list[Any]:
        """Log in; the welcome."""
        await self.say(self.login(**more))
        return await self.hear(WELCOME)

    async def say(self, *packets: list[Any]) -> None:
        """Send packets in one message."""
        await self.socket.send(msgspec.msgpack.encode(list(packets)))

    async def hear(self, kind: int = 0) -> list[Any]:
        """The next packet, or the next one of a kind; what came before it is forgotten."""
        async with asyncio.timeout(20):
            while True:
                while not self.waiting:
                    message = await self.socket.recv()
                    assert isinstance(message, bytes)
                    self.waiting = msgspec.msgpack.decode(message)
                packet = self.waiting.pop(0)
                if packet[0] == kind or not kind:
                    return packet

    async def end(self) -> tuple[int, str, str]:
        """How it ended: the close frame's code and text, and the code of the Bye, empty if there was none."""
        said = ""
        try:
            while True:
                packet = await self.hear()
                said = packet[1] if packet[0] == BYE else said
        except ConnectionClosed as fault:
            return (fault.rcvd.code, fault.rcvd.reason, said) if fault.rcvd else (0, "", said)


@asynccontextmanager
async def stranger(url: str, *, after: float = 0.0, **more: Any) -> AsyncIterator[Stranger]:
    """A connection for the length of an ``async with``, opened `after` so many seconds; `more` is for websockets' `connect`."""
    await asyncio.sleep(after)
    async with connect(url, proxy=None, compression=None, **more) as socket:
        found = Stranger(socket, url.partition("//")[2])
        found.challenge = await found.hear(CHALLENGE)
        yield found


async def raw(port: int, host: str = "") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A TCP connection after the WebSocket handshake; what the server has said behind it is still to be read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    key = base64.b64encode(os.urandom(16)).decode()
    lines = (
        "GET / HTTP/1.1",
        f"Host: {host or f'127.0.0.1:{port}'}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
        "\r\n",
    )
    writer.write("\r\n".join(lines).encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101 "), answer
    return reader, writer


def frame(opcode: int, payload: bytes, *, fin: bool = True, bits: int = 0, masked: bool = True) -> bytes:
    """A frame as clients send them (with a mask of zeros); `bits` are RSV1, RSV2 and RSV3 as 4, 2 and 1."""
    mark = 0x80 if masked else 0
    size = len(payload)
    long = bytes((mark | 126,)) + size.to_bytes(2, "big") if size < 65536 else bytes((mark | 127,)) + size.to_bytes(8, "big")
    length = bytes((mark | size,)) if size < 126 else long
    return bytes((0x80 * fin | bits << 4 | opcode,)) + length + bytes(4 * masked) + payload


async def close_code(reader: asyncio.StreamReader) -> int:
    """The code of the close frame that a raw connection ends with; 0 when there was none."""
    said = b""
    async with asyncio.timeout(20):
        while True:
            try:
                piece = await reader.read(65536)
            except ConnectionResetError:
                piece = b""
            said += piece
            while len(said) > 3:
                size, start = (int.from_bytes(said[2:4], "big"), 4) if said[1] == 126 else (said[1], 2)
                if len(said) < start + size:
                    break
                if said[0] & 15 == 8:
                    return int.from_bytes(said[start : start + 2], "big")
                said = said[start + size :]
            if not piece:
                return 0
