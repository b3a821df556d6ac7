"""A worker's floor with lanes whose every operation takes a known time, without a target."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from watchkeeper.stress.floor import Floor
from watchkeeper.stress.lane import Operation, Tally


class Clockwork:
    """A lane whose every operation takes so long, or never ends."""

    def __init__(self, maker: Maker, floor: Any, number: int) -> None:
        self.room = maker.room
        self.keeps = maker.keeps
        self.is_up = self.listed = False
        self.maker = maker
        self.floor = floor
        self.number = number
        self.open: list[tuple[Tally, int, int]] = []

    def start(self, tally: Tally, intended: int, now: int) -> None:
        """Note it, and end it in time."""
        assert now >= intended, "early"
        assert self.room > 0
        self.room -= 1
        one = (tally, intended, now)
        self.open.append(one)
        self.maker.starts.append((tally.name, intended, now))
        self.maker.busiest = max(self.maker.busiest, sum(len(lane.open) for lane in self.maker.lanes))
        if self.maker.seconds is not None:
            asyncio.get_running_loop().call_later(self.maker.seconds, self.end, one, "")

    def end(self, one: tuple[Tally, int, int], code: str) -> None:
        """It has ended."""
        if one not in self.open:
            return
        self.open.remove(one)
        tally, intended, began = one
        now = self.floor.clock()
        if code:
            tally.fail(code, now - intended)
        else:
            tally.took(now - intended)
            tally.served(now - began)
        self.room += 1
        self.floor.free(self, tally, now)

    async def connect(self) -> None:
        """As the maker says."""
        if self.maker.fault:
            raise self.maker.fault

    def sweep(self, before: int) -> None:
        """What is overdue."""
        for one in [one for one in self.open if one[2] < before]:
            self.end(one, "timeout")

    def cut(self, code: str) -> None:
        """All of it."""
        self.floor.lost(self, code)
        for one in list(self.open):
            self.end(one, code)


class Maker:
    """Makes them."""

    def __init__(self, seconds: float | None = 0.0, *, room: int = 1, keeps: bool = False) -> None:
        self.seconds = seconds
        self.room = room
        self.keeps = keeps
        self.fault: Exception | None = None
        self.starts: list[tuple[str, int, int]] = []
        self.busiest = 0
        self.lanes: list[Clockwork] = []
        self.settled: list[int] = []

    def lane(self, number: int, floor: Any) -> Clockwork:
        """One more."""
        self.lanes.append(Clockwork(self, floor, number))
        return self.lanes[-1]

    def settle(self, stage: int) -> None:
        """Noted."""
        self.settled.append(stage)


ONE = (Operation(name="one"),)


@asynccontextmanager
async def floor(maker: Maker, lanes: int, operations: tuple[Operation, ...] = ONE, **more: Any) -> AsyncIterator[Floor]:
    """A floor with such lanes."""
    found = Floor(operations, more.pop("patience", 5.0), more.pop("worker", 0), more.pop("workers", 1), **more)
    found.make(maker)
    found.keeper.rate = 100_000
    found.grow(lanes)
    async with asyncio.timeout(10):
        while sum(found.keeper.first_tries.values()) < lanes:
            await asyncio.sleep(0.001)
    try:
        yield found
    finally:
        await found.close()
