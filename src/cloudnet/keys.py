"""Who somebody is: an Ed25519 key pair, its file, its text form, and the texts that are signed with it.

A key is shown as 52 small letters and digits (RFC 4648 base32 without padding): it survives case, shells and double clicks.
Signed texts begin with what they are for, so that a signature for one purpose never fits another. The secret half never
leaves this room but into PyNaCl. Source: RFC 8032 (Ed25519), libsodium's conversion of keys to X25519.
"""

from __future__ import annotations

import base64
import os
import struct
from pathlib import Path

import nacl.exceptions
import nacl.signing

from cloudnet.codes import Code
from cloudnet.errors import ConfigError, Refused
from cloudnet.packets import KEY_BYTES, Profile

_LOGIN = b"cloudnet login 1\n"
_WELCOME = b"cloudnet welcome 1\n"
_PROFILE = b"cloudnet profile 1\n"


class Identity:
    """A key pair. `key` is its public half, 32 bytes."""

    def __init__(self, seed: bytes) -> None:
        """`seed`: the 32 secret bytes."""
        self.signing = nacl.signing.SigningKey(seed)
        self.key = bytes(self.signing.verify_key)

    @classmethod
    def new(cls) -> Identity:
        """A fresh one, from the system's source of randomness."""
        return cls(os.urandom(32))

    def sign(self, text: bytes) -> bytes:
        """64 bytes."""
        return self.signing.sign(text).signature

    def __repr__(self) -> str:
        return f"<Identity {written(self.key)}>"


def written(key: bytes) -> str:
    """A public key as people and programs write it."""
    return base64.b32encode(key).decode("ascii").rstrip("=").lower()


def read(text: str) -> bytes:
    """The key that `written` wrote; raises ConfigError."""
    try:
        key = base64.b32decode(text.strip().upper() + "====")
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES or written(key) != text.strip().lower():  # 52 letters hold four bits more than a key has
        raise ConfigError(f"{text[:60]!r} is not a public key: expected 52 letters and digits")
    return key


def create(path: Path) -> Identity:
    """A fresh identity in a file that its owner alone may read; raises ConfigError when the file is there already."""
    try:
        return _create(path)
    except FileExistsError:
        raise ConfigError(f"{path} is there already, and an identity is never written over") from None
    except OSError as fault:
        raise ConfigError(f"{path} cannot be written: {fault.strerror}") from None


def load(path: Path) -> Identity:
    """The identity in a file; raises ConfigError, also when others may read it."""
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError(f"the identity {path} cannot be read: {getattr(fault, 'strerror', None) or fault}") from None
    if os.name == "posix" and mode & 0o077:
        raise ConfigError(f"others may read the identity {path}: chmod 600 {path}")
    try:
        seed = base64.b32decode(text.upper() + "====")
    except ValueError:
        seed = b""
    if len(seed) != 32:
        raise ConfigError(f"{path} holds no identity: expected 52 letters and digits")
    return Identity(seed)


def load_or_create(path: Path) -> Identity:
    """The identity in a file, a fresh one if there is no file; several processes that start at once get the same one."""
    if not path.exists():
        try:
            return _create(path)
        except FileExistsError:
            pass
        except OSError as fault:
            raise ConfigError(f"{path} cannot be written: {fault.strerror}") from None
    return load(path)


def _create(path: Path) -> Identity:
    """Write a fresh identity beside its place and link it there: it is whole or not there, and never written over."""
    identity = Identity.new()
    beside = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(file, "w", encoding="ascii") as out:
            out.write(written(bytes(identity.signing)) + "\n")
            out.flush()
            os.fsync(out.fileno())
        os.link(beside, path)
    finally:
        beside.unlink()
    return identity


def verify(key: bytes, text: bytes, signature: bytes) -> None:
    """Raises Refused (``bad-signature``) unless `key`'s owner has signed `text`."""
    try:
        nacl.signing.VerifyKey(key).verify(text, signature)
    except (nacl.exceptions.CryptoError, ValueError, TypeError):
        raise Refused("the signature does not fit the key", Code.BAD_SIGNATURE) from None


def login_text(
    server: bytes, challenge: bytes, key: bytes, nonce: bytes, authority: str, certificate: bytes, *, takeover: bool
) -> bytes:
    """What a login signs: fits this server, this challenge, this address and this TLS certificate, and nothing else."""
    host = authority.lower().encode()
    flag = b"\x01" if takeover else b"\x00"
    return b"".join((_LOGIN, server, challenge, key, nonce, flag, len(certificate).to_bytes(1, "big"), certificate, host))


def welcome_text(server: bytes, challenge: bytes, key: bytes, nonce: bytes, epoch: bytes) -> bytes:
    """What a server signs, so that a client knows whom it has reached."""
    return b"".join((_WELCOME, server, challenge, key, nonce, epoch))


def profile_text(profile: Profile, device: bytes) -> bytes:
    """What the owner of a profile's key signs to let `device` answer for it. Each part is preceded by its length.

    A place is its two numbers as they go over the wire, IEEE 754 doubles, so that nobody has to round as we do. Raises Refused
    (``malformed``) for a part that is too long.
    """
    place = b"" if profile.place is None else struct.pack("!dd", *profile.place)
    parts = (profile.key, profile.kind.encode(), profile.type.encode(), profile.name.encode(), profile.alias.encode())
    try:
        return _PROFILE + b"".join(len(part).to_bytes(2, "big") + part for part in (*parts, place, profile.extra, device))
    except OverflowError:
        raise Refused("a profile has a text of more than 65535 bytes", Code.MALFORMED) from None
