"""A letter is read by its recipient alone, as its author wrote it, for this recipient, from this sender, under this id."""

from __future__ import annotations

import msgspec
import nacl.public
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudnet.codes import Code
from cloudnet.errors import Refused
from cloudnet.keys import Identity
from cloudnet.sealed import OVERHEAD_BYTES, Letter, _text, seal, unseal
from rigs.wire import DEEP, POISONS

ANN, BOB, EVE = (Identity(bytes([number]) * 32) for number in (1, 2, 3))
ID = b"i" * 16
LETTER = Letter("data", 1_700_000_000_000, b"hello", ANN.key)
SMALL_ORDER = [
    bytes(32),
    b"\x01" + bytes(31),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
]


def boxed(inside: bytes, recipient: Identity = BOB) -> bytes:
    """Anything, sealed to a recipient: what everybody may do."""
    return nacl.public.SealedBox(recipient.signing.verify_key.to_curve25519_public_key()).encrypt(inside)


@given(
    st.sampled_from(["data", "receipt"]),
    st.integers(0, 2**63),
    st.binary(max_size=2000),
    st.booleans(),
    st.binary(min_size=16, max_size=16),
)
def test_a_letter_arrives_as_it_was_written(kind: str, sent: int, body: bytes, receipt: bool, identity: bytes) -> None:
    """All its fields, and no longer by more than is promised; sealed twice, it looks different."""
    letter = Letter(kind, sent, body, ANN.key, receipt)  # type: ignore[arg-type]  # one of the two
    sealed = seal(letter, ANN, ANN.key, BOB.key, identity)
    assert unseal(sealed, BOB, ANN.key, identity) == letter
    assert len(sealed) <= len(body) + OVERHEAD_BYTES
    assert seal(letter, ANN, ANN.key, BOB.key, identity) != sealed
    assert len(body) < 8 or body not in sealed


def test_a_device_may_carry_an_authors_letter() -> None:
    """The author's signature counts; the sender is only whom it came through."""
    letter = Letter("data", 1, b"x", EVE.key)
    assert unseal(seal(letter, EVE, ANN.key, BOB.key, ID), BOB, ANN.key, ID).author == EVE.key


@pytest.mark.parametrize(
    ("recipient", "sender", "identity"),
    [
        (EVE, ANN.key, ID),
        (BOB, EVE.key, ID),
        (BOB, ANN.key, b"j" * 16),
        (BOB, ANN.key, ID[:-1]),
        (BOB, ANN.key + b"x", ID),
        (BOB, b"", b""),
    ],
)
def test_a_letter_that_was_redirected_is_refused(recipient: Identity, sender: bytes, identity: bytes) -> None:
    """Opened by another, passed on from another, under another id, with names of other lengths."""
    sealed = seal(LETTER, ANN, ANN.key, BOB.key, ID)
    with pytest.raises(Refused) as fault:
        unseal(sealed, recipient, sender, identity)
    assert fault.value.code == Code.BAD_SIGNATURE


def test_a_recipient_cannot_pass_a_letter_on() -> None:
    """Sealed anew to somebody else, what was signed for Bob is no letter to Eve."""
    opened = nacl.public.SealedBox(BOB.signing.to_curve25519_private_key()).decrypt(seal(LETTER, ANN, ANN.key, BOB.key, ID))
    with pytest.raises(Refused):
        unseal(boxed(opened, EVE), EVE, ANN.key, ID)


def test_every_changed_bit_is_seen() -> None:
    """Anywhere in the body, and each way of cutting it."""
    sealed = seal(LETTER, ANN, ANN.key, BOB.key, ID)
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1 << (place & 7)
        with pytest.raises(Refused):
            unseal(bytes(changed), BOB, ANN.key, ID)
        with pytest.raises(Refused):
            unseal(sealed[:place], BOB, ANN.key, ID)
    with pytest.raises(Refused):
        unseal(sealed + b"\0", BOB, ANN.key, ID)


def test_nobody_writes_in_anothers_name() -> None:
    """A letter whose author is not the one who signed it."""
    with pytest.raises(Refused):
        unseal(seal(LETTER, EVE, ANN.key, BOB.key, ID), BOB, ANN.key, ID)


def signed(letter: bytes) -> bytes:
    """Any bytes as Ann's letter, signed as it should be."""
    return msgspec.msgpack.encode([letter, ANN.sign(_text(ANN.key, BOB.key, ID, letter))])


PARTS = [b"\xa4data", b"\x01", b"\xc4\x00", b"\xc4\x20" + ANN.key, b"\xc2"]


@pytest.mark.parametrize("poison", POISONS, ids=str)
@pytest.mark.parametrize("field", range(6))
def test_what_is_sealed_may_be_anything(field: int, poison: str) -> None:
    """An author who wants to harm: nesting without end, extensions, bad text in each field, and in one too many."""
    parts = [*PARTS, b"\xc2"][: max(5, field + 1)]
    parts[field] = POISONS[poison]
    letter = bytes((0x90 | len(parts),)) + b"".join(parts)
    with pytest.raises(Refused) as fault:
        unseal(boxed(signed(letter)), BOB, ANN.key, ID)
    assert fault.value.code == Code.BAD_SIGNATURE


def test_the_rig_signs_as_seal_does() -> None:
    """Else the test above would be content for a wrong reason."""
    assert unseal(boxed(signed(b"\x95" + b"".join(PARTS))), BOB, ANN.key, ID) == Letter("data", 1, b"", ANN.key)


@pytest.mark.parametrize(
    "inside", [b"", b"\xc0", b"\x90", b"\x92\xc4\x00\xc4\x00", DEEP, b"\x93\xc4\x00\xc4\x00" + DEEP, bytes(1000)]
)
def test_what_is_sealed_is_no_letter(inside: bytes) -> None:
    """Nothing, no array, empty parts, arrays without end."""
    with pytest.raises(Refused):
        unseal(boxed(inside), BOB, ANN.key, ID)


@given(st.binary(max_size=300))
def test_noise_is_no_letter(body: bytes) -> None:
    """Random bytes, as a body and within a seal."""
    for sealed in (body, boxed(body)):
        with pytest.raises(Refused):
            unseal(sealed, BOB, ANN.key, ID)


@pytest.mark.parametrize("kind", ["", "Data", "receipts"])
def test_there_are_two_kinds_of_letters(kind: str) -> None:
    """Another one is refused rather than shown as data."""
    letter = msgspec.msgpack.encode([kind, 1, b"", ANN.key])
    with pytest.raises(Refused):
        unseal(boxed(signed(letter)), BOB, ANN.key, ID)


@pytest.mark.parametrize("key", [*SMALL_ORDER, b"", b"k" * 31, b"k" * 33, b"\xff" * 32], ids=lambda key: key[:4].hex())
def test_nothing_is_sealed_to_what_is_no_key(key: bytes) -> None:
    """Wrong lengths, points of small order (which everybody could open) and bytes that are no point."""
    with pytest.raises(Refused) as fault:
        seal(LETTER, ANN, ANN.key, key, ID)
    assert fault.value.code == Code.MALFORMED


@pytest.mark.parametrize("identity", [b"", b"i" * 15, b"i" * 17])
def test_an_id_has_16_bytes(identity: bytes) -> None:
    """Said to the application, since the server would end the connection over it."""
    with pytest.raises(Refused, match="16"):
        seal(LETTER, ANN, ANN.key, BOB.key, identity)
