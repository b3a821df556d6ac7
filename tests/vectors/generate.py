"""Write the test vectors of the Cloud protocol: what another language must make of the same keys, texts, packets and letters.

    python tests/vectors/generate.py          write tests/vectors/*.json
    python tests/vectors/generate.py --check  say which are out of date

Everything random is fixed here, so the files are the same each time. Bytes stand as `{"hex": "…"}`, a packet as its name,
number, fields and the hex of the WebSocket message that holds it alone. docs/cloud-protocol.md explains what is signed and what
is sealed.
"""

# ruff: noqa: T201  # a command that prints
from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import nacl.public

from cloudnet import codec
from cloudnet import packets as wire
from cloudnet.codes import Code
from cloudnet.keys import Identity, login_text, profile_text, welcome_text, written
from cloudnet.sealed import Letter, _Signed, _text

HERE = Path(__file__).resolve().parent
SERVER, ANN, BOB, SERVICE = (Identity(bytes([number]) * 32) for number in (0x53, 0x41, 0x42, 0x54))
CHALLENGE, NONCE, EPOCH, CERTIFICATE = (
    bytes(range(start, start + size)) for start, size in ((0, 32), (64, 32), (128, 16), (160, 32))
)
ID = bytes(range(16))
EPHEMERAL = nacl.public.PrivateKey(bytes([0x65]) * 32)
AUTHORITY = "Relay.Example:8765"
NOW = 1_800_000_000_000


def plain(value: Any) -> Any:
    """A value as JSON: bytes as hex, structs by their fields."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, msgspec.Struct):
        return {field.name: plain(getattr(value, field.name)) for field in msgspec.structs.fields(value)}
    if isinstance(value, (tuple, list)):
        return [plain(one) for one in value]
    return value


def described(packet: Any) -> dict[str, Any]:
    """One packet and the message that holds it alone."""
    number = type(packet).__struct_config__.tag
    return {
        "packet": type(packet).__name__,
        "number": number,
        "fields": plain(packet),
        "message": codec.encode_one(packet).hex(),
    }


# -- keys and signatures ----------------------------------------------------------------------------


def keys() -> list[dict[str, str]]:
    """Seeds, public keys (Ed25519), their text form and the X25519 keys that letters are sealed to."""
    return [
        {
            "who": who,
            "seed": bytes(one.signing).hex(),
            "key": one.key.hex(),
            "text": written(one.key),
            "file": written(bytes(one.signing)) + "\n",
            "x25519": bytes(one.signing.verify_key.to_curve25519_public_key()).hex(),
        }
        for who, one in (("server", SERVER), ("ann", ANN), ("bob", BOB), ("service", SERVICE))
    ]


def signed(what: str, signer: Identity, text: bytes, **inputs: Any) -> dict[str, Any]:
    """A text, who signs it and the signature."""
    return {
        "what": what,
        "seed": bytes(signer.signing).hex(),
        "inputs": {name: plain(value) for name, value in inputs.items()},
        "text": text.hex(),
        "signature": signer.sign(text).hex(),
    }


def signatures() -> list[dict[str, Any]]:
    """Each text that is signed."""
    logins: list[dict[str, Any]] = [
        {"certificate": b"", "takeover": False},
        {"certificate": CERTIFICATE, "takeover": True},
    ]
    found = []
    for more in logins:
        inputs = {"server": SERVER.key, "challenge": CHALLENGE, "key": ANN.key, "nonce": NONCE, "authority": AUTHORITY} | more
        found.append(signed("login", ANN, login_text(**inputs), **inputs))
    inputs = {"server": SERVER.key, "challenge": CHALLENGE, "key": ANN.key, "nonce": NONCE, "epoch": EPOCH}
    found.append(signed("welcome", SERVER, welcome_text(**inputs), **inputs))
    whole = wire.Profile(SERVICE.key, "service", "clock", "Zeit für alle", "time", (52.517, -13.388), b"\x00\x01")
    bare = wire.Profile(SERVICE.key, "identity", "", "")
    found += [signed("profile", SERVICE, profile_text(one, ANN.key), profile=one, device=ANN.key) for one in (whole, bare)]
    letter = msgspec.msgpack.encode(Letter("data", NOW, b"hello", ANN.key))
    text = _text(ANN.key, BOB.key, ID, letter)
    found.append(signed("letter", ANN, text, sender=ANN.key, recipient=BOB.key, id=ID, letter=letter))
    return found


# -- packets ----------------------------------------------------------------------------------------


def profile(device: bytes = b"") -> wire.Profile:
    """A signed one."""
    bare = wire.Profile(SERVICE.key, "service", "clock", "Zeit für alle", "time", (52.517, -13.388), b"\x00\x01")
    return msgspec.structs.replace(bare, signature=SERVICE.sign(profile_text(bare, ANN.key)), device=device)


def from_clients() -> list[dict[str, Any]]:
    """Every packet of a client, with all fields and with as few as may be."""
    login = msgspec.structs.replace(logged_in(ANN), takeover=True, resume=wire.Resume(EPOCH, 41), agent="vectors/1")
    return [
        described(packet)
        for packet in (
            logged_in(ANN),
            login,
            wire.Send(1, BOB.key, ID, b"body"),
            wire.Send(2**32, BOB.key, ID, b"x" * 300, keep=False, ttl=3600),
            wire.Ack(7),
            wire.Register(1, (profile(), wire.Profile(ANN.key, "device", "", "ann"))),
            wire.Unregister(2, (SERVICE.key,)),
            wire.Find(3),
            wire.Find(4, "service", "clock", "ZEIT", b"", ANN.key, (52.5, -13.5), 20_000.0, True, 100, b"\x92\xa1a\xc4\x00"),
            wire.Watch(5, (ANN.key, BOB.key)),
            wire.Watch(6, (ANN.key,), on=False),
            wire.Ping(2**63),
            wire.AskStatus(-1),
            wire.Leave(),
        )
    ]


def from_servers() -> list[dict[str, Any]]:
    """Every packet of a server."""
    return [
        described(packet)
        for packet in (
            wire.Challenge(wire.VERSION, SERVER.key, CHALLENGE, NOW),
            welcome(ANN),
            wire.Welcome(EPOCH, True, 3, bytes(64), wire.Limits(1, 2, 3, 4, 5, 6, 7), ("wss://b.example", "wss://c.example")),
            wire.Deliver(1, ANN.key, ID, NOW, BOB.key, b"body"),
            wire.Accepted((1, 2, 3, 70_000)),
            wire.Rejected(4, Code.MAILBOX_FULL, "10000 messages wait for the recipient already"),
            wire.Done(1),
            wire.Refusal(2, Code.NOT_YOURS, "this profile is not of this device"),
            wire.Found(
                3, (wire.Entry(profile(ANN.key), True, 9134.5), wire.Entry(profile(ANN.key), False)), b"\x92\xa1a\xc4\x00"
            ),
            wire.Found(4, (), b""),
            wire.Presence(ANN.key, "away", NOW),
            wire.Pong(5, NOW),
            wire.Moving("the server is being stopped", ("wss://b.example",), 5.0),
            wire.Bye(Code.TAKEN_OVER, "another connection has proved this key and taken over"),
            wire.ServerStatus(6, NOW, 2, 1, 0, "0.1.0"),
            wire.Servers(("wss://b.example",)),
        )
    ]


def malformed() -> list[dict[str, str]]:
    """Messages that end with `malformed`, of a client unless it says otherwise."""
    ping = codec.encode_one(wire.Ping(1))
    cases: dict[str, bytes] = {
        "nothing": b"",
        "no array": b"\xc0",
        "a packet that is not within an array": b"\x92\x08\x01",
        "a map": b"\x91\x82\x00\x08\x01\x01",
        "a number that nobody has": b"\x91\x91\x00",
        "a packet of a server": codec.encode_one(wire.Done(1)),
        "a field too few": b"\x91\x91\x08",
        "a field too many": b"\x91\x93\x08\x01\x01",
        "true for a number": b"\x91\x92\x08\xc3",
        "a float for a number": b"\x91\x92\x08\xcb" + bytes(8),
        "text for bytes": b"\x91\x93\x05\x01\x91\xa1a",
        "text that is not UTF-8": b"\x91\x93\x06\x01\xa2\xc3\x28",
        "an extension": b"\x91\x92\x08\xd4\x01\x00",
        "a timestamp": b"\x91\x92\x08\xd6\xff" + bytes(4),
        "something behind the end": ping + b"\x00",
        "an end within a packet": ping[:-1],
        "a length that lies": b"\xdd\xff\xff\xff\xff\x92\x08\x01",
        "one packet more than 1024": codec.encode([wire.Ping(1)] * 1025),
        "arrays without end in a place of one too many": b"\x91\x93\x08\x01" + b"\x91" * 5000 + b"\x90",
        "a place of three numbers": b"\x91\x98\x06\x01\xa0\xa0\xa0\xc4\x00\xc4\x00\x93" + b"\xcb" + bytes(8) + b"\x01\x02",
    }
    found = [{"name": name, "of": "client", "message": message.hex(), "code": "malformed"} for name, message in cases.items()]
    found.append({"name": "a packet of a client", "of": "server", "message": ping.hex(), "code": "malformed"})
    return found


# -- letters ----------------------------------------------------------------------------------------


def sealed(letter: Letter, author: Identity, sender: bytes, recipient: Identity, identity: bytes) -> bytes:
    """As `sealed.seal` does it, step by step, with an ephemeral key that everybody knows."""
    inner = msgspec.msgpack.encode(letter)
    both = msgspec.msgpack.encode(_Signed(inner, author.sign(_text(sender, recipient.key, identity, inner))))
    to = recipient.signing.verify_key.to_curve25519_public_key()
    nonce = hashlib.blake2b(bytes(EPHEMERAL.public_key) + bytes(to), digest_size=24).digest()
    return bytes(EPHEMERAL.public_key) + nacl.public.Box(EPHEMERAL, to).encrypt(both, nonce).ciphertext


def letters() -> list[dict[str, Any]]:
    """Letters and receipts, and what they look like sealed."""
    found = []
    for letter, author in (
        (Letter("data", NOW, b"hello", ANN.key), ANN),
        (Letter("data", NOW, b"", SERVICE.key, receipt=True), SERVICE),
        (Letter("receipt", NOW, ID, ANN.key), ANN),
    ):
        inner = msgspec.msgpack.encode(letter)
        text = _text(ANN.key, BOB.key, ID, inner)
        found.append(
            {
                "author_seed": bytes(author.signing).hex(),
                "sender": ANN.key.hex(),
                "recipient_seed": bytes(BOB.signing).hex(),
                "id": ID.hex(),
                "letter": plain(letter),
                "letter_bytes": inner.hex(),
                "signed_text": text.hex(),
                "signature": author.sign(text).hex(),
                "plaintext": msgspec.msgpack.encode(_Signed(inner, author.sign(text))).hex(),
                "ephemeral_secret": bytes(EPHEMERAL).hex(),
                "ephemeral_public": bytes(EPHEMERAL.public_key).hex(),
                "body": sealed(letter, author, ANN.key, BOB, ID).hex(),
            }
        )
    return found


# -- a session --------------------------------------------------------------------------------------


def logged_in(client: Identity) -> wire.Login:
    """A login without TLS."""
    text = login_text(SERVER.key, CHALLENGE, client.key, NONCE, AUTHORITY, b"", takeover=False)
    return wire.Login(client.key, NONCE, AUTHORITY, b"", client.sign(text))


def welcome(client: Identity) -> wire.Welcome:
    """The answer to it."""
    proof = SERVER.sign(welcome_text(SERVER.key, CHALLENGE, client.key, NONCE, EPOCH))
    return wire.Welcome(EPOCH, False, 0, proof, wire.Limits())


def session() -> list[dict[str, Any]]:
    """Ann writes to Bob, who takes it: each message on both connections, in order. Both got the same nonces."""
    body = sealed(Letter("data", NOW, b"hello", ANN.key), ANN, ANN.key, BOB, ID)
    steps: list[tuple[str, str, list[Any]]] = []
    for who, client in (("ann", ANN), ("bob", BOB)):
        steps += [
            ("server", who, [wire.Challenge(wire.VERSION, SERVER.key, CHALLENGE, NOW)]),
            (who, "server", [logged_in(client)]),
            ("server", who, [welcome(client)]),
        ]
    steps += [
        ("ann", "server", [wire.Send(1, BOB.key, ID, body), wire.Ping(1)]),
        ("server", "ann", [wire.Pong(1, NOW + 1)]),
        ("server", "bob", [wire.Deliver(1, ANN.key, ID, NOW + 1, BOB.key, body)]),
        ("bob", "server", [wire.Ack(1)]),
        ("server", "ann", [wire.Accepted((1,))]),
        ("ann", "server", [wire.Leave()]),
        ("server", "ann", [wire.Bye("left", "as you wish")]),
    ]
    return [
        {"from": one, "to": other, "packets": [type(packet).__name__ for packet in said], "message": codec.encode(said).hex()}
        for one, other, said in steps
    ]


def files() -> dict[str, str]:
    """The text of each file."""
    made = {
        "keys": keys(),
        "signatures": signatures(),
        "from-client": from_clients(),
        "from-server": from_servers(),
        "malformed": malformed(),
        "letters": letters(),
        "session": session(),
    }
    return {f"{name}.json": json.dumps(content, indent=1, ensure_ascii=False) + "\n" for name, content in made.items()}


def main(arguments: list[str]) -> int:
    """Write or check all files; returns the exit code."""
    drifted = [name for name, text in files().items() if not same(HERE / name, text)]
    if "--check" in arguments:
        for name in drifted:
            print(f"tests/vectors/{name} is out of date", file=sys.stderr)
        return 1 if drifted else 0
    for name in drifted:
        (HERE / name).write_text(files()[name], encoding="utf-8", newline="\n")
        print(f"wrote tests/vectors/{name}")
    return 0


def same(path: Path, text: str) -> bool:
    """Whether the file says this already."""
    return path.is_file() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
