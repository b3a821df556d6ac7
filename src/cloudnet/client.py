"""The Cloud Client: an application's way to others through a Cloud Server.

    async with connect("ws://127.0.0.1:8765", identity) as client:
        await client.send(key, b"hello", wait=True)
        async for message in client:
            print(message.body)

One object lives through any number of connections: after a loss it comes back by itself, with growing, jittered pauses, to the
same server or to a backup, resumes its session, registers again where that was lost, and sends again what was not accepted.
`courier` has the rules; this room has the socket. docs/cloud-client.md shows every call.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Literal

import msgspec

from cloudnet.courier import Courier, Message, Outgoing
from cloudnet.errors import CloudError, ConfigError, Failed, Refused
from cloudnet.keys import Identity, profile_text
from cloudnet.mistakes import check_message, checked
from cloudnet.packets import (
    AskStatus,
    Done,
    Entry,
    Find,
    Found,
    Ping,
    Pong,
    Presence,
    Profile,
    Register,
    ServerStatus,
    Unregister,
    Watch,
)
from cloudnet.reaching import Reaching
from cloudnet.sealed import Letter
from cloudnet.turning import is_address

__all__ = ["Client", "Message", "connect"]


@asynccontextmanager
async def connect(
    servers: str | Sequence[str],
    identity: Identity,
    *,
    identities: Iterable[Identity] = (),
    takeover: bool = False,
    server_key: bytes = b"",
    tls: ssl.SSLContext | None = None,
    outbox: int = 1024,
    seen: Iterable[tuple[bytes, bytes]] = (),
    timeout: float = 15.0,  # noqa: ASYNC109  # of the first login alone; the caller's own bounds everything
    tries: int = 0,
    linger: float = 5.0,
) -> AsyncIterator[Client]:
    """A client that is logged in, for the length of an ``async with``.

    `servers`: addresses (``ws://…`` or ``wss://…``) in the order in which they are tried; one that refuses for good is passed
    over, and the last one that does ends it. `identities`: others that it answers for.
    `takeover`: end another connection of this identity. `server_key`: accept no other server. `outbox` bounds messages that
    are not accepted yet, also those that nobody waits for. `seen`: sender and id of messages that an earlier run has taken
    (`Client.seen`).
    On leaving, what is still to be accepted is given `linger` seconds, and the message in hand counts as taken; left with an
    exception, it does not, and comes again. Raises Refused, or Failed when no login worked in `timeout` seconds, or in so many
    `tries` (0: as many as there is time for).
    """
    addresses = [servers] if isinstance(servers, str) else list(servers)
    if not addresses:
        raise ConfigError("there is no address of a server")
    for address in addresses:
        if not is_address(address):
            raise ConfigError(f"{address!r} is not a ws:// or wss:// address")
    reaching = Reaching(addresses, Courier(identity, identities, seen), server_key, tls, takeover=takeover, tries=tries)
    client = Client(identity, reaching, outbox)
    runner = asyncio.create_task(reaching.run(), name="cloud client")
    try:
        await reaching.first(timeout)
        yield client
        client.taken()  # not after an exception: whoever failed or was cancelled may have a message in hand
    finally:
        with suppress(TimeoutError, CloudError):
            await reaching.finish(linger)
        runner.cancel()
        await asyncio.gather(runner, return_exceptions=True)
        reaching.close(Failed("the client was closed"))


class Client:
    """A logged-in client; made by `connect`.

    Iterate over it to receive: a message counts as taken when the next one is asked for, or `connect` is left as planned.
    """

    def __init__(self, identity: Identity, reaching: Reaching, outbox: int) -> None:
        """See `connect`."""
        self.identity = identity
        self._reaching = reaching
        self._courier = reaching.courier
        self._room = asyncio.Semaphore(outbox)
        self._handed: Message | None = None

    @property
    def server(self) -> str:
        """The address of the present server; empty while there is none."""
        return self._reaching.server

    @property
    def connections(self) -> int:
        """How many logins there were."""
        return self._reaching.connections

    @property
    def resumed(self) -> int:
        """How many of them found their session again."""
        return self._reaching.resumed

    # -- sending --------------------------------------------------------------------------------------

    async def send(
        self,
        to: bytes,
        body: bytes,
        *,
        wait: bool = False,
        keep: bool = True,
        ttl: int = 0,
        author: Identity | None = None,
        identity: bytes = b"",
    ) -> bytes:
        """Send `body` to the key `to`; returns the message's id once the server is bound to deliver it, whatever happens to it.

        With `wait` only once the recipient's application has taken it. Without `keep` it is refused when the recipient is not
        there; `ttl` in seconds bounds the keeping. Survives lost connections; cancelled, it may be delivered or not, and
        keeps its place in the outbox, and in the order, until it is settled.
        `identity`: the id of an earlier attempt, so that it cannot arrive twice. Raises Refused with the server's reason, or
        at once (``malformed``) for what would not be a message.
        """
        self._reaching.check()
        check_message(to, body, identity, ttl, wait=wait, keep=keep)
        await self._room.acquire()
        try:
            self._reaching.check()  # it may have ended meanwhile
            letter = Letter("data", _wall(), body, (author or self.identity).key, wait)
            identity, sealed = self._courier.seal(to, letter, author, identity)
        except BaseException:
            self._room.release()
            raise
        loop = asyncio.get_running_loop()
        accepted: asyncio.Future[None] = loop.create_future()
        receipt: asyncio.Future[int] | None = loop.create_future() if wait else None
        leave = self._room.release
        outgoing = Outgoing(to, identity, sealed, keep=keep, ttl=ttl, accepted=accepted, receipt=receipt, left=leave)
        self._reaching.post(outgoing)
        try:
            await accepted
        except BaseException:
            self._courier.forget_receipt(outgoing)
            if receipt is not None and receipt.done() and not receipt.cancelled():
                receipt.exception()  # told already
            raise
        if receipt is not None:
            try:
                await receipt
            finally:
                self._courier.forget_receipt(outgoing)
        return identity

    # -- receiving ------------------------------------------------------------------------------------

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        """The next message; the one before counts as taken by that.

        Raises Refused when this client's session was taken over.
        """
        self.taken()
        while (message := self._courier.next()) is None:
            self._reaching.check()
            self._reaching.arrived.clear()
            await self._reaching.arrived.wait()
        self._handed = message
        return message

    def taken(self) -> None:
        """The last message was dealt with: it will not come again, and its sender is told if it asked."""
        message, self._handed = self._handed, None
        if message is None:
            return
        self._courier.taken(message)
        if message.receipt:
            with suppress(Refused):
                self._reaching.post(self._courier.receipt_for(message, _wall()))
        self._reaching.write_soon()

    @property
    def seen(self) -> Sequence[tuple[bytes, bytes]]:
        """Sender and id of the messages taken, for `connect(seen=…)` in the next run."""
        return self._courier.seen

    @property
    def repeated(self) -> int:
        """Messages that came once more, after a lost connection or by a server's mistake, and were not handed over again."""
        return self._courier.repeated

    @property
    def unreadable(self) -> int:
        """Messages that could not be opened, and were dropped."""
        return self._courier.unreadable

    # -- the directory --------------------------------------------------------------------------------

    async def register(
        self,
        name: str,
        *,
        kind: Literal["device", "service", "identity"] = "device",
        type: str = "",  # noqa: A002  # the protocol's word
        alias: str = "",
        place: tuple[float, float] | None = None,
        extra: bytes = b"",
        identity: Identity | None = None,
    ) -> None:
        """Be found: this device, or a service or identity of another key that it answers for (`identity`).

        It is registered again by itself wherever the session was lost. Raises Refused.
        """
        owner = identity or self.identity
        profile = Profile(owner.key, kind, type, name, alias, place, extra)
        signature = owner.sign(profile_text(profile, self.identity.key))
        profile = msgspec.structs.replace(profile, signature=signature)
        await self._reaching.request(lambda ask: Register(ask, (profile,)), Done)
        self._reaching.profiles[owner.key] = profile

    async def unregister(self, key: bytes) -> None:
        """Be found no more under this key."""
        self._reaching.profiles.pop(key, None)
        await self._reaching.request(lambda ask: Unregister(ask, (key,)), Done)

    async def find(
        self,
        *,
        kind: str = "",
        type: str = "",  # noqa: A002  # the protocol's word
        text: str = "",
        key: bytes = b"",
        device: bytes = b"",
        near: tuple[float, float] | None = None,
        radius: float = 0.0,
        present: bool = False,
        page: int = 50,
    ) -> AsyncIterator[Entry]:
        """Everything registered that fits all of these: by name, or by distance from `near` (degrees) within `radius` (m)."""
        after = b""
        while True:
            cursor = after
            found = await self._reaching.request(
                lambda ask: Find(ask, kind, type, text, key, device, near, radius, present, page, cursor),  # noqa: B023  # asked at once
                Found,
            )
            for entry in found.entries:
                yield entry
            after = found.next
            if not after:
                return

    @asynccontextmanager
    async def watch(self, *keys: bytes) -> AsyncIterator[AsyncIterator[Presence]]:
        """Who of these comes, is away, resumes and leaves, from how they are now, for the length of an ``async with``."""
        keys = tuple(dict.fromkeys(keys))
        checked(Watch(0, keys))  # before they are remembered, to be watched again on the next connection
        queue: asyncio.Queue[Presence] = asyncio.Queue()
        for key in keys:
            self._reaching.watchers.setdefault(key, set()).add(queue)
        try:
            await self._reaching.request(lambda ask: Watch(ask, keys), Done)

            async def changes() -> AsyncIterator[Presence]:
                while True:
                    yield await queue.get()

            yield changes()
        finally:
            gone = []
            for key in keys:
                self._reaching.watchers[key].discard(queue)
                if not self._reaching.watchers[key]:
                    del self._reaching.watchers[key]
                    gone.append(key)
            if gone:
                self._reaching.say_if_connected(Watch(0, tuple(gone), on=False))

    # -- the server -----------------------------------------------------------------------------------

    async def ping(self) -> float:
        """Seconds to the server and back, through everything that a message passes there."""
        began = time.perf_counter()
        await self._reaching.request(Ping, Pong)
        return time.perf_counter() - began

    async def status(self) -> ServerStatus:
        """How the server stands."""
        return await self._reaching.request(AskStatus, ServerStatus)


def _wall() -> int:
    return time.time_ns() // 1_000_000
