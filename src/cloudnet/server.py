"""The Cloud Server. One straight page, read from `serve` down: what it is made of, its once-a-second round, and its end.

`settings` says what to do; the street lets clients in, connections talk, the relay switches, the mailbox keeps. Figures and
health are
answered on an address of their own. SIGTERM drains: clients are told where to go, everything in flight is settled or on the
disk before the last connection is closed.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
import signal
import socket
import ssl
import time
from collections.abc import Callable, Coroutine
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

from picows import WSUpgradeRequest

from cloudnet import asking, observe
from cloudnet.accept import CAN_VOUCH, Answer, Street, forwarded, http, listen, passed_on, room_for
from cloudnet.backbone import Backbone
from cloudnet.codes import Close, Code
from cloudnet.connection import Connection
from cloudnet.directory import Directory
from cloudnet.errors import ConfigError, Failed
from cloudnet.figures import Figures, resident
from cloudnet.jetstream import JetStream
from cloudnet.keys import load_or_create, written
from cloudnet.limits import Admission, overload
from cloudnet.logbook import of_the_loop
from cloudnet.mailbox import Mailbox
from cloudnet.mailfile import database, readable
from cloudnet.mesh import Mesh
from cloudnet.network import Network
from cloudnet.packets import Moving, Servers
from cloudnet.pen import Pen
from cloudnet.places import FORGOTTEN
from cloudnet.presence import Attendance
from cloudnet.relay import Relay
from cloudnet.session import Flight
from cloudnet.settings import Settings, split_address

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 5.0
"""How long the end may take: clients hear of it, what is under way is settled."""
TICK_SECONDS = 0.25
"""How often the lateness of the event loop is measured: each time wakes an idle core, which costs 0.1 to 0.2 ms."""
EXPIRE_SECONDS = 60.0
DAY_MILLISECONDS = 86_400_000
JOIN_SECONDS = 3.0
"""How long clients wait for us to reach NATS, before they are served without it;"""
LEARN_SECONDS = 30.0
"""and for what the other servers have published, once it is reached."""


class Server:
    """A Cloud Server in one process."""

    tasks: asyncio.TaskGroup
    """Whoever runs it gives it one: a fault of the disk must be told before, not as a group of faults."""

    def __init__(self, settings: Settings, data: Path, worker: int = 0) -> None:
        """Open what is on the disk; nothing listens yet. `worker`: which of several processes. Raises ConfigError."""
        self.settings = settings
        self.figures = Figures()
        self.identity = load_or_create(data / "server.key")
        self.context, self.certificate = _tls(settings)
        self.mailbox = Mailbox(data / database(worker), worker, Flight.settle, self._not_kept)
        with readable(data / database(worker)):
            self._devices, self._listings = asking.load_known(self.mailbox.connection)
        self.directory = Directory(profile for _, profile, _ in self._listings if profile)
        self.attendance = Attendance(settings.limits, self._devices, self._changed)
        self.relay = Relay(
            settings.limits, self.attendance, self.directory, self.mailbox, self.figures, settings.mailbox_total, self._spawn
        )
        self.relay.backups = settings.backups
        self.relay.names = frozenset(name.lower() for name in settings.names)
        self.relay.most_devices = settings.devices
        self.relay.most_profile_bytes = settings.profiles_total
        per_address = settings.connections_per_address, settings.handshakes_per_second
        most = room_for(settings.connections)
        self.admission = Admission(most, 0, 0) if settings.behind_proxy else Admission(most, *per_address)
        self.callers = Admission(0, *per_address) if settings.behind_proxy else None
        self.network = self._join(data, worker)
        self.takes_part = self.network is None
        """Whether all that other nodes have published is known."""
        self.greetings: set[Connection] = set()
        self.rounds: list[asyncio.Task[None]] = []
        """What goes on for as long as the server runs."""
        self.errands: set[asyncio.Task[None]] = set()
        """What waits for a disk or another node."""
        self.pen = Pen(asyncio.get_running_loop())
        self.is_draining = False

    # -- clients --------------------------------------------------------------------------------------

    def meet(self, request: WSUpgradeRequest, address: str) -> Answer:
        """Answer a handshake: health in HTTP, everything else is a client's WebSocket."""
        path = request.path.partition(b"?")[0]
        if path in {b"/healthz", b"/readyz"}:
            return self.tell(request, address)
        if path not in {b"/", b"/cloud"}:
            return None
        if self.settings.behind_proxy:
            address = forwarded(request.headers, address)
        authority = request.headers.get("Host", "")
        connection = Connection(
            self.relay,
            self.identity,
            self.certificate,
            self.pen,
            self.figures,
            self.greetings,
            self.callers,
            authority,
            address,
        )
        connection.line.vouched = CAN_VOUCH and not self.settings.behind_proxy and not passed_on(request.headers)
        return connection

    # -- other nodes ----------------------------------------------------------------------------------

    def _join(self, data: Path, worker: int) -> Network | None:
        """Our place among other nodes, where there are any: servers over NATS, or the processes of this one."""
        name = written(self.identity.key)[:16]
        backbone: Backbone
        if self.settings.nats:
            address = self.settings.advertise
            url, credentials = self.settings.nats, self.settings.nats_credentials
            backbone = JetStream(url, credentials, self.settings.network, f"{name}-{worker}", address)
        elif self.settings.workers > 1:
            backbone = Mesh(data / "mesh", name, worker, self.settings.workers)
        else:
            return None
        self.relay.elsewhere = Network(self.relay, backbone, asyncio.get_running_loop().call_soon, self._peers_changed)
        return self.relay.elsewhere

    def _peers_changed(self, addresses: tuple[str, ...]) -> None:
        """Another server has come or gone: clients hear where they may turn to."""
        backups = tuple(dict.fromkeys((*self.settings.backups, *addresses)))
        if backups == self.relay.backups or self.is_draining:
            return
        self.relay.backups = backups
        for session in self.attendance.sessions.values():
            if session.line is not None:
                session.line.say(Servers(backups))

    async def meet_others(self, stop: asyncio.Event) -> None:
        """Be joined to the other nodes; returns once everything they have published is known, or when it is to `stop`.

        Servers over NATS may be cut off: then it returns after `JOIN_SECONDS`, and they are met once NATS is there.
        """
        if self.network is None:
            return
        if not self.network.backbone.remembers:
            self.network.start(self._devices, self._listings)
        ready = asyncio.Event()
        running = self.tasks.create_task(self.network.backbone.run(self.network, ready), name="backbone")
        joining = self.tasks.create_task(self._take_part(self.network, ready), name="joining")
        self.rounds += [running, joining]
        stopping: asyncio.Future[Any] = asyncio.ensure_future(stop.wait())
        for seconds in (JOIN_SECONDS, LEARN_SECONDS) if self.settings.nats else (None,):
            done, _ = await asyncio.wait({running, joining, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if done or self.network.backbone.trouble():
                break
        stopping.cancel()
        if running.done():
            running.result()

    async def _take_part(self, network: Network, ready: asyncio.Event) -> None:
        """Once what the others have published is known, say what our own disk knows beyond it."""
        await ready.wait()
        self.mailbox.node = max(0, network.backbone.number)
        network.start(self._devices, self._listings)
        self.takes_part = True

    # -- questions about us ---------------------------------------------------------------------------

    def tell(self, request: WSUpgradeRequest, address: str) -> Answer:  # noqa: ARG002  # as `meet`
        """Answer a question about ourselves."""
        match request.path.partition(b"?")[0]:
            case b"/healthz":
                return http(200, "alive\n")
            case b"/readyz":
                why = self.unready()
                return http(503 if why else 200, f"{why or 'ready'}\n")
            case b"/metrics":
                return http(200, observe.page(self), observe.EXPOSITION)
        return None

    def unready(self) -> str:
        """Why no more clients should be sent here; empty when they may."""
        if self.is_draining:
            return "draining"
        cut_off = ""
        if self.network is not None and self.settings.nats:
            cut_off = self.network.backbone.trouble() or ("" if self.takes_part else "the other servers are not known yet")
        return self.mailbox.trouble or (self.admission.closed and "overloaded") or cut_off

    # -- rounds ---------------------------------------------------------------------------------------

    async def watch_the_clock(self) -> None:
        """Measure how late the event loop is; the worst of the last second counts."""
        worst: list[float] = [0.0] * round(1 / TICK_SECONDS)
        place = 0
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            late = max(0.0, loop.time() - due - 0.001)  # uvloop's clock has whole milliseconds
            self.figures.lag.observe(late)
            worst[place] = late
            place = (place + 1) % len(worst)
            self.figures.newest_lag = max(worst)

    async def look_around(self) -> None:
        """Once a second: deadlines, what is under way, overload, connections that never log in."""
        while True:
            await asyncio.sleep(1.0)
            now = time.monotonic()
            self.relay.sweeping.messages(now)
            while self.relay.sweeping.sessions(now):  # noqa: ASYNC110  # nothing is waited for
                await asyncio.sleep(0)  # others have their turn in between
            for connection in [one for one in self.greetings if one.greeting and now > one.greeting.deadline]:
                connection.end(Close.DEADLINE, Code.DEADLINE, "no login came in time")
                self.greetings.discard(connection)
            self.admission.forget(now)
            if self.callers is not None:
                self.callers.forget(now)
            if self.network is not None:
                self.network.sweep(now)
            memory = resident() if self.settings.memory else 0.0
            why = overload(self.figures.newest_lag, self.settings.lag_seconds, memory, self.settings.memory)
            if bool(why) != bool(self.admission.closed) and not self.is_draining:
                logger.warning("turning newcomers away: %s", why) if why else logger.info("letting newcomers in again")
                self.admission.closed = Code.OVERLOADED if why else ""

    async def tidy(self) -> None:
        """Once a minute: drop what is too old; once in a while, forget who has not been seen for long."""
        while True:
            await asyncio.sleep(EXPIRE_SECONDS)
            self.relay.sweeping.forget(time.monotonic())
            now = time.time_ns() // 1_000_000
            with suppress(Failed):
                self.figures.drops[Code.EXPIRED] += await self.mailbox.expire(now)
                before = now - self.settings.forget_days * DAY_MILLISECONDS
                for device in await self.mailbox.do(partial(asking.forget_before, at=before)):
                    if device not in self.attendance.sessions:
                        self.attendance.known.discard(device)
                        self.directory.remove_all(device)
                        self._changed(device, FORGOTTEN)

    # -- the end --------------------------------------------------------------------------------------

    async def drain(self, seconds: float = DRAIN_SECONDS) -> None:
        """Tell clients, settle what is under way, close."""
        self.is_draining = True
        self.admission.closed = Code.MOVING
        deadline = time.monotonic() + seconds
        lines = [session.line for session in self.attendance.sessions.values() if session.line is not None]
        for line in lines:
            line.say(Moving("the server is being stopped", self.relay.backups, seconds))
        await asyncio.sleep(0)
        with suppress(Failed):
            await self.relay.settle_everything()
        while time.monotonic() < deadline and any(line.pending and line.session for line in lines):  # noqa: ASYNC110  # at the end, once
            await asyncio.sleep(0.02)
        for line in [session.line for session in self.attendance.sessions.values() if session.line is not None]:
            line.wire.end(Close.MOVING, Code.MOVING, "the server is being stopped")
            self.relay.lose(line)
        for connection in list(self.greetings):
            connection.end(Close.MOVING, Code.MOVING, "the server is being stopped")
        with suppress(Failed):
            await self.mailbox.flush()
        while time.monotonic() < deadline and self.admission.total:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.02)

    # -- what the parts call ----------------------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, None]) -> object:
        task = self.tasks.create_task(_alone(work))
        self.errands.add(task)
        task.add_done_callback(self.errands.discard)
        return task

    def _not_kept(self, flight: Flight, why: str) -> None:
        self.relay.keeping.not_kept(flight, why)

    def _changed(self, device: bytes, state: str) -> None:
        """Somebody has come, gone or been forgotten."""
        if self.network is not None:
            self.network.changed(device, state)


async def _alone(work: Coroutine[Any, Any, None]) -> None:
    """What a client has asked for: a mistake of ours in it must not end the server for everybody."""
    try:
        await work
    except Exception:
        logger.exception("what a client has asked for broke")


async def serve(
    settings: Settings, announce: Callable[[str, str], None], stop: asyncio.Event | None = None, *, worker: int = 0
) -> None:
    """Run until SIGTERM or SIGINT, or until `stop`. Raises ConfigError.

    `announce` is called once clients may come, with our address and, as HOST:PORT, that of our figures. `worker`: which of
    `settings.workers` processes this one is.
    """
    stop = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError, ValueError):  # Windows, or not the main thread
            loop.add_signal_handler(number, stop.set)
    loop.set_exception_handler(of_the_loop)
    data = _folder(settings)
    with ExitStack() as stack:
        door = listen(*split_address(settings.listen), share=settings.workers > 1)
        stack.callback(door.close)
        own = listen(*split_address(settings.metrics, "metrics")) if settings.metrics else None
        server = Server(settings, data, worker)
        stack.callback(server.mailbox.close)
        async with asyncio.TaskGroup() as server.tasks:
            group = server.tasks
            server.rounds += [
                group.create_task(server.watch_the_clock(), name="lag"),
                group.create_task(server.look_around(), name="sweep"),
                group.create_task(server.tidy(), name="tidy"),
            ]
            await server.meet_others(stop)
            streets = [Street(door, server.admission, server.figures, server.meet, server.context, group)]
            if own is not None:
                streets.append(Street(own, Admission(64, 0, 0), Figures(), server.tell, None, group))
            for street in streets:
                stack.callback(street.close)
                street.open()
            _calm_the_collector()
            shown = _address(own).removeprefix("ws://") if own is not None else ""
            announce(_address(door, secure=bool(server.context)), shown)
            logger.info("this server is %s", written(server.identity.key))
            await stop.wait()
            logger.info("draining")
            streets[0].close()
            await server.drain()
            for street in streets:
                street.close()
            for task in (*server.rounds, *server.errands):
                task.cancel()


def _folder(settings: Settings) -> Path:
    data = Path(settings.data)
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as fault:
        raise ConfigError(f"the data folder {data} cannot be made: {fault.strerror}") from None
    return data


def _calm_the_collector() -> None:
    """A full collection with 10,000 connections stops the loop for 150 ms: freeze what is there."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 1000)


def _tls(settings: Settings) -> tuple[ssl.SSLContext | None, bytes]:
    """The TLS context and our certificate's SHA-256, which logins are bound to."""
    if not settings.tls_certificate:
        return None, b""
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(settings.tls_certificate, settings.tls_key)
        pem = Path(settings.tls_certificate).read_text(encoding="ascii")
        first = pem[pem.index("-----BEGIN CERTIFICATE-----") :].partition("-----END CERTIFICATE-----")
        return context, hashlib.sha256(ssl.PEM_cert_to_DER_cert(first[0] + first[1])).digest()
    except (OSError, ValueError) as fault:
        raise ConfigError(f"TLS cannot be set up with {settings.tls_certificate} and {settings.tls_key}: {fault}") from None


def _address(door: socket.socket, *, secure: bool = False) -> str:
    host, port = door.getsockname()[:2]
    return f"{'wss' if secure else 'ws'}://{f'[{host}]' if ':' in host else host}:{port}"
