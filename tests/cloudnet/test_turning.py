"""Which server is next: round and round, past those that have refused for good, until none of its own is left."""

from __future__ import annotations

import pytest

from cloudnet.codes import Code
from cloudnet.errors import Refused
from cloudnet.turning import Turning, is_address

A, B, C, D = (f"ws://{name}:1" for name in "abcd")


def refusal(code: str) -> Refused:
    """With this code."""
    return Refused(f"because of {code}", code)


def next_ones(turning: Turning, count: int) -> list[str]:
    """Where it turns to, so many times."""
    found = []
    for _ in range(count):
        turning.go_on()
        found.append(turning.address)
    return found


def test_all_are_turned_to_in_their_order() -> None:
    """Those that were given, then those that were named, each once; what is no address is passed over."""
    turning = Turning([A, B])
    turning.name((C, "http://e:1", A, "ws://", D))
    assert turning.address == A
    assert next_ones(turning, 5) == [B, C, D, A, B]


def test_the_present_one_stays_though_it_is_named_no_more() -> None:
    """The session is there; after it those that were given are turned to."""
    turning = Turning([A])
    turning.name((B, C))
    assert next_ones(turning, 2) == [B, C]
    turning.name((D,))
    assert turning.address == C
    assert next_ones(turning, 3) == [A, D, A]


@pytest.mark.parametrize("code", [Code.WRONG_SERVER, Code.BAD_SIGNATURE, Code.MALFORMED, Code.ALREADY_CONNECTED])
def test_a_backup_that_refuses_is_passed_over_until_a_login_works(code: str) -> None:
    """It cannot end the client, and is asked again after the next login."""
    turning = Turning([A])
    turning.name((B, C))
    turning.go_on()
    assert not turning.refused(refusal(code))
    assert turning.address == C
    assert next_ones(turning, 3) == [A, C, A]
    assert turning.refusals("") == f"; {B}: because of {code}"
    assert turning.refusals(f"because of {code}") == ""
    turning.welcomed()
    assert next_ones(turning, 2) == [B, C]


def test_the_last_of_its_own_that_refuses_ends_it() -> None:
    """Backups do not outweigh all that it was given."""
    turning = Turning([A, B])
    turning.name((C,))
    assert not turning.refused(refusal(Code.WRONG_SERVER))
    assert turning.address == B
    assert turning.refused(refusal(Code.BAD_SIGNATURE))
    assert Turning([A]).refused(refusal(Code.WRONG_SERVER))


def test_who_has_the_key_elsewhere_ends_it() -> None:
    """Taken over, wherever that is told; connected already, told by one of its own: no other server is turned to."""
    turning = Turning([A, B])
    assert turning.refused(refusal(Code.ALREADY_CONNECTED))
    turning.name((C,))
    assert next_ones(turning, 2) == [B, C]
    assert turning.refused(refusal(Code.TAKEN_OVER))


@pytest.mark.parametrize("text", ["ws://h", "wss://h:443/cloud", "ws://[::1]:8765"])
def test_what_is_an_address(text: str) -> None:
    """With or without a port and a path."""
    assert is_address(text)


@pytest.mark.parametrize(
    "text", ["", "h:1", "http://h", "ws://", "ws://:1", "ws://h:0", "ws://h:99999", "ws://h:x", "ws://[::1", "ws://a..b"]
)
def test_what_is_none(text: str) -> None:
    """Another scheme, no host or one that no name can be, a port that is none."""
    assert not is_address(text)
