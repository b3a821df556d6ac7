"""What comes off the wire is a packet as described or Refused as malformed, whatever the bytes are."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudnet.codec import encode, encode_one, from_client, from_server
from cloudnet.codes import Code
from cloudnet.errors import Refused
from cloudnet.packets import BODY_BYTES, MESSAGE_BYTES, PACKETS, Leave, Limits, Ping
from rigs.wire import CLIENT, POISONS, SERVER, from_clients, from_servers, mutated, plain, poisoned

SIDES = pytest.mark.parametrize(("kinds", "decode"), [(CLIENT, from_client), (SERVER, from_server)], ids=["client", "server"])
FIELDS = [
    (kind, field, decode)
    for kinds, decode in ((CLIENT, from_client), (SERVER, from_server))
    for kind in kinds
    for field in range(len(msgspec.structs.fields(kind)) + 1)
]


def take(decode: Any, message: bytes) -> None:
    """Decode something that may be anything: packets or Refused as malformed, and nothing else."""
    found, code = [], ""
    try:
        found = decode(message)
    except Refused as fault:
        code = fault.code
    assert code in {"", Code.MALFORMED}
    assert all(isinstance(packet, (*CLIENT, *SERVER)) for packet in found)


@given(from_clients)
def test_every_packet_of_a_client_comes_back(packets: list[Any]) -> None:
    """What is encoded is decoded to the same, any number of packets in a message."""
    assert from_client(encode(packets)) == packets


@given(from_servers)
def test_every_packet_of_a_server_comes_back(packets: list[Any]) -> None:
    """What is encoded is decoded to the same, any number of packets in a message."""
    assert from_server(encode(packets)) == packets


@SIDES
@given(message=st.binary(max_size=200))
def test_noise_is_refused(kinds: Any, decode: Any, message: bytes) -> None:
    """Random bytes are packets by a rare chance, or malformed."""
    take(decode, message)


@given(mutated(from_clients.map(encode)))
def test_a_clients_damaged_message_is_refused_or_read(message: bytes) -> None:
    """Bytes of a valid message that were changed, cut, doubled or added."""
    take(from_client, message)


@given(mutated(from_servers.map(encode)))
def test_a_servers_damaged_message_is_refused_or_read(message: bytes) -> None:
    """Bytes of a valid message that were changed, cut, doubled or added."""
    take(from_server, message)


@pytest.mark.parametrize(("kind", "field", "decode"), FIELDS, ids=lambda one: getattr(one, "__name__", str(one)))
def test_each_field_refuses_what_it_cannot_hold(kind: Any, field: int, decode: Any) -> None:
    """Nesting without end, extensions, bad text and lengths that lie, in the place of each field of each packet."""
    for poison in POISONS.values():
        with pytest.raises(Refused) as fault:
            decode(poisoned(kind, field, poison))
        assert fault.value.code == Code.MALFORMED


@pytest.mark.parametrize("kind", [*CLIENT, *SERVER], ids=lambda kind: kind.__name__)
def test_a_field_too_many_is_refused(kind: Any) -> None:
    """Also one that nests without end, which a decoder that skips the unknown would follow to the end of its stack."""
    decode = from_client if kind in CLIENT else from_server
    whole = encode_one(plain(kind))
    assert decode(whole) == [plain(kind)]
    for extra in (b"\x01", POISONS["arrays without end"], POISONS["maps without end"]):
        with pytest.raises(Refused):
            decode(whole[:1] + bytes((whole[1] + 1,)) + whole[2:] + extra)


@pytest.mark.parametrize("kind", [*CLIENT, *SERVER], ids=lambda kind: kind.__name__)
def test_only_fields_with_a_default_may_be_left_out(kind: Any) -> None:
    """From the end on: a packet without them has the defaults, one that lacks another is malformed."""
    decode = from_client if kind in CLIENT else from_server
    fields = msgspec.structs.fields(kind)
    whole = msgspec.to_builtins(plain(kind), builtin_types=(bytes,))
    needed = 1 + sum(field.required for field in fields)
    for length in range(len(whole)):
        message = msgspec.msgpack.encode([whole[:length]])
        if length < needed:
            with pytest.raises(Refused):
                decode(message)
        else:
            (packet,) = decode(message)
            for field in fields[length - 1 :]:
                assert getattr(packet, field.name) == field.default


@SIDES
def test_a_number_of_the_other_side_is_refused(kinds: Any, decode: Any) -> None:
    """A client takes no packet that only clients send, nor a server one of a server; unknown numbers neither."""
    for kind in {*CLIENT, *SERVER} - {*kinds}:
        with pytest.raises(Refused):
            decode(encode_one(plain(kind)))
    for number in (0, 11, 63, 77, -1, 2**64 - 1):
        with pytest.raises(Refused):
            decode(msgspec.msgpack.encode([[number]]))


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xc0",
        b"\x0a",
        b"\x80",
        b"\x91\x0a",
        b"\x91\x90",
        b"\x91\x92\x08\xc2",
        b"\x91\x92\x08\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00",
        b"\x91\x92\x08\xa11",
        b"\x91\x91\x0a\x00",
        b"\x91\x81\xa6packet\x0a",
        b"[[8,1]]",
        b"\x91" * 100_000,
        b"\xff" * MESSAGE_BYTES,
    ],
)
def test_messages_that_are_almost_packets(message: bytes) -> None:
    """Nothing, no array, no packet in it, a wrong kind of number, something behind the end, JSON."""
    with pytest.raises(Refused) as fault:
        from_client(message)
    assert fault.value.code == Code.MALFORMED


def test_a_message_has_so_many_packets_and_no_more() -> None:
    """At the limit all are read; one more is refused before any is."""
    assert len(from_client(encode([Leave()] * PACKETS))) == PACKETS
    with pytest.raises(Refused):
        from_client(encode([Leave()] * (PACKETS + 1)))
    with pytest.raises(Refused, match="length <= 1024"):
        from_client(b"\xdd\xff\xff\xff\xff" + b"\xc1")


def test_numbers_are_as_long_as_64_bits() -> None:
    """Both ends of what MessagePack's integers hold."""
    for number in (-(2**63), 2**64 - 1):
        assert from_client(encode([Ping(number)])) == [Ping(number)]


def test_one_granted_body_fits_into_a_message() -> None:
    """The limits that clients see are not at odds with each other."""
    assert Limits().body_bytes == BODY_BYTES
    assert BODY_BYTES < MESSAGE_BYTES
