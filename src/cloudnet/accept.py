"""The door to the street: connections are accepted, or refused before they cost anything.

A refused one is reset at once: no handshake, no TLS, no object that outlives the turn; picows' own server would have built all
of them before it asked us. So we accept ourselves and hand over what is admitted. Running out of file descriptors pauses
accepting
instead of spinning.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import ssl
import struct
import sys
import time
from collections.abc import Callable

import aiofastnet
from multidict import CIMultiDict
from picows import WSListener, WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # picows' own server is made of it; its stub leaves it out

from cloudnet.codes import Code
from cloudnet.errors import ConfigError
from cloudnet.figures import Figures
from cloudnet.greeting import GREETING_SECONDS
from cloudnet.limits import Admission
from cloudnet.packets import MESSAGE_BYTES
from cloudnet.session import PING_SECONDS, SILENCE_SECONDS

logger = logging.getLogger(__name__)

BACKLOG = 4096
PER_TURN = 64
"""Connections accepted in one turn of the event loop: a storm of newcomers must not starve those who are in."""
STARVED_SECONDS = 0.2
KEPT_DESCRIPTORS = 64
"""File descriptors that clients do not get: the mailbox and the page of figures need theirs when it matters most."""
READ_BUFFER = 2048
"""What a connection reads into at first; it grows with what comes. Half of picows' memory at its own default."""
CAN_VOUCH = hasattr(socket, "TCP_USER_TIMEOUT")
"""Whether the kernel can be told how long a peer may acknowledge nothing (tcp(7); Linux)."""
UNACKNOWLEDGED_MILLISECONDS = int(1000 * (SILENCE_SECONDS - PING_SECONDS))

_RESET = struct.pack("ii", 1, 0)

Answer = WSListener | WSUpgradeResponseWithListener | None
Lost = Callable[[Exception | None], None]
Factory = Callable[[WSUpgradeRequest, str], Answer]


class Street:
    """Listens, and lets in."""

    def __init__(
        self,
        listener: socket.socket,
        admission: Admission,
        figures: Figures,
        factory: Factory,
        context: ssl.SSLContext | None,
        tasks: asyncio.TaskGroup,
    ) -> None:
        """`factory(request, address)` answers a handshake: a listener, or an HTTP response."""
        self._listener = listener
        self._admission = admission
        self._figures = figures
        self._factory = factory
        self._context = context
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._logger = logging.LoggerAdapter(logging.getLogger("cloudnet.picows"), {})
        self._logger.logger.setLevel(logging.CRITICAL)
        self._logger.logger.propagate = False
        self._is_open = True

    def open(self) -> None:
        """Begin to accept."""
        self._loop.add_reader(self._listener, self._accept)

    def close(self) -> None:
        """Accept no more."""
        if self._is_open:
            self._is_open = False
            self._loop.remove_reader(self._listener)
            self._listener.close()

    def _accept(self) -> None:
        for _ in range(PER_TURN):
            try:
                client, peer = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as fault:
                logger.warning("no connection can be accepted for a moment: %s", fault.strerror)
                self._figures.turned_away["no descriptors"] += 1
                self._loop.remove_reader(self._listener)
                self._loop.call_later(STARVED_SECONDS, self._again)
                return
            address = peer[0]
            if reason := self._admission.admit(address, time.monotonic()):
                self._figures.turned_away[reason] += 1
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                client.close()
                continue
            self._figures.accepts += 1
            client.setblocking(False)
            if CAN_VOUCH:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MILLISECONDS)
            self._tasks.create_task(self._let_in(client, address), name=f"accept {address}")

    def _again(self) -> None:
        if self._is_open:
            self.open()

    async def _let_in(self, client: socket.socket, address: str) -> None:
        admission = self._admission
        answers: list[Answer] = []

        def answer(request: WSUpgradeRequest) -> Answer:
            answers.append(_if_it_can_be(request, self._factory(request, address)))
            return answers[0]

        def lost(fault: Exception | None) -> None:
            admission.leave(address)
            if isinstance(fault, TimeoutError):
                self._figures.closes[Code.DEADLINE] += 1
                logger.info("closing %s: it acknowledges nothing any more (%s)", address, Code.DEADLINE)
            if not answers or not getattr(answers[0], "is_shaken", True):
                self._figures.turned_away["no handshake"] += 1

        def protocol() -> Admitted:
            return Admitted(answer, self._logger, lost)

        handshake = GREETING_SECONDS if self._context else None
        try:
            await aiofastnet.connect_accepted_socket(
                self._loop, protocol, client, ssl=self._context, ssl_handshake_timeout=handshake
            )
        except (OSError, ssl.SSLError, TimeoutError) as fault:
            self._figures.turned_away["tls" if self._context else "gone"] += 1
            logger.debug("the handshake with %s failed: %s", address, fault)
            client.close()
            admission.leave(address)
        except Exception:  # a stranger's handshake must not end the server, whatever it has found
            logger.exception("a handshake broke")
            client.close()
            admission.leave(address)


class Admitted(WSProtocol):  # type: ignore[misc]  # the stub leaves its parent out
    """picows' protocol for one accepted connection, which says when it is over, also when there was no handshake."""

    def __init__(self, factory: Callable[[WSUpgradeRequest], Answer], log: object, lost: Lost) -> None:
        """The arguments that picows' server would give it, with our bounds."""
        super().__init__(
            None,
            None,
            False,
            factory,
            log,
            True,
            GREETING_SECONDS,
            False,
            60.0,
            60.0,
            1,
            False,
            MESSAGE_BYTES,
            None,
            READ_BUFFER,
        )
        self._lost = lost

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        super().connection_lost(exc)
        self._lost(exc)


def _if_it_can_be(request: WSUpgradeRequest, answer: Answer) -> Answer:
    """The answer; another version of the protocol, or none, is told ours (RFC 6455 section 4.4; picows does not look)."""
    if isinstance(answer, WSListener) and request.headers.get("Sec-WebSocket-Version") != "13":
        ours = {"Sec-WebSocket-Version": "13", "Upgrade": "websocket", "Connection": "Upgrade"}
        refusal = WSUpgradeResponse.create_error_response(426, b"this is a WebSocket, version 13\n", ours)
        return WSUpgradeResponseWithListener(refusal, None)
    return answer


def passed_on(headers: CIMultiDict[str]) -> bool:
    """Whether a proxy says that it has passed this handshake on (RFC 7239; RFC 9110 section 7.6.3)."""
    return any(name in headers for name in ("Forwarded", "Via", "X-Forwarded-For"))


def forwarded(headers: CIMultiDict[str], address: str) -> str:
    """The client's address as our proxy at `address` tells it: the last one in the last ``X-Forwarded-For``.

    Whatever stands before was said by the client. What is no address at all is not believed: the proxy's own stands for it.
    """
    told = ",".join(headers.getall("X-Forwarded-For", ())).rpartition(",")[2].strip()
    try:
        return str(ipaddress.ip_address(told.removeprefix("[").partition("]")[0] if told.startswith("[") else told))
    except ValueError:
        return address


def room_for(connections: int) -> int:
    """How many connections the system's limit on file descriptors leaves room for, `connections` (0: any number) at the most.

    The limit is raised as far as it goes. A few descriptors stay for the mailbox and for whoever asks for our figures.
    """
    if sys.platform == "win32":
        return connections
    import resource  # noqa: PLC0415  # not on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        hard = max(soft, connections * 2, 1 << 16)  # macOS takes no infinity, and nobody needs it
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    except (ValueError, OSError):
        hard = soft
    room = max(1, hard - KEPT_DESCRIPTORS)
    if connections > room:
        logger.warning("the system's limit on open files leaves room for %d connections, not for %d", room, connections)
    return min(connections, room) if connections else room


def http(status: int, text: str, kind: str = "text/plain; charset=utf-8") -> WSUpgradeResponseWithListener:
    """A plain answer to a question that is no handshake."""
    headers = {"Content-Type": kind, "Cache-Control": "no-store"}
    if status == 200:
        return WSUpgradeResponseWithListener(WSUpgradeResponse.create_ok_response(text.encode(), headers), None)
    return WSUpgradeResponseWithListener(WSUpgradeResponse.create_error_response(status, text.encode(), headers), None)


def listen(host: str, port: int, *, share: bool = False, is_only_held: bool = False) -> socket.socket:
    """A socket bound to an address, that listens unless it `is_only_held`. Raises ConfigError.

    `share` lets several processes of one user have the same address; the system shares clients out among those that listen.
    """
    listener: socket.socket | None = None
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
        if not is_only_held:
            listener.listen(BACKLOG)
    except OSError as fault:
        if listener is not None:
            listener.close()
        raise ConfigError(f"cannot listen on {host}:{port}: {fault.strerror or fault}") from None
    listener.setblocking(False)
    return listener
