"""One HTTP/1.1 exchange, bounded in time and bytes: what probes and /metrics readers need.

h11 (which the link's WebSocket library brings along) knows the protocol; this room adds the
connection and the limits. One request, one connection, no cookies, no redirects followed: a
redirect is an answer like any other. Every fault of the network comes out as `Failed`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import h11

from watchkeeper.errors import Failed

if TYPE_CHECKING:
    import ssl

USER_AGENT = "watchkeeper"


class Unconnected(Failed):
    """There was no connection, so nothing was handed over."""


class Answer(NamedTuple):
    """What came back. `cert_expires_at` is seconds since the epoch, 0 without TLS."""

    status: int
    headers: dict[str, str]
    body: bytes
    cert_expires_at: float


async def fetch(
    url: str,
    *,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    limit: int = 1 << 20,
    verify: bool = True,
    authorities: str = "",
    status_counts: bool = False,
    unix: str = "",
    address: str = "",
) -> Answer:
    """Ask `url` once and read the whole answer, at most `limit` bytes of body.

    `authorities` is a file of certificates to trust beside the system's. With `status_counts` the status is what is asked
    for: a body that is too long, or breaks off, is cut instead of a fault. `unix` is a socket's path: it is asked there,
    whatever host `url` names; `address`: its host is there, and is not looked up (TLS goes by
    the name). The caller bounds the time (`asyncio.timeout`). Raises `Failed` with the reason in words;
    `Unconnected`, if nothing was sent.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Failed(f"{url!r} is not an http:// or https:// address", retry=False)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    sent = {"host": parts.netloc.rpartition("@")[2], "user-agent": USER_AGENT, "accept": "*/*", "connection": "close"}
    sent |= {name.lower(): value for name, value in (headers or {}).items()}
    if body:
        sent["content-length"] = str(len(body))
    try:
        if unix:
            reader, writer = await asyncio.open_unix_connection(unix)
        else:
            context = tls_context(verify=verify, authorities=authorities) if secure else None
            port = parts.port or (443 if secure else 80)
            name = parts.hostname if secure else None
            reader, writer = await asyncio.open_connection(address or parts.hostname, port, ssl=context, server_hostname=name)
    except OSError as fault:
        raise Unconnected(f"cannot connect: {_reason(fault)}") from None
    except UnicodeError:
        raise Unconnected("cannot connect: the address has no name that a host can have", retry=False) from None
    try:
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=65536)
        request = h11.Request(method=method, target=target, headers=list(sent.items()))
        writer.write((connection.send(request) or b"") + (connection.send(h11.Data(data=body)) or b"" if body else b""))
        writer.write(connection.send(h11.EndOfMessage()) or b"")
        return await _answer(reader, writer, connection, limit, status_counts=status_counts)
    except OSError as fault:
        raise Failed(f"the connection broke: {_reason(fault)}") from None
    except h11.RemoteProtocolError as fault:
        raise Failed(f"the answer is not HTTP: {fault}") from None
    except h11.LocalProtocolError as fault:
        raise Failed(f"the request cannot be sent: {fault}", retry=False) from None
    except UnicodeError:
        raise Failed("the request cannot be sent: letters of the address have to be written as %..", retry=False) from None
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def stream(path: str, *, unix: str) -> AsyncGenerator[bytes, None]:
    """GET `path` at a unix socket: its body as it comes, for as long as it comes.

    Raises `Failed`, also for a status of 400 and above.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(unix)
    except OSError as fault:
        raise Unconnected(f"cannot connect: {_reason(fault)}") from None
    try:
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=65536)
        head = h11.Request(method="GET", target=path, headers=[("host", "localhost"), ("user-agent", USER_AGENT)])
        writer.write((connection.send(head) or b"") + (connection.send(h11.EndOfMessage()) or b""))
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Response) and event.status_code >= 400:
                raise Failed(f"status {event.status_code}")
            elif isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed)):
                return
    except OSError as fault:
        raise Failed(f"the connection broke: {_reason(fault)}") from None
    except h11.RemoteProtocolError as fault:
        raise Failed(f"the answer is not HTTP: {fault}") from None
    finally:
        writer.close()


async def _answer(  # noqa: C901  # the shape of h11's own example; taken apart it would be longer
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: h11.Connection, limit: int, *, status_counts: bool
) -> Answer:
    head: h11.Response | None = None
    body = bytearray()
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                data = await reader.read(65536)
                if not data and head is None:
                    raise Failed("the connection was closed before an answer came")
                connection.receive_data(data)
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > limit:
                    if status_counts:
                        break
                    raise Failed(f"the answer is longer than {limit} bytes", retry=False)
            elif isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed)):
                break
    except (OSError, h11.RemoteProtocolError):
        if head is None or not status_counts:
            raise
    assert head is not None, "h11 gives the head before the end"
    del body[limit:]
    found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in head.headers}
    return Answer(head.status_code, found, bytes(body), _expiry(writer))


def tls_context(*, verify: bool, authorities: str = "") -> ssl.SSLContext:
    """How a server's certificate is looked at: against this system's authorities and those in the file, or not at all.

    Reading the system's authorities costs 15 ms of CPU, so without a file the context is kept. Raises OSError where the
    file cannot be read.
    """
    return _fresh_context(verify=verify, authorities=authorities) if authorities else _kept_context(verify=verify)


@functools.lru_cache(maxsize=2)
def _kept_context(*, verify: bool) -> ssl.SSLContext:
    return _fresh_context(verify=verify, authorities="")


def _fresh_context(*, verify: bool, authorities: str) -> ssl.SSLContext:
    import ssl  # noqa: PLC0415  # most servers are asked over loopback, without TLS

    context = ssl.create_default_context()
    if authorities:
        context.load_verify_locations(authorities)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def certificate_end(url: str) -> float:
    """When the certificate of a server ends (Unix time), whoever trusts it; 0 where there is none to be seen.

    For whom a connection was refused because of it: nothing is asked, and nothing is said.
    """
    parts = urlsplit(url)
    try:
        context = tls_context(verify=False)
        _, writer = await asyncio.open_connection(parts.hostname, parts.port or 443, ssl=context)
    except (OSError, UnicodeError):
        return 0.0
    try:
        return _expiry(writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _expiry(writer: asyncio.StreamWriter) -> float:
    secured = writer.get_extra_info("ssl_object")
    shown = secured.getpeercert(True) if secured is not None else None
    if not shown:
        return 0.0
    from watchkeeper.expiry import ends_at  # noqa: PLC0415  # only reached over TLS

    return ends_at(shown)


def _reason(fault: OSError) -> str:
    verify_message = getattr(fault, "verify_message", "")
    return verify_message or fault.strerror or str(fault) or type(fault).__name__
