"""Clients by the thousand for `relay`: our protocol, NATS over WebSocket and a bare 16-byte-recipient protocol, all on picows.

A `Crowd` is the clients of one server in this process. In the closed loop the arrival of a message sends the next one to a
random recipient, so that always as many are under way as were begun:
from whoever has received it, or, `is_strict`, from whoever has
sent it, and then no client ever has two to say at once. In the open model messages leave when a schedule says so, whatever has
come back, and latency counts from the intended time. What a client has to say in one turn of the event loop is one write:
acknowledgement first, then its messages.
"""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import logging
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from cloudnet.codec import encode, from_server
from cloudnet.keys import Identity, login_text
from cloudnet.packets import NONCE_BYTES, Accepted, Ack, Bye, Challenge, Deliver, Login, Rejected, Send, Welcome

BODY = 128
IN_FLIGHT = 200
"""Connections being opened at the same time."""
GRID = 100e-6
"""Seconds between two looks at the schedule; uvloop's own timers are off by half a millisecond."""
SLICE = 0.005
CLEAN = 150e-6
"""A slice is clean when neither side waited for its core for longer than this."""

_quiet = logging.LoggerAdapter(logging.getLogger("bench.picows"), {})
_quiet.logger.setLevel(logging.CRITICAL)


class Client(WSListener):
    """One connection; what differs is how a name is told, how messages are written and how they are read."""

    def __init__(self, crowd: Crowd, number: int) -> None:
        self.crowd = crowd
        self.number = number
        self.name = b""
        self.transport: WSTransport | None = None
        self.ready: asyncio.Future[None] = crowd.loop.create_future()
        self.bodies: list[bytes] = []
        self.is_due = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done."""
        self.transport = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002  # picows' own signature
        """It is gone."""
        self.transport = None
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("closed before it was logged in"))
        self.crowd.lost += 1

    def logged_in(self) -> None:
        """Messages may be sent."""
        if not self.ready.done():
            self.ready.set_result(None)

    def write(self) -> None:
        """Everything that waits."""
        raise NotImplementedError


class Ours(Client):
    """The Cloud Server's protocol."""

    def __init__(self, crowd: Crowd, number: int) -> None:
        super().__init__(crowd, number)
        self.identity = Identity.new()
        self.name = self.identity.key
        self.seq = 0
        self.position = 0
        self.acknowledged = 0

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:  # noqa: ARG002  # picows' own signature
        """Packets of one turn of the server's."""
        if frame.msg_type != WSMsgType.BINARY:
            return
        crowd = self.crowd
        bodies: list[bytes] = []
        safe = 0
        for packet in from_server(frame.get_payload_as_bytes()):
            kind = type(packet)
            if kind is Deliver:
                self.position = packet.position
                bodies.append(packet.body)
            elif kind is Accepted:
                safe += len(packet.seqs)
            elif kind is Challenge:
                self._log_in(packet)
            elif kind is Welcome:
                self.logged_in()
            elif kind is Rejected or kind is Bye:
                crowd.failures.append(f"{packet.code}: {packet.why}")
        crowd.accepted += safe
        if bodies:
            crowd.take(self, bodies)
        elif safe and crowd.is_durable and crowd.is_running:
            self.bodies += [crowd.body] * safe
            crowd.ring(self)

    def write(self) -> None:
        """An acknowledgement and all messages, in one WebSocket message."""
        packets: list[Ack | Send] = []
        if self.position > self.acknowledged:
            self.acknowledged = self.position
            packets.append(Ack(self.position))
        for body in self.bodies:
            self.seq += 1
            packets.append(Send(self.seq, self.crowd.recipient(), next(self.crowd.ids).to_bytes(16, "big"), body))
        self.bodies = []
        if packets and self.transport is not None:
            self.transport.send(WSMsgType.BINARY, encode(packets))

    def _log_in(self, challenge: Challenge) -> None:
        nonce = os.urandom(NONCE_BYTES)
        text = login_text(challenge.server, challenge.nonce, self.name, nonce, self.crowd.authority, b"", takeover=False)
        login = Login(self.name, nonce, self.crowd.authority, b"", self.identity.sign(text))
        assert self.transport is not None
        self.transport.send(WSMsgType.BINARY, encode([login]))


class Nats(Client):
    """NATS' text protocol: a subject for each client."""

    def __init__(self, crowd: Crowd, number: int) -> None:
        super().__init__(crowd, number)
        self.name = b"c%d" % number
        self.rest = b""

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Subscribe, and ask for a sign that it was taken."""
        super().on_ws_connected(transport)
        transport.send(WSMsgType.BINARY, b'CONNECT {"verbose":false,"pedantic":false}\r\nSUB %s 1\r\nPING\r\n' % self.name)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """A piece of the stream."""
        if frame.msg_type != WSMsgType.BINARY:
            return
        data = self.rest + frame.get_payload_as_bytes()
        at = 0
        bodies = []
        while (end := data.find(b"\r\n", at)) >= 0:
            if data.startswith(b"MSG ", at):
                begin = end + 2
                end = begin + int(data[data.rindex(b" ", at, end) : end])
                if len(data) < end + 2:
                    break
                bodies.append(data[begin:end])
            elif data.startswith(b"PING", at):
                transport.send(WSMsgType.BINARY, b"PONG\r\n")
            elif data.startswith(b"PONG", at):
                self.logged_in()
            elif data.startswith(b"-ERR", at):
                self.crowd.failures.append(data[at:end].decode())
            at = end + 2
        self.rest = data[at:]
        if bodies:
            self.crowd.take(self, bodies)

    def write(self) -> None:
        """All messages in one WebSocket message."""
        recipient = self.crowd.recipient
        message = b"".join([b"PUB %s %d\r\n%s\r\n" % (recipient(), len(body), body) for body in self.bodies])
        self.bodies = []
        if message and self.transport is not None:
            self.transport.send(WSMsgType.BINARY, message)


class Bare(Client):
    """The first message is one's own name, each further one a recipient and a body."""

    def __init__(self, crowd: Crowd, number: int) -> None:
        super().__init__(crowd, number)
        self.name = number.to_bytes(16, "big")

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Say the name; it comes back."""
        super().on_ws_connected(transport)
        transport.send(WSMsgType.BINARY, self.name)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:  # noqa: ARG002  # picows' own signature
        """One message."""
        if frame.msg_type == WSMsgType.BINARY:
            body = frame.get_payload_as_bytes()
            if len(body) == 16:
                self.logged_in()
            else:
                self.crowd.take(self, [body])

    def write(self) -> None:
        """A WebSocket message each, as there is no other way to say several."""
        bodies, self.bodies = self.bodies, []
        for body in bodies:
            if self.transport is not None:
                self.transport.send(WSMsgType.BINARY, self.crowd.recipient() + body)


class Crowd:
    """All clients of one server."""

    def __init__(self, port: int, kind: type[Client]) -> None:
        self.loop = asyncio.get_running_loop()
        self.authority = f"127.0.0.1:{port}"
        self.kind = kind
        self.clients: list[Client] = []
        self.names: list[bytes] = []
        self.ids = itertools.count(time.time_ns())
        self.body = bytes(BODY)
        self.delivered = 0
        self.accepted = 0
        self.lost = 0
        self.failures: list[str] = []
        self.is_running = False
        self.is_strict = False
        self.writes = 0
        self.is_durable = False
        """An acceptance, rather than a delivery, sends the next one."""
        self.log: list[tuple[int, int]] | None = None
        """Intended and true time of each arrival (ns), in the open model."""
        self._due: list[Client] = []

    async def gather(self, count: int) -> None:
        """Open so many connections and log in."""
        gate = asyncio.Semaphore(IN_FLIGHT)

        async def one(number: int) -> None:
            async with gate:
                client = self.kind(self, number)
                await ws_connect(
                    lambda: client,
                    f"ws://{self.authority}/",
                    logger_name=_quiet,
                    read_buffer_init_size=2048,
                    websocket_handshake_timeout=30,
                )
                await asyncio.wait_for(client.ready, 30)
                self.clients.append(client)

        await asyncio.gather(*[one(number) for number in range(len(self.clients), len(self.clients) + count)])
        self.clients.sort(key=lambda client: client.number)
        self.names = [client.name for client in self.clients]

    async def leave(self) -> None:
        """Close everything."""
        for client in self.clients:
            if client.transport is not None:
                client.transport.disconnect(graceful=False)
        await asyncio.sleep(0.2)
        self.clients = []

    def recipient(self) -> bytes:
        """Somebody, by chance."""
        return self.names[int(random.random() * len(self.names))]

    # -- traffic --------------------------------------------------------------------------------------

    def begin(self, each: int) -> None:
        """The closed loop: each client sends so many; from then on whoever receives sends on."""
        self.is_running = True
        for place, client in enumerate(self.clients):
            client.bodies += [place.to_bytes(8, "big") + self.body[8:]] * each
            self.ring(client)

    async def rest(self) -> None:
        """No new messages; those under way arrive."""
        self.is_running = False
        for client in self.clients:
            self.ring(client)  # what was not acknowledged yet
        before = -1
        while before != self.delivered + self.accepted:
            before = self.delivered + self.accepted
            await asyncio.sleep(0.1)

    def take(self, client: Client, bodies: list[bytes]) -> None:
        """Messages have arrived."""
        self.delivered += len(bodies)
        if self.log is not None:
            now = time.monotonic_ns()
            self.log += [(int.from_bytes(body[:8], "big"), now) for body in bodies]
        elif self.is_running:
            if self.is_strict:
                for body in bodies:
                    sender = self.clients[int.from_bytes(body[:8], "big")]
                    sender.bodies.append(body)
                    self.ring(sender)
                return  # the acknowledgement goes with the next message of this client
            client.bodies += bodies
        self.ring(client)

    def ring(self, client: Client) -> None:
        """It has something to write this turn."""
        if not client.is_due:
            client.is_due = True
            if not self._due:
                self.loop.call_soon(self.write)
            self._due.append(client)

    def write(self) -> None:
        """Write for all who have something to say."""
        due, self._due = self._due, []
        self.writes += len(due)
        for client in due:
            client.is_due = False
            client.write()

    async def keep_to(self, rate: float, seconds: float, pids: Sequence[int]) -> tuple[Latencies, float]:
        """The open model: `rate` messages a second from random senders. Returns latencies, and the p99 of our own lag in ms."""
        due = 0
        began = time.monotonic_ns() + 10_000_000
        step = 1e9 / rate
        lags: list[int] = []
        filler = bytes(BODY - 8)
        log = self.log = []
        slices = Slices(pids)

        def tick() -> None:
            nonlocal due
            os.read(timer, 8)
            now = time.monotonic_ns()
            if now - slices.looked_at > SLICE * 1e9:
                slices.look(now)
            while (intended := began + int(due * step)) <= now:
                due += 1
                lags.append(now - intended)
                client = self.clients[int(random.random() * len(self.clients))]
                client.bodies.append(intended.to_bytes(8, "big") + filler)
                self.ring(client)

        timer = ticking(GRID)
        try:
            self.loop.add_reader(timer, tick)
            await asyncio.sleep(seconds)
        finally:
            self.loop.remove_reader(timer)
            os.close(timer)
        await asyncio.sleep(0.5)
        slices.look(time.monotonic_ns())
        self.log = None
        return Latencies(np.array(log, dtype=np.int64), slices, due), float(np.percentile(lags, 99)) / 1e6


class Slices:
    """Time in pieces of 5 ms: in which of them did this process or a server wait for a core."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._files = [Path(f"/proc/{pid}/schedstat") for pid in (*pids, os.getpid())]
        self._waited = [0] * len(self._files)
        self.ends: list[int] = []
        self.dirty: list[bool] = []
        self.looked_at = 0
        self.look(time.monotonic_ns())

    def look(self, now: int) -> None:
        """A slice ends."""
        waited = [int(file.read_bytes().split()[1]) for file in self._files]
        self.dirty.append(any(new - old > CLEAN * 1e9 for new, old in zip(waited, self._waited, strict=True)))
        self.ends.append(now)
        self._waited = waited
        self.looked_at = now


class Latencies:
    """What the open model has seen."""

    def __init__(self, log: np.ndarray, slices: Slices, sent: int) -> None:
        """`log`: intended and true arrival (ns) of each message."""
        self.missing = sent - len(log)
        began, ended = log[:, 0], log[:, 1]
        self.all = (ended - began) / 1e6
        dirty = np.concatenate([[0], np.cumsum(slices.dirty), [len(slices.dirty)]])
        first, last = np.searchsorted(slices.ends, began), np.searchsorted(slices.ends, ended)
        clean = (first > 0) & (last < len(slices.ends)) & (dirty[np.minimum(last + 1, len(dirty) - 1)] == dirty[first])
        self.clean = self.all[clean]

    def percentile(self, share: float, *, clean: bool = False) -> float:
        """In ms; NaN when nothing was clean."""
        seen = self.clean if clean else self.all
        return float(np.percentile(seen, share)) if len(seen) else float("nan")


def ticking(seconds: float) -> int:
    """A timer's descriptor that is readable every so often (Python has timerfd from 3.13 on)."""
    libc = ctypes.CDLL(None, use_errno=True)
    timer = libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
    nanoseconds = int(seconds * 1e9)
    libc.timerfd_settime(timer, 0, (ctypes.c_long * 4)(0, nanoseconds, 0, nanoseconds), None)
    return timer
