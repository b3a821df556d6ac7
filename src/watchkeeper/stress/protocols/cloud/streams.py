"""What has become of numbered messages from one client to another: lost, doubled, out of order. Pure; no clock, no socket.

Memory is that of what is amiss: a stream that loses nothing holds two numbers. Reordering is RFC 4737's: a message that
comes after one which was sent later.
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_right
from collections import Counter
from operator import itemgetter
from typing import Literal, NamedTuple

HEADER = struct.Struct(">4sHIIQqI")
"""Mark, kind (its operation above the lowest bit), sender, recipient, number, intended start (ns), CRC-32 of the rest."""
OTHERS_MOST = 100_000
"""Numbers that one stream holds of each kind that is amiss; beyond it they count as lost at once."""
TURNS_LEAST = 1024
"""Changes from one operation to another that a stream holds before it looks which of them are still of use."""

Arrival = Literal["new", "reordered", "duplicate", "late"]

DATA, RECEIPT = 0, 1


class Body(NamedTuple):
    """What a message of ours carries. `kind`: `DATA` or `RECEIPT`, and twice its operation; `is_whole`: as it was sent."""

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

    __slots__ = ("_excused", "_expected", "_given_up", "_looks_at", "_missing", "_operation", "_turns", "sent", "unsettled")

    def __init__(self) -> None:
        """None so far."""
        self.sent = 0
        self.unsettled: set[int] = set()
        """Neither accepted nor rejected when their connection was lost, or their time was over: they may arrive, or not."""
        self._expected = 0
        self._missing: set[int] = set()
        self._excused: set[int] = set()
        """Rejected, and not yet passed by `_expected`."""
        self._given_up: set[int] = set()
        self._operation = -1
        self._turns: list[tuple[int, int]] = []
        """From which number on which operation's messages were sent; as far back as a number may still be missing."""
        self._looks_at = TURNS_LEAST

    def next(self, operation: int = 0) -> int:
        """The number of the next message, which is an operation's."""
        number = self.sent
        self.sent += 1
        if operation != self._operation:
            self._operation = operation
            self._turns.append((number, operation))
            if len(self._turns) >= self._looks_at:
                self._forget(min(self._missing, default=self._expected))
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

    def settle(self) -> dict[int, Counter[str]]:
        """Nothing is under way any more: of each operation how many accepted ones are `lost`, and how many were never settled
        and have not come (`unsettled`).
        """  # noqa: D205  # one sentence
        gone = self._missing | set(range(self._expected, min(self.sent, self._expected + OTHERS_MOST))) - self._excused
        found: dict[int, Counter[str]] = {}
        for number in gone:
            fates = found.setdefault(self._operation_of(number), Counter())
            fates["unsettled" if number in self.unsettled else "lost"] += 1
        if (beyond := self.sent - self._expected - OTHERS_MOST) > 0:
            found.setdefault(self._operation, Counter())["lost"] += beyond
        self._given_up = {*gone, *self._given_up} if len(self._given_up) < OTHERS_MOST else self._given_up
        self._missing.clear()
        self.unsettled.clear()
        self._excused.clear()
        self._expected = self.sent
        self._forget(self.sent)
        return found

    def _operation_of(self, number: int) -> int:
        return self._turns[max(0, bisect_right(self._turns, number, key=itemgetter(0)) - 1)][1] if self._turns else 0

    def _forget(self, before: int) -> None:
        """Which operation numbers below this one were of is not asked any more."""
        self._turns = self._turns[max(0, bisect_right(self._turns, before, key=itemgetter(0)) - 1) :][-OTHERS_MOST:]
        self._looks_at = 2 * len(self._turns) + TURNS_LEAST
