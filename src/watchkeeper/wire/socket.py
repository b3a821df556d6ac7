"""The agent's end of a WebSocket (RFC 6455), client side: wsproto's rules over asyncio's streams.

Small on purpose: the agent's memory is a feature, and the libraries that bring their own
connection code cost it 3 to 5 MiB. One message is one binary frame sequence; pings are answered;
a message over the packet limit closes the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
from urllib.parse import urlsplit

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from watchkeeper.errors import Failed
from watchkeeper.wire.packets import PACKET_BYTES

CONNECT_SECONDS = 10.0


class ClientSocket:
    """An open connection to a hub; made by `dial`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: WSConnection) -> None:
        """Take over a connection whose handshake is done."""
        self._reader = reader
        self._writer = writer
        self._connection = connection
        self._parts: list[bytes] = []
        self._size = 0
        self._events = connection.events()

    async def send(self, message: bytes) -> None:
        """Send one message; returns when the system has room for more. Raises `Failed` when the link is gone."""
        try:
            self._writer.write(self._connection.send(BytesMessage(data=message)))
            await self._writer.drain()
        except (OSError, LocalProtocolError) as fault:
            raise Failed(f"the link broke: {fault}") from None

    async def ping(self) -> None:
        """Send a ping, so that a dead path shows itself as a broken connection."""
        with contextlib.suppress(OSError, LocalProtocolError):
            self._writer.write(self._connection.send(Ping()))
            await self._writer.drain()

    async def receive(self) -> bytes | None:
        """The next message; None when the other side has closed. Raises `Failed` when the link is gone."""
        while True:
            for event in self._events:
                if isinstance(event, CloseConnection):
                    with contextlib.suppress(OSError, LocalProtocolError):
                        self._writer.write(self._connection.send(event.response()))
                    return None
                if (message := self._take(event)) is not None:
                    return message
            try:
                self._connection.receive_data(await self._reader.read(65536) or None)
            except OSError as fault:
                raise Failed(f"the link broke: {fault.strerror or fault}") from None
            except RemoteProtocolError as fault:
                raise Failed(f"the hub broke the WebSocket protocol: {fault}") from None
            self._events = self._connection.events()

    def _take(self, event: Event) -> bytes | None:
        """Weigh one event; the whole message once its last part is in."""
        if isinstance(event, BytesMessage):
            self._parts.append(bytes(event.data))
            self._size += len(event.data)
            if self._size > PACKET_BYTES:
                raise Failed(f"the hub sent a message of over {PACKET_BYTES} bytes")
            if event.message_finished:
                message = b"".join(self._parts)
                self._parts.clear()
                self._size = 0
                return message
        elif isinstance(event, Ping):
            self._writer.write(self._connection.send(event.response()))
        elif isinstance(event, TextMessage):
            raise Failed("the hub sent text where packets are binary")
        return None

    async def close(self, reason: str = "") -> None:
        """Say goodbye if possible and let go of the connection."""
        with contextlib.suppress(OSError, LocalProtocolError):
            self._writer.write(self._connection.send(CloseConnection(code=1000, reason=reason[:120])))
        self._writer.close()
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            async with asyncio.timeout(1):
                await self._writer.wait_closed()


async def dial(url: str, token: str) -> ClientSocket:
    """Open the link at ``ws://`` or ``wss://`` `url`, showing `token`; raises `Failed` with the reason.

    `retry` is False where only a person can help: a wrong token, a wrong address.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"ws", "wss"} or not parts.hostname:
        raise Failed(f"{url!r} is not a ws:// or wss:// address", retry=False)
    if not token.isascii() or not token.isprintable() or " " in token:
        why = "the agent's token is not one word: its file should hold what the hub's `link-token` holds, and nothing else"
        raise Failed(why, retry=False)
    secure = parts.scheme == "wss"
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(
                parts.hostname, parts.port or (443 if secure else 80), ssl=True if secure else None
            )
    except TimeoutError:
        raise Failed(f"no answer from {parts.netloc} within {CONNECT_SECONDS:.0f} s") from None
    except OSError as fault:
        raise Failed(f"cannot connect to {parts.netloc}: {fault.strerror or fault}") from None
    try:
        connection = WSConnection(ConnectionType.CLIENT)
        headers = [(b"authorization", f"Bearer {token}".encode())]
        writer.write(connection.send(Request(host=parts.netloc, target=parts.path or "/", extra_headers=headers)))
        async with asyncio.timeout(CONNECT_SECONDS):
            await _handshake(reader, connection)
    except (TimeoutError, OSError, RemoteProtocolError) as fault:
        writer.close()
        raise Failed(f"the hub at {parts.netloc} did not open the link: {str(fault) or 'no answer'}") from None
    except Failed:
        writer.close()
        raise
    return ClientSocket(reader, writer, connection)


async def _handshake(reader: asyncio.StreamReader, connection: WSConnection) -> None:
    status = 0
    said = b""
    while True:
        connection.receive_data(await reader.read(65536) or None)
        for event in connection.events():
            match event:
                case AcceptConnection():
                    return
                case RejectConnection(status_code=code, has_body=has_body):
                    status = code
                    if not has_body:
                        raise _rejected(status, said)
                case RejectData(data=data, body_finished=finished):
                    said += bytes(data[:2000])
                    if finished:
                        raise _rejected(status, said)
                case CloseConnection():
                    raise Failed("the hub closed the link before opening it")


def _rejected(status: int, said: bytes) -> Failed:
    detail = said.decode("utf-8", "replace").strip()[:200]
    if status in {401, 403}:
        return Failed(f"the hub refused the agent's token (HTTP {status})", retry=False)
    return Failed(f"the hub answered HTTP {status} instead of opening the link{': ' + detail if detail else ''}")
