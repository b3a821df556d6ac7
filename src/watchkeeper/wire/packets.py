"""Every packet of the link between an agent and the hub, and their MessagePack codec.

One WebSocket message is one packet. *Numbered* packets (`Figures`, `Happened`) carry facts that
must not be lost: the agent numbers them from 1 on each connection, the hub answers `Ack(upto)`
once all up to that number are durable, and the agent keeps them until then. The rest describes
the present and is said again after a reconnect; so is a layout, before the first frame that uses it.

Limits: a packet is at most `PACKET_BYTES`; anything malformed closes the link with a reason.
"""

from __future__ import annotations

from typing import Literal, TypeVar

import msgspec

from watchkeeper.errors import Refused
from watchkeeper.model import Action, Dictionary, Event, Frame, LogLines, Machine, Outcome, ServerStatus

T = TypeVar("T")

VERSION = 1
PACKET_BYTES = 1 << 20


class Packet(msgspec.Struct, frozen=True, tag_field="t", forbid_unknown_fields=True):
    """The frame of all packets: one tagged union, strict on both sides."""


class Hello(Packet, frozen=True, tag="hello"):
    """Agent: who I am. The first packet on a connection; `now` is its wall clock in ms (0: it does not tell)."""

    version: int
    machine: Machine
    now: int = 0


class Welcome(Packet, frozen=True, tag="welcome"):
    """Hub: you are taken in; `now` is the hub's wall clock in ms, so that an agent can tell a skewed clock."""

    version: int
    now: int


class Define(Packet, frozen=True, tag="define"):
    """Agent: what the columns of coming frames mean; once on each connection, before the first of them."""

    layout: Dictionary


class Figures(Packet, frozen=True, tag="figures"):
    """Agent, numbered: one frame."""

    seq: int
    frame: Frame


class Happened(Packet, frozen=True, tag="happened"):
    """Agent, numbered: one event."""

    seq: int
    event: Event


class Ack(Packet, frozen=True, tag="ack"):
    """Hub: all numbered packets up to and including `upto` are durable here."""

    upto: int


class Statuses(Packet, frozen=True, tag="statuses"):
    """Agent: how servers stand now. `whole` = these are all there are; else only those that changed."""

    servers: tuple[ServerStatus, ...]
    whole: bool


class Order(Packet, frozen=True, tag="order"):
    """Hub: do this. Sent at most once; the agent answers with `Done` for the same action."""

    action: Action


class Done(Packet, frozen=True, tag="done"):
    """Agent: how an order ended."""

    outcome: Outcome


class LogsAsk(Packet, frozen=True, tag="logs_ask"):
    """Hub: send the last `lines` lines of a server's output and, if `follow`, what comes after until `LogsStop`."""

    ask: str
    server: str
    lines: int
    follow: bool


class LogsStop(Packet, frozen=True, tag="logs_stop"):
    """Hub: nobody reads `ask` any more."""

    ask: str


class Logs(Packet, frozen=True, tag="logs"):
    """Agent: some lines for an ask."""

    part: LogLines


class EvidenceAsk(Packet, frozen=True, tag="evidence_ask"):
    """Hub: send the evidence of this id."""

    ask: str
    evidence: str


class EvidencePart(Packet, frozen=True, tag="evidence"):
    """Agent: a part of it, in order; `end` with the last, `why` when there is no more and it is not whole."""

    ask: str
    content: bytes
    end: bool
    why: str = ""


class WorkersAsk(Packet, frozen=True, tag="workers_ask"):
    """Hub: start so many workers of a stress run, and carry what they say. Sent to agents of this version or later alone."""

    ask: str
    count: int


class WorkerPart(Packet, frozen=True, tag="worker"):
    """Either side: bytes to or from a worker, in order. `end`: no more of this ask, and `why` where it was not asked for."""

    ask: str
    number: int
    content: bytes = b""
    end: bool = False
    why: str = ""


class Bye(Packet, frozen=True, tag="bye"):
    """Either side: I close the link, and why."""

    reason: str
    code: Literal["stopping", "refused", "malformed", "superseded"] = "stopping"


Numbered = Figures | Happened
FromAgent = Hello | Define | Figures | Happened | Statuses | Done | Logs | EvidencePart | WorkerPart | Bye
FromHub = Welcome | Ack | Order | LogsAsk | LogsStop | EvidenceAsk | WorkersAsk | WorkerPart | Bye

_encoder = msgspec.msgpack.Encoder()
_from_agent: msgspec.msgpack.Decoder[FromAgent] = msgspec.msgpack.Decoder(FromAgent)
_from_hub: msgspec.msgpack.Decoder[FromHub] = msgspec.msgpack.Decoder(FromHub)


def encode(packet: Packet) -> bytes:
    """A packet as the bytes of one WebSocket message."""
    return _encoder.encode(packet)


_part: msgspec.msgpack.Decoder[WorkerPart] = msgspec.msgpack.Decoder(WorkerPart)


def worker_part(message: bytes) -> WorkerPart:
    """Decode a message of a line to workers; raises Refused (``malformed-packet``)."""
    return _decode(_part, message)


def from_agent(message: bytes) -> FromAgent:
    """Decode what an agent sent; raises Refused (``malformed-packet``) with the reason."""
    return _decode(_from_agent, message)


def from_hub(message: bytes) -> FromHub:
    """Decode what the hub sent; raises Refused (``malformed-packet``) with the reason."""
    return _decode(_from_hub, message)


def _decode(decoder: msgspec.msgpack.Decoder[T], message: bytes) -> T:
    if len(message) > PACKET_BYTES:
        raise Refused(f"a packet of {len(message)} bytes is over the limit of {PACKET_BYTES}", code="malformed-packet")
    try:
        return decoder.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:  # a field too many may nest without end
        raise Refused(f"not a packet of this link: {fault}", code="malformed-packet") from None
