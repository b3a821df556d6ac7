"""Passwords: which may be one, that a hash is argon2id's, and that an unknown name takes as long as a wrong password."""

from __future__ import annotations

import asyncio

import pytest
from argon2 import PasswordHasher, extract_parameters

from watchkeeper.errors import Refused
from watchkeeper.web import passwords
from watchkeeper.web.passwords import LONGEST, SHORTEST, Passwords, weakness

GOOD = "correct horse battery"


@pytest.mark.parametrize(
    ("password", "fault"),
    [
        (GOOD, ""),
        ("x" * (SHORTEST - 1), "at least"),
        ("ab" * 20, "different"),
        ("abcde" * 50, "at most"),
        ("Ann-of-the-hill", "one's name"),
        ("пароль из слов", ""),
    ],
)
def test_what_may_be_a_password(password: str, fault: str) -> None:
    """Length counts, in any script; a name is none, and neither is the same few characters over and over."""
    found = weakness(password, "ann-of-the-hill")
    assert (fault in found) if fault else found == ""
    assert len(password) <= LONGEST or found


async def test_a_hash_is_argon2id_by_the_rfc_and_right_once() -> None:
    """64 MiB, three passes, four lanes; the same password is hashed anew each time; composed characters count as one."""
    door = Passwords()
    one, other = await door.hash("contraseña larga", ""), await door.hash("contraseña larga", "")
    found = extract_parameters(one)
    assert (found.type.name, found.memory_cost, found.time_cost, found.parallelism) == ("ID", 65536, 3, 4)
    assert one != other
    assert await door.check(one, "contrasen\u0303a larga") == ""
    assert await door.check(one, "contraseña  larga") is None
    assert await door.check("", "contraseña larga") is None
    assert await door.check("not a hash", "contraseña larga") is None


async def test_an_older_hash_is_made_stronger() -> None:
    """Who comes in by a password that was hashed weaker gets it hashed anew."""
    door = Passwords()
    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(GOOD)
    fresh = await door.check(weak, GOOD)
    assert fresh
    assert extract_parameters(fresh).memory_cost == 65536
    assert await door.check(fresh, GOOD) == ""


async def test_a_name_that_nobody_has_is_reckoned_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing kept there is one verification too: so its time tells nothing."""
    door = Passwords()
    reckoned: list[str] = []
    monkeypatch.setattr(door, "_hasher", Counting(reckoned))
    await door.check("", GOOD)
    await door.check("$kept", GOOD)
    assert reckoned == ["$made", "$kept"]


class Counting:
    """A hasher that says what it was given."""

    def __init__(self, reckoned: list[str]) -> None:
        self._reckoned = reckoned

    def hash(self, password: str) -> str:
        """Something."""
        return "$made"

    def verify(self, kept: str, password: bytes) -> bool:
        """Write it down; it is wrong."""
        from argon2.exceptions import VerifyMismatchError  # noqa: PLC0415  # for this alone

        self._reckoned.append(kept)
        raise VerifyMismatchError


async def test_a_crowd_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many wait, the rest is refused at once: memory is bounded."""
    monkeypatch.setattr(passwords, "WAITING", 2)
    door = Passwords()
    tries = await asyncio.gather(*(door.check("", GOOD) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(one, Refused) and one.code == "busy" for one in tries) == 3
