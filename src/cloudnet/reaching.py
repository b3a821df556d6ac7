"""Staying reachable: one connection after the other, and everything that a lost one leaves to be done again.

`client` is the application's side of it. What is asked is asked again, what was not accepted is sent again, registrations and
watches are restored where the session was lost. Pauses grow and are jittered, so that a fleet does not come back in step.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import ssl
import time
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit

from picows import WSError

from cloudnet import __version__
from cloudnet.codes import Code
from cloudnet.courier import Courier, Outgoing
from cloudnet.errors import CloudError, Failed, Refused
from cloudnet.link import Link, dial
from cloudnet.mistakes import checked
from cloudnet.packets import (
    Accepted,
    Bye,
    Deliver,
    Done,
    Found,
    FromClient,
    FromServer,
    Leave,
    Moving,
    Pong,
    Presence,
    Profile,
    Refusal,
    Register,
    Rejected,
    Servers,
    ServerStatus,
    Watch,
    Welcome,
)
from cloudnet.turning import FINAL, Turning

logger = logging.getLogger(__name__)
T = TypeVar("T")

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 30.0
LIVED_SECONDS = 1.0
"""A connection that ends sooner counts as a failed try, lest a server that hangs up at once be asked again and again."""
LOGIN_SECONDS = 10.0
LEAVE_SECONDS = 0.5
"""How long the server may take to close a connection whose client has said that it goes."""
DOUBT_SECONDS = 200.0
"""So long after a login that nobody has answered, ``already-connected`` may mean that very login, whose welcome was lost: it is
no reason to give up. A server has found out by then that such a connection is dead. It is not taken over: it may be another's.
"""


def pause_before(attempt: int, chance: float) -> float:
    """Seconds to wait before the `attempt`-th try (from 1): full jitter over a bound that doubles.

    Source: M. Brooker, "Exponential Backoff and Jitter" (AWS Architecture Blog, 2015). `chance` is from 0 to 1.
    """
    return chance * min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempt - 1, 20))


class Reaching:
    """One client's connections."""

    def __init__(
        self,
        servers: list[str],
        courier: Courier,
        server_key: bytes,
        tls: ssl.SSLContext | None,
        *,
        takeover: bool,
        tries: int = 0,
    ) -> None:
        """See `client.connect`."""
        self.courier = courier
        self.profiles: dict[bytes, Profile] = {}
        """Registered, and to be registered again where the session was lost."""
        self.watchers: dict[bytes, set[asyncio.Queue[Presence]]] = {}
        self.arrived = asyncio.Event()
        """Something may have come for the application."""
        self.connections = 0
        self.resumed = 0
        self.server = ""
        self._turning = Turning(servers)
        self._server_key = server_key
        self._tls = tls
        self._takeover = takeover
        self._tries = tries
        self._is_leaving = False
        self._why = ""
        self._link: Link | None = None
        self._out: list[FromClient] = []
        self._loop = asyncio.get_running_loop()
        self._is_due = False
        self._connected = asyncio.Event()
        self._first_login: asyncio.Future[None] = self._loop.create_future()
        self._ended: CloudError | None = None
        self._asks: dict[int, asyncio.Future[Any]] = {}
        self._ask = 0
        self._elsewhere = False
        self._unanswered_at = float("-inf")
        """When the last login was sent that nobody has answered."""

    # -- asking and sending -------------------------------------------------------------------------------

    async def request(self, make: Any, wanted: type[T]) -> T:
        """Ask, and ask again after a lost connection; raises Refused, at once for what no server would take for a question."""
        while True:
            self.check()
            await self._connected.wait()
            self.check()
            self._ask += 1
            ask = self._ask
            packet = checked(make(ask))
            answer: asyncio.Future[T] = self._loop.create_future()
            self._asks[ask] = answer
            self.say(packet)
            try:
                found = await answer
            except Failed:  # the connection was lost before the answer
                continue
            finally:
                self._asks.pop(ask, None)
            assert isinstance(found, wanted)
            return found

    def post(self, outgoing: Outgoing) -> None:
        """Send a message, now or once there is a connection."""
        self.courier.send(outgoing)
        self.write_soon()

    def say(self, packet: FromClient) -> None:
        """Have a packet sent this turn."""
        self._out.append(packet)
        self.write_soon()

    def say_if_connected(self, packet: FromClient) -> None:
        """Have a packet sent that is of no use on a later connection."""
        if self._connected.is_set():
            self.say(packet)

    def write_soon(self) -> None:
        """Have everything of this turn sent at its end, acknowledgements too."""
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._write)

    def _write(self) -> None:
        """Everything of this turn as one message, what may be acknowledged first."""
        self._is_due = False
        if self._link is None or not self._connected.is_set():
            return
        if ack := self.courier.ack():
            self._out.insert(0, ack)
        out, self._out = self._out, []
        out += self.courier.due()
        self._link.send(out)

    def check(self) -> None:
        """Raises why there will be no further connection, if it has come to that."""
        if self._ended is not None:
            raise self._ended

    # -- connections --------------------------------------------------------------------------

    async def first(self, seconds: float) -> None:
        """Wait for the first login; raises Refused or Failed."""
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(self._first_login)
        except TimeoutError:
            why = f"; the last one: {self._why}" if self._why else ""
            why += self._turning.refusals(self._why)
            raise Failed(
                f"no Cloud Server answered within {seconds:.3g} s at {', '.join(self._turning.servers)}{why}"
            ) from None

    async def run(self) -> None:
        """Be connected until cancelled, or until coming back is of no use."""
        attempt = 0
        while self._ended is None:
            address = self._turning.address
            began = self._loop.time()
            try:
                why = await self._live(address)
                if self._loop.time() - began >= LIVED_SECONDS:
                    attempt = 0
                if self._elsewhere:
                    self._turning.go_on()
            except Refused as fault:
                why = fault.why
                if self._is_the_end(fault):
                    self.close(fault)
                    return
            except (CloudError, OSError, WSError, TimeoutError) as fault:
                why = _worded(fault)
                self._turning.go_on()
            except Exception as fault:  # a mistake of ours must not leave callers waiting for ever
                logger.exception("the cloud client broke")
                self.close(Failed(f"the client broke: {fault}"))
                return
            attempt += 1
            self._why = why
            if not self._first_login.done() and 0 < self._tries <= attempt:
                self.close(Failed(f"no login at {address}: {why}{self._turning.refusals(why)}"))
                return
            if not self._is_leaving:
                logger.info("not connected to %s: %s", address, why)
            await asyncio.sleep(pause_before(attempt, random.random()))  # noqa: S311  # jitter, not a secret

    async def _live(self, address: str) -> str:
        """One connection from its handshake to its end; returns why it ended. Raises what made a login fail."""
        link = Link(self._take)
        try:
            async with asyncio.timeout(LOGIN_SECONDS):
                welcome = await self._log_in(link, address)
            self._link = link
            self._turning.welcomed()
            self._turning.name(welcome.backups)
            self.server = address
            self.connections += 1
            self.resumed += welcome.resumed
            self._connected.set()
            self._write()
            if not self._first_login.done():
                self._first_login.set_result(None)
            link.open()
            return await link.ended
        finally:
            self._lost()
            link.cut()

    async def _log_in(self, link: Link, address: str) -> Welcome:
        """Connect and prove who we are; what has to be said again is ready to be written then."""
        authority = urlsplit(address).netloc.rpartition("@")[2]
        self._elsewhere = False
        await dial(link, address, authority, self._tls)
        challenge = await link.challenge
        login = self.courier.login(
            challenge,
            authority,
            link.certificate(),
            takeover=self._takeover,
            server=self._server_key,
            agent=f"cloudnet/{__version__}",
        )
        link.send([login])
        before, self._unanswered_at = self._unanswered_at, self._loop.time()
        try:
            welcome = await link.welcome
        except Refused:  # an answer, which says nothing of earlier logins
            self._unanswered_at = before
            raise
        self.courier.welcome(welcome)
        self._unanswered_at = float("-inf")
        self._out = []
        if self.profiles and not welcome.resumed:
            self._out.append(Register(0, tuple(self.profiles.values())))
        if self.watchers:  # also in a resumed session: what changed meanwhile was told to nobody
            self._out.append(Watch(0, tuple(self.watchers)))
        return welcome

    def _is_the_end(self, fault: Refused) -> bool:
        """Whether a refused login leaves no way on; else the next server is turned to."""
        is_doubtful = fault.code == Code.ALREADY_CONNECTED and self._loop.time() - self._unanswered_at < DOUBT_SECONDS
        if fault.code in FINAL and not is_doubtful:
            return self._turning.refused(fault)
        self._turning.go_on()
        return False

    def _lost(self) -> None:
        self._connected.clear()
        self._link = None
        self._out = []
        self.server = ""
        for answer in self._asks.values():
            if not answer.done():
                answer.set_exception(Failed("the connection was lost"))

    async def finish(self, seconds: float) -> None:
        """Before leaving: what was taken is acknowledged, what was sent is accepted, and the server is told."""
        if self._ended is not None:
            return
        async with asyncio.timeout(seconds):
            while self.courier.under_way:  # noqa: ASYNC110  # at the end, once
                await asyncio.sleep(0.005)
        self._write()
        if self._link is not None:
            self._is_leaving = True
            self._link.send([Leave()])
            with suppress(TimeoutError):
                async with asyncio.timeout(min(seconds, LEAVE_SECONDS)):
                    await asyncio.shield(self._link.ended)

    def close(self, fault: CloudError) -> None:
        """There is no way on: everybody who waits is told why."""
        if self._ended is None:
            self._ended = fault
        self.courier.give_up(self._ended)
        for answer in self._asks.values():
            if not answer.done():
                answer.set_exception(self._ended)
        if not self._first_login.done():
            self._first_login.set_exception(self._ended)
            self._first_login.exception()
        self.arrived.set()
        self._connected.set()

    # -- packets ------------------------------------------------------------------------------

    def _take(self, packet: FromServer) -> None:
        match packet:
            case Deliver():
                self.courier.deliver(packet)
                self._send_owed()
                self.arrived.set()
                self.write_soon()
            case Accepted() | Rejected():
                self.courier.settle(packet)
                if self.courier.is_due:
                    self.write_soon()
            case Presence(key=key):
                for queue in self.watchers.get(key, ()):
                    queue.put_nowait(packet)
            case Moving():
                self._elsewhere = True
                self._turning.name(packet.servers or self._turning.backups)
            case Servers(servers=servers):
                self._turning.name(servers)
            case Bye(code=Code.TAKEN_OVER, why=why):
                self.close(Refused(why, Code.TAKEN_OVER))
            case Done() | Found() | Pong() | ServerStatus() | Refusal():
                self._answer(packet)

    def _send_owed(self) -> None:
        while self.courier.owed:
            with suppress(Refused):
                self.post(self.courier.receipt_for(self.courier.owed.pop(), time.time_ns() // 1_000_000))

    def _answer(self, packet: Done | Found | Pong | ServerStatus | Refusal) -> None:
        answer = self._asks.get(packet.ask)
        if answer is None or answer.done():
            if isinstance(packet, Refusal):
                logger.warning("the server has refused what nobody waits for: %s", packet.why)
        elif isinstance(packet, Refusal):
            answer.set_exception(Refused(packet.why, packet.code))
        else:
            answer.set_result(packet)


def _worded(fault: Exception) -> str:
    """Why a connection failed, for a person."""
    if isinstance(fault, TimeoutError):
        return f"no answer within {LOGIN_SECONDS:g} s"
    if isinstance(fault, OSError) and fault.errno:
        return os.strerror(fault.errno)
    return str(fault) or type(fault).__name__
