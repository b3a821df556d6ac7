"""Passwords: what one may be, its argon2id hash, and whether it is right; in a thread, one at a time.

Parameters are the second recommendation of RFC 9106 (64 MiB, three passes, four lanes): the memory is what a guesser pays for,
so one check at a time keeps the hub's own bill small. A name that nobody has costs the same as a wrong password, so that time
tells nothing about who is known.
"""

from __future__ import annotations

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from watchkeeper.errors import Refused

T = TypeVar("T")

SHORTEST = 12
LONGEST = 200
"""In characters; a limit there must be, because every one of them is hashed."""
WAITING = 16
"""So many may wait for their turn; who comes then is told to come again."""


class Passwords:
    """The one place that hashes and checks."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._nobody = ""

    async def hash(self, password: str, name: str) -> str:
        """A person's new password as it is kept; raises `Refused` (``weak-password``) with what is wrong about it."""
        if fault := weakness(password, name):
            raise Refused(fault, code="weak-password")
        return await self._in_turn(lambda: self._hasher.hash(_plain(password)))

    async def check(self, kept: str, password: str) -> str | None:
        """Whether `password` is the one that was kept: None if not, empty if so, or a stronger hash to keep instead.

        With nothing kept it takes as long, and is wrong. Raises `Refused` (``busy``).
        """
        return await self._in_turn(lambda: self._check(kept, _plain(password[: LONGEST + 1])))

    def _check(self, kept: str, password: bytes) -> str | None:
        if not self._nobody:
            self._nobody = self._hasher.hash(secrets.token_hex(16))
        try:
            self._hasher.verify(kept or self._nobody, password)
        except (VerificationError, InvalidHashError):
            return None
        return self._hasher.hash(password) if self._hasher.check_needs_rehash(kept) else ""

    async def _in_turn(self, work: Callable[[], T]) -> T:
        if self._waiting >= WAITING:
            raise Refused("too many sign-ins at once; try again in a moment", code="busy")
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1


def weakness(password: str, name: str) -> str:
    """Why this may not be a password; empty when it may. Length counts, as NIST SP 800-63B has it, and no mix of characters."""
    if len(password) < SHORTEST:
        return f"a password needs at least {SHORTEST} characters; a few words do well"
    if len(password) > LONGEST:
        return f"a password may have at most {LONGEST} characters"
    if len(set(password)) < 5:
        return "a password needs at least five different characters"
    if name and password.lower().strip() in {name.lower(), name.lower() * 2, f"{name.lower()}{name.lower()[::-1]}"}:
        return "a password must not be one's name"
    return ""


def _plain(password: str) -> bytes:
    """One form for the same characters, however a keyboard composes them (RFC 8265, 4.2: NFC)."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
