"""The floor starts what is due, once and never early, whatever its lanes do; and counts what becomes of all of it."""

from __future__ import annotations

import asyncio

import pytest

from rigs.clockwork import ONE, Maker, floor
from rigs.stress import run_stage
from watchkeeper.quantities import Duration
from watchkeeper.stress.faults import Failure
from watchkeeper.stress.floor import Floor
from watchkeeper.stress.keeper import LONGEST_PAUSE, pause_after
from watchkeeper.stress.lane import Operation, Tally
from watchkeeper.stress.run import Segment, Stage


async def test_every_hit_is_started_once_at_its_time_or_after() -> None:
    """The schedule alone says when; nothing is early, nothing is left out."""
    maker = Maker(0.001)
    async with floor(maker, 20) as found:
        one = (await run_stage(found, 0.5, rate=400))["one"]
        assert (one.scheduled, one.started, one.done, one.dropped) == (200, 200, 200, 0)
        first = maker.starts[0][1]
        assert [start[1] - first for start in maker.starts] == pytest.approx([n * 2_500_000 for n in range(200)], abs=1)
        late = (found.tallies.lag, found.tallies.lag_starved)
        assert any(one.histogram is not None for one in late) or sum(len(one.values) for one in late) == 200
        assert maker.settled == [0]


async def test_workers_share_a_schedule() -> None:
    """Two of them start what one would have."""
    intended = []
    for worker in (0, 1):
        maker = Maker()
        async with floor(maker, 10, worker=worker, workers=2) as found:
            await run_stage(found, 0.3, rate=100)
            first = maker.starts[0][1] - worker * 10_000_000
            intended += [start[1] - first for start in maker.starts]
    assert sorted(intended) == pytest.approx([n * 10_000_000 for n in range(30)], abs=1)


async def test_what_finds_no_lane_waits_and_is_timed_from_when_it_was_due() -> None:
    """A slow target does not slow the schedule down: latency counts the wait, service time does not."""
    maker = Maker(0.05)
    async with floor(maker, 1) as found:
        one = (await run_stage(found, 0.4, rate=50))["one"]
        assert one.scheduled == one.started + one.dropped == 20
        assert one.late >= one.started - 1
        assert maker.busiest == 1
        assert one.service.histogram.quantile(1.0) < one.latency.histogram.quantile(1.0)
        assert one.latency.histogram.quantile(1.0) > 0.3e9


async def test_what_waits_too_long_is_dropped_and_counted() -> None:
    """At the end of a stage its load is over too: what never got a lane is dropped, with how long it has waited."""
    maker = Maker(None)
    async with floor(maker, 2, patience=0.3) as found:
        one = (await run_stage(found, 0.5, rate=100))["one"]
        assert one.scheduled == 50
        assert one.started + one.dropped == 50
        assert one.errors == {"timeout": one.started}
        assert one.dropped > 20
        assert one.failed.histogram.total == 50


async def test_the_closed_model_keeps_so_many_under_way() -> None:
    """Each user starts anew once done, thinks in between where told to, and ends with the stage."""
    maker = Maker(0.01)
    async with floor(maker, 10) as found:
        one = (await run_stage(found, 0.4, users=5))["one"]
        assert maker.busiest == 5
        assert one.scheduled == one.started == one.done > 50
    thinking = Maker(0.01)
    async with floor(thinking, 10, (Operation(name="one", think=Duration(0.05)),)) as found:
        assert 0 < (await run_stage(found, 0.4, users=5))["one"].done < one.done / 2


async def test_users_are_shared_exactly() -> None:
    """Seven users over three workers are seven."""
    busiest = []
    for worker in range(3):
        maker = Maker(0.05)
        async with floor(maker, 10, worker=worker, workers=3) as found:
            await run_stage(found, 0.2, users=7)
            busiest.append(maker.busiest)
    assert busiest == [3, 2, 2]


async def test_a_mix_has_its_shares_and_a_stage_may_run_a_part() -> None:
    """By weight; and only the operations that a stage names."""
    mix = (Operation(name="a", weight=3), Operation(name="b", weight=1))
    maker = Maker()
    async with floor(maker, 10, mix) as found:
        tallies = await run_stage(found, 0.4, rate=200)
        assert tallies["a"].done == pytest.approx(60, abs=3)
        assert tallies["b"].done == pytest.approx(20, abs=3)
        tallies = await run_stage(found, 0.2, rate=100, index=1, operations=("b",))
        assert (tallies["a"].done, tallies["b"].done) == (0, 20)


async def test_where_nobody_answers_starts_fail_at_once() -> None:
    """With the code of the last try, in both models, and the lanes go on trying."""
    maker = Maker(keeps=True)
    maker.fault = Failure("refused", "nobody is there")
    async with floor(maker, 3) as found:
        one = (await run_stage(found, 0.2, rate=100))["one"]
        assert one.errors == {"refused": 20}
        users = (await run_stage(found, 0.25, users=2, index=1))["one"]
        assert set(users.errors) == {"refused"}
        assert users.scheduled == users.started == sum(users.errors.values())
        maker.fault = None
        async with asyncio.timeout(10):
            while found.connected < 3:
                await asyncio.sleep(0.01)
        assert (await run_stage(found, 0.1, rate=100, index=2))["one"].done == 10


async def test_lanes_with_room_take_several() -> None:
    """A connection may have many operations under way."""
    maker = Maker(0.05, room=8)
    async with floor(maker, 1) as found:
        one = (await run_stage(found, 0.2, rate=100))["one"]
        assert one.done == 20
        assert 2 < maker.busiest <= 8


async def test_fewer_lanes_again() -> None:
    """The newest go, and are given nothing any more."""
    maker = Maker(0.001)
    async with floor(maker, 6) as found:
        found.grow(2)
        await run_stage(found, 0.2, rate=200)
        assert found.connected == 2
        assert len(found.lanes) == 2


async def test_a_stage_may_be_stopped_and_a_run_aborted() -> None:
    """Stopped, nothing more is scheduled and what is under way ends; aborted, that ends too, with a code of its own."""
    maker = Maker(0.05)
    async with floor(maker, 50) as found:
        over = asyncio.Event()
        stage = Stage(0, 0, "constant", "x", 60.0, profile=(Segment(60.0, 200.0, 200.0),))
        found.begin(stage, found.clock(), over.set)
        await asyncio.sleep(0.2)
        found.stop()
        assert over.is_set()
        async with asyncio.timeout(5):
            while not found.has_drained(0):
                await asyncio.sleep(0.01)
        one = next(tally for tally in found.tallies.all if tally.name == "one")
        one.fold()
        assert 0 < one.started == one.done < 200
    stuck = Maker(None)
    async with floor(stuck, 5) as found:
        found.begin(stage, found.clock(), over.set)
        await asyncio.sleep(0.1)
        found.abort()
        assert found.has_drained(0)
        one = next(tally for tally in found.tallies.all if tally.name == "one")
        assert one.errors == {"aborted": 5}
        assert one.dropped == one.scheduled - 5


async def test_starved_moments_are_marked() -> None:
    """What ended in them is counted apart, beside being counted."""
    tally = Tally(0, 0, "one")
    tally.unended = 5
    for value in (1, 2, 3):
        tally.took(value * 1_000_000)
    tally.mark(starved=False)
    tally.took(400_000_000)
    tally.mark(starved=True)
    tally.took(5_000_000)
    tally.mark(starved=False)
    tally.fold()
    assert tally.latency.histogram.total == 5
    assert tally.starved.histogram.total == 1
    assert tally.starved.histogram.quantile(0.5) > 399e6
    assert tally.in_flight == 0


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_pauses_grow_to_a_bound(chance: float) -> None:
    """A lane that fails again and again tries less and less often, but for ever."""
    pauses = [pause_after(failures, chance) for failures in range(1, 40)]
    assert pauses == sorted(pauses)
    assert 0.05 <= pauses[0] <= 0.1
    assert max(pauses) <= LONGEST_PAUSE


async def test_connections_are_made_at_their_rate() -> None:
    """A hundred a second means that forty take some four tenths of a second."""
    maker = Maker()
    found = Floor(ONE, 5.0, 0, 1)
    found.make(maker)
    found.keeper.rate = 100
    began = found.clock()
    found.grow(40)
    async with asyncio.timeout(20):
        while sum(found.keeper.first_tries.values()) < 40:
            await asyncio.sleep(0.001)
    assert found.clock() - began > 0.35e9
    await found.close()
