"""Rules on node_exporter's names over figures that our own collectors read on this machine."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rigs.alike import named
from watchkeeper.clock import FakeClock
from watchkeeper.collect import CollectSettings, leaves
from watchkeeper.collect.rounds import Rounds
from watchkeeper.model import Dictionary, Frame, dictionary
from watchkeeper.query import Limits, Value, evaluate
from watchkeeper.store import FrameStore, StoreSettings, open_store

BEGIN = 1_760_000_000_000
ROUNDS = 40
END = BEGIN + (ROUNDS - 1) * 15_000
RULES = [
    line
    for line in (Path(__file__).parent / "rules.promql").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
NOT_READ = ("node_systemd_", "node_textfile_")
"""What node_exporter reads of systemd and of files that others write: their rules find nothing, and are no error."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the names asked for are those of Linux")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrameStore]:
    """Ten minutes of this machine, read in a moment."""
    clock = FakeClock(wall=BEGIN / 1000)
    kept = open_store(tmp_path_factory.mktemp("rules"), StoreSettings(), clock)
    layouts: dict[int, Dictionary] = {}

    def emit(layout: Dictionary | None, frame: Frame) -> None:
        if layout is not None:
            layouts[layout.id] = dictionary(tuple(series.labelled({"machine": "here"}) for series in layout.series))
            kept.define("here", frame.stream, layouts[layout.id])
        assert kept.take("here", Frame(frame.stream, layouts[frame.dictionary].id, frame.at, frame.values))

    rounds = Rounds(clock, emit)
    rounds.open(leaves(CollectSettings()), {}, 15.0, Path("/"))
    (one,) = rounds._rounds.values()
    for place in range(ROUNDS):
        emit(*one.take(BEGIN + place * 15_000))
    kept.commit_now()
    yield kept
    rounds.close()
    kept.close()


def ask(store: FrameStore, question: str) -> Value:
    """At the last round."""
    return evaluate(question, store, END, END, 0, Limits())


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_understood_and_answered(store: FrameStore, rule: str) -> None:
    """At an instant and over a range, with whatever this machine has of it."""
    assert ask(store, rule).kind == "vector"
    ranged = evaluate(rule, store, BEGIN, END, 60_000, Limits())
    assert ranged.kind == "matrix"
    assert all(len(times) for _, times, _ in ranged.lines())


def test_rules_ask_for_names_that_our_collectors_have() -> None:
    """But for those of what they do not read; a name that is spelt otherwise would never fire."""
    told = {family.name for leaf in leaves(CollectSettings()).values() for family in leaf.families()}
    asked = {name for rule in RULES for name in re.findall(r"\bnode_[A-Za-z]\w*", rule)}
    assert len(asked & told) > 40
    assert {name for name in asked - told if not name.startswith(NOT_READ)} == set()


def test_rules_say_what_is_the_case(store: FrameStore) -> None:
    """Shares are shares, cores are counted, and what every machine has is found."""
    (free,) = ask(store, "node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes").lines()
    assert 0 < free[2][0] <= 1
    assert named(free[0]) == (("machine", "here"),)
    (cores,) = ask(store, 'count by (machine) (node_cpu_seconds_total{mode="idle"})').lines()
    assert cores[2][0] >= 1
    filesystems = list(ask(store, "node_filesystem_avail_bytes / node_filesystem_size_bytes").lines())
    assert filesystems
    assert all(0 <= values[0] <= 1 for _, _, values in filesystems)
    (booted,) = ask(store, "node_boot_time_seconds > 1e9").lines()
    assert booted[2][0] == next(ask(store, "max_over_time(node_boot_time_seconds[10m])").lines())[2][0]
