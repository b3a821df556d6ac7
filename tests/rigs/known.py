"""Servers whose behaviour is known exactly, to see whether it is found: run as a program, ended by its standard input.

    python known.py KIND [NAME=VALUE …]      prints its port

HTTP kinds: ``fixed`` (each request takes `service` seconds, all at once), ``cap`` (a queue that is served `rate` times a
second, refusing with 503 beyond `room`), ``random`` (one clerk with exponential service times of mean 1 / `rate`: M/M/1),
``stall`` (answers at once, but for `stall` seconds of every `every`), ``freeze`` (as ``cap``, but once `room` wait it never
serves again), ``errors`` (every `nth` request gets 500), ``leak`` (keeps `bytes` of memory for each request, for ever),
``wrong`` (answers that are no HTTP, cut off, or reset, in turn).
WebSocket kinds: ``echo``, ``lossy`` (every `nth` message is not answered), ``twice`` (every `nth` is answered twice),
``twist`` (every `nth` comes back changed), ``push`` (`rate` messages a second to everybody).
"""

from __future__ import annotations

import asyncio
import random
import sys
from typing import Any

import httptools
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
FAULT = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
WRONG = (b"what?\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", b"")
TOKEN = "a-token-of-known-servers"
CONSENT = f"HTTP/1.1 200 OK\r\nContent-Length: {len(TOKEN)}\r\nConnection: close\r\n\r\n{TOKEN}".encode()


class Behaviour:
    """When, and with what, each request is answered."""

    def __init__(self, kind: str, given: dict[str, float]) -> None:
        self.kind = kind
        self.loop = asyncio.get_running_loop()
        self.given = {
            "service": 0.01,
            "rate": 200.0,
            "room": 1e9,
            "stall": 1.0,
            "every": 10.0,
            "nth": 1000.0,
            "bytes": 1e4,
            **given,
        }
        self.requests = 0
        self.free_at = 0.0
        self.waiting = 0
        self.frozen = False
        self.began = self.loop.time()
        self.chance = random.Random(7)
        self.leaked: list[bytes] = []

    def take(self, answer: Any) -> None:
        """A request; `answer(bytes)` is called with its answer."""
        self.requests += 1
        getattr(self, f"_{self.kind}")(answer)

    def _later(self, at: float, answer: Any, content: bytes = OK) -> None:
        """Answer at an instant, in the order in which they were queued."""
        self.waiting += 1

        def now() -> None:
            self.waiting -= 1
            answer(content)

        self.loop.call_at(at, now)

    def _fixed(self, answer: Any) -> None:
        self._later(self.loop.time() + self.given["service"], answer)

    def _cap(self, answer: Any, service: float = 0.0) -> None:
        if self.waiting >= self.given["room"]:
            answer(BUSY)
            return
        self.free_at = max(self.free_at, self.loop.time()) + (service or 1 / self.given["rate"])
        self._later(self.free_at, answer)

    def _random(self, answer: Any) -> None:
        self._cap(answer, self.chance.expovariate(self.given["rate"]))

    def _stall(self, answer: Any) -> None:
        into = (self.loop.time() - self.began) % self.given["every"]
        stall = self.given["stall"]
        if into < self.given["every"] - stall:
            answer(OK)
        else:
            self._later(self.loop.time() + self.given["every"] - into, answer)

    def _freeze(self, answer: Any) -> None:
        self.frozen = self.frozen or self.waiting >= self.given["room"]
        if not self.frozen:
            self._cap(answer)

    def _leak(self, answer: Any) -> None:
        self.leaked.append(bytes([self.requests % 255 + 1]) * int(self.given["bytes"]))  # written to, so that it is resident
        answer(OK)

    def _errors(self, answer: Any) -> None:
        answer(FAULT if self.requests % int(self.given["nth"]) == 0 else OK)

    def _wrong(self, answer: Any) -> None:
        answer(WRONG[self.requests % len(WRONG)])


class Http(asyncio.Protocol):
    """One connection."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour

    def connection_made(self, transport: Any) -> None:
        """A client."""
        self.transport = transport
        self.parser = httptools.HttpRequestParser(self)
        self.url = b""

    def on_url(self, url: bytes) -> None:
        """What it asks for."""
        self.url = url

    def data_received(self, data: bytes) -> None:
        """A request."""
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        """It is whole."""
        if self.url.startswith(b"/.well-known"):
            self.transport.write(CONSENT)
        else:
            self.behaviour.take(self.answer)

    def answer(self, content: bytes) -> None:
        """Write it; what is no whole answer ends the connection."""
        if content:
            self.transport.write(content)
        if content in WRONG:
            self.transport.abort() if not content else self.transport.close()


class Socket(WSListener):
    """One WebSocket."""

    def __init__(self, behaviour: Behaviour, everybody: set[WSTransport]) -> None:
        self.behaviour = behaviour
        self.everybody = everybody

    def on_ws_connected(self, transport: WSTransport) -> None:
        """A client."""
        self.everybody.add(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """It is gone."""
        self.everybody.discard(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """A message."""
        if frame.msg_type not in {WSMsgType.TEXT, WSMsgType.BINARY}:
            return
        behaviour = self.behaviour
        behaviour.requests += 1
        is_nth = behaviour.requests % int(behaviour.given["nth"]) == 0
        content = frame.get_payload_as_bytes()
        if is_nth and behaviour.kind == "lossy":
            return
        if is_nth and behaviour.kind == "twist":
            content = content[:-1] + bytes([content[-1] ^ 1])
        transport.send(frame.msg_type, content)
        if is_nth and behaviour.kind == "twice":
            transport.send(frame.msg_type, content)


async def push(behaviour: Behaviour, everybody: set[WSTransport]) -> None:
    """Messages of the server's own accord."""
    while True:
        await asyncio.sleep(1 / behaviour.given["rate"])
        for transport in list(everybody):
            transport.send(WSMsgType.BINARY, b"news")


async def serve(kind: str, given: dict[str, float]) -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    behaviour = Behaviour(kind, given)
    port = int(given.get("port", 0))
    everybody: set[WSTransport] = set()
    if hasattr(Behaviour, f"_{kind}"):
        server = await loop.create_server(lambda: Http(behaviour), "127.0.0.1", port, backlog=4096)
    else:
        server = await ws_create_server(lambda _: Socket(behaviour, everybody), "127.0.0.1", port, backlog=4096)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    pushing = asyncio.create_task(push(behaviour, everybody)) if kind == "push" else None
    await loop.run_in_executor(None, sys.stdin.read)
    if pushing:
        pushing.cancel()
    server.close()


if __name__ == "__main__":
    settings = {name: float(value) for name, _, value in (word.partition("=") for word in sys.argv[2:])}
    asyncio.run(serve(sys.argv[1], settings))
