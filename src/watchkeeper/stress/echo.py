"""A target that answers at once, to measure the generator against: HTTP, WebSocket and TCP, each as cheap as Python can.

Run as ``python -m watchkeeper.stress.echo KIND``: it prints its port and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

import httptools

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok"


class HttpEcho(asyncio.Protocol):
    """Answers every request with 200."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client."""
        self._transport: Any = transport
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        """A request, or a piece of one."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    def on_message_complete(self) -> None:
        """Answer it."""
        self._transport.write(ANSWER)
        if not self._parser.should_keep_alive():
            self._transport.close()


class TcpEcho(asyncio.Protocol):
    """Sends back what comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client."""
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Send it back."""
        self._transport.write(data)


async def serve(kind: str, ended: asyncio.Event) -> None:
    """Serve one kind on a free port of loopback, which is printed, until told that it is over."""
    loop = asyncio.get_running_loop()
    if kind == "websocket":
        server = await _websocket()
    else:
        server = await loop.create_server(HttpEcho if kind == "http" else TcpEcho, "127.0.0.1", 0, backlog=4096)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    async with server:
        await ended.wait()


async def _websocket() -> asyncio.Server:
    from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server  # noqa: PLC0415  # for this kind alone

    class Echo(WSListener):
        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            if frame.msg_type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                transport.send(frame.msg_type, frame.get_payload_as_bytes())
            elif frame.msg_type == WSMsgType.CLOSE:
                transport.send_close(frame.get_close_code())
                transport.disconnect()

    return await ws_create_server(lambda _: Echo(), "127.0.0.1", 0, backlog=4096)


async def main(kind: str) -> None:
    """Serve until standard input ends."""
    logging.disable()  # clients that go while they are answered are nobody's business here
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    waiting = loop.run_in_executor(None, sys.stdin.read)
    waiting.add_done_callback(lambda _: ended.set())
    await serve(kind, ended)


if __name__ == "__main__":
    try:
        import uvloop

        uvloop.run(main(sys.argv[1]))
    except ImportError:
        asyncio.run(main(sys.argv[1]))
