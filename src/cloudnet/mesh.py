"""A backbone of unix sockets: the processes of one server on one machine, each joined to each.

Every process listens in one folder (0700) and dials those with a lower number; who is gone is known at once, by its socket.
What a process has published is said to each peer when the two meet, so there is no common memory to keep. One write a turn to
each peer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from pathlib import Path
from typing import cast

import msgspec

from cloudnet.backbone import Any, Beat, Ear, Keeps, Listing, Place, Published, ToNode, batches, decode, encode, subject
from cloudnet.errors import ConfigError

logger = logging.getLogger(__name__)

DIAL_SECONDS = 0.1
"""How long to wait before a process that is not there yet is dialled again."""
MEET_SECONDS = 30.0
"""How long a process waits for the others before it serves without them: they may have older mail for its clients."""
LONGEST = 64 << 20
"""Bytes of one batch that a peer is believed; more is a fault."""


class Mesh:
    """One process's sockets. A `Backbone`."""

    def __init__(self, folder: Path, name: str, number: int, count: int) -> None:
        """`number` of `count` processes; `name` is the server's, the same for all of them."""
        self.node = f"{name}.{number}"
        self.number = number
        self.remembers = False
        self._folder = folder
        self._name = name
        self._count = count
        self._boot = time.time_ns()
        self._peers: dict[str, Peer] = {}
        self._published: dict[tuple[str, bytes], Published] = {}
        self._fresh: list[Published] = []
        self._is_due = False
        self._loop = asyncio.get_running_loop()

    async def run(self, ear: Ear, ready: asyncio.Event) -> None:
        """See `backbone.Backbone`."""
        path = self._folder / f"{self.number}.sock"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            listener = await self._loop.create_unix_server(lambda: Peer(self, ear), str(path))
        except OSError as fault:
            raise ConfigError(f"the processes of this server cannot meet at {path}: {fault.strerror or fault}") from None
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self.number):
                    group.create_task(self._dial(number, ear), name=f"mesh {number}")
                with suppress(TimeoutError):
                    async with asyncio.timeout(MEET_SECONDS):
                        while len(self._peers) < self._count - 1:  # noqa: ASYNC110  # at the start, once
                            await asyncio.sleep(0.02)
                ready.set()
                await self._loop.create_future()
        finally:
            listener.close()
            for peer in list(self._peers.values()):
                peer.close()
            path.unlink(missing_ok=True)

    def say(self, node: str, item: ToNode) -> None:
        """See `backbone.Backbone`."""
        if peer := self._peers.get(node):
            peer.out.append(item)
            self._write_soon()

    def publish(self, entry: Published) -> None:
        """See `backbone.Backbone`."""
        self._published[subject(entry)] = entry
        self._fresh.append(entry)
        self._write_soon()

    def expects(self, node: str) -> bool:
        """See `backbone.Backbone`: whoever has started us starts the others again."""
        name, _, number = node.rpartition(".")
        return name == self._name and number.isdecimal() and int(number) < self._count

    def is_behind(self, node: str) -> bool:
        """See `backbone.Backbone`."""
        peer = self._peers.get(node)
        return peer is not None and peer.is_behind

    def trouble(self) -> str:
        """See `backbone.Backbone`."""
        missing = self._count - 1 - len(self._peers)
        return f"{missing} of {self._count} processes are not there" if missing else ""

    def greeting(self) -> bytes:
        """What a new peer is told first: who we are, and all that we have published."""
        return encode([Beat(self.node, self._boot), *self._published.values()])

    def met(self, peer: Peer, node: str) -> None:
        """A peer has said who it is."""
        if (before := self._peers.get(node)) is not None:
            before.close()
        self._peers[node] = peer

    def parted(self, peer: Peer, node: str) -> bool:
        """Its socket is closed; whether it was the one in use."""
        if self._peers.get(node) is not peer:
            return False
        del self._peers[node]
        return True

    def heard(self, entries: list[Published]) -> None:
        """Others have published later entries: ours on the same things are of no use any more."""
        for entry in entries:
            mine = self._published.get(subject(entry))
            if isinstance(mine, (Place, Listing)) and isinstance(entry, (Place, Listing)) and mine.at < entry.at:
                del self._published[subject(entry)]

    def _write_soon(self) -> None:
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._write)

    def _write(self) -> None:
        self._is_due = False
        fresh, self._fresh = self._fresh, []
        for peer in self._peers.values():
            peer.write(fresh)

    async def _dial(self, number: int, ear: Ear) -> None:
        """Be joined to one process, again whenever it was lost."""
        path = str(self._folder / f"{number}.sock")
        while True:
            with suppress(OSError):
                _, peer = await self._loop.create_unix_connection(lambda: Peer(self, ear), path)
                await peer.ended
            await asyncio.sleep(DIAL_SECONDS)


class Peer(asyncio.Protocol):
    """The socket to one other process."""

    def __init__(self, mesh: Mesh, ear: Ear) -> None:
        """Not connected yet."""
        self.out: list[ToNode] = []
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._mesh = mesh
        self._ear = ear
        self._node = ""
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say who we are."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one without saying so
        self._send([self._mesh.greeting()])

    def data_received(self, data: bytes) -> None:
        """Batches, each behind its length in four bytes."""
        buffer = self._buffer
        buffer += data
        start = 0
        try:
            while len(buffer) - start >= 4:
                size = int.from_bytes(buffer[start : start + 4])
                if size > LONGEST:
                    raise ValueError(f"a batch of {size} bytes")
                if len(buffer) - start - 4 < size:
                    break
                self._take(decode(memoryview(buffer)[start + 4 : start + 4 + size].tobytes()))
                start += 4 + size
        except (msgspec.DecodeError, ValueError) as fault:
            logger.error("another process of this server is not understood: %s", fault)  # noqa: TRY400  # its own log says more
            self.close()
        del buffer[:start]

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's own signature
        """It is gone."""
        self._transport = None
        if self._node and self._mesh.parted(self, self._node):
            self._ear.lost(self._node)
        if not self.ended.done():
            self.ended.set_result(None)

    def write(self, fresh: list[Published]) -> None:
        """Everything of this turn."""
        out, self.out = self.out, []
        self._send(([encode(fresh)] if fresh else []) + batches(out))

    @property
    def is_behind(self) -> bool:
        """Whether some of what was written stands before the socket still."""
        return self._transport is not None and self._transport.get_write_buffer_size() > 0

    def close(self) -> None:
        """Give it up."""
        if self._transport is not None:
            self._transport.abort()

    def _send(self, found: list[bytes]) -> None:
        if self._transport is not None:
            for batch in found:
                self._transport.write(len(batch).to_bytes(4) + batch)

    def _take(self, items: list[Any]) -> None:
        said: list[ToNode] = []
        published: list[Published] = []
        for item in items:
            match item:
                case Beat(node=node):
                    self._node = node
                    self._mesh.met(self, node)
                    self._ear.joined(item)
                case Place() | Listing() | Keeps():
                    published.append(item)
                case _:
                    said.append(item)
        if published:
            self._mesh.heard(published)
            self._ear.learnt(published)
        if said and self._node:
            self._ear.heard(self._node, said)
