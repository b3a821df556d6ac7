"""Users of the closed model begin no more than they may, run every operation of a mix, and are of one stage."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import pytest

from rigs.clockwork import Maker, floor
from rigs.stress import QUICK, known_server, run_stage, totals, whole_run
from watchkeeper.quantities import Duration
from watchkeeper.stress.lane import Operation
from watchkeeper.stress.schedule import Mix
from watchkeeper.stress.users import choices


@pytest.mark.parametrize("workers", [1, 2])
async def test_users_of_all_workers_are_held_to_the_ceiling(workers: int) -> None:
    """A target that answers at once: three users begin as many as may be and no more, and none are lost meanwhile."""
    started = 0
    for worker in range(workers):
        maker = Maker()
        async with floor(maker, 10, worker=worker, workers=workers, most=100) as found:
            one = (await run_stage(found, 1.0, users=3))["one"]
            assert one.scheduled == one.started == one.done
            started += one.started
            gaps = [after[2] - before[2] for before, after in itertools.pairwise(maker.starts)]
            assert min(gaps) >= 0
    assert 60 <= started <= 102 + workers


async def test_a_ceiling_that_is_not_reached_holds_nobody_up() -> None:
    """Users who think, below the ceiling, begin as often as without one."""
    done = []
    for most in (1e6, float("inf")):
        async with floor(Maker(0.001), 10, (Operation(name="one", think=Duration(0.05)),), most=most) as found:
            done.append((await run_stage(found, 0.5, users=5))["one"].done)
    assert min(done) > 25


@pytest.mark.slow
async def test_a_plans_ceiling_binds_its_users(tmp_path: Path) -> None:
    """`max_rate` is a ceiling that no plan goes beyond, in the closed model too."""
    with known_server("fixed") as url:
        phase = '[[phase]]\nkind = "constant"\nusers = 4\nlasts = "2s"\n'
        record = await whole_run(phase, url, tmp_path, rest=QUICK.replace("[safety]", "[safety]\nmax_rate = 50"))
    assert 50 <= totals(record).started <= 103


def test_a_rare_operation_comes_whatever_the_seed() -> None:
    """One start in ten thousand is one, also of a few tens of thousands: the sequence goes on and does not begin anew."""
    for seed in range(40):
        mix = Mix([9999.0, 1.0], seed)
        seen = Counter(itertools.islice(choices(mix, 0, 1), 40_000))
        assert 2 <= seen[1] <= 6, seed


async def test_workers_share_the_choices() -> None:
    """Two of them choose what one would have."""
    mix = Mix([3.0, 1.0, 1.0], 5)
    alone = list(itertools.islice(choices(mix, 0, 1), 3000))
    shared = [list(itertools.islice(choices(mix, worker, 2), 1500)) for worker in (0, 1)]
    assert [one for pair in zip(*shared, strict=True) for one in pair] == alone


async def test_who_still_thinks_when_a_stage_ends_is_no_user_of_the_next() -> None:
    """Five users think for longer than their stage lasts; the next one has two users, and never more under way."""
    maker = Maker(0.05)
    async with floor(maker, 10, (Operation(name="one", think=Duration(0.4)), Operation(name="two"))) as found:
        await run_stage(found, 0.2, users=5, operations=("one",))
        maker.busiest = 0
        await run_stage(found, 0.8, users=2, index=1, operations=("two",))
        assert maker.busiest == 2
