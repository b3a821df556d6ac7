"""Who somebody is: an Ed25519 key pair, its file, its text form, and the texts that are signed with it.

A key is shown as 52 small letters and digits (RFC 4648 base32 without padding): it survives case, shells and double clicks.
Signed texts begin with what they are for, so that a signature for one purpose never fits another. The secret half never
leaves this room but into PyNaCl. Source: RFC 8032 (Ed25519), libsodium's conversion of keys to X25519.
"""

from __future__ import annotations

import base64
import binascii
import os
from pathlib import Path

import nacl.exceptions
import nacl.signing

from cloudnet.errors import ConfigError, Refused
from cloudnet.packets import KEY_BYTES, Code, Profile

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
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigError(f"{text[:60]!r} is not a public key: expected 52 letters and digits")
    return key


def create(path: Path) -> Identity:
    """A fresh identity in a file that its owner alone may read; raises ConfigError when the file is there already."""
    identity = Identity.new()
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(f"{path} is there already, and an identity is never written over") from None
    except OSError as fault:
        raise ConfigError(f"{path} cannot be written: {fault.strerror}") from None
    with os.fdopen(file, "w", encoding="ascii") as out:
        out.write(base64.b32encode(bytes(identity.signing)).decode("ascii").rstrip("=").lower() + "\n")
        out.flush()
        os.fsync(out.fileno())
    return identity


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
    except binascii.Error:
        seed = b""
    if len(seed) != 32:
        raise ConfigError(f"{path} holds no identity: expected 52 letters and digits")
    return Identity(seed)


def load_or_create(path: Path) -> Identity:
    """The identity in a file, a fresh one if there is no file."""
    return load(path) if path.exists() else create(path)


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
    """What the owner of a profile's key signs to let `device` answer for it. Each part is preceded by its length."""
    place = b"" if profile.place is None else f"{profile.place[0]:.6f},{profile.place[1]:.6f}".encode()
    parts = (profile.key, profile.kind.encode(), profile.type.encode(), profile.name.encode(), profile.alias.encode())
    return _PROFILE + b"".join(len(part).to_bytes(2, "big") + part for part in (*parts, place, profile.extra, device))
