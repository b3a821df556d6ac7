"""The server's side of a real run, put together: with no hub, with one, and with one that has gone; files that others read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from rigs.stress import Witness, agreed, known_server, plan_of, request, whole_run
from watchkeeper.errors import Failed, Refused
from watchkeeper.model import Event, EventKind
from watchkeeper.stress.conduct import conduct
from watchkeeper.stress.record import Record, Recording
from watchkeeper.stress.run import Figures, Health, Run
from watchkeeper.stress.serverside import joined
from watchkeeper.stress.serverside.figures import Sampled
from watchkeeper.stress.serverside.joining import join
from watchkeeper.stress.serverside.told import Offset
from watchkeeper.telling import Alert, AlertState

SHORT = '[[phase]]\nkind = "constant"\nrate = 100\nlasts = "3s"\n'


class Told:
    """A hub that knows of one restart, one alert and one series; its clock is 5 s ahead."""

    def __init__(self, started_at: int, loaded: float = 0.0) -> None:
        self.zero = started_at + 5000
        self.held = self.zero + round(loaded * 1000) + 1000
        self.asked: list[tuple[str, str]] = []

    async def offset(self) -> Offset:
        """See `told.Teller`."""
        return Offset(5000.0, 2.0)

    async def series(self, machine: str, server: str, start: int, end: int) -> list[Sampled]:
        """See `told.Teller`."""
        self.asked.append((machine, server))
        times = [self.zero + second * 1000 for second in range(4)]
        own = Sampled("shop_baskets", {"server": server}, times, [1.0, 2.0, 3.0, 4.0])
        again = Sampled("process_open_fds", {"server": server}, times, [9.0] * 4)
        return [own, again] if server else []

    async def events(self, machine: str, start: int, end: int) -> Sequence[Event]:
        """See `told.Teller`: its beginning, before the run, and another one in it."""
        begun = Event("0", self.zero - 3000, EventKind.SERVER_STARTED, "for the first time", machine, "known")
        return [begun, Event("1", self.zero + 1500, EventKind.SERVER_STARTED, "again", machine, "known")]

    async def alerts(self, machine: str, start: int, end: int) -> Sequence[Alert]:
        """See `told.Teller`."""
        labels = {"alertname": "Slow", "severity": "warning", "machine": machine}
        times = {"active_at": self.held, "fired_at": self.held + 1000}
        return [Alert("a", "Slow", labels, {}, AlertState.FIRING, "warning", 1.0, **times)]


@pytest.mark.slow
async def test_a_run_tells_its_servers_side_from_here_alone(tmp_path: Path) -> None:
    """Lines of the process and the machine on the run's clock, costs or why not, and all of it in the agreed form."""
    with known_server("fixed", service=0.001) as url:
        record = await whole_run(SHORT, url, tmp_path)
    lines = joined.lines(record.folder)
    names = {one.name for one in lines}
    assert {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_sockets", "node_load1"} <= names
    for one in lines:
        assert len(one.at) == len(one.values)
        assert record.run.started_at - 2000 <= one.at[0] <= one.at[-1] <= record.run.ended_at + 2000
    plain = json.loads((record.folder / "server.json").read_text())
    assert set(plain[0]) == {"name", "labels", "unit", "at", "values"}
    assert json.loads((record.folder / "marks.json").read_text()) == []
    side = joined.found(record.folder)
    assert side is not None
    assert side.restarts == 0
    assert side.bytes_per_connection.value is None
    assert any("processes" in one for one in side.sources)


@pytest.mark.slow
async def test_a_hub_adds_what_it_knows_and_its_clock_is_brought_to_the_runs(tmp_path: Path) -> None:
    """Its own series, moved by its offset; not those that were read here more often; the restart and the alert with lags."""
    with known_server("fixed", service=0.001) as url:
        record = await whole_run(SHORT, url, tmp_path)
    run = msgspec.structs.replace(record.run, machine="box", server="known")
    (record.folder / "run.json").write_bytes(msgspec.json.encode(run))
    teller = Told(run.started_at, record.stages()[0][0].at)
    side = await join(Record(record.folder), teller)
    assert teller.asked == [("box", "known"), ("box", "")]
    lines = {one.name: one for one in joined.lines(record.folder) if "server" in one.labels}
    assert set(lines) == {"shop_baskets"}
    assert lines["shop_baskets"].at[0] == run.started_at
    assert [(one.at - run.started_at, one.kind) for one in joined.marks(record.folder)] == [(1500, "restart")]
    assert side.restarts == 1
    (alert,) = side.alerts
    assert (alert.name, alert.lag, alert.stage.split()[0]) == ("Slow", 1.0, "constant")
    assert alert.after_load == pytest.approx(1.0, abs=0.01)
    assert any("5000.0 ms ahead" in one for one in side.notes)


async def test_memory_of_a_connection_goes_by_each_workers_last_word_of_a_second(tmp_path: Path) -> None:
    """Where a stage begins and ends a worker speaks several times within a second: its connections are there once."""
    run = Run("20260101-1", "capacity", "http", "http://h/", 1_000_000)
    recording = Recording(tmp_path, "x", run)
    for second in range(40):
        many = min(100, 5 * second)
        for worker in (0, 1):
            for _ in range(4 if second in {3, 19} else 1):
                recording.health(Health(second, worker, connections=many))
        recording.figures(Figures(second + 0.999, "here", {"process_resident_memory_bytes": 10e6 + 2 * many * 50_000.0}))
    recording.close()
    cost = (await join(Record(recording.folder), None)).bytes_per_connection
    assert cost.value == pytest.approx(50_000, rel=0.1)


class Gone(Told):
    """A hub that went away during the run."""

    async def offset(self) -> Offset:
        """See `told.Teller`."""
        raise Failed("no hub answers")


@pytest.mark.slow
async def test_a_hub_that_is_gone_costs_its_part_alone(tmp_path: Path) -> None:
    """The lines read here are kept, and the reader is told why there is no more."""
    with known_server("fixed") as url:
        record = await whole_run(SHORT, url, tmp_path)
    side = await join(record, Gone(0))
    assert any("the hub could not be asked" in one for one in side.notes)
    assert joined.lines(record.folder)


class Guard:
    """Says yes until it is told otherwise."""

    def __init__(self, *words: str) -> None:
        self.words = list(words)

    async def look(self, machine: str) -> str:
        """See `desk.Guard`."""
        return self.words.pop(0) if self.words else ""


async def test_a_critical_alert_keeps_a_run_from_beginning_and_ends_one_that_goes_on(tmp_path: Path) -> None:
    """While it fires nothing begins; when it fires in the middle the run is aborted, with a whole record."""
    with known_server("fixed") as url:
        plan = plan_of(SHORT.replace("3s", "60s"), url)
        asked = request(plan, tmp_path)._replace(here="box", supervised=agreed(url)._replace(machine="box"))
        with pytest.raises(Refused, match="DiskFull") as refused:
            await conduct(asked._replace(guard=Guard("DiskFull fires")), Witness(), asyncio.Event())
        assert refused.value.code == "in-need"
        run = await conduct(asked._replace(guard=Guard("", "", "DiskFull fires")), Witness(), asyncio.Event())
        assert (run.state, run.why) == ("aborted", "DiskFull fires")
        assert Record(tmp_path / run.id).is_whole
