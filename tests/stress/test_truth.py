"""The truth, found: servers whose knee, stall, loss and freeze are known, at full length, beside a tool that waits."""

from __future__ import annotations

import asyncio
import json
import math
import re
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from rigs.liar import lying
from rigs.stress import EXACT, Witness, agreed, known_server, plan_of, request, totals, whole_run
from watchkeeper.stress.conduct import conduct
from watchkeeper.stress.histogram import Histogram, unpacked
from watchkeeper.stress.record import Record

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

SEARCH = """
objectives = ["p99 < 100ms", "errors < 1%"]
connections = 300
timeout = "3s"
{more}
[[phase]]
kind = "steps"
begin = {begin}
lasts = "{lasts}"
levels = 1
"""


def latencies(record: Record, name: str = "latency") -> Histogram:
    """All of a run's, added up."""
    found = Histogram()
    for window in record.windows():
        found.merge(unpacked(getattr(window, name)))
    return found


@pytest.mark.parametrize("time", [1, 2, 3])
async def test_the_knee_of_a_fixed_cap_is_within_a_tenth_three_times_of_three(tmp_path: Path, time: int) -> None:
    """The cap itself."""
    with known_server("cap", rate=400) as url:
        record = await whole_run(SEARCH.format(begin=100, lasts="4s", more=""), url, tmp_path, rest=EXACT)
    assert record.run.knees[0].sustained == pytest.approx(400, rel=0.1)


@pytest.mark.parametrize("time", [1, 2, 3])
async def test_the_knee_of_one_clerk_is_within_a_tenth_three_times_of_three(tmp_path: Path, time: int) -> None:
    """M/M/1: the time in the system is exponential with rate mu - lambda, so p99 = ln 100 / (mu - lambda)."""
    mu = 400
    true = mu - math.log(100) / 0.1
    with known_server("random", rate=mu) as url:
        record = await whole_run(SEARCH.format(begin=300, lasts="12s", more='arrival = "poisson"'), url, tmp_path, rest=EXACT)
    assert record.run.knees[0].sustained == pytest.approx(true, rel=0.1)


async def test_a_stall_of_one_second_in_ten_beside_a_tool_that_waits(tmp_path: Path) -> None:
    """A tenth of all that is due finds the server stalled: p95 is half a second. hey sees a p99 of near nothing.

    wrk 4 sees it as well: it adds what it has not measured, by the gaps that it would have expected.
    """
    with known_server("stall", every=10, stall=1) as url:
        text = 'connections = 8\n[[phase]]\nkind = "constant"\nrate = 500\nlasts = "20s"\n'
        record = await whole_run(text, url, tmp_path)
        due, service = latencies(record), latencies(record, "service")
        assert due.total == 10_000
        assert due.quantile(0.95) / 1e9 == pytest.approx(0.5, abs=0.1)
        assert due.quantile(0.99) / 1e9 == pytest.approx(0.9, abs=0.1)
        assert due.quantile(0.85) / 1e9 < 0.05
        assert service.quantile(0.99) / 1e9 < 0.1
        if shutil.which("hey"):
            said = await run("hey", "-z", "20s", "-c", "8", url)
            found = re.search(r"99%+ in ([\d.]+) secs", said)
            assert found
            assert float(found[1]) < 0.1


async def run(*words: str) -> str:
    """What a tool says."""
    done = await asyncio.to_thread(subprocess.run, words, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


async def test_one_message_in_a_thousand_is_lost_and_told(tmp_path: Path) -> None:
    """Through the whole lab: exactly so many lost, and the objective on loss missed."""
    text = """
objectives = ["loss = 0", "duplicates = 0"]
connections = 20
timeout = "2s"
[protocol]
kind = "cloud"
[[phase]]
kind = "constant"
rate = 500
lasts = "20s"
"""
    async with lying("lose", 1000) as (liar, url):
        plan = plan_of(text, url)
        made = await conduct(request(plan, tmp_path)._replace(supervised=agreed(url)), Witness(), asyncio.Event())
    record = Record(tmp_path / made.id)
    assert liar.messages == 10_000
    assert totals(record).counts["lost"] == liar.faults == 10
    assert made.verdict == "fail"
    assert [held.held for held in made.objectives] == [False, True]


async def test_a_freeze_under_overload_is_named(tmp_path: Path) -> None:
    """The whole arc: knee, plateau, overload, and a recovery that does not come."""
    text = """
objectives = ["p99 < 100ms", "errors < 1%", "recovery < 5s"]
connections = 600
timeout = "2s"
[[phase]]
kind = "steps"
begin = 100
lasts = "2s"
precision = 0.2
tries = 1
levels = 1
[[phase]]
kind = "plateau"
lasts = "5s"
[[phase]]
kind = "overload"
of_knee = 3
lasts = "3s"
[[phase]]
kind = "recovery"
within = "8s"
"""
    with known_server("freeze", rate=200, room=250) as url:
        record = await whole_run(text, url, tmp_path)
    assert record.run.recoveries[0].metastable
    assert record.run.verdict == "fail"


async def test_a_queue_comes_back_as_fast_as_it_is_served(tmp_path: Path) -> None:
    """An overload of 4 s at twice the cap leaves 800 waiting; with half the cap to spare they are gone after some 4 s."""
    text = """
connections = 1500
timeout = "20s"
[[phase]]
kind = "constant"
rate = 200
lasts = "8s"
[[phase]]
kind = "overload"
rate = 600
lasts = "4s"
[[phase]]
kind = "recovery"
rate = 200
within = "30s"
"""
    with known_server("cap", rate=400) as url:
        record = await whole_run(text, url, tmp_path)
    found = record.run.recoveries[0]
    # 4 s x (600 - 400)/s = 800 wait; 400 - 200 are worked off a second: 4 s.
    assert found.seconds == pytest.approx(4, abs=2)


async def test_memory_is_flat(tmp_path: Path) -> None:
    """Neither worker nor record-keeper grows over a minute at two thousand a second."""
    with known_server("errors", nth=1e9) as url:
        plan = plan_of('[[phase]]\nkind = "soak"\nrate = 2000\nlasts = "60s"\n', url)
        made = await conduct(request(plan, tmp_path), Witness(), asyncio.Event())
    record = Record(tmp_path / made.id)
    resident = [row.rss for row in record.health() if row.rss]
    early, late = resident[10], resident[-5]
    assert late - early < 4 << 20
    rows = [msgspec.json.decode(line) for line in (record.folder / "windows.jsonl").read_bytes().splitlines()]
    assert len(json.dumps(rows[30])) < 20_000
