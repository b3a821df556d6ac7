"""A server's measured capacity is out of date when its build, configuration or machine has changed since."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from watchkeeper.model import Series
from watchkeeper.stress.hubside import baselines
from watchkeeper.stress.hubside.baselines import CAPACITY, STALE, Baselines
from watchkeeper.stress.record import Recording
from watchkeeper.stress.run import Knee, Run
from watchkeeper.stress.serverside.joined import ServerSide, write

SUBJECT = {"build": "b", "config": "c", "host": "h"}


def kept(folder: Path, run: str, **more: object) -> None:
    """A run on disk."""
    given = {"server": "web", "machine": "box", "state": "done", "verdict": "pass", "knees": (Knee(100.0, achieved=95.0),)}
    recording = Recording(folder, "x", Run(run, "capacity", "http", "http://h/", 1, **(given | more)))  # type: ignore[arg-type]  # any of its fields
    recording.close()
    write(recording.folder, (), (), ServerSide(subject=SUBJECT))


def told(**more: str) -> list[Series]:
    """What the server's agent says it is."""
    labels = {"machine": "box", "server": "web"} | SUBJECT | more
    return [Series("watchkeeper_server_build_info", tuple(sorted(labels.items())))]


def test_a_change_of_any_of_the_three_makes_it_stale(tmp_path: Path) -> None:
    """The same is fresh; another build, configuration or machine is not; without a word nothing is said."""
    kept(tmp_path, "20260101-1")
    baselines = Baselines(tmp_path)

    def stale(series: list[Series]) -> list[float]:
        figures = dict(baselines.figures(series))
        return [value for _, value in figures[STALE]]

    assert stale(told()) == [0.0]
    for name in SUBJECT:
        assert stale(told(**{name: "other"})) == [1.0]
    assert stale([]) == []
    assert dict(baselines.figures(told()))[CAPACITY] == [((("machine", "box"), ("server", "web")), 95.0)]


def test_a_run_that_was_killed_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records are read anew while a run goes on, and no more once its process is gone, whatever its record says."""
    read: list[Path] = []
    whole = baselines.runs
    monkeypatch.setattr(baselines, "runs", lambda folder: (read.append(folder), whole(folder))[1])
    kept(tmp_path, "20260101-1")
    gone = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    kept(tmp_path, "20260102-1", state="running", verdict="", knees=(), pid=gone.pid)
    here = Baselines(tmp_path)
    for _ in range(3):
        assert [one.run for one in here.known()] == ["20260101-1"]
    assert len(read) >= 6
    gone.communicate()
    list(here.known())
    read.clear()
    assert [one.run for one in here.known()] == ["20260101-1"]
    assert read == []


def test_the_newest_run_with_a_knee_counts(tmp_path: Path) -> None:
    """One that was invalid, aborted or found none does not; a later one is seen without a restart."""
    baselines = Baselines(tmp_path)
    assert baselines.figures(told()) == []
    kept(tmp_path, "20260101-1")
    kept(tmp_path, "20260102-1", verdict="invalid")
    kept(tmp_path, "20260103-1", state="aborted")
    kept(tmp_path, "20260104-1", knees=())
    assert [one.run for one in baselines.known()] == ["20260101-1"]
    kept(tmp_path, "20260105-1", knees=(Knee(10.0, achieved=9.0),))
    assert [one.per_second for one in baselines.known()] == [9.0]
    assert msgspec.json.encode(list(baselines.known()))
