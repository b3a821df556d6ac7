"""What clients put into a message's body: a letter, signed by its sender and sealed to its recipient.

The server sees the envelope's length and nothing of what is in it. The signature stands inside the seal and covers sender,
recipient and id, so a letter can neither be read, nor changed, nor passed on as if it had been meant for somebody else.
Source: libsodium's sealed boxes (X25519, XSalsa20-Poly1305); sign-then-encrypt with both names as in D. Davis,
"Defective Sign & Encrypt" (USENIX 2001).
"""

from __future__ import annotations

from typing import Literal

import msgspec
import nacl.exceptions
import nacl.public
import nacl.signing

from cloudnet.codes import Code
from cloudnet.errors import Refused
from cloudnet.keys import Identity, verify
from cloudnet.packets import ID_BYTES, KEY_BYTES

_SIGNED = b"cloudnet letter 1\n"
OVERHEAD_BYTES = 256
"""No letter grows by more than this when it is sealed."""


class Letter(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """What a recipient reads: `kind` is ``data`` or ``receipt`` (whose `body` is the id of what was taken).

    `sent` is the sender's clock in ms; with `receipt` the sender wants to be told once the application has it. `author` is the
    key that has signed: the sender's own, or that of a service or identity that it answers for.
    """

    kind: Literal["data", "receipt"]
    sent: int
    body: bytes
    author: bytes
    receipt: bool = False


class _Signed(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    letter: bytes
    signature: bytes


_letters = msgspec.msgpack.Decoder(Letter)
_signed = msgspec.msgpack.Decoder(_Signed)
_encoder = msgspec.msgpack.Encoder()


def seal(letter: Letter, author: Identity, sender: bytes, recipient: bytes, identity: bytes) -> bytes:
    """The body of a message `identity` from the device `sender` to the key `recipient`; raises Refused when that is no key."""
    if len(sender) != KEY_BYTES or len(identity) != ID_BYTES:
        raise Refused(f"a key has {KEY_BYTES} bytes, the id of a message {ID_BYTES}", Code.MALFORMED)
    inner = _encoder.encode(letter)
    try:
        box = nacl.public.SealedBox(nacl.signing.VerifyKey(recipient).to_curve25519_public_key())
    except (nacl.exceptions.CryptoError, ValueError, RuntimeError):
        raise Refused("the recipient is not a public key", Code.MALFORMED) from None
    return box.encrypt(_encoder.encode(_Signed(inner, author.sign(_text(sender, recipient, identity, inner)))))


def unseal(body: bytes, recipient: Identity, sender: bytes, identity: bytes) -> Letter:
    """The letter in a body; raises Refused (``bad-signature``) when its author did not send it from `sender` under this id."""
    if len(sender) != KEY_BYTES or len(identity) != ID_BYTES:  # what is signed begins with names of fixed lengths
        raise Refused("the envelope has no key or no id", Code.BAD_SIGNATURE)
    try:
        opened = nacl.public.SealedBox(recipient.signing.to_curve25519_private_key()).decrypt(body)
        signed = _signed.decode(opened)
        letter = _letters.decode(signed.letter)
    except (nacl.exceptions.CryptoError, msgspec.DecodeError, ValueError, TypeError):
        raise Refused("the message cannot be opened", Code.BAD_SIGNATURE) from None
    verify(letter.author, _text(sender, recipient.key, identity, signed.letter), signed.signature)
    return letter


def _text(sender: bytes, recipient: bytes, identity: bytes, letter: bytes) -> bytes:
    """What an author signs; the three names have fixed lengths, so nothing can be shifted from one to the next."""
    return _SIGNED + sender + recipient + identity + letter
