"""Anything that the Cloud protocol can say: hypothesis strategies made from the packets' own fields, and their poisons."""

from __future__ import annotations

import types
import typing
from typing import Any, get_args, get_origin

import msgspec
from hypothesis import strategies as st

from cloudnet import packets

CLIENT = get_args(packets.FromClient)
SERVER = get_args(packets.FromServer)
DEEP = b"\x91" * 30_000 + b"\x90"
POISONS = {
    "arrays without end": DEEP,
    "maps without end": b"\x81\xa1a" * 20_000 + b"\x80",
    "an extension": b"\xc7\x03\x05abc",
    "a timestamp": b"\xd6\xff\x00\x00\x00\x00",
    "text that is not UTF-8": b"\xa2\xff\xff",
    "a reserved byte": b"\xc1",
    "an array that claims 4 G items": b"\xdd\xff\xff\xff\xff",
    "bytes that claim 4 G": b"\xc6\xff\xff\xff\xff",
    "a map": b"\x81\x01\x02",
    "nothing at all": b"",
}


def anything(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type, all that the type allows."""
    plain: dict[Any, st.SearchStrategy[Any]] = {
        int: st.integers(-(2**63), 2**64 - 1),
        str: st.text(max_size=20),
        bytes: st.binary(max_size=40),
        bool: st.booleans(),
        float: st.floats(allow_nan=False),
        type(None): st.none(),
    }
    if kind in plain:
        return plain[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {typing.Union, types.UnionType}:
        return st.one_of(*map(anything, arguments))
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(anything(arguments[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(anything, arguments))
    return st.builds(kind, **{field.name: anything(field.type) for field in msgspec.structs.fields(kind)})


from_clients: st.SearchStrategy[list[Any]] = st.lists(st.one_of(*map(anything, CLIENT)), max_size=4)
from_servers: st.SearchStrategy[list[Any]] = st.lists(st.one_of(*map(anything, SERVER)), max_size=4)


def plain(kind: Any) -> Any:
    """One valid value of a field's type."""
    simple: dict[Any, Any] = {int: 1, str: "a", bytes: b"b", bool: True, float: 0.5, type(None): None}
    if kind in simple:
        return simple[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {typing.Union, types.UnionType}:
        return plain(arguments[0])
    if origin is tuple:
        return tuple(plain(one) for one in arguments if one is not Ellipsis)
    return kind(**{field.name: plain(field.type) for field in msgspec.structs.fields(kind)})


def poisoned(kind: Any, field: int, poison: bytes) -> bytes:
    """A message of one packet whose field (0 is the packet's number) is replaced by raw bytes."""
    packet = msgspec.to_builtins(plain(kind), builtin_types=(bytes,))
    parts = [msgspec.msgpack.encode(value) for value in packet]
    parts[field] = poison
    return b"\x91" + bytes((0x90 | len(parts),)) + b"".join(parts)


@st.composite
def mutated(draw: st.DrawFn, messages: st.SearchStrategy[bytes]) -> bytes:
    """A valid message with bytes changed, cut off, doubled or put in."""
    message = bytearray(draw(messages))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(message)))
        match draw(st.integers(0, 3)):
            case 0 if place < len(message):
                message[place] = draw(st.integers(0, 255))
            case 1:
                del message[place:]
            case 2:
                message[place:place] = draw(st.binary(max_size=8))
            case _:
                message[place:place] = message[:place]
    return bytes(message)
