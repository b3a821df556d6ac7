"""A hub hands on to a real VictoriaMetrics and a real Prometheus: all three are killed in turn, every sample arrives."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rigs import victoria
from rigs.programs import Programs, free_port, until
from rigs.prometheus import PROGRAM, Prometheus
from watchkeeper.clock import SystemClock
from watchkeeper.model import Matcher
from watchkeeper.query.tracks import merged
from watchkeeper.store import StoreSettings, open_store

CONFIG = """
[agent]
period = "200ms"
[machine]
name = "test-machine"
[[remote_write]]
name = "victoria"
url = "http://127.0.0.1:{victoria}/api/v1/write"
[[remote_write]]
name = "prometheus"
url = "http://127.0.0.1:{prometheus}/api/v1/write"
"""
NAMES = "node_load1|node_cpu_seconds_total|watchkeeper_machine_up|watchkeeper_store_commits_total"
FORGETS = 10_000
"""What VictoriaMetrics 1.79 loses of what it has acknowledged when it is killed (ms)."""
LEAST_SECONDS = 10.0
"""So long it goes on at least: chance may be through with its kills in three seconds, of which there is little to miss."""
Samples = dict[frozenset[tuple[str, str]], dict[int, float]]


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    """Hub and agent, and where they hand on to."""
    if PROGRAM is None or victoria.PROGRAM is None:
        pytest.skip("prometheus and victoria-metrics are not installed (on Debian: apt install prometheus victoria-metrics)")
    ports = {"victoria": free_port(), "prometheus": free_port()}
    text = CONFIG
    for name, port in ports.items():
        text = text.replace(f"{{{name}}}", str(port))
    one = Programs(tmp_path, text)
    one.ports = ports  # type: ignore[attr-defined]  # the test's own, kept on the rig
    yield one
    one.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kills", "longest"),
    [
        pytest.param(6, 0.6, id="6 kills"),
        pytest.param(24, 2.0, id="24 kills", marks=[pytest.mark.long, pytest.mark.timeout(400)]),
    ],
)
def test_every_sample_arrives(programs: Programs, tmp_path: Path, kills: int, longest: float) -> None:
    """At least once, whoever was away meanwhile; `longest` seconds between two kills, and away."""
    chance = random.Random(kills)
    began = round(time.time() * 1000)
    ports: dict[str, int] = programs.ports  # type: ignore[attr-defined]  # the test's own, kept on the rig
    forgotten: list[int] = []
    with ExitStack() as stack:
        other = stack.enter_context(victoria.Victoria(tmp_path / "victoria", ports["victoria"]))
        prometheus = stack.enter_context(Prometheus(tmp_path / "prometheus", port=ports["prometheus"]))
        hub = programs.hub()
        programs.agent()
        until(lambda: sent(programs, "victoria") and sent(programs, "prometheus"), "the first samples to arrive")
        for turn in range(kills):
            time.sleep(chance.uniform(0.1, longest))
            match turn % 3:
                case 0:
                    hub.kill()
                    hub.wait()
                    hub = programs.hub()
                case 1:
                    other.kill()
                    forgotten.append(round(time.time() * 1000))
                    time.sleep(chance.uniform(0.1, longest))
                    other.start()
                    other.wait_ready()
                case _:
                    prometheus.kill()
                    time.sleep(chance.uniform(0.1, longest))
                    prometheus = stack.enter_context(Prometheus(tmp_path / "prometheus", port=ports["prometheus"]))
        time.sleep(max(0.0, began / 1000 + LEAST_SECONDS - time.time()))
        end = round(time.time() * 1000)
        # Samples go out in the order in which they became durable: who has one of later has all of before.
        until(lambda: newest(prometheus.samples("node_load1", end - 1, end + 90_000)) > end, "all to be at Prometheus", 80)
        until(lambda: newest(other.samples("node_load1")) > end, "all to be at VictoriaMetrics", 80)
        ours = kept(programs, began, end)
        theirs = prometheus.samples(f'{{__name__=~"{NAMES}"}}', began, end)
        others = other.samples(f'{{__name__=~"{NAMES}"}}')
    rounds = {text.partition("{")[0]: len(samples) for text, samples in texts(ours).items()}
    assert sum(map(len, ours.values())) > 500
    # Something to miss: the hub's own figures, and the machine's, told more often than somebody was killed.
    assert {"node_cpu_seconds_total", "watchkeeper_store_commits_total"} <= set(rounds)
    assert rounds["node_load1"] > kills
    assert missing(ours, theirs) == []
    told = {text: set(samples) for text, samples in others.items()}
    lost = {at for name, samples in texts(ours).items() for at in set(samples) - told.get(name, set())}
    # What VictoriaMetrics has said to have is in its memory for some seconds, and lost when it is killed: nothing else is.
    assert [at for at in lost if not any(kill - FORGETS <= at <= kill + 300 for kill in forgotten)] == []


def sent(programs: Programs, target: str) -> float:
    """Samples that a target has taken since the hub's start."""
    return figure(programs, "watchkeeper_remote_write_samples_total", target)


def newest(samples: Mapping[Any, Mapping[int, object]]) -> int:
    """The instant of the newest one."""
    return max((at for some in samples.values() for at in some), default=0)


def figure(programs: Programs, name: str, target: str, otherwise: float = 0.0) -> float:
    """One of the hub's own figures."""
    answer = programs.ask("/metrics")
    lines = answer.text.splitlines() if answer else []
    return next((float(line.split()[1]) for line in lines if line.startswith(f'{name}{{target="{target}"}} ')), otherwise)


def kept(programs: Programs, start: int, end: int) -> Samples:
    """What the hub's store has, read beside it from a copy of its files."""
    programs.close()
    store = open_store(programs.data / "store", StoreSettings(), SystemClock())
    found: Samples = {}
    for block in merged(store.select([Matcher("__name__", "=~", NAMES)], start, end)):
        for column, one in enumerate(block.series):
            values = block.values[:, column]
            there = ~np.isnan(values)
            labels = frozenset({("__name__", one.name), *one.labels})
            found[labels] = dict(zip(block.times[there].tolist(), values[there].tolist(), strict=True))
    store.close()
    return found


def missing(ours: Samples, theirs: Samples) -> list[object]:
    """What did not arrive, or arrived as something else."""
    return [
        (sorted(labels), sorted(set(samples) - set(theirs.get(labels, {})))[:5], len(samples))
        for labels, samples in ours.items()
        if any(theirs.get(labels, {}).get(at) != value for at, value in samples.items())
    ]


def texts(samples: Samples) -> dict[str, dict[int, float]]:
    """The same by series as text."""
    found = {}
    for labels, some in samples.items():
        pairs = dict(labels)
        inside = ",".join(f'{name}="{pairs[name]}"' for name in sorted(pairs) if name != "__name__")
        found[f"{pairs['__name__']}{{{inside}}}" if inside else pairs["__name__"]] = some
    return found
