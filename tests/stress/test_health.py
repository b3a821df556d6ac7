"""The generator knows how it is doing, and a stage whose generator was not good enough is told from one that was."""

from __future__ import annotations

import gc
import math
import os
import time

import pytest

from watchkeeper.quantities import Duration
from watchkeeper.stress.health import LOOK, Gate, Limits, Watch, descriptors_allowed, judge
from watchkeeper.stress.histogram import Histogram
from watchkeeper.stress.run import Health


def lag(ms: float, many: int = 1000) -> Histogram:
    """Starts that were so late."""
    found = Histogram()
    found.take([int(ms * 1e6)] * many)
    return found


def gate(ms: float = 0.1, *, starved: float = 0.0, cpu: float = 0.3, seconds: int = 10, starved_ms: float = 50) -> Gate:
    """Some seconds of a worker."""
    found = Gate()
    for second in range(seconds):
        found.see(Health(second, 0, cpu=cpu, starved=starved), lag(ms), lag(starved_ms, 10), 1.0)
    return found


@pytest.mark.parametrize(
    ("seen", "median", "reason"),
    [
        (gate(), 0.001, ""),
        (gate(0.9), 0.001, ""),
        (gate(1.2), 0.001, "starts were 1.2 ms late (p99), more than 1.0 ms"),
        (gate(3), 0.050, ""),
        (gate(6), 1.0, "starts were 6.0 ms late (p99), more than 5.0 ms"),
        (gate(4), math.nan, ""),
        (gate(starved=0.4), 0.001, ""),
        (gate(starved=0.6), 0.001, "waited for a processor in 60% of the time"),
        (gate(cpu=0.99), 0.001, "no processor time to spare in 100% of seconds"),
        (Gate(), 0.001, ""),
    ],
)
def test_the_gate(seen: Gate, median: float, reason: str) -> None:
    """Lateness beyond a tenth of the target's median (1 to 5 ms), starving, or no processor left: the stage does not count."""
    found = judge(seen, median, Limits())
    assert found.ok == (not reason)
    assert reason in " ".join(found.reasons)


def test_limits_of_its_own_and_failures_of_this_machine() -> None:
    """A plan may ask for less, or for more; a connection that this machine could not make is the generator's fault."""
    assert judge(gate(3), 1.0, Limits(lag=Duration(0.002))).ok is False
    assert judge(gate(3), 0.001, Limits(of_median=0.0)).ok is True
    assert judge(gate(3), 0.010, Limits(of_median=0.5)).ok is True
    seen = gate()
    seen.ours = 3
    assert judge(seen, 0.001, Limits()).reasons == ("3 operations failed by limits of this machine",)


def test_lateness_in_starved_moments_alone_counts_only_where_there_is_no_other() -> None:
    """Then there is nothing better to go by."""
    seen = Gate()
    seen.see(Health(0, 0, starved=0.2), Histogram(), lag(50), 1.0)
    assert not judge(seen, 1.0, Limits()).ok


def test_a_worker_sees_its_own_time() -> None:
    """Processor time, collections, memory and files of a second."""
    watch = Watch(3)
    try:
        began = time.process_time()
        while time.process_time() - began < 0.05:
            watch.look()
        gc.collect()
        told = watch.told(7)
    finally:
        watch.close()
    assert (told.second, told.worker) == (7, 3)
    assert told.cpu >= 0.05
    assert 0 < told.gc_worst <= told.gc
    assert told.rss > 1 << 20
    assert told.descriptors > 2
    assert watch._collected not in gc.callbacks


def test_waiting_for_a_processor_is_noticed_and_what_follows_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look within which we waited for more than a tenth of the time is starved, and so is the next."""
    watch = Watch(0)
    try:
        now, waited = watch._looked, watch._at_last_look
        seen = []
        for wait in (0.0, 0.002, 0.0, 0.0):
            now += LOOK
            waited += wait
            monkeypatch.setattr(time, "monotonic", lambda at=now: at)
            monkeypatch.setattr(watch, "_ran_and_waited", lambda at=waited: at)
            seen.append(watch.look())
        told = watch.told(0)
    finally:
        watch.close()
    assert seen == [False, True, True, False]
    assert told.starved == pytest.approx(2 * LOOK)
    assert told.worst_wait == pytest.approx(0.002)


def test_as_many_files_as_may_be() -> None:
    """A worker asks for all that it may have."""
    allowed = descriptors_allowed()
    assert allowed >= 256
    assert allowed == descriptors_allowed()
    assert len(os.listdir("/proc/self/fd")) < allowed  # as the system lists them
