"""What is fuzzed: each target takes bytes and must end well, or with the one error that it documents.

`one` fuzzes a single target, `run` starts that for each with bounds; test_targets.py runs each on its seeds, which come from
the vectors, so that no target rots.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import json
import shutil
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import nacl.public

from cloudnet.codec import encode, from_client, from_server
from cloudnet.codes import Close, Code
from cloudnet.errors import Refused
from cloudnet.framing import BINARY, TEXT, Assembler, Broken
from cloudnet.keys import Identity
from cloudnet.packets import FromClient, Leave, Limits, Ping, Resume, Send
from cloudnet.sealed import Letter, _text, seal, unseal
from rigs.relay import Office, ScriptedWire, bare_login, greeting
from rigs.wire import CLIENT, SERVER
from rigs.writer import message, series
from watchkeeper import errors
from watchkeeper.collect.exposition import Parser
from watchkeeper.remote.writing import read_request
from watchkeeper.remote.writing import series as read_series
from watchkeeper.store import snappy
from watchkeeper.wire import packets as link

HERE = Path(__file__).resolve().parent
ANN, BOB = Identity(b"a" * 32), Identity(b"b" * 32)
ID = b"i" * 16
LINK_HUB = link.encode(link.Welcome(1, 1))


def vectors(name: str) -> Iterator[bytes]:
    """The messages of a file of vectors."""
    for one in json.loads((HERE.parent / "vectors" / f"{name}.json").read_text(encoding="utf-8")):
        yield bytes.fromhex(one["message"])


# -- packets ----------------------------------------------------------------------------------------


def packets_of(decode: Callable[[bytes], list[Any]], data: bytes) -> list[Any]:
    """Decode, and encode and decode again: the same, or Refused as malformed."""
    try:
        found = decode(data)
    except Refused as fault:
        assert fault.code == Code.MALFORMED, fault.code  # noqa: PT017  # no test, but a target
        assert len(fault.why) < 300, fault.why  # noqa: PT017  # as above
        return []
    again = encode(found)
    assert encode(decode(again)) == again
    return found


def client_packets(data: bytes) -> None:
    """What a server decodes."""
    assert all(isinstance(packet, CLIENT) for packet in packets_of(from_client, data))


def server_packets(data: bytes) -> None:
    """What a client decodes."""
    assert all(isinstance(packet, SERVER) for packet in packets_of(from_server, data))


# -- frames -----------------------------------------------------------------------------------------


def frames(data: bytes) -> None:
    """The assembler: a byte of flags and length, then the payload, again and again."""
    assembler = Assembler(64)
    place = 0
    while place < len(data):
        flags, size = data[place] >> 4, data[place] & 15
        payload = data[place + 1 : place + 1 + size * 4]
        place += 1 + len(payload)
        try:
            opcode = (0, TEXT, BINARY, 0)[flags & 3]
            whole = assembler.take(opcode, payload, fin=bool(flags & 4), reserved=flags == 15)
        except Broken as fault:
            assert fault.code in {Close.MALFORMED, Close.TOO_BIG, 1007}, fault.code  # noqa: PT017  # as above
            return
        if whole is not None:
            assert whole[0] in {TEXT, BINARY}
            assert len(whole[1]) <= 64
            if whole[0] == TEXT:
                whole[1].decode()


# -- the session machine ----------------------------------------------------------------------------


LIMITS = Limits(body_bytes=200, under_way=3, mailbox_messages=6, mailbox_bytes=2000, resume_seconds=10)
KEYS = (ANN.key, BOB.key, b"k" * 32, b"", b"short")


class Stage:
    """A relay for one input after the other: the file is the same, all else is new."""

    def __init__(self) -> None:
        folder = tempfile.mkdtemp()
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        self.office = Office(Path(folder), LIMITS)
        self.office.loop.run_until_complete(self.office.mailbox.flush())

    def enter(self, key: bytes, resume: Any = None) -> ScriptedWire:
        """A login, proof aside."""
        wire = ScriptedWire(self.office.figures)
        self.office.relay.enter(wire.line, bare_login(key, takeover=True, resume=resume), greeting())
        return wire


_stage: Stage | None = None


def stage() -> Stage:
    """The one of this process, cleared."""
    global _stage  # noqa: PLW0603  # opening a database for each input would be most of the work
    if _stage is None:
        _stage = Stage()
    _stage.office.renew()
    return _stage


def invented(data: bytes) -> FromClient:
    """A packet from bytes: the first says which, the others fill its fields, so that most are routed somewhere."""
    bits = itertools.chain(data, itertools.repeat(0))
    kind = CLIENT[next(bits) % len(CLIENT)]

    makers: dict[Any, Callable[[], Any]] = {
        int: lambda: next(bits) - 3 if next(bits) < 200 else 2**63,
        bytes: lambda: KEYS[next(bits) % len(KEYS)] if next(bits) < 200 else data,
        str: lambda: ("", "device", "service", "n")[next(bits) % 4],
        bool: lambda: bool(next(bits) & 1),
        float: lambda: struct.unpack("!d", bytes(next(bits) for _ in range(8)))[0],
    }

    def value(wanted: Any) -> Any:
        if wanted in makers:
            return makers[wanted]()
        arguments = getattr(wanted, "__args__", ())
        if type(None) in arguments:
            return value(arguments[0]) if next(bits) & 1 else None
        if arguments:
            return tuple(map(value, arguments[:1] * (next(bits) % 4) if arguments[-1] is ... else arguments))
        return wanted(**{field.name: value(field.type) for field in msgspec.structs.fields(wanted)})

    fields = {field.name: value(field.type) for field in msgspec.structs.fields(kind)}
    if kind is Send:
        fields["id"] = bytes(15) + bytes((next(bits) & 7,))
    return kind(**fields)  # type: ignore[no-any-return]  # one of the union


def relay(data: bytes) -> None:
    """Two clients say anything: a byte of what and who, a byte of length, then that many bytes; losses and sweeps between."""
    theatre = stage()
    office = theatre.office
    wires = {key: theatre.enter(key) for key in (ANN.key, BOB.key)}
    everybody = list(wires.values())
    place, now = 0, 0.0
    while place + 1 < len(data):
        what, size = data[place], data[place + 1]
        part = data[place + 2 : place + 2 + size]
        place += 2 + size
        key = (ANN.key, BOB.key)[what & 1]
        wire = wires[key]
        match what >> 1 & 7:
            case 0 | 1 | 2 | 3 as way:
                message = part if way < 2 else encode([numbered(invented(part), wire)])
                try:
                    office.relay.take(wire.line, message)
                except Refused:
                    office.relay.lose(wire.line)
            case 4:
                office.relay.lose(wire.line)
            case 5:
                session = office.attendance.sessions.get(key)
                resume = None if session is None or size & 1 else Resume(session.epoch, size - 3)
                everybody.append(theatre.enter(key, resume))
                wires[key] = everybody[-1]
            case 6:
                now += size
                office.relay.sweeping.everything(time.monotonic() + now)
            case _:
                office.settle()
        if wire.closed:
            office.relay.lose(wire.line)
    office.settle()
    for wire in everybody:
        wire.said()
    figures = office.figures
    under_way = sum(wire.line.pending for wire in everybody)
    assert figures.received == figures.accepted + figures.rejected + under_way, (figures.received, figures.accepted, under_way)
    waiting = office.mailbox.total_messages
    assert waiting == office.stored(), (waiting, office.stored())


def numbered(packet: FromClient, wire: ScriptedWire) -> FromClient:
    """A message gets the number that is due, else the first one would be the end."""
    return msgspec.structs.replace(packet, seq=wire.line.seq + 1) if isinstance(packet, Send) else packet


# -- letters ----------------------------------------------------------------------------------------


def letters(data: bytes) -> None:
    """A body, what is in a seal, and what is in a signed letter: opened, or Refused as badly signed."""
    box = nacl.public.SealedBox(BOB.signing.verify_key.to_curve25519_public_key())
    signed = msgspec.msgpack.encode([data, ANN.sign(_text(ANN.key, BOB.key, ID, data))])
    for body in (data, box.encrypt(data), box.encrypt(signed)):
        try:
            letter = unseal(body, BOB, ANN.key, ID)
        except Refused as fault:
            assert fault.code == Code.BAD_SIGNATURE, fault.code  # noqa: PT017  # as above
        else:
            assert letter.author == ANN.key
            assert unseal(seal(letter, ANN, ANN.key, BOB.key, ID), BOB, ANN.key, ID) == letter


# -- Watchkeeper's own ------------------------------------------------------------------------------


def exposition(data: bytes) -> None:
    """A page of figures, then another one by the same parser, which is as if it were new."""
    first, _, second = data.decode("utf-8", "replace").partition("\x00")
    used = Parser(100)
    read_page(used, first)
    assert read_page(used, second) == read_page(Parser(100), second)


def read_page(parser: Parser, text: str) -> tuple[Any, ...]:
    """Series and figures, or nothing for a page that is none."""
    try:
        page = parser.read(text)
    except errors.Failed:
        return ()
    assert len(page.series) == len(page.values) <= 100
    return page.series, [repr(value) for value in page.values]


def agent_link(data: bytes) -> None:
    """Packets between agent and hub, both ways."""
    for decode in (link.from_agent, link.from_hub):
        try:
            packet = decode(data)
        except errors.Refused as fault:
            assert fault.code == "malformed-packet", fault.code  # noqa: PT017  # as above
        else:
            assert decode(link.encode(packet)) == packet


PAGE = b'# HELP a b\n# TYPE a counter\na_total{x="y\\"",z="\\n"} 1 2\nb 2.5e3\nb_bucket{le="+Inf"} NaN # {} 1\n# EOF\n'
ACTS = encode([Send(1, BOB.key, ID, b"x"), Ping(1)])


def write_requests(data: bytes) -> None:
    """What a program writes by remote write: a packed message, or as it is inside."""
    for unpack in (lambda: snappy.unpack(data, 1 << 20), lambda: data):
        with contextlib.suppress(errors.Refused):
            for labels in read_request(unpack()).labels:
                read_series(labels)


def written() -> list[bytes]:
    """A request, packed and not."""
    plain = b"".join(message((series("m", job="j", path="/"), [(1_760_000_000_000, 1.5), (7, 0.0)])) for _ in range(2))
    return [plain, snappy.pack(plain), snappy.pack(b"")]


TARGETS: dict[str, tuple[Callable[[bytes], None], Callable[[], list[bytes]]]] = {
    "client-packets": (client_packets, lambda: [*vectors("from-client"), *vectors("malformed")]),
    "server-packets": (server_packets, lambda: [*vectors("from-server"), *vectors("malformed")]),
    "frames": (frames, lambda: [b"\x11abcd\x41ef", b"\x52\xc3\xa4abcdef", b"\x61abcd\x62abcdefgh"]),
    "relay": (
        relay,
        lambda: [
            bytes((0, len(ACTS))) + ACTS + b"\x0e\x00" + b"\x01\x05" + b"\x91\x92\x03\x01\x00",
            *(
                bytes((4, 20, number)) + bytes(19) + b"\x0a\x04" + bytes(4) + b"\x0c\x05" + bytes(5)
                for number in range(len(CLIENT))
            ),
            *(bytes((0, len(one))) + one for one in vectors("from-client") if len(one) < 256),
            bytes((0, 3)) + encode([Leave()]) + b"\x0a\x00" + b"\x0e\x00",
        ],
    ),
    "letters": (
        letters,
        lambda: [
            seal(Letter("data", 1, b"x", ANN.key), ANN, ANN.key, BOB.key, ID),
            msgspec.msgpack.encode(Letter("receipt", 1, ID, ANN.key, receipt=True)),
            msgspec.msgpack.encode([b"", b""]),
        ],
    ),
    "exposition": (exposition, lambda: [PAGE, PAGE + b"\x00" + PAGE.replace(b"2.5e3", b"7"), b"a 1\x00a 2\n"]),
    "write-requests": (write_requests, written),
    "link": (agent_link, lambda: [LINK_HUB, link.encode(link.Ack(7)), link.encode(link.LogsAsk("a", "s", 5, follow=True))]),
}
"""Name to what is run on each input, and the inputs to begin with."""
