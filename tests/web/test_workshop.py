"""The workshop: bounded work beside the loop, places that come back when work has ended, time that runs out."""

from __future__ import annotations

import asyncio
import threading

import pytest

from watchkeeper.errors import Refused
from watchkeeper.quantities import Duration
from watchkeeper.query import QuerySettings
from watchkeeper.web.workshop import Workshop


class Bench:
    """Work that a test holds until it lets go, and how much of it was under way at once."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.begun = threading.Semaphore(0)
        self.most = self.here = 0
        self._lock = threading.Lock()

    def work(self, _: float) -> int:
        """Wait for the test."""
        with self._lock:
            self.here += 1
            self.most = max(self.most, self.here)
        self.begun.release()
        assert self.free.wait(30)
        with self._lock:
            self.here -= 1
        return threading.get_ident()


async def test_work_runs_in_a_thread_of_its_own() -> None:
    """Its result comes back, its fault too, and the loop is free meanwhile."""
    shop = Workshop(QuerySettings())
    assert await shop.work(lambda _: threading.get_ident()) != threading.get_ident()

    def refuse(_: float) -> None:
        raise Refused("no", code="execution")

    with pytest.raises(Refused, match="no"):
        await shop.work(refuse)
    assert shop.inside == 0


async def test_no_more_at_once_than_is_set_and_a_full_queue_refuses() -> None:
    """Two work, three wait, the sixth hears at once that there is no room; in the end all five are done."""
    bench, shop = Bench(), Workshop(QuerySettings(at_once=2, waiting=3))
    five = [asyncio.create_task(shop.work(bench.work)) for _ in range(5)]
    await asyncio.to_thread(bench.begun.acquire)
    await asyncio.to_thread(bench.begun.acquire)
    assert shop.inside == 5
    with pytest.raises(Refused) as refused:
        await shop.work(bench.work)
    assert refused.value.code == "busy"
    bench.free.set()
    assert len(await asyncio.gather(*five)) == 5
    assert (bench.most, shop.inside) == (2, 0)


async def test_time_runs_out_in_the_queue_and_at_work() -> None:
    """Each says where; a place is held until the work has really ended."""
    bench, shop = Bench(), Workshop(QuerySettings(at_once=1, waiting=5))
    first = asyncio.create_task(shop.work(bench.work, 0.2))
    await asyncio.to_thread(bench.begun.acquire)
    with pytest.raises(Refused, match="in query queue") as queued:
        await shop.work(bench.work, 0.1)
    with pytest.raises(Refused, match="in query execution") as working:
        await first
    assert queued.value.code == working.value.code == "timeout"
    assert shop.inside == 1
    bench.free.set()
    assert await shop.work(lambda _: 7) == 7
    assert shop.inside == 0


async def test_whoever_goes_away_leaves_no_place_behind() -> None:
    """A waiter that is cancelled frees its place in the queue at once, one at work when the work has ended."""
    bench, shop = Bench(), Workshop(QuerySettings(at_once=1, waiting=1))
    working = asyncio.create_task(shop.work(bench.work))
    await asyncio.to_thread(bench.begun.acquire)
    waiting = asyncio.create_task(shop.work(bench.work))
    await asyncio.sleep(0)
    assert shop.inside == 2
    for task in (waiting, working):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert shop.inside == 1
    bench.free.set()
    assert await shop.work(lambda _: 7) == 7


async def test_nobody_may_ask_for_more_time_than_is_set() -> None:
    """A shorter time is taken, a longer one is not."""
    shop = Workshop(QuerySettings(timeout=Duration(5)))
    assert await shop.work(lambda left: left, 1000) <= 5
    assert await shop.work(lambda left: left, 2) <= 2
