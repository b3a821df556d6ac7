"""What workers tell is added up exactly, in whichever order and however late it comes, and nothing grows with time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from watchkeeper.stress import talk
from watchkeeper.stress.gathering import Gathering
from watchkeeper.stress.histogram import Recorder, unpacked
from watchkeeper.stress.record import Record, Recording
from watchkeeper.stress.recovery import Moment
from watchkeeper.stress.run import Health, Run

RUN = Run("run", "test", "http", "http://a/", 0, operations=("a", "b"))


def drained(*milliseconds: float) -> talk.Drained:
    """A histogram as a worker sends it."""
    recorder = Recorder()
    recorder.values.extend(int(one * 1e6) for one in milliseconds)
    return recorder.drain()


def row(second: int, operation: str = "a", stage: int = 0, *, done: int = 1, **more: object) -> talk.Row:
    """What one tally has seen."""
    plain: dict[str, object] = {
        "scheduled": done, "started": done, "done": done, "late": 0, "dropped": 0, "errors": {}, "counts": {},
        "sent": 10, "received": 20, "latency": drained(*[5.0] * done), "service": drained(*[4.0] * done),
        "starved": None, "failed": None, "spans": {}, "samples": [],
    }  # fmt: skip
    return talk.Row(second=second, stage=stage, operation=operation, **{**plain, **more})


def tick(second: int, *rows: talk.Row) -> talk.Tick:
    """A worker's word on a second."""
    return talk.Tick(Health(second, 0, cpu=0.1), drained(0.1), None, list(rows), 1.0, True)


Make = Callable[..., tuple[Gathering, Recording, list[tuple[int, Moment]]]]


@pytest.fixture
def gathering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """Makes one, with its record, and the moments that were seen."""
    opened: list[Recording] = []

    def make(workers: int = 2) -> tuple[Gathering, Recording, list[tuple[int, Moment]]]:
        recording = Recording(tmp_path_factory.mktemp("runs"), "", RUN)
        opened.append(recording)
        moments: list[tuple[int, Moment]] = []
        return (
            Gathering(recording, ("a", "b"), workers, lambda moment, stage: moments.append((stage, moment))),
            recording,
            moments,
        )

    yield make
    for recording in opened:
        recording.close()


def test_workers_are_added_up_in_one_row(gathering: Make) -> None:
    """A second is written once all have told of it."""
    found, recording, moments = gathering()
    found.take(0, tick(0, row(0, done=3, errors={"reset": 1}, spans={"connect": drained(1.0)})), 0.5)
    found.write(0)
    assert list(Record(recording.folder).windows()) == []
    found.take(1, tick(0, row(0, done=4, errors={"reset": 2}, spans={"connect": drained(2.0)})), 0.6)
    found.write(0)
    (window,) = Record(recording.folder).windows()
    assert (window.done, window.errors, window.sent_bytes, window.received_bytes) == (7, {"reset": 3}, 20, 40)
    assert unpacked(window.latency).total == 7
    assert unpacked(window.spans["connect"]).total == 2
    assert [(stage, moment.done, moment.failed) for stage, moment in moments] == [(0, 7, 3)]
    assert len(list(Record(recording.folder).health())) == 2


def test_a_worker_that_is_late_does_not_hold_the_others_up(gathering: Make) -> None:
    """After two seconds its part comes as a further row of the same key."""
    found, recording, moments = gathering()
    found.take(0, tick(0, row(0)), 0.1)
    found.write(1)
    assert not list(Record(recording.folder).windows())
    found.write(2)
    found.take(1, tick(0, row(0)), 2.5)
    found.write(3)
    assert [(one.second, one.done) for one in Record(recording.folder).windows()] == [(0, 1), (0, 1)]
    assert len(found.stage(0).moments) == 1
    assert len(moments) == 1


def test_seconds_of_a_stage_stand_in_their_order_each_once(gathering: Make) -> None:
    """A worker some seconds late tells old ones: they come into their place, and never a second time."""
    found, _, moments = gathering()
    for second in (0, 1, 2, 4):
        found.take(0, tick(second, row(second)), second + 0.1)
        found.write(second + 2)
    found.take(1, tick(1, row(1)), 6.5)
    found.take(1, tick(3, row(3)), 6.6)
    found.write(7)
    assert [moment.second for moment in found.stage(0).moments] == [0, 1, 2, 3, 4]
    assert [moment.second for _, moment in moments] == [0, 1, 2, 4, 3]


def test_a_part_of_a_second_does_not_complete_it(gathering: Make) -> None:
    """A stage ends within a second: the rest of that second belongs to the same moment."""
    found, recording, moments = gathering(1)
    found.take(0, msgspec.structs.replace(tick(0, row(0, done=2)), whole=False), 0.4)
    found.write(0)
    assert list(Record(recording.folder).windows()) == []
    found.take(0, tick(0, row(0, done=3)), 1.0)
    found.write(1)
    assert [moment.done for _, moment in moments] == [5]


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 5), st.sampled_from(["a", "b", ""]), st.integers(0, 1), st.integers(1, 9)),
        max_size=30,
    )
)
def test_nothing_is_lost_or_counted_twice(gathering: Make, words) -> None:
    """Rows, totals and record agree, whatever comes in whichever order."""
    found, recording, _ = gathering()
    expected: dict[tuple[int, str], int] = {}
    for worker, second, operation, stage, done in words:
        found.take(worker, tick(second, row(second, operation, stage, done=done)), 1.0)
        found.write(second)
        expected[stage, operation] = expected.get((stage, operation), 0) + done
    found.write(99, everything=True)
    written: dict[tuple[int, str], int] = {}
    latencies = 0
    for window in Record(recording.folder).windows():
        written[window.stage, window.operation] = written.get((window.stage, window.operation), 0) + window.done
        latencies += unpacked(window.latency).total
    assert written == expected
    assert latencies == sum(expected.values())
    for (stage, operation), done in expected.items():
        assert found.stage(stage).by_operation[operation].done == done
        assert found.stage(stage).by_operation[operation].latency.total == done


def test_what_ends_after_a_stage_is_its_own_but_not_within_it(gathering: Make) -> None:
    """`achieved` counts what was done in time."""
    found, _, _ = gathering()
    found.take(0, tick(0, row(0, done=5)), 0.1)
    found.stage(0).over.add(0)
    found.take(0, tick(1, row(1, done=2)), 1.1)
    totals = found.stage(0).whole
    assert (totals.done, totals.done_within) == (7, 5)


def test_the_first_sample_of_a_code_is_an_event(gathering: Make) -> None:
    """With where it was seen."""
    found, recording, _ = gathering()
    found.take(0, tick(0, row(0, samples=[("reset", "the connection was reset")])), 0.25)
    found.write(9, everything=True)
    (event,) = Record(recording.folder).events()
    assert (event.kind, event.text, event.at) == ("error", "the connection was reset", 0.25)
    assert event.facts == {"code": "reset", "operation": "a", "stage": "0"}


def test_what_was_never_answered_is_in_a_moments_percentiles(gathering: Make) -> None:
    """Half of a second's operations time out: its p95 has no end."""
    found, _, moments = gathering(1)
    found.take(0, tick(0, row(0, done=5, errors={"timeout": 5})), 0.1)
    found.write(0)
    assert moments[0][1].p95 == float("inf")
    assert moments[0][1].p50 == pytest.approx(0.005, rel=0.01)


def test_starved_moments_do_not_decide(gathering: Make) -> None:
    """A second's p95 is of what ended while the generator had its processor, where that is enough to tell."""
    found, _, moments = gathering(1)
    slow = {"latency": drained(*[5.0] * 30, *[400.0] * 20), "starved": drained(*[400.0] * 20)}
    found.take(0, tick(0, row(0, done=50, **slow)), 1.0)
    few = {"latency": drained(*[5.0] * 5, *[400.0] * 45), "starved": drained(*[400.0] * 45)}
    found.take(0, tick(1, row(1, done=50, **few)), 2.0)
    found.write(2)
    assert moments[0][1].p95 == pytest.approx(0.005, rel=0.01)
    assert moments[0][1].p99 == pytest.approx(0.4, rel=0.01)
    assert moments[1][1].p95 == pytest.approx(0.4, rel=0.01)


def test_nothing_grows_with_time(gathering: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage of many hours holds so many of its newest seconds, and what was written is forgotten."""
    monkeypatch.setattr("watchkeeper.stress.gathering.MOMENTS", 100)
    found, _, _ = gathering(1)
    for second in range(150):
        found.take(0, tick(second, row(second)), float(second))
        found.write(second)
    assert len(found.stage(0).moments) == 100
    assert len(found._pending) == 0
    found.forget(0)
    assert found.stages == {}
