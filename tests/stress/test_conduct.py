"""Whole runs against servers of known behaviour: what is found is what is known, and the record is whole however a run ends."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import signal
import sys
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from rigs.programs import free_port, is_alive, until
from rigs.stress import QUICK, Witness, agreed, known_server, plan_of, request, totals, whole_run
from watchkeeper.errors import Refused
from watchkeeper.stress import staging
from watchkeeper.stress.conduct import conduct
from watchkeeper.stress.desk import Request
from watchkeeper.stress.histogram import Histogram, unpacked
from watchkeeper.stress.record import Record, runs
from watchkeeper.stress.report.building import build
from watchkeeper.stress.report.reading import read as digest_of
from watchkeeper.stress.run import Run


def constant(rate: float, lasts: str, more: str = "") -> str:
    """One phase at one rate."""
    return f'{more}\n[[phase]]\nkind = "constant"\nrate = {rate}\nlasts = "{lasts}"\n'


def latencies(record: Record, name: str = "latency", stage: int | None = None) -> Histogram:
    """All of a run's (or a stage's), added up."""
    found = Histogram()
    for window in record.windows():
        if stage is None or window.stage == stage:
            found.merge(unpacked(getattr(window, name)))
    return found


@pytest.mark.slow
async def test_a_fixed_service_time_is_found_and_everything_adds_up(tmp_path: Path) -> None:
    """The median is the server's own; each start has one end; windows, totals and verdict agree."""
    witness = Witness()
    with known_server("fixed", service=0.02) as url:
        text = constant(150, "2s", 'objectives = ["p50 < 1s", "errors < 1%", "rate > 100/s"]\nconnections = 30')
        record = await whole_run(text, url, tmp_path, witness)
    run = record.run
    assert (run.state, run.verdict, run.why) == ("done", "pass", "")
    assert [held.held for held in run.objectives] == [True, True, True]
    ((begun, ended),) = record.stages()
    assert ended is not None
    assert begun.stage.level == 150
    seen = totals(record, 0, "get")
    assert (seen.scheduled, seen.started, seen.done) == (300, 300, 300)
    assert (ended.scheduled, ended.started, ended.done, ended.errors) == (300, 300, 300, {})
    assert ended.drained
    whole = latencies(record)
    assert whole.total == 300
    assert 0.020 <= whole.quantile(0.5) / 1e9 < 0.1
    assert ended.quantiles["p50"] == pytest.approx(whole.quantile(0.5) / 1e9)
    assert latencies(record, "service").quantile(0.5) <= whole.quantile(0.5)
    assert sum(unpacked(row.lag).total + unpacked(row.lag_starved).total for row in record.health()) == 300
    assert witness.runs[-1] == run
    assert sum(moment.scheduled for _, moment in witness.moments) == 300
    assert run.environment["python"]
    assert run.consent == "server known has stress = true"
    assert record.plan.startswith('name = "test"')
    assert any("shared this machine" in note for note in run.notes)


@pytest.mark.slow
async def test_a_stall_is_seen_from_the_intended_start_where_service_times_hide_it(tmp_path: Path) -> None:
    """A quarter of the time the server stalls: so many wait for it, which the time from the actual start does not show.

    Beside it goes the same load on a server that never stalls: who is slow there waits for this machine.
    """
    text = constant(200, "6s", "connections = 4")
    with known_server("stall", every=1.0, stall=0.25) as url, known_server("fixed", service=0.0) as calm:
        record, beside = await asyncio.gather(whole_run(text, url, tmp_path / "a"), whole_run(text, calm, tmp_path / "b"))
    due, service, unstalled = latencies(record), latencies(record, "service"), latencies(beside)
    assert due.total == service.total == unstalled.total == 1200
    slow = unstalled.at_most(50e6) / 1200 - due.at_most(50e6) / 1200
    assert slow == pytest.approx(0.20, abs=0.08)  # of each second its last quarter, but for the last 50 ms
    assert 1 - service.at_most(50e6) / service.total < 0.05  # four connections, six times: the tool that waits for its answers
    assert due.quantile(0.90) > 0.1e9


async def test_every_failure_is_told_and_missed_objectives_fail_the_run(tmp_path: Path) -> None:
    """One in fifty is answered with 500: exactly so many errors, a verdict, and one event for the code."""
    with known_server("errors", nth=50) as url:
        record = await whole_run(constant(500, "1s", 'objectives = ["errors < 1%", "p99 < 5s"]'), url, tmp_path)
    assert totals(record, 0, "get").errors == {"status-500": 10}
    assert record.run.verdict == "fail"
    assert record.run.reasons[0].startswith("errors < 1%: missed (0.02)")
    errors = [one for one in record.events() if one.kind == "error"]
    assert [(one.facts["code"], one.facts["operation"]) for one in errors] == [("status-500", "get")]


@pytest.mark.slow
async def test_an_objective_that_names_a_phase_is_judged_there_whatever_its_kind(tmp_path: Path) -> None:
    """An overload, and the level that a search ended with, count where an objective names them; the levels above it do not."""
    text = """
objectives = ["p50 in over < 1ms", "p50 in search < 1s", "errors < 1%"]
connections = 30
[[phase]]
kind = "steps"
name = "search"
begin = 20
end = 40
lasts = "1s"
levels = 1
[[phase]]
kind = "overload"
name = "over"
rate = 50
lasts = "1s"
[[phase]]
kind = "constant"
rate = 20
lasts = "1s"
"""
    with known_server("fixed", service=0.03) as url:
        record = await whole_run(text, url, tmp_path)
    over, search, errors = record.run.objectives
    assert (over.held, over.why) == (False, "in over")
    assert (search.held, search.why) == (True, "in search 40/s")
    assert errors.held
    assert record.run.verdict == "fail"


async def grudging(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, taken: list[int]) -> None:
    """A WebSocket server that takes two connections, and is full."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if len(taken) == 2:
            writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        else:
            taken.append(1)
            key = next(line.partition(": ")[2] for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key"))
            accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
            writer.write(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
            )
            await reader.read()
    writer.close()


async def test_connections_that_cannot_be_made_break_a_phase_that_is_about_them(tmp_path: Path) -> None:
    """Two of ten were let in: the run fails, and the report counts the others among the failures."""
    taken: list[int] = []
    server = await asyncio.start_server(lambda reader, writer: grudging(reader, writer, taken), "127.0.0.1", 0)
    async with server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        record = await whole_run('connections = 10\n[[phase]]\nkind = "hold"\nlasts = "1s"\n', url, tmp_path)
    ((_, ended),) = record.stages()
    assert ended is not None
    assert sum(ended.missing.values()) == 8
    assert ended.decision.startswith("broken: 8 of 10 connections could not be made")
    assert record.run.verdict == "fail"
    assert record.run.reasons[0].startswith("hold: 8 of 10 connections could not be made")
    assert sum(fault.count for fault in build(digest_of(record)).faults) == 8


async def test_a_target_that_is_not_there_is_data(tmp_path: Path) -> None:
    """Every start is refused; the smoke phase ends the run, with a verdict and a whole record."""
    text = '[[phase]]\nkind = "smoke"\nlasts = "1s"\n' + constant(50, "1s")
    record = await whole_run('objectives = ["errors < 1%"]\n' + text, f"http://127.0.0.1:{free_port()}/", tmp_path)
    assert record.run.verdict == "fail"
    assert record.run.why.startswith("the smoke phase: broken: errors < 1%")
    assert len(record.stages()) == 1
    seen = totals(record, 0)
    assert seen.errors == {"refused": seen.started} == {"refused": 10}


@pytest.mark.slow
async def test_the_knee_of_a_fixed_cap_is_found(tmp_path: Path) -> None:
    """A server that serves 200 a second: the search ends within a tenth of that."""
    text = """
objectives = ["p99 < 300ms", "errors < 1%"]
connections = 200
timeout = "3s"
[[phase]]
kind = "steps"
begin = 150
lasts = "1s"
precision = 0.2
levels = 1
"""
    with known_server("cap", rate=200) as url:
        record = await whole_run(text, url, tmp_path)
    (knee,) = record.run.knees
    assert knee.sustained == pytest.approx(200, rel=0.1)
    assert knee.broken > knee.sustained
    assert "decision" in {one.kind for one in record.events()}


@pytest.mark.slow
async def test_a_sequence_is_waited_for_as_long_as_it_thinks(tmp_path: Path) -> None:
    """What it came to counts, however late: of each sequence the last step fails, long after the stage."""
    text = """
objectives = ["errors < 1%"]
connections = 20
timeout = "100ms"
[protocol]
kind = "http"
[[protocol.operation]]
name = "buy"
steps = [{ name = "cart", path = "/", think = "8s" }, { name = "pay", path = "/", expect = [201] }]
[[phase]]
kind = "constant"
rate = 10
lasts = "1s"
"""
    with known_server("fixed", service=0.0) as url:
        record = await whole_run(text, url, tmp_path)
    ((_, ended),) = record.stages()
    assert ended is not None
    assert (ended.drained, ended.errors) == (True, {"status-200": 10})
    assert record.run.verdict == "fail"


async def test_what_has_not_ended_when_it_is_no_more_waited_for_counts_as_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows better: the objective on errors is missed, the report has them, and the record says it."""
    monkeypatch.setattr(staging, "drain_seconds", lambda _: 0.1)
    with known_server("fixed", service=4.0) as url:
        record = await whole_run(constant(10, "1s", 'objectives = ["errors < 1%"]\nconnections = 20'), url, tmp_path)
    ((_, ended),) = record.stages()
    assert ended is not None
    assert (ended.drained, ended.errors) == (False, {"unended": 10})
    assert record.run.verdict == "fail"
    assert any(note.startswith("constant: 10 operations had not ended") for note in record.run.notes)
    assert [(fault.code, fault.count) for fault in build(digest_of(record)).faults] == [("unended", 10)]


@pytest.mark.slow
async def test_a_server_that_takes_its_time_keeps_up(tmp_path: Path) -> None:
    """Each answer takes a second, at any rate: what is under way when a stage ends is no queue."""
    text = """
objectives = ["p99 < 5s"]
connections = 200
timeout = "8s"
[[phase]]
kind = "smoke"
rate = 10
lasts = "3s"
[[phase]]
kind = "steps"
begin = 30
end = 60
factor = 2
lasts = "5s"
levels = 1
tries = 1
"""
    with known_server("fixed", service=1.0) as url:
        record = await whole_run(text, url, tmp_path)
    assert record.run.verdict == "pass"
    assert [ended.decision for _, ended in record.stages() if ended] == ["held"] * 3
    (knee,) = record.run.knees
    assert (knee.sustained, knee.broken) == (60, 0)
    report = build(digest_of(record))
    assert report.capacity is not None
    assert (report.capacity.ceiling, report.capacity.breaking) == (None, None)
    assert all(stage.good == stage.achieved for stage in report.stages)  # what is done later is in neither


@pytest.mark.slow
async def test_a_server_that_never_comes_back_is_metastable(tmp_path: Path) -> None:
    """It freezes under overload; the load goes, and the failure that goes on by itself is named."""
    text = """
connections = 200
timeout = "300ms"
[[phase]]
kind = "constant"
rate = 50
lasts = "1s"
[[phase]]
kind = "overload"
rate = 600
lasts = "1s"
[[phase]]
kind = "recovery"
rate = 50
within = "2s"
"""
    with known_server("freeze", rate=100, room=50) as url:
        record = await whole_run('objectives = ["recovery < 2s"]\n' + text, url, tmp_path)
    (found,) = record.run.recoveries
    assert (found.seconds, found.metastable, found.after) == (None, True, "overload")
    assert record.run.verdict == "fail"
    stages = record.stages()
    assert stages[2][0].at == pytest.approx(stages[1][0].at + 1.0, abs=0.5)  # at once, not after a drain


async def test_an_overload_that_was_held_down_is_told_and_says_nothing(tmp_path: Path) -> None:
    """Three times the knee was wanted and the plan's own ceiling is half as much again: how it takes an overload is unknown."""
    text = """
knee = 40
connections = 20
[[phase]]
kind = "overload"
lasts = "1s"
of_knee = 3
"""
    with known_server("fixed", service=0.001) as url:
        record = await whole_run(text, url, tmp_path, rest=QUICK.replace("[safety]", "[safety]\nmax_rate = 60"))
    told = "overload: 120/s were wanted, held down to 60/s, the most that safety and generator allow"
    assert told in record.run.notes
    (stage,) = build(digest_of(record)).stages
    assert stage.behaviour is not None
    assert stage.behaviour.word == "unknown"
    assert "the 120/s that were wanted were held down" in stage.behaviour.text


async def test_an_operator_ends_it_and_the_record_is_whole(tmp_path: Path) -> None:
    """At any moment, within moments: everything started has an end, and there is no verdict."""
    abort = asyncio.Event()
    with known_server("fixed", service=0.3) as url:
        plan = plan_of(constant(100, "60s", "connections = 100"), url)
        witness = Witness()
        running = asyncio.create_task(conduct(request(plan, tmp_path), witness, abort))
        async with asyncio.timeout(30):
            while len(witness.moments) < 2:
                await asyncio.sleep(0.05)
        abort.set()
        run = await asyncio.wait_for(running, 10)
    record = Record(tmp_path / run.id)
    assert (run.state, run.verdict, run.why) == ("aborted", "", "an operator has ended it")
    seen = totals(record, 0, "get")
    assert seen.started == seen.done + sum(seen.errors.values()) > 0
    assert seen.errors["aborted"] > 0
    assert record.is_whole
    (stage,) = build(digest_of(record)).stages
    assert stage.seconds < 20
    assert stage.offered == pytest.approx(100, rel=0.4)  # a second is counted whole where only a part of it was seen


def worker_pids() -> list[int]:
    """Workers that this process has started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
            parent = int((path.parent / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        if b"watchkeeper.stress.worker" in words and parent == os.getpid():
            found.append(int(path.parent.name))
    return found


def children_of(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(word) for path in Path(f"/proc/{pid}/task").glob("*/children") for word in path.read_text().split()]


async def test_a_worker_that_is_killed_ends_the_run_with_what_was_seen(tmp_path: Path) -> None:
    """State broken, no verdict, all seconds until then, and the other worker is gone too."""
    with known_server("fixed", service=0.01) as url:
        plan = plan_of(constant(100, "60s"), url)
        plan = msgspec.structs.replace(plan, generator=msgspec.structs.replace(plan.generator, workers=2))
        running = asyncio.create_task(conduct(request(plan, tmp_path), Witness(), asyncio.Event()))
        async with asyncio.timeout(20):
            while not runs(tmp_path) or not totals(Record(tmp_path / runs(tmp_path)[0].id)).done:
                await asyncio.sleep(0.1)
        pids = worker_pids()
        assert len(pids) == 2
        os.kill(pids[0], signal.SIGKILL)
        run = await asyncio.wait_for(running, 15)
    assert (run.state, run.verdict) == ("broken", "")
    assert "killed by signal 9" in run.why
    assert not any(is_alive(pid) for pid in pids)
    assert totals(Record(tmp_path / run.id)).done > 0


async def test_a_coordinator_that_is_killed_leaves_a_record_and_no_orphan(tmp_path: Path) -> None:
    """Kill -9: the workers end by themselves, and what was flushed can be read."""
    with known_server("fixed", service=0.01) as url:
        code = f"""
import asyncio, sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
from rigs.stress import Witness, plan_of, request
from watchkeeper.stress import staging
from watchkeeper.stress.conduct import conduct
plan = plan_of({constant(100, "60s")!r}, {url!r})
asyncio.run(conduct(request(plan, Path({str(tmp_path)!r})), Witness(), asyncio.Event()))
"""
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
        async with asyncio.timeout(20):
            while not runs(tmp_path) or not totals(Record(tmp_path / runs(tmp_path)[0].id)).done:
                await asyncio.sleep(0.1)
        children = children_of(process.pid)
        assert children
        process.kill()
        await process.wait()
        await asyncio.to_thread(until, lambda: not any(map(is_alive, children)), "the workers to end")
    record = Record(tmp_path / runs(tmp_path)[0].id)
    assert record.has_died
    assert record.run.state == "running"
    assert totals(record).done > 0
    (stage,) = build(digest_of(record)).stages
    assert stage.offered == pytest.approx(100, rel=0.5)  # what was seen, over the seconds in which it was


async def test_a_full_disk_breaks_a_run_that_is_told_to_its_end(tmp_path: Path) -> None:
    """No file may grow any more: state broken with the reason, on disk too, and whoever watches hears that it is over."""
    with known_server("fixed", service=0.01) as url:
        code = f"""
import asyncio, resource, sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
from rigs.stress import Witness, plan_of, request
from watchkeeper.stress.conduct import conduct
class Filling(Witness):
    def saw(self, moment, stage, connections):
        written = next(Path({str(tmp_path)!r}).glob("*-test-*/run.json")).stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (written + 2000, resource.RLIM_INFINITY))
watcher = Filling()
plan = plan_of({constant(100, "60s")!r}, {url!r})
asyncio.run(conduct(request(plan, Path({str(tmp_path)!r})), watcher, asyncio.Event()))
print([run.state for run in watcher.runs])
"""
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
        said, _ = await asyncio.wait_for(process.communicate(), 60)
    assert said.decode() == "['running', 'broken']\n"
    (run,) = runs(tmp_path)
    assert (run.state, run.verdict) == ("broken", "")
    assert run.why.startswith("the record could not be written")
    assert "spare" not in {path.name for path in (tmp_path / run.id).iterdir()}


async def test_workers_that_are_refused_break_a_run_that_has_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its record says so, and whoever watches hears that it is over."""

    async def refuse(*_: object) -> None:
        raise Refused("gen-a does not make load", code="no-load")

    monkeypatch.setattr("watchkeeper.stress.conduct._gather_crew", refuse)
    witness = Witness()
    with known_server("fixed", service=0.01) as url:
        run = await conduct(request(plan_of(constant(100, "1s"), url), tmp_path), witness, asyncio.Event())
    assert (run.state, run.why) == ("broken", "gen-a does not make load")
    assert Record(tmp_path / run.id).run == run == witness.runs[-1]


async def test_one_run_at_a_time(tmp_path: Path) -> None:
    """Two would disturb each other."""
    with known_server("fixed", service=0.01) as url:
        plan = plan_of(constant(20, "1s"), url)
        running = asyncio.create_task(conduct(request(plan, tmp_path), Witness(), asyncio.Event()))
        await asyncio.sleep(0.2)
        with pytest.raises(Refused, match="in use by the process"):
            await conduct(request(plan, tmp_path), Witness(), asyncio.Event())
        assert (await running).state == "done"


async def test_what_is_refused_records_nothing(tmp_path: Path) -> None:
    """No consent, no room, over a ceiling: before the first hit."""
    url = f"http://127.0.0.1:{free_port()}/"
    plan = plan_of(constant(20, "1s"), url)
    for one, said in (
        (Request(plan, "", tmp_path), "nobody has agreed"),
        (Request(plan, "", tmp_path, supervised=unwilling(url)), "has not agreed"),
        (request(plan_of(constant(30_000, "1s"), url), tmp_path), "20000/s would fit"),
        (request(plan_of(constant(1, "1s", "connections = 60000"), url), tmp_path), "safety.max_connections"),
    ):
        with pytest.raises(Refused, match=said):
            await conduct(one, Witness(), asyncio.Event())
    assert runs(tmp_path) == []


def unwilling(url: str) -> object:
    """A server that has not agreed."""
    return agreed(url)._replace(stress=False)


class Meter:
    """Somebody who can say how the target is."""

    source = "meter"

    def __init__(self) -> None:
        self.asked = 0.0

    async def figures(self) -> dict[str, float]:
        """A figure that changes, and one that does not."""
        self.asked += 1
        return {"process_open_fds": self.asked, "process_max_fds": 7.0}


@pytest.mark.slow
async def test_the_targets_side_is_recorded_beside(tmp_path: Path) -> None:
    """Once a second, on the run's own clock."""
    with known_server("fixed", service=0.01) as url:
        plan = plan_of(constant(20, "2s"), url)
        run: Run = await conduct(request(plan, tmp_path)._replace(sides=(Meter(),)), Witness(), asyncio.Event())
    rows = [row for row in Record(tmp_path / run.id).figures() if row.source == "meter"]
    assert len(rows) >= 2
    assert [len(row.values) for row in rows] == [2, *[1] * (len(rows) - 1)]  # what has not changed is told once
    assert all(later.at > earlier.at for earlier, later in pairwise(rows))
    assert all(0 <= row.at < 10 for row in rows)


@pytest.mark.slow
async def test_a_guard_ends_a_run_whose_operations_all_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the plan asks for it, outside of overloads."""
    monkeypatch.setattr(staging, "GUARDED", 3)
    text = constant(50, "60s", "")
    plan = plan_of(text, f"http://127.0.0.1:{free_port()}/")
    plan = msgspec.structs.replace(plan, safety=msgspec.structs.replace(plan.safety, errors=0.5))
    run = await conduct(request(plan, tmp_path), Witness(), asyncio.Event())
    assert run.state == "aborted"
    assert "100% of operations failed for 3 s" in run.why
