"""The client's rules without any I/O: what is still to be accepted, what was taken, what was seen before.

`client` feeds it the server's packets and sends what it asks for. Everything that is not accepted is sent again after each
reconnect, in order and under the same ids; whatever comes twice is handed to the application once. A message counts as taken
when the application says so, and only then is its position acknowledged: what was not taken comes again.
"""

from __future__ import annotations

import os
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from cloudnet.codes import Code
from cloudnet.errors import CloudError, Refused
from cloudnet.keys import Identity, login_text, verify, welcome_text
from cloudnet.packets import (
    ID_BYTES,
    NONCE_BYTES,
    VERSION,
    Accepted,
    Ack,
    Challenge,
    Deliver,
    Limits,
    Login,
    Rejected,
    Resume,
    Send,
    Welcome,
)
from cloudnet.sealed import Letter, seal, unseal

SEEN = 65_536
"""How many messages are remembered, so that none is handed over twice."""
_NOWHERE = 1 << 64
"""A position behind all."""


class Message(NamedTuple):
    """What an application receives. `sent` is the author's clock and `at` the server's, in ms since the epoch.

    `sender` is the device it came from, `author` the key that has signed it (most often the same), `to` the key it was sent to.
    """

    sender: bytes
    author: bytes
    to: bytes
    id: bytes
    sent: int
    at: int
    body: bytes
    receipt: bool


class Outgoing:
    """A message on its way. `accepted` and `receipt` are whoever waits (anything with `set_result` and `set_exception`).

    `left` is called once it is under way no more, whatever became of it.
    """

    __slots__ = ("accepted", "body", "id", "keep", "left", "receipt", "to", "ttl")

    def __init__(
        self,
        to: bytes,
        identity: bytes,
        body: bytes,
        *,
        keep: bool,
        ttl: int,
        accepted: Any,
        receipt: Any,
        left: Callable[[], None] | None = None,
    ) -> None:
        """`body` is sealed already."""
        self.to = to
        self.id = identity
        self.body = body
        self.keep = keep
        self.ttl = ttl
        self.accepted = accepted
        self.receipt = receipt
        self.left = left


class Courier:
    """One client's state across all its connections."""

    def __init__(self, identity: Identity, others: Iterable[Identity] = (), seen: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """`others`: identities that this device answers for; `seen`: sender and id of messages taken in an earlier run."""
        self.identity = identity
        self.limits = Limits()
        self.epoch = b""
        self.unreadable = 0
        self.repeated = 0
        self._identities = {one.key: one for one in (identity, *others)}
        self._outbox: dict[Outgoing, None] = {}
        """In order. By object, not by id: an application may try again under an id that is still on its way."""
        self._due: deque[Outgoing] = deque()
        """Of these, what was not sent on this connection yet."""
        self._receipts: dict[bytes, list[Outgoing]] = {}
        self._by_seq: dict[int, Outgoing] = {}
        self._seq = 0
        self._seen: OrderedDict[tuple[bytes, bytes], None] = OrderedDict((key, None) for key in seen)
        self._inbox: deque[tuple[int, Message]] = deque()
        self._open: dict[tuple[bytes, bytes], int] = {}
        """Handed to the application and not taken yet: their first position on this connection."""
        self.owed: list[Message] = []
        """Taken in an earlier life and delivered again: the receipt may have died with it, so it is sent once more."""
        self._position = 0
        self._acknowledged = 0
        self._nonce = b""
        self._challenge: Challenge | None = None

    # -- coming in ------------------------------------------------------------------------------------

    def login(
        self, challenge: Challenge, authority: str, certificate: bytes, *, takeover: bool, server: bytes = b"", agent: str = ""
    ) -> Login:
        """Answer a challenge; raises Refused when it is not from the server that was meant."""
        if challenge.version != VERSION:
            raise Refused(
                f"the server speaks version {challenge.version} of the protocol, this client {VERSION}", Code.WRONG_SERVER
            )
        if server and challenge.server != server:
            raise Refused("this is not the server whose key was given", Code.WRONG_SERVER)
        self._nonce = os.urandom(NONCE_BYTES)
        self._challenge = challenge
        key, nonce = self.identity.key, self._nonce
        text = login_text(challenge.server, challenge.nonce, key, nonce, authority, certificate, takeover=takeover)
        resume = Resume(self.epoch, self._acknowledged) if self.epoch else None
        return Login(key, nonce, authority, certificate, self.identity.sign(text), takeover, resume, agent)

    def welcome(self, packet: Welcome) -> None:
        """Logged in: all that is still to be accepted is `due` again. Raises Refused when the server is not who it said."""
        challenge = self._challenge
        if challenge is None:
            raise Refused("a welcome before a challenge", Code.OUT_OF_ORDER)
        text = welcome_text(challenge.server, challenge.nonce, self.identity.key, self._nonce, packet.epoch)
        verify(challenge.server, text, packet.signature)
        self._challenge = None
        self.limits = packet.limits
        self._inbox.clear()  # what was not handed over comes again
        self._open = dict.fromkeys(self._open, _NOWHERE)  # and what was, at another position
        if packet.epoch != self.epoch:
            self._position = self._acknowledged = 0
        self.epoch = packet.epoch
        self._by_seq = {}
        self._seq = 0
        self._due = deque(self._outbox)

    # -- sending --------------------------------------------------------------------------------------

    @property
    def under_way(self) -> int:
        """Messages that are not accepted yet."""
        return len(self._outbox)

    def seal(self, to: bytes, letter: Letter, author: Identity | None = None, identity: bytes = b"") -> tuple[bytes, bytes]:
        """A fresh id (or the one given) and the sealed body; raises Refused."""
        identity = identity or os.urandom(ID_BYTES)
        body = seal(letter, author or self.identity, self.identity.key, to, identity)
        if len(body) > self.limits.body_bytes:
            raise Refused(f"sealed, the message has {len(body)} bytes; the server takes {self.limits.body_bytes}", Code.TOO_BIG)
        return identity, body

    def send(self, outgoing: Outgoing) -> None:
        """Take a message over; it is `due` from now on."""
        self._outbox[outgoing] = None
        self._due.append(outgoing)
        if outgoing.receipt is not None:
            self._receipts.setdefault(outgoing.id, []).append(outgoing)

    def due(self) -> list[Send]:
        """What may be sent now, in order, each once a connection: never more than the server grants to be under way.

        A server does not read who has more under way, nor then the acknowledgements that would settle messages of others; two
        clients that flood each other would wait for each other.
        """
        sends = []
        while self._due and len(self._by_seq) < self.limits.under_way:
            outgoing = self._due.popleft()
            self._seq += 1
            self._by_seq[self._seq] = outgoing
            sends.append(Send(self._seq, outgoing.to, outgoing.id, outgoing.body, outgoing.keep, outgoing.ttl))
        return sends

    @property
    def is_due(self) -> bool:
        """Whether `due` has something."""
        return bool(self._due) and len(self._by_seq) < self.limits.under_way

    def forget_receipt(self, outgoing: Outgoing) -> None:
        """Nobody waits for it any more."""
        waiting = self._receipts.get(outgoing.id, [])
        if outgoing in waiting:
            waiting.remove(outgoing)
            if not waiting:
                del self._receipts[outgoing.id]

    def settle(self, packet: Accepted | Rejected) -> None:
        """What became of some."""
        if isinstance(packet, Accepted):
            self._accepted(packet)
        else:
            self._rejected(packet)

    def _accepted(self, packet: Accepted) -> None:
        for seq in packet.seqs:
            outgoing = self._by_seq.pop(seq, None)
            if outgoing is not None:
                self._leave(outgoing)
                _tell(outgoing.accepted, None)

    def _rejected(self, packet: Rejected) -> None:
        outgoing = self._by_seq.pop(packet.seq, None)
        if outgoing is None:
            return
        self._leave(outgoing)
        fault = Refused(packet.why, packet.code)
        self.forget_receipt(outgoing)
        _tell(outgoing.accepted, fault)
        _tell(outgoing.receipt, fault)

    def give_up(self, fault: CloudError) -> None:
        """There will be no further connection: tell all who wait."""
        for outgoing in (*self._outbox, *(one for waiting in self._receipts.values() for one in waiting)):
            _tell(outgoing.accepted, fault)
            _tell(outgoing.receipt, fault)
        for outgoing in tuple(self._outbox):
            self._leave(outgoing)
        self._due.clear()
        self._by_seq.clear()
        self._receipts.clear()

    def _leave(self, outgoing: Outgoing) -> None:
        del self._outbox[outgoing]
        if outgoing.left is not None:
            outgoing.left()

    # -- receiving ------------------------------------------------------------------------------------

    def deliver(self, packet: Deliver) -> None:
        """A message has come: keep it for the application, unless it came before or cannot be read."""
        self._position = packet.position
        key = (packet.sender, packet.id)
        if key in self._open:  # a second copy: neither is taken before the application says so
            self.repeated += 1
            self._open[key] = min(self._open[key], packet.position)
            return
        recipient = self._identities.get(packet.to)
        self.repeated += key in self._seen
        if recipient is None:
            return
        try:
            letter = unseal(packet.body, recipient, packet.sender, packet.id)
        except Refused:
            self.unreadable += key not in self._seen
            return
        if key in self._seen and letter.kind == "receipt":
            return
        if letter.kind == "receipt":
            self._see(key)
            for waiting in tuple(self._receipts.get(letter.body, ())):
                if letter.author == waiting.to:
                    self.forget_receipt(waiting)
                    _tell(waiting.receipt, letter.sent)
            return
        message = Message(
            packet.sender, letter.author, packet.to, packet.id, letter.sent, packet.at, letter.body, letter.receipt
        )
        if key in self._seen:
            if letter.receipt:
                self.owed.append(message)
            return
        self._inbox.append((packet.position, message))

    def next(self) -> Message | None:
        """The next message for the application, which has it from now on and must say `taken`; None when there is none."""
        while self._inbox:
            position, message = self._inbox.popleft()
            key = (message.sender, message.id)
            if key in self._open or key in self._seen:  # twice within one inbox
                self.repeated += 1
                continue
            self._open[key] = position
            return message
        return None

    def taken(self, message: Message) -> None:
        """The application is done with it."""
        key = (message.sender, message.id)
        if self._open.pop(key, None) is not None:
            self._see(key)

    def ack(self) -> Ack | None:
        """What may be acknowledged and was not yet: everything before the first message that waits or is being worked on."""
        position = self._position
        if self._inbox:
            position = min(position, self._inbox[0][0] - 1)
        if self._open:
            position = min(position, min(self._open.values()) - 1)
        if position <= self._acknowledged:
            return None
        self._acknowledged = position
        return Ack(position)

    def receipt_for(self, message: Message, sent: int) -> Outgoing:
        """The receipt that a sender has asked for."""
        author = self._identities[message.to]
        identity, body = self.seal(message.sender, Letter("receipt", sent, message.id, author.key), author)
        return Outgoing(message.sender, identity, body, keep=True, ttl=0, accepted=None, receipt=None)

    @property
    def seen(self) -> Sequence[tuple[bytes, bytes]]:
        """Sender and id of what was taken, for the next run."""
        return tuple(self._seen)

    def _see(self, key: tuple[bytes, bytes]) -> None:
        self._seen[key] = None
        if len(self._seen) > SEEN:
            self._seen.popitem(last=False)


def _tell(waiting: Any, answer: Any) -> None:
    if waiting is None or waiting.done():
        return
    if isinstance(answer, CloudError):
        waiting.set_exception(answer)
    else:
        waiting.set_result(answer)
