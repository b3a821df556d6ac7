"""A backbone over NATS: servers on any machines, joined by a NATS server or cluster with JetStream.

What is published stands in one key-value bucket of the network and is watched; what is said goes to a subject of each node, in
batches, one a turn; a beat each second says who lives. While NATS is away every node serves its own clients, and what was meant
for others is kept as if these were dead. Numbers of nodes are claimed in the bucket, once and for ever.
Source: NATS ADR-8 (key-value stores over JetStream).
"""

from __future__ import annotations

import asyncio
import base64
import logging
import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING
from typing import Any as Anything

import msgspec

from cloudnet.backbone import NODES, Beat, Ear, Published, ToNode, batches, decode, encode, subject
from cloudnet.errors import ConfigError

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.js.kv import KeyValue

logger = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
SILENCE_SECONDS = 4.0
"""A node that was not heard for so long is lost."""
CONNECT_SECONDS = 5.0
AGAIN_SECONDS = 1.0
PUTTING = 64
"""Entries put into the bucket at the same time."""
_ALL = ""
"""Among the keys seen: all of them are."""
WAITING_BYTES = 64 << 20
"""What may wait for NATS while it is away, before the rest is given up."""


class JetStream:
    """One node's connection to NATS. A `Backbone`."""

    def __init__(self, url: str, credentials: str, network: str, name: str, address: str) -> None:
        """`address`: where clients reach us; `credentials`: a file of NATS', or empty."""
        self.node = name
        self.number = -1
        self.remembers = True
        self._url = url
        self._credentials = credentials
        self._network = network
        self._name = f"cloud_{network}"
        self._beat = Beat(name, time.time_ns(), address)
        self._heard: dict[str, tuple[int, float]] = {}
        self._out: dict[str, list[ToNode]] = {}
        self._is_due = asyncio.Event()
        self._unput: dict[str, bytes] = {}
        self._mine: dict[str, bytes] = {}
        self._is_unput = asyncio.Event()
        self._away = "not connected yet"
        self._came_back = asyncio.Event()
        self._is_over = False

    async def run(self, ear: Ear, ready: asyncio.Event) -> None:
        """See `backbone.Backbone`."""
        client = await self._connect()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch(client, ear, ready), name="nats watch")
                await ready.wait()
                prefix = f"cloud.{self._network}"
                await client.subscribe(f"{prefix}.node.{self.node}", cb=self._said(ear))
                await client.subscribe(f"{prefix}.beat", cb=self._beats(ear))
                group.create_task(self._write(client), name="nats write")
                group.create_task(self._put(client), name="nats put")
                group.create_task(self._live(client, ear), name="nats beat")
                try:
                    await asyncio.get_running_loop().create_future()
                finally:
                    self._is_over = True  # Python 3.11's wait_for, all over nats-py, may swallow a cancellation
                    for event in (self._is_due, self._is_unput, self._came_back):
                        event.set()
        finally:
            with suppress(Exception):  # whatever it says: we are leaving
                async with asyncio.timeout(1.0):
                    await client.drain()

    def say(self, node: str, item: ToNode) -> None:
        """See `backbone.Backbone`."""
        self._out.setdefault(node, []).append(item)
        self._is_due.set()

    def publish(self, entry: Published) -> None:
        """See `backbone.Backbone`."""
        kind, key = subject(entry)
        self._keep(f"{kind}.{_word(key)}", encode([entry]))

    def expects(self, node: str) -> bool:  # noqa: ARG002  # nobody knows of a server elsewhere
        """See `backbone.Backbone`."""
        return False

    def is_behind(self, node: str) -> bool:  # noqa: ARG002  # NATS takes it for them all
        """See `backbone.Backbone`."""
        return False

    def trouble(self) -> str:
        """See `backbone.Backbone`."""
        return self._away

    # -- NATS -----------------------------------------------------------------------------------------

    async def _connect(self) -> Client:
        """Connected, with a number out of the network's bucket; tries until it works.

        Raises ConfigError when nats-py is missing.
        """
        try:
            from nats.aio.client import Client  # noqa: PLC0415  # an extra: who needs no network needs no NATS
            from nats.errors import Error  # noqa: PLC0415  # only needed here
        except ImportError:
            raise ConfigError("joining servers over NATS needs nats-py: pip install 'watchkeeper[nats]'") from None
        more: dict[str, Anything] = {"user_credentials": self._credentials} if self._credentials else {}
        while True:
            client = Client()
            try:
                await client.connect(
                    self._url,
                    name=f"cloud-server {self.node}",
                    error_cb=self._fault,
                    disconnected_cb=self._gone,
                    reconnected_cb=self._back,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=AGAIN_SECONDS,  # type: ignore[arg-type]  # seconds, whatever the stub says
                    connect_timeout=CONNECT_SECONDS,  # type: ignore[arg-type]  # as above
                    pending_size=WAITING_BYTES,
                    allow_reconnect=True,
                    **more,
                )
                self.number = await self._claim(await self._bucket(client))
            except (OSError, Error, TimeoutError) as fault:
                self._away = f"NATS at {self._shown} does not do: {str(fault) or type(fault).__name__}"
                logger.warning("%s", self._away)
                with suppress(Exception):  # it may never have been open
                    await client.close()
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            self._away = ""
            return client

    async def _bucket(self, client: Client) -> KeyValue:
        """The network's bucket, made if it is not there (any more)."""
        from nats.js.errors import NotFoundError  # noqa: PLC0415  # as above

        stream = client.jetstream()
        try:
            return await stream.key_value(self._name)
        except NotFoundError:
            return await stream.create_key_value(bucket=self._name, history=1)

    @property
    def _shown(self) -> str:
        """The address without a password."""
        return self._url.rpartition("@")[2].removeprefix("nats://")

    async def _claim(self, bucket: KeyValue) -> int:
        """A number that no other node has, the same as before for a node that had one."""
        from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError  # noqa: PLC0415  # as above

        with suppress(KeyNotFoundError):
            number = int((await bucket.get(f"node.{self.node}")).value or b"0")
            self._mine |= {f"number.{number}": self.node.encode(), f"node.{self.node}": str(number).encode()}
            return number
        while True:
            number = random.randrange(NODES)  # noqa: S311  # any free one
            with suppress(KeyWrongLastSequenceError):
                await bucket.create(f"number.{number}", self.node.encode())
                self._mine[f"number.{number}"] = self.node.encode()
                self._keep(f"node.{self.node}", str(number).encode())
                return number

    def _keep(self, key: str, value: bytes) -> None:
        """Have it put into the bucket, and put again should the bucket be lost."""
        self._mine[key] = self._unput[key] = value
        self._is_unput.set()

    async def _fault(self, fault: Exception) -> None:
        logger.warning("NATS: %s", str(fault) or type(fault).__name__)

    async def _gone(self) -> None:
        self._away = f"NATS at {self._shown} is away"
        logger.warning("%s", self._away)

    async def _back(self) -> None:
        self._away = ""
        self._came_back.set()
        logger.info("NATS is back")

    # -- what comes in ----------------------------------------------------------------------------------

    def _said(self, ear: Ear) -> Callable[[Msg], Anything]:
        async def take(message: Msg) -> None:
            items = self._understood(message.data)
            node = message.reply.rpartition(".")[2]  # who says it stands where an answer would go
            if items and node:
                ear.heard(node, items)

        return take

    def _beats(self, ear: Ear) -> Callable[[Msg], Anything]:
        async def take(message: Msg) -> None:
            for beat in self._understood(message.data):
                if isinstance(beat, Beat) and beat.node != self.node:
                    before = self._heard.get(beat.node)
                    self._heard[beat.node] = beat.boot, time.monotonic()
                    if before is None or before[0] != beat.boot:
                        ear.joined(beat)

        return take

    async def _watch(self, client: Client, ear: Ear, ready: asyncio.Event) -> None:
        """Learn what stands in the bucket and what is put there; from the beginning after each loss of NATS."""
        from nats.js.api import DeliverPolicy  # noqa: PLC0415  # as above

        while not self._is_over:
            self._came_back.clear()
            seen: set[str] = set()
            taken = [0]  # the last one's place in this consumer's order

            async def take(message: Msg, seen: set[str] = seen, taken: list[int] = taken) -> None:
                taken[0] = message.metadata.sequence.consumer
                self._learn(message, seen, ear)
                if message.metadata.num_pending == 0:
                    self._learnt_all(seen, ready)

            subscription = None
            try:
                await self._bucket(client)
                subscription = await client.jetstream().subscribe(
                    f"$KV.{self._name}.>",
                    stream=f"KV_{self._name}",
                    cb=take,
                    ordered_consumer=True,
                    deliver_policy=DeliverPolicy.LAST_PER_SUBJECT,
                )
                # Not by the messages alone: an empty bucket has none, and what they say is still to come may be gone by then.
                while not self._came_back.is_set() and _ALL not in seen:
                    info = await subscription.consumer_info()
                    delivered = info.delivered.consumer_seq if info.delivered else 0
                    if info.num_pending == 0 and delivered <= taken[0]:
                        self._learnt_all(seen, ready)
                    else:
                        await asyncio.sleep(AGAIN_SECONDS)
            except Exception as fault:  # noqa: BLE001  # NATS may be away again
                logger.warning("the network's bucket cannot be watched: %s", str(fault) or type(fault).__name__)
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                await self._came_back.wait()
            if subscription is not None:
                with suppress(Exception):  # NATS may be away
                    await subscription.unsubscribe()

    def _learn(self, message: Msg, seen: set[str], ear: Ear) -> None:
        """One key of the bucket."""
        key = message.subject.removeprefix(f"$KV.{self._name}.")
        seen.add(key)
        if message.data and key.startswith(("place.", "listing.", "keeps.")):
            ear.learnt(self._understood(message.data))

    def _learnt_all(self, seen: set[str], ready: asyncio.Event) -> None:
        """Everything that stood in the bucket is known; what of ours did not stand there was lost with it."""
        if _ALL in seen:
            return
        for key in self._mine.keys() - seen:
            self._keep(key, self._mine[key])
        seen.add(_ALL)  # from now on it is news, not what was there
        ready.set()

    def _understood(self, data: bytes) -> list[Anything]:
        try:
            return list(decode(data))
        except msgspec.DecodeError as fault:
            logger.error("another node is not understood: %s", fault)  # noqa: TRY400  # no fault of ours
            return []

    # -- what goes out ----------------------------------------------------------------------------------

    async def _write(self, client: Client) -> None:
        subject = f"cloud.{self._network}.node."
        reply = subject + self.node
        while not self._is_over:
            await self._is_due.wait()
            self._is_due.clear()
            out, self._out = self._out, {}
            for node, items in out.items():
                for batch in batches(items):
                    with suppress(Exception):  # it is away: the peer will be lost, and what was said is said anew
                        await client.publish(subject + node, batch, reply=reply)

    async def _put(self, client: Client) -> None:
        async def put(bucket: KeyValue, key: str, value: bytes) -> None:
            try:
                await bucket.put(key, value)
            except Exception as fault:  # noqa: BLE001  # NATS may be away, full or slow: it is put again
                self._unput.setdefault(key, value)
                self._is_unput.set()
                logger.debug("%s is put again: %s", key, fault)
                await asyncio.sleep(AGAIN_SECONDS)

        while not self._is_over:
            await self._is_unput.wait()
            self._is_unput.clear()
            try:
                bucket = await self._bucket(client)
            except Exception as fault:  # noqa: BLE001  # as above
                logger.debug("the network's bucket cannot be had: %s", fault)
                self._is_unput.set()
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            while self._unput and not self._is_over:
                some = [self._unput.popitem() for _ in range(min(PUTTING, len(self._unput)))]
                await asyncio.gather(*(put(bucket, key, value) for key, value in some))

    async def _live(self, client: Client, ear: Ear) -> None:
        """Say that we live, and see who does not."""
        while not self._is_over:
            with suppress(Exception):  # it is away: others will see that we are silent
                await client.publish(f"cloud.{self._network}.beat", encode([self._beat]))
            await asyncio.sleep(BEAT_SECONDS)
            now = time.monotonic()
            for node in [node for node, (_, at) in self._heard.items() if now - at > SILENCE_SECONDS]:
                del self._heard[node]
                ear.lost(node)


def _word(key: bytes) -> str:
    """A key as a part of a subject."""
    return base64.b32encode(key).decode("ascii").rstrip("=").lower()
