"""What a login has to prove, on invented clocks: each part of it, for this challenge, this server and this address."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cloudnet.codes import Code
from cloudnet.courier import Courier
from cloudnet.errors import Refused
from cloudnet.greeting import GREETING_SECONDS, Greeting
from cloudnet.keys import Identity, login_text, verify, welcome_text
from cloudnet.packets import NONCE_BYTES, VERSION, Login
from rigs.relay import AUTHORITY, SERVER

ANN, EVE = Identity(b"A" * 32), Identity(b"E" * 32)
CERTIFICATE = b"t" * 32


def greeted(certificate: bytes = b"", server: Identity = SERVER) -> Greeting:
    """A connection that waits for a login."""
    return Greeting(server, 100.0, certificate)


def login(
    greeting: Greeting, client: Identity = ANN, *, authority: str = AUTHORITY, certificate: bytes = b"", takeover: bool = False
) -> Login:
    """As a client answers."""
    return Courier(client).login(greeting.challenge(1), authority, certificate, takeover=takeover)


def test_a_challenge_is_new_each_time() -> None:
    """Its nonce is never the same; it names version, server and time."""
    one, other = greeted().challenge(1234), greeted().challenge(1234)
    assert one.nonce != other.nonce
    assert len(one.nonce) == NONCE_BYTES
    assert (one.version, one.server, one.now) == (VERSION, SERVER.key, 1234)
    assert greeted().deadline == 100.0 + GREETING_SECONDS


@pytest.mark.parametrize("takeover", [False, True])
@pytest.mark.parametrize("certificate", [b"", CERTIFICATE])
def test_a_proved_login_is_welcomed_by_a_proved_server(takeover: bool, certificate: bytes) -> None:
    """With and without TLS; the host's case does not matter; the server's signature fits what the client was told."""
    greeting = greeted(certificate)
    packet = login(greeting, authority="Cloud.Example:8765", certificate=certificate, takeover=takeover)
    greeting.check(packet, AUTHORITY)
    text = welcome_text(SERVER.key, greeting.challenge(0).nonce, ANN.key, packet.nonce, b"e" * 16)
    verify(SERVER.key, text, greeting.sign(packet, b"e" * 16))


def test_a_server_without_tls_of_its_own_takes_any_certificate() -> None:
    """A proxy before it may have ended TLS, whose certificate it does not know."""
    greeting = greeted()
    greeting.check(login(greeting, certificate=CERTIFICATE), AUTHORITY)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"key": EVE.key}, Code.BAD_SIGNATURE),
        ({"key": b"k" * 31}, Code.MALFORMED),
        ({"key": bytes(32)}, Code.BAD_SIGNATURE),
        ({"nonce": b"n" * 32}, Code.BAD_SIGNATURE),
        ({"nonce": b""}, Code.MALFORMED),
        ({"authority": "other.example:8765"}, Code.WRONG_SERVER),
        ({"authority": "x" * 100_000}, Code.WRONG_SERVER),
        ({"authority": ""}, Code.WRONG_SERVER),
        ({"certificate": b"u" * 32}, Code.WRONG_SERVER),
        ({"certificate": b""}, Code.WRONG_SERVER),
        ({"certificate": b"t" * 300}, Code.WRONG_SERVER),
        ({"signature": b""}, Code.BAD_SIGNATURE),
        ({"signature": bytes(64)}, Code.BAD_SIGNATURE),
        ({"takeover": True}, Code.BAD_SIGNATURE),
    ],
    ids=str,
)
def test_each_part_of_a_login_is_checked(change: dict[str, Any], code: str) -> None:
    """Changed on the way, each is refused with its code, and the reason is short."""
    greeting = greeted(CERTIFICATE)
    packet = login(greeting, certificate=CERTIFICATE)
    greeting.check(packet, AUTHORITY)
    with pytest.raises(Refused) as fault:
        greeting.check(msgspec.structs.replace(packet, **change), AUTHORITY)
    assert fault.value.code == code
    assert len(fault.value.why) < 200


@pytest.mark.parametrize("length", [1, 31, 33, 300])
def test_a_certificates_digest_has_a_length(length: int) -> None:
    """Also where ours is unknown: its length stands in one byte of what is signed."""
    greeting = greeted()
    packet = msgspec.structs.replace(login(greeting), certificate=bytes(length))
    with pytest.raises(Refused) as fault:
        greeting.check(packet, AUTHORITY)
    assert fault.value.code == Code.MALFORMED


def test_a_login_is_good_for_one_challenge_of_one_server() -> None:
    """Replayed on another connection, or passed on to another server by one in between, it proves nothing."""
    packet = login(greeted())
    with pytest.raises(Refused) as fault:
        greeted().check(packet, AUTHORITY)
    assert fault.value.code == Code.BAD_SIGNATURE
    other, challenge = greeted(server=EVE), greeted().challenge(1)
    text = login_text(SERVER.key, challenge.nonce, ANN.key, packet.nonce, AUTHORITY, b"", takeover=False)
    with pytest.raises(Refused):
        other.check(msgspec.structs.replace(packet, signature=ANN.sign(text)), AUTHORITY)
