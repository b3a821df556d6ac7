"""What has become of numbered messages from one client to another: lost, doubled, out of order. Pure; no clock, no socket.

Memory is that of what is amiss: a stream that loses nothing holds two numbers. Reordering is RFC 4737's: a message that
comes after one which was sent later.
"""

from __future__ import annotations

import struct
import zlib
from typing import Literal, NamedTuple

HEADER = struct.Struct(">4sHIIQqI")
"""Mark, kind, sender, recipient, number, intended start (ns), CRC-32 of the rest."""
OTHERS_MOST = 100_000
"""Numbers that one stream holds of each kind that is amiss; beyond it they count as lost at once."""

Arrival = Literal["new", "reordered", "duplicate", "late"]

DATA, RECEIPT = 0, 1


class Body(NamedTuple):
    """What a message of ours carries. `is_whole`: as it was sent."""

    mark: bytes
    kind: int
    sender: int
    recipient: int
    number: int
    intended: int
    is_whole: bool


def made(mark: bytes, kind: int, sender: int, recipient: int, number: int, intended: int, filler: tuple[bytes, int]) -> bytes:
    """A message's body. `filler`: bytes that make up its size, and their CRC-32."""
    return HEADER.pack(mark, kind, sender, recipient, number, intended, filler[1]) + filler[0]


def filler(content: bytes) -> tuple[bytes, int]:
    """Bytes with their CRC-32, computed once."""
    return content, zlib.crc32(content)


def read(body: bytes) -> Body | None:
    """What a body says; None when it is too short to be one of ours."""
    if len(body) < HEADER.size:
        return None
    mark, kind, sender, recipient, number, intended, crc = HEADER.unpack_from(body)
    return Body(mark, kind, sender, recipient, number, intended, zlib.crc32(memoryview(body)[HEADER.size :]) == crc)


class Stream:
    """The messages from one client to another."""

    __slots__ = ("_excused", "_expected", "_given_up", "_missing", "sent", "unsettled")

    def __init__(self) -> None:
        """None so far."""
        self.sent = 0
        self.unsettled: set[int] = set()
        """Neither accepted nor rejected when their connection was lost: they may arrive, or not."""
        self._expected = 0
        self._missing: set[int] = set()
        self._excused: set[int] = set()
        """Rejected, and not yet passed by `_expected`."""
        self._given_up: set[int] = set()

    def next(self) -> int:
        """The number of the next message."""
        number = self.sent
        self.sent += 1
        return number

    def arrive(self, number: int) -> Arrival:
        """A message has come."""
        if number >= self._expected:
            if number > self._expected:
                gap = set(range(self._expected, min(number, self._expected + OTHERS_MOST)))
                self._missing |= gap - self._excused
                self._excused -= gap
            self._expected = number + 1
            self._pass_excused()
            return "new"
        if number in self._missing:
            self._missing.discard(number)
            return "reordered"
        if number in self._given_up:
            self._given_up.discard(number)
            return "late"
        return "duplicate"

    def excuse(self, number: int) -> None:
        """It was rejected: that it does not come is no loss."""
        if number >= self._expected:
            self._excused.add(number)
            self._pass_excused()
        self._missing.discard(number)
        self.unsettled.discard(number)

    def _pass_excused(self) -> None:
        while self._expected in self._excused:
            self._excused.discard(self._expected)
            self._expected += 1

    def settle(self) -> tuple[int, int]:
        """Nothing is under way any more: how many accepted ones are lost, and how many were never settled and have not come."""
        gone = self._missing | set(range(self._expected, min(self.sent, self._expected + OTHERS_MOST))) - self._excused
        beyond = max(0, self.sent - self._expected - OTHERS_MOST)
        unsettled = len(gone & self.unsettled)
        self._given_up = {*gone, *self._given_up} if len(self._given_up) < OTHERS_MOST else self._given_up
        self._missing.clear()
        self.unsettled.clear()
        self._excused.clear()
        self._expected = self.sent
        return len(gone) - unsettled + beyond, unsettled
