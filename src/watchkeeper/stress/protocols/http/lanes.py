"""One connection: a request goes out, its answer comes in, and what became of it is told once.

All of it is plain callbacks; what costs a microsecond here costs a tenth of what the load can be.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import httptools

from watchkeeper.stress.faults import Code, of_connecting, of_socket, status
from watchkeeper.stress.lane import Floor, Tally
from watchkeeper.stress.protocols.http.requests import Requests, Script

_FRAMED = re.compile(rb"\r\n(?:content-length|transfer-encoding)[ \t]*:", re.IGNORECASE)


class HttpLane(asyncio.Protocol):
    """One connection."""

    keeps = False

    def __init__(self, requests: Requests, floor: Floor, number: int) -> None:
        self.room = 1
        self.is_up = False
        self.listed = False
        self._requests = requests
        self._floor = floor
        self._number = number
        self._turn = number
        self._clock = floor.clock
        self._transport: asyncio.Transport | None = None
        self._write: Callable[[bytes], None] | None = None
        self._parser: Any = None
        self._head: bytes | None = None
        self._whole = self._code = 0
        """Answers that the parser has found in what came last, the status of the last one,"""
        self._stays = True
        """and whether the connection stays after it."""
        self._tally: Tally = floor.idle
        self._intended = self._began = self._step_began = 0
        self._steps: list[Script] = []
        self._step: Script
        self._at = self._serial = 0
        self._is_dialling = False
        self._is_thinking = False

    # -- the floor's side -----------------------------------------------------------------------------

    def start(self, tally: Tally, intended: int, now: int) -> None:
        """See `Lane`."""
        self.room = 0
        self._tally = tally
        self._intended = intended
        self._began = self._step_began = now
        self._steps = steps = self._requests.scripts[tally.operation]
        self._at = 0
        self._serial += 1
        if self._write is None:
            self._floor.spawn(self._dial(), "http connection")
        else:
            self._send(steps[0])

    async def connect(self) -> None:
        """See `Lane`."""
        if self._write is None:
            await self._connect(self._floor.idle)

    def sweep(self, before: int) -> None:
        """See `Lane`."""
        if not self.room and self._step_began < before and not self._is_dialling and not self._is_thinking:
            self._fail(Code.TIMEOUT, f"no answer within {self._requests.ground.timeout:g} s")

    def cut(self, code: str) -> None:
        """See `Lane`."""
        if not self.room and not self._is_dialling:
            self._fail(code)
        else:
            self._hang_up()

    # -- connecting -----------------------------------------------------------------------------------

    async def _dial(self) -> None:
        """Connect for the operation that was started, and go on with it."""
        self._is_dialling = True
        try:
            await self._connect(self._tally)
        except Exception as fault:  # noqa: BLE001  # whatever it is, it is data: the code says whose word it is
            code, text = of_connecting(fault), str(fault)
            self.room = 1
            self._tally.fail(code, self._clock() - self._intended, text)
            self._floor.down(self, self._tally, code, text)
            return
        finally:
            self._is_dialling = False
        self._floor.up(self)
        if self._write is None:  # closed as soon as it was made
            self._fail(Code.CLOSED, "the connection was closed before the request was sent")
        else:
            self._send(self._steps[self._at])

    async def _connect(self, tally: Tally) -> None:
        began = self._clock()
        ground = self._requests.ground
        plugged = await ground.plug(self._number)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(ground.timeout):
            if ground.tls is not None:
                await loop.create_connection(lambda: self, sock=plugged, ssl=ground.tls, server_hostname=ground.server_name)
            else:
                await loop.create_connection(lambda: self, sock=plugged)
        tally.span("connect")(self._clock() - began)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """There is a connection."""
        self._transport = transport  # type: ignore[assignment]  # a stream's
        self._write = transport.write  # type: ignore[attr-defined]  # a stream socket has been given to it, so it is a writing one
        self._parser = httptools.HttpResponseParser(self)
        self._head, self._whole = None, 0

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side has closed it, or broken it: with an answer that ends there, or too early."""
        if self._transport is None:
            return
        head, self._transport, self._write = self._head, None, None
        self._floor.lost(self, of_socket(exc))
        if self.room or self._is_dialling:
            return
        if exc is None and head is not None and b"\r\n\r\n" in head and not _FRAMED.search(head.partition(b"\r\n\r\n")[0]):
            self._whole, self._stays, self._code = 1, False, self._parser.get_status_code()
            self._answered()  # neither a length nor chunks: the end of the connection ends the answer (RFC 9112, 6.3)
        else:
            self._fail(of_socket(exc), "the connection ended before the answer was whole")

    def _hang_up(self) -> None:
        transport, self._transport, self._write = self._transport, None, None
        if transport is not None:
            transport.abort()
            self._floor.lost(self, Code.CUT)

    # -- answers --------------------------------------------------------------------------------------

    def _send(self, step: Script) -> None:
        self._step = step
        request = step.requests[self._turn & step.mask]
        self._turn += 1
        self._tally.sent += len(request)
        assert self._write is not None
        self._write(request)

    def data_received(self, data: bytes) -> None:
        """A piece of an answer."""
        if self.room or self._is_thinking:
            self._floor.idle.count("unexpected")
            self._hang_up()
            return
        self._tally.received += len(data)
        if self._head is None:
            self._head = data
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as fault:  # a mistake of ours: it must not pass for the server's
            raise fault.__context__ or fault from None
        except httptools.HttpParserError as fault:
            if not self._whole:
                self._fail(Code.PROTOCOL, str(fault))
                return
        if self._whole:
            self._answered()

    def on_message_complete(self) -> None:
        """An answer is whole. What follows from it waits until the parser is done with what has come."""
        parser = self._parser
        code = parser.get_status_code()
        if code >= 200:  # else informational: the answer is still to come (RFC 9110, 15.2)
            self._whole += 1
            self._code = code
            self._stays = parser.should_keep_alive()  # which it forgets at the next word

    def _answered(self) -> None:
        """The answer is there; go on."""
        now = self._clock()
        whole, self._whole, self._head = self._whole, 0, None
        code = self._code
        if whole > 1:  # more than one answer to one question
            self._floor.idle.count("unexpected", whole - 1)
        if whole > 1 or not self._stays or self._requests.closes or self._step.is_head:
            self._hang_up()
        if code not in self._step.ok:
            self._fail(
                status(code), f"{code} to {self._step.requests[0].partition(b' HTTP/')[0][:200].decode('latin-1')}", keep=True
            )
        elif len(self._steps) == 1 or self._advance(now):
            self.room = 1
            tally = self._tally
            tally.took(now - self._intended)
            tally.served(now - self._began)
            self._floor.free(self, tally, now)

    def _advance(self, now: int) -> bool:
        """A step of a sequence has ended well; whether it was the last."""
        self._tally.span(self._step.name or f"step {self._at + 1}")(now - self._step_began)
        self._at += 1
        if self._at == len(self._steps):
            return True
        if self._step.think:
            self._is_thinking = True
            self._tally.thinking += 1
            asyncio.get_running_loop().call_later(self._step.think, self._go_on, self._serial)
        else:
            self._go_on(self._serial)
        return False

    def _go_on(self, serial: int) -> None:
        if self.room or serial != self._serial:  # it has ended meanwhile, and another may have begun
            return
        if self._is_thinking:  # what was meant to pass is nobody's answer; what passed beyond that is late as any start is
            self._is_thinking = False
            self._tally.thinking -= 1
            thought = int(self._step.think * 1e9)
            self._intended += thought
            self._began += thought
        self._step_began = self._clock()
        if self._write is None:
            self._floor.spawn(self._dial(), "http connection")
        else:
            self._send(self._steps[self._at])

    def _fail(self, code: str, text: str = "", *, keep: bool = False) -> None:
        """What is under way has ended otherwise than well. Unless `keep`, the connection is given up with it."""
        now = self._clock()
        tally = self._tally
        self.room = 1
        if self._is_thinking:
            self._is_thinking = False
            tally.thinking -= 1
        if not keep:
            self._hang_up()
        tally.fail(code, now - self._intended, text)
        self._floor.free(self, tally, now)


class AttentiveLane(HttpLane):
    """One that looks at headers and bodies: for cookies, for texts that must be there, for answers that have no body."""

    def __init__(self, requests: Requests, floor: Floor, number: int) -> None:
        super().__init__(requests, floor, number)
        self._tail = b""
        """The end of what has come of a body, in which a text that is looked for may have begun."""
        self._has_text = False
        self._jar: dict[bytes, bytes] = {}

    def on_headers_complete(self) -> None:
        """An answer to HEAD has no body, whatever its headers say."""
        if self._step.is_head:
            self._whole, self._stays, self._code = 1, False, self._parser.get_status_code()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a cookie; attributes do not matter on one connection to one server."""
        if self._requests.keeps_cookies and name.lower() == b"set-cookie":
            key, equals, content = value.partition(b";")[0].strip().partition(b"=")
            if equals:
                self._jar[key] = content

    def on_body(self, body: bytes) -> None:
        """A piece of the body, looked at only where a text is looked for, and not kept."""
        text = self._step.contains
        if text and not self._has_text:
            seen = self._tail + body
            self._has_text = text in seen
            self._tail = seen[1 - len(text) :] if len(text) > 1 else b""

    def _answered(self) -> None:
        step = self._step
        is_wanting = step.contains and not self._has_text and self._code in step.ok
        if not is_wanting:
            super()._answered()
            return
        self._whole, self._head = 0, None
        if not self._stays:
            self._hang_up()
        self._fail(Code.CORRUPT, f"{step.contains.decode()!r} is not in the answer", keep=True)

    def _send(self, step: Script) -> None:
        self._tail, self._has_text = b"", False
        if not self._jar:
            super()._send(step)
            return
        self._step = step
        line, rest = step.requests[self._turn & step.mask].split(b"\r\n", 1)
        cookies = b"; ".join(key + b"=" + value for key, value in self._jar.items())
        request = line + b"\r\nCookie: " + cookies + b"\r\n" + rest
        self._turn += 1
        self._tally.sent += len(request)
        assert self._write is not None
        self._write(request)
