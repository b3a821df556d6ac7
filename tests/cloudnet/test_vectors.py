"""Code and test vectors say the same, both ways: the files are what the code makes, and they alone suffice to check it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec
import nacl.bindings
import nacl.signing
import pytest

from cloudnet import codec, keys, packets
from cloudnet.codec import from_client, from_server
from cloudnet.courier import Courier, Outgoing
from cloudnet.errors import Refused
from cloudnet.greeting import Greeting
from cloudnet.keys import Identity
from cloudnet.sealed import unseal
from rigs.wire import CLIENT, SERVER
from vectors import generate


def read(name: str) -> list[dict[str, Any]]:
    """A file, as another language would have it."""
    found: list[dict[str, Any]] = json.loads((generate.HERE / f"{name}.json").read_text(encoding="utf-8"))
    return found


def raw(value: Any) -> Any:
    """What MessagePack is made of: `{"hex": …}` is bytes, a struct is the array of its fields."""
    match value:
        case {"hex": text}:
            return bytes.fromhex(text)
        case dict():
            return [raw(one) for one in value.values()]
        case list():
            return [raw(one) for one in value]
    return value


def test_the_files_are_what_the_code_makes() -> None:
    """A change of the protocol changes them, and is seen."""
    assert [name for name, text in generate.files().items() if not generate.same(generate.HERE / name, text)] == []
    assert {path.name for path in generate.HERE.glob("*.json")} == set(generate.files())


@pytest.mark.parametrize(
    ("name", "decode", "kinds"), [("from-client", from_client, CLIENT), ("from-server", from_server, SERVER)]
)
def test_packets_are_their_fields_in_order(name: str, decode: Any, kinds: Any) -> None:
    """Number and fields as an array are the message's bytes, for each packet there is; the code reads them as described."""
    seen = set()
    for one in read(name):
        seen.add((one["packet"], one["number"]))
        (packet,) = decode(bytes.fromhex(one["message"]))
        assert type(packet).__name__ == one["packet"]
        assert generate.plain(packet) == one["fields"]
        fields = [one["number"], *raw(one["fields"])]
        whole = msgspec.msgpack.encode([fields])
        (again,) = decode(whole)
        assert again == packet
        assert codec.encode_one(packet) == whole == bytes.fromhex(one["message"])
    assert seen == {(kind.__name__, kind.__struct_config__.tag) for kind in kinds}


def test_malformed_messages_have_their_code() -> None:
    """Each of them, on the side that it is meant for."""
    for one in read("malformed"):
        with pytest.raises(Refused) as fault:
            (from_client if one["of"] == "client" else from_server)(bytes.fromhex(one["message"]))
        assert fault.value.code == one["code"], one["name"]


def test_keys_have_their_text() -> None:
    """Seed to key to text and file, and to the key that letters are sealed to."""
    for one in read("keys"):
        identity = Identity(bytes.fromhex(one["seed"]))
        assert identity.key.hex() == one["key"]
        assert keys.read(one["text"]).hex() == one["key"]
        assert keys.read(one["file"]).hex() == one["seed"]
        assert nacl.bindings.crypto_sign_ed25519_pk_to_curve25519(identity.key).hex() == one["x25519"]


def lengthed(*parts: bytes) -> bytes:
    """Each part with its length in two bytes before it."""
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)


def text_of(what: str, inputs: dict[str, Any]) -> bytes:
    """The signed text as docs/cloud-protocol.md describes it, made of what the file gives."""
    known = {name: raw(value) for name, value in inputs.items()}
    match what:
        case "login":
            flag, certificate = bytes([known["takeover"]]), known["certificate"]
            parts = [b"cloudnet login 1\n", known["server"], known["challenge"], known["key"], known["nonce"], flag]
            return b"".join((*parts, bytes([len(certificate)]), certificate, known["authority"].lower().encode()))
        case "welcome":
            return (
                b"cloudnet welcome 1\n" + known["server"] + known["challenge"] + known["key"] + known["nonce"] + known["epoch"]
            )
        case "profile":
            key, kind, of, name, alias, place, extra, _, _ = known["profile"]
            at = b"" if place is None else doubles(*place)
            texts = (one.encode() for one in (kind, of, name, alias))
            return b"cloudnet profile 1\n" + lengthed(key, *texts, at, extra, known["device"])
        case "letter":
            return b"cloudnet letter 1\n" + known["sender"] + known["recipient"] + known["id"] + known["letter"]
    raise AssertionError(what)


def doubles(*numbers: float) -> bytes:
    """IEEE 754 doubles in network order, as MessagePack writes them behind its 0xcb."""
    return b"".join(msgspec.msgpack.encode(number)[1:] for number in numbers)


def test_signed_texts_are_as_described() -> None:
    """Text and signature of each purpose, from the inputs in the file alone."""
    seen = set()
    for one in read("signatures"):
        seen.add(one["what"])
        text = text_of(one["what"], one["inputs"])
        assert text.hex() == one["text"]
        assert nacl.signing.SigningKey(bytes.fromhex(one["seed"])).sign(text).signature.hex() == one["signature"]
    assert seen == {"login", "welcome", "profile", "letter"}


def test_letters_open() -> None:
    """By the code, and step by step by the recipe."""
    for one in read("letters"):
        body, identity, sender = (bytes.fromhex(one[name]) for name in ("body", "id", "sender"))
        recipient = Identity(bytes.fromhex(one["recipient_seed"]))
        assert generate.plain(unseal(body, recipient, sender, identity)) == one["letter"]
        secret = recipient.signing.to_curve25519_private_key()
        nonce = hashlib.blake2b(body[:32] + bytes(secret.public_key), digest_size=24).digest()
        opened = nacl.bindings.crypto_box_open(body[32:], nonce, body[:32], bytes(secret))
        assert opened.hex() == one["plaintext"]
        letter, signature = msgspec.msgpack.decode(opened)
        assert (letter.hex(), signature.hex()) == (one["letter_bytes"], one["signature"])
        assert msgspec.msgpack.decode(letter) == raw(one["letter"])
        assert (b"cloudnet letter 1\n" + sender + recipient.key + identity + letter).hex() == one["signed_text"]


def test_the_session_is_one_that_both_sides_would_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its logins pass a server's check and its welcomes a client's, with the same nonces; the message is settled."""
    steps = read("session")
    monkeypatch.setattr("os.urandom", lambda size: {32: generate.NONCE}[size])
    clients = {"ann": Courier(generate.ANN), "bob": Courier(generate.BOB)}
    greeting = Greeting(generate.SERVER, 0.0)
    greeting._nonce = generate.CHALLENGE
    settled: list[object] = []
    for step in steps:
        message, client = bytes.fromhex(step["message"]), clients[step["to" if step["from"] == "server" else "from"]]
        said = from_server(message) if step["from"] == "server" else from_client(message)
        assert [type(packet).__name__ for packet in said] == step["packets"]
        for packet in said:
            match packet:
                case packets.Challenge():
                    login = client.login(packet, generate.AUTHORITY, b"", takeover=False)
                    login = msgspec.structs.replace(login, agent="")
                case packets.Login():
                    assert packet == login
                    greeting.check(packet, generate.AUTHORITY)
                case packets.Welcome():
                    client.welcome(packet)
                case packets.Send(to=to, id=identity, body=body):
                    client.send(Outgoing(to, identity, body, keep=True, ttl=0, accepted=None, receipt=None))
                    assert client.due() == [packet]
                case packets.Deliver():
                    client.deliver(packet)
                    received = client.next()
                    assert received is not None
                    assert received.body == b"hello"
                    client.taken(received)
                case packets.Ack():
                    assert client.ack() == packet
                case packets.Accepted():
                    client.settle(packet)
                    settled.append(client.under_way)
    assert settled == [0]
