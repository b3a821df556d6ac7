"""Receivers of messages that can be made to fail as real ones do: a webhook's, and a mail server.

Both keep what they took, with its key, and when. After `down` connections are refused; `up` listens at the same place again.
"""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import socket
import ssl
import time
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import Any, Literal, NamedTuple

import h11
import msgspec
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

Fault = Literal["", "after", "before", "slow", "cut", "big", "redirect", "garbage", "hang", "unavailable", "refuse", "gone"]
"""after: 500 after it was taken; before: 500 without; cut: the connection ends within the answer, after it was taken."""


class Taken(NamedTuple):
    """A message that was taken."""

    key: str
    told: Any
    headers: dict[str, str]
    at: float


class Receiver:
    """What both have in common: what was taken, and being there or not."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.asked = 0
        self.faults: list[Fault] = []
        """The faults of the next messages, first to last; then `fault`."""
        self.fault: Fault = ""
        self.port = 0
        self.up_at = 0.0
        self.when_taken: Callable[[], None] = lambda: None
        self._server: asyncio.Server | None = None
        self._held: socket.socket | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def keys(self) -> list[str]:
        """The keys, in order."""
        return [one.key for one in self.taken]

    def next_fault(self) -> Fault:
        """What is to go wrong with this message."""
        return self.faults.pop(0) if self.faults else self.fault

    async def down(self) -> None:
        """Refuse connections from now on, and end those there are."""
        if self._server is not None:
            self._server.close()
            for writer in self._open:
                writer.transport.abort()
            self._server = None
            self._held = socket.socket()  # bound and not listening: it refuses, and nobody else takes the port meanwhile
            self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._held.bind(("127.0.0.1", self.port))
            weakref.finalize(self, self._held.close)

    def let_go(self) -> None:
        """Free the port, to listen on it or for good."""
        if self._held is not None:
            self._held.close()
            self._held = None

    async def up(self) -> None:
        """Be there."""
        raise NotImplementedError

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Be there for the length of an ``async with``."""
        await self.up()
        try:
            yield
        finally:
            await self.down()
            self.let_go()


class Hook(Receiver):
    """A webhook's receiver."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self.tls = tls
        self.echoes = False
        """Whether its answers quote the request's headers and path, as careless programs do."""
        self.heads = 0

    @property
    def url(self) -> str:
        """Its address."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/hook"

    async def up(self) -> None:
        """Listen."""
        self.let_go()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self.up_at = time.time()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            await self._answer(reader, writer)
        except (ConnectionError, h11.RemoteProtocolError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found = await _read_request(reader)
        if found is None:
            return
        request, body = found
        if request.method != b"POST":
            self.heads += 1
            if self.fault == "hang":
                await reader.read()
            status = 503 if self.fault == "unavailable" else 405
            writer.write(b"HTTP/1.1 %d x\r\ncontent-length: 0\r\n\r\n" % status)
            return
        self.asked += 1
        headers = {name.decode(): text.decode() for name, text in request.headers}
        said = self._quoted(request, headers) if self.echoes else b"no"
        fault = self.next_fault()
        if fault == "hang":
            await reader.read()  # until whoever asks has had enough
        elif fault in {"before", "unavailable", "refuse", "redirect", "garbage", "gone"}:
            self._fail(writer, fault, said)
        else:
            await asyncio.sleep(0.5 if fault == "slow" else 0)
            self.taken.append(Taken(headers.get("idempotency-key", ""), msgspec.json.decode(body), headers, time.time()))
            self.when_taken()
            await self._say_taken(writer, fault, said)

    @staticmethod
    async def _say_taken(writer: asyncio.StreamWriter, fault: Fault, said: bytes) -> None:
        match fault:
            case "after":
                writer.write(b"HTTP/1.1 500 Oops\r\ncontent-length: 4\r\n\r\noops")
            case "cut":
                writer.write(b"HTTP/1.1 20")
                await writer.drain()
                writer.transport.abort()
            case "big":
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10485760\r\n\r\n")
                with contextlib.suppress(ConnectionError):
                    for _ in range(160):
                        writer.write(b"x" * 65536)
                        await writer.drain()
            case _:
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(said), said))

    @staticmethod
    def _quoted(request: h11.Request, headers: dict[str, str]) -> bytes:
        return f"{request.target.decode()} {headers}".encode()

    @staticmethod
    def _fail(writer: asyncio.StreamWriter, fault: Fault, said: bytes) -> None:
        match fault:
            case "garbage":
                writer.write(b"\x00\xffnot http at all\r\n\r\n")
            case "redirect":
                writer.write(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n")
            case _:
                status = {"before": 500, "unavailable": 503, "refuse": 400, "gone": 404}[fault]
                writer.write(b"HTTP/1.1 %d no\r\ncontent-length: %d\r\n\r\n%s" % (status, len(said), said))


async def _read_request(reader: asyncio.StreamReader) -> tuple[h11.Request, bytes] | None:
    """A whole request; None when whoever asks has gone."""
    connection, body = h11.Connection(h11.SERVER), b""
    request: h11.Request | None = None
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        if event is h11.NEED_DATA:
            data = await reader.read(65536)
            if not data:
                return None
            connection.receive_data(data)
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += event.data
    assert request is not None
    return request, body


class MailServer(Receiver):
    """A mail server; with `tls` it offers STARTTLS, `implicit` from the first byte; `password` is what it asks for."""

    def __init__(self, tls: ssl.SSLContext | None = None, *, implicit: bool = False, password: str = "") -> None:
        super().__init__()
        self.tls = tls
        self.implicit = implicit
        self.password = password
        self.signed_in: list[str] = []
        self.encrypted: list[bool] = []
        self.refuses: set[str] = set()

    async def up(self) -> None:
        """Listen."""
        self.let_go()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, "127.0.0.1", self.port, ssl=self.tls if self.implicit else None)
        self.port = self._server.sockets[0].getsockname()[1]
        self.up_at = time.time()

    def _protocol(self) -> SMTP:
        return SMTP(
            self,
            hostname="sink.example.org",
            tls_context=None if self.implicit else self.tls,
            authenticator=self._authenticate,
            auth_required=bool(self.password),
            auth_require_tls=bool(self.password),
            loop=asyncio.get_running_loop(),
            enable_SMTPUTF8=True,
        )

    def _authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        well = data.password.decode() == self.password
        if well:
            self.signed_in.append(data.login.decode())
        return AuthResult(success=well, handled=well)

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient, or not."""
        if address in self.refuses:
            return "550 5.1.1 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  # as above
        """Take a mail, or not."""
        self.asked += 1
        fault = self.next_fault()
        match fault:
            case "before" | "unavailable":
                return "451 4.3.0 try again later"
            case "refuse":
                return "554 5.7.1 this looks like spam"
            case "hang":
                await asyncio.sleep(3600)
            case "slow":
                await asyncio.sleep(0.5)
        raw = envelope.content
        assert isinstance(raw, bytes)
        mail = email.message_from_bytes(raw, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        key = mail["Message-ID"].strip("<>").partition("@")[0]
        self.taken.append(Taken(key, mail, {name: str(text) for name, text in mail.items()}, time.time()))
        self.encrypted.append(session.ssl is not None or self.implicit)
        self.when_taken()
        if fault == "after":
            return "451 4.3.0 taken, but I do not say so"
        if fault == "cut":
            server.transport.abort()
        return "250 2.0.0 OK: queued as 4BX"
