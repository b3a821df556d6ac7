"""Ask a Cloud Server as its users do: two clients log in, one sends the other a burst, and every receipt must come back.

They connect anew for each attempt: a server that still serves those who are in but lets nobody else in is down for its users,
and nothing is held between attempts. Their two keys are made at the first attempt and kept in the probe's folder: a server
remembers every key that it has met for months, so fresh ones would fill its list of devices and leave mailboxes behind.
What an attempt that failed has left in the mailbox comes with the next one, which lets it pass. `cloudnet` (50 ms, 5 MiB) is
loaded by the first attempt, so an agent without such a probe does not pay for it.
"""

from __future__ import annotations

import asyncio
import os
import re
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated, ClassVar, NamedTuple

import msgspec

from watchkeeper.config import Asked
from watchkeeper.errors import Failed
from watchkeeper.fetch import tls_context
from watchkeeper.model import Family, Notes

if TYPE_CHECKING:  # at run time the first attempt loads it
    from cloudnet.client import Client

EXCHANGE_SHARE = 0.6
"""How much of the time-out is for logging in and the burst; the rest is for leaving and for the words on what is missing."""
LEAVE_SHARE = 0.1


class Fates(NamedTuple):
    """What became of the messages of a burst."""

    lost: int
    duplicated: int
    reordered: int


class Burst:
    """One burst as it goes: what has arrived, what was refused, how long each receipt took."""

    def __init__(self, messages: int) -> None:
        """Nothing has happened yet."""
        self.messages = messages
        self.mark = os.urandom(8)
        """Tells these messages from any that an earlier attempt has left behind."""
        self.arrived: list[int] = []
        self.round_trips: list[float] = []
        self.refused: list[str] = []
        self.cut_off = ""
        """Why the recipient could not go on."""

    async def send(self, client: Client, to: bytes, number: int) -> None:
        """Send one message and wait for its receipt."""
        from cloudnet.errors import CloudError  # noqa: PLC0415  # loaded by now

        began = time.perf_counter()
        try:
            await client.send(to, self.mark + number.to_bytes(4, "big"), wait=True, keep=False)
        except CloudError as fault:
            self.refused.append(fault.why)
        else:
            self.round_trips.append(time.perf_counter() - began)

    async def receive(self, client: Client) -> None:
        """Take what comes until cancelled."""
        from cloudnet.errors import CloudError  # noqa: PLC0415  # loaded by now

        try:
            async for message in client:
                if message.body.startswith(self.mark):
                    self.arrived.append(int.from_bytes(message.body[len(self.mark) :], "big"))
        except CloudError as fault:
            self.cut_off = fault.why

    def faults(self, fates: Fates) -> list[str]:
        """What was not as it should be, in words."""
        whole = self.messages
        missing = fates.lost - len(self.refused)
        unanswered = whole - len(self.round_trips) - fates.lost
        said = [f"the recipient was cut off: {self.cut_off}"] if self.cut_off else []
        if self.refused:
            said.append(f"{len(self.refused)} of {whole} messages were refused: {self.refused[0]}")
        if missing > 0:
            said.append(f"{missing} of {whole} messages did not arrive")
        if unanswered > 0:
            said.append(f"{unanswered} of {whole} receipts did not come back")
        if fates.duplicated:
            said.append(f"{fates.duplicated} of {whole} messages arrived more than once")
        if fates.reordered:
            said.append(f"{fates.reordered} of {whole} messages arrived out of order")
        return said


class Cloud(Asked, frozen=True, tag_field="kind", tag="cloud"):
    """``kind = "cloud"``: two clients of the Cloud Server at `url` (``ws://…`` or ``wss://…``) exchange messages.

    Up when each of `messages` arrives once, in order, and its receipt comes back. With `server_key` (the server's own, as
    its log shows it) no other server will do; without `verify` any TLS certificate is taken.
    """

    url: str
    messages: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 10
    server_key: str = ""
    verify: bool = True

    FAMILIES: ClassVar = (
        Family("probe_cloud_login_seconds", "gauge", "How long both clients took to connect and log in, one after the other."),
        Family("probe_cloud_round_trip_seconds", "gauge", "From sending a message to its receipt, median of the last burst."),
        Family("probe_cloud_round_trip_worst_seconds", "gauge", "The same, the slowest of the last burst."),
        Family("probe_cloud_messages_sent", "gauge", "Messages of the last burst."),
        Family("probe_cloud_messages_lost", "gauge", "Of these, not arrived, or without a receipt, in time."),
        Family("probe_cloud_messages_duplicated", "gauge", "Of these, arrived more than once."),
        Family("probe_cloud_messages_reordered", "gauge", "Of these, arrived after one that was sent later (RFC 4737)."),
    )

    def __post_init__(self) -> None:
        """Refuse what could never work while file and line are still known."""
        if not re.match(r"wss?://[^/]", self.url):
            raise ValueError(f"expected a ws:// or wss:// address, got {self.url!r}")
        if not re.fullmatch(r"([a-z2-7]{52})?", self.server_key):
            raise ValueError(f"server_key: expected 52 small letters and digits, got {self.server_key!r}")

    async def attempt(self, notes: Notes) -> None:
        """Log in with both, exchange one burst, leave."""
        from cloudnet import keys  # noqa: PLC0415  # see above
        from cloudnet.client import connect  # noqa: PLC0415  # only needed here
        from cloudnet.errors import CloudError  # noqa: PLC0415  # only needed here

        burst = Burst(self.messages)
        repeated = 0
        began = time.perf_counter()
        try:
            notes.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            identities = [keys.load_or_create(notes.folder / f"{name}.key") for name in ("sender", "receiver")]
            pinned = keys.read(self.server_key) if self.server_key else b""
            tls = tls_context(verify=self.verify) if self.url.startswith("wss:") else None
            end = began + self.timeout * EXCHANGE_SHARE
            linger = self.timeout * LEAVE_SHARE
            async with AsyncExitStack() as stack:
                clients: list[Client] = []
                for identity in identities:
                    left = end - time.perf_counter()
                    # What a broken-off attempt has left connected is taken over: nobody else has these keys.
                    client = connect(
                        self.url, identity, takeover=True, server_key=pinned, tls=tls, timeout=left, tries=1, linger=linger
                    )
                    clients.append(await stack.enter_async_context(client))
                notes.figures["probe_cloud_login_seconds"] = time.perf_counter() - began
                sender, receiver = clients
                await _exchange(burst, sender, receiver, end - time.perf_counter())
                repeated = receiver.repeated
        except CloudError as fault:
            raise Failed(fault.why) from None
        except OSError as fault:
            raise Failed(f"the keys cannot be kept in {notes.folder}: {fault.strerror}") from None
        fates = judge(self.messages, burst.arrived, repeated)
        notes.figures.update(_figures(burst, fates))
        if faults := burst.faults(fates):
            raise Failed("; ".join(faults))


async def _exchange(burst: Burst, sender: Client, receiver: Client, seconds: float) -> None:
    """Send and receive all of a burst, as far as it goes within `seconds`."""
    try:
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            receiving = group.create_task(burst.receive(receiver), name="cloud probe")
            to = receiver.identity.key
            await asyncio.gather(*(burst.send(sender, to, number) for number in range(burst.messages)))
            if not burst.cut_off:
                await receiver.ping()  # what the server has still sent it, a second copy say, comes before the answer
            receiving.cancel()
    except TimeoutError:
        return


def judge(messages: int, arrived: Sequence[int], repeated: int) -> Fates:
    """What became of messages 0, 1, … of which `arrived` came in this order, and `repeated` more copies were held back.

    A message is reordered when one that was sent later came before it (RFC 4737, section 3.3).
    """
    copies = Counter(arrived)
    reordered = 0
    newest = -1
    for number in copies:  # in the order of first arrival
        reordered += number < newest
        newest = max(newest, number)
    duplicated = sum(1 for count in copies.values() if count > 1) + repeated
    return Fates(messages - len(copies), duplicated, reordered)


def _figures(burst: Burst, fates: Fates) -> dict[str, float]:
    figures = {
        "probe_cloud_messages_sent": float(burst.messages),
        "probe_cloud_messages_lost": float(burst.messages - len(burst.round_trips)),
        "probe_cloud_messages_duplicated": float(fates.duplicated),
        "probe_cloud_messages_reordered": float(fates.reordered),
    }
    if burst.round_trips:
        figures["probe_cloud_round_trip_seconds"] = statistics.median(burst.round_trips)
        figures["probe_cloud_round_trip_worst_seconds"] = max(burst.round_trips)
    return figures
