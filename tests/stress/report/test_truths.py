"""Servers of known behaviour, put under load by the whole lab: their report says what is known of them.

Short forms run in every suite, with tolerances that a busy machine keeps to; the long ones are the promise. What each server
does exactly is in `rigs.known` and `rigs.liar`.
"""

from __future__ import annotations

import asyncio
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rigs.liar import lying
from rigs.stress import EXACT, Witness, agreed, known_server, plan_of, request, whole_run
from watchkeeper.stress.conduct import conduct
from watchkeeper.stress.histogram import unpacked
from watchkeeper.stress.record import Record
from watchkeeper.stress.report.building import build
from watchkeeper.stress.report.document import Report, StageReport
from watchkeeper.stress.report.reading import read
from watchkeeper.stress.report.tables import stages as stages_table

SEARCH = """
objectives = ["p99 < 100ms", "errors < 1%"]
connections = {connections}
timeout = "3s"
{more}
[[phase]]
kind = "steps"
begin = {begin}
lasts = "{lasts}"
levels = {levels}
precision = {precision}
"""


def reported(record: Record) -> Report:
    """The report of a record."""
    return build(read(record))


def of(report: Report, kind: str) -> StageReport:
    """Its first stage of a kind."""
    return next(stage for stage in report.stages if stage.kind == kind)


# -- short forms ------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_fixed_time_is_the_median(tmp_path: Path) -> None:
    """20 ms by the server's own clock: never less, and Little's law agrees where it can be seen."""
    with known_server("fixed", service=0.02) as url:
        text = 'connections = 30\n[[phase]]\nkind = "constant"\nrate = 150\nlasts = "2s"\n'
        report = reported(await whole_run(text, url, tmp_path))
    stage = of(report, "constant")
    assert stage.done == 300
    assert 0.020 <= stage.service.quantiles["p50"] < 0.1
    assert stage.service.quantiles["p50"] <= stage.latency.quantiles["p50"]


@pytest.mark.slow
async def test_a_stall_is_in_the_latency_and_not_in_the_service_time(tmp_path: Path) -> None:
    """Half a second in two: a quarter of all that is due waits, and a tool that waits for its answers sees next to none."""
    with known_server("stall", every=2, stall=0.5) as url:
        text = 'connections = 4\n[[phase]]\nkind = "constant"\nrate = 200\nlasts = "4s"\n'
        report = reported(await whole_run(text, url, tmp_path))
    stage = of(report, "constant")
    assert stage.latency.n == stage.done
    assert stage.done + stage.failed + stage.dropped == 800
    # Of the quarter that waits, three in five wait less than 0.3 s: that is p90, and more on a machine that is busy beside.
    assert stage.latency.quantiles["p90"] > 0.25
    assert stage.service.quantiles["p90"] < 0.6 * stage.latency.quantiles["p90"]


@pytest.mark.slow
async def test_each_lost_message_is_counted_and_fails_the_run(tmp_path: Path) -> None:
    """One in fifty of three hundred: six, no more and no less, and the report says FAIL for it."""
    text = """
objectives = ["loss = 0"]
connections = 10
timeout = "1s"
[protocol]
kind = "cloud"
[[phase]]
kind = "constant"
rate = 150
lasts = "2s"
"""
    async with lying("lose", 50) as (liar, url):
        made = await conduct(request(plan_of(text, url), tmp_path)._replace(supervised=agreed(url)), Witness(), asyncio.Event())
    report = reported(Record(tmp_path / made.id))
    assert of(report, "constant").counts["lost"] == liar.faults == 6
    assert (report.verdict, report.answers[0].answer) == ("fail", "FAIL")
    assert report.thresholds[0].observed == 6


FREEZE = """
objectives = ["p99 < 100ms", "recovery < 3s"]
connections = 300
timeout = "{timeout}"
knee = 100
[[phase]]
kind = "plateau"
rate = 80
lasts = "2s"
[[phase]]
kind = "overload"
rate = 500
lasts = "5s"
[[phase]]
kind = "recovery"
rate = 80
within = "{within}"
"""


@pytest.mark.slow
async def test_a_freeze_that_does_not_thaw_is_a_hang_and_metastable(tmp_path: Path) -> None:
    """Once 150 wait it never serves again: the load goes, the failure stays, and both are named."""
    with known_server("freeze", rate=150, room=150) as url:
        report = reported(await whole_run(FREEZE.format(timeout="1s", within="4s"), url, tmp_path))
    assert report.verdict == "fail"
    strained = of(report, "overload").behaviour
    assert strained is not None
    assert strained.word == "hangs"
    assert report.answers[4].answer == "it stays broken"
    assert "hangs" in stages_table(report) or "metastable" in stages_table(report)


# -- at full length ---------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_fixed_time_is_found_to_a_tenth(tmp_path: Path) -> None:
    """20 ms, for 20 s: the clean median, its interval around p95, and Little's law."""
    with known_server("fixed", service=0.02) as url:
        text = 'connections = 60\n[[phase]]\nkind = "constant"\nrate = 300\nlasts = "20s"\n'
        report = reported(await whole_run(text, url, tmp_path))
    stage = of(report, "constant")
    assert stage.clean.quantiles["p50"] == pytest.approx(0.0205, rel=0.1)
    assert stage.p95 is not None
    assert stage.p95.low <= stage.p95.value <= stage.p95.high
    assert stage.little.holds is not False
    assert stage.little.expected == pytest.approx(6, rel=0.2)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("time", [1, 2, 3])
async def test_a_hard_cap_is_found_three_times_of_three(tmp_path: Path, time: int) -> None:
    """400 a second and no more: sustained and ceiling within a tenth, and it queues."""
    text = SEARCH.format(connections=600, begin=100, lasts="4s", levels=6, precision=0.05, more="")
    text += '[[phase]]\nkind = "plateau"\nlasts = "6s"\n[[phase]]\nkind = "overload"\nof_knee = 1.5\nlasts = "6s"\n'
    with known_server("cap", rate=400) as url:
        report = reported(await whole_run(text, url, tmp_path, rest=EXACT))
    found = report.capacity
    assert found is not None
    assert found.sustained == pytest.approx(400, rel=0.1)
    assert found.ceiling is not None
    assert found.ceiling.value == pytest.approx(400, rel=0.1)
    assert found.breaking is not None
    assert found.breaking.level > 0.95 * 400
    strained = of(report, "overload").behaviour
    assert strained is not None
    assert strained.word == "queues"


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_full_room_that_says_no_sheds(tmp_path: Path) -> None:
    """A queue of twenty and a 503 for all others: what it does beyond its cap is to shed, and the code is 503."""
    text = 'connections = 300\n[[phase]]\nkind = "plateau"\nrate = 200\nlasts = "6s"\n'
    text += '[[phase]]\nkind = "overload"\nrate = 900\nlasts = "6s"\n'
    with known_server("cap", rate=400, room=20) as url:
        report = reported(await whole_run(text, url, tmp_path))
    strained = of(report, "overload").behaviour
    assert strained is not None
    assert strained.word == "sheds"
    assert report.faults[0].code == "status-503"
    assert report.faults[0].blame == "said-no"


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_stall_beside_tools_that_wait(tmp_path: Path) -> None:
    """1 s in every 10 s: p95 is half a second and p99 nine tenths. What hey and wrk say of the same server is printed beside.

    hey waits for its answers and sees next to nothing. wrk 4 adds what it did not measure, by the gaps that it expects.
    """
    with known_server("stall", every=10, stall=1) as url:
        text = 'connections = 8\n[[phase]]\nkind = "constant"\nrate = 500\nlasts = "20s"\n'
        stage = of(reported(await whole_run(text, url, tmp_path)), "constant")
        rows = [("intended start", stage.latency.quantiles), ("actual start", stage.service.quantiles)]
        if shutil.which("hey"):
            said = await said_by("hey", "-z", "20s", "-c", "8", url)
            found = {f"p{share}": float(took) for share, took in re.findall(r"(\d+)%+ in ([\d.]+) secs", said)}
            rows.append(("hey", found))
            assert found["p99"] < 0.1
        if shutil.which("wrk"):
            said = await said_by("wrk", "-d", "20s", "-c", "8", "-t", "1", "--latency", url)
            units = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
            lines = re.findall(r"^\s+(\d+)%\s+([\d.]+)(us|ms|s)$", said, re.MULTILINE)
            rows.append(("wrk", {f"p{share}": float(took) * units[unit] for share, took, unit in lines}))
    told = [
        f"{name:>15} " + " ".join(f"{share} {quantiles[share] * 1000:.3g} ms" for share in SIDE if share in quantiles)
        for name, quantiles in rows
    ]
    (tmp_path / "beside.txt").write_text("\n".join(told) + "\n")
    sys.stdout.write("\n" + "\n".join(told) + "\n")
    assert stage.latency.n == 10_000
    assert stage.latency.quantiles["p95"] == pytest.approx(0.5, abs=0.1)
    assert stage.latency.quantiles["p99"] == pytest.approx(0.9, abs=0.1)
    assert stage.service.quantiles["p99"] < 0.1


SIDE = ("p50", "p75", "p90", "p95", "p99")


async def said_by(*words: str) -> str:
    """What a tool says."""
    done = await asyncio.to_thread(subprocess.run, words, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_one_in_a_thousand_is_exactly_that(tmp_path: Path) -> None:
    """Ten of ten thousand."""
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
        made = await conduct(request(plan_of(text, url), tmp_path)._replace(supervised=agreed(url)), Witness(), asyncio.Event())
    report = reported(Record(tmp_path / made.id))
    assert liar.messages == 10_000
    assert of(report, "constant").counts["lost"] == 10
    assert [one.held for one in report.thresholds] == [False, True]


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("each", [5_000, 40_000])
async def test_a_leak_of_known_slope_is_found_to_a_tenth(tmp_path: Path, each: int) -> None:
    """100 requests a second keep so many bytes each: the slope of its memory is that, its word is *grows*."""
    with known_server("leak", bytes=each) as url:
        text = 'connections = 20\n[[phase]]\nkind = "soak"\nrate = 100\nlasts = "60s"\n'
        report = reported(await whole_run(text, url, tmp_path))
    memory = next((one for one in report.trends if one.series.startswith("process_resident_memory_bytes")), None)
    assert memory is not None, report.server.why
    true = 100 * (each + 49)  # an object's head with its content
    assert memory.slope.word == "grows"
    assert memory.slope.slope == pytest.approx(true, rel=0.1)
    latency = next(one for one in report.trends if one.series == "latency p50")
    assert latency.slope.word != "grows"


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_server_that_does_not_leak_is_said_not_to(tmp_path: Path) -> None:
    """The same load on one that keeps nothing."""
    with known_server("fixed", service=0.001) as url:
        text = 'connections = 20\n[[phase]]\nkind = "soak"\nrate = 100\nlasts = "60s"\n'
        report = reported(await whole_run(text, url, tmp_path))
    memory = [one.slope.word for one in report.trends if one.series.startswith("process_")]
    assert memory
    assert "grows" not in memory


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_one_clerk_is_found_with_his_curve(tmp_path: Path) -> None:
    """M/M/1 with mu = 400: sustained where p99 = ln 100 / (mu - lambda) is a tenth of a second, within a tenth."""
    text = SEARCH.format(connections=300, begin=150, lasts="12s", levels=6, precision=0.05, more='arrival = "poisson"')
    with known_server("random", rate=400) as url:
        record = await whole_run(text, url, tmp_path, rest=EXACT)
    report = reported(record)
    assert report.capacity is not None
    assert report.capacity.sustained == pytest.approx(400 - math.log(100) / 0.1, rel=0.1)
    merged = sum(unpacked(window.latency).total for window in record.windows())
    assert sum(stage.latency.n for stage in report.stages) == merged
