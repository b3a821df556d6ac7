"""The record of a run reads back what was written, also where a death has cut it off."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.errors import Refused
from watchkeeper.stress.histogram import Histogram, unpacked
from watchkeeper.stress.record import Begun, Record, Recording, find, runs
from watchkeeper.stress.run import Ended, Figures, Happening, Health, Run, Segment, Stage, Validity, Window

RUN = Run("20260101-120000-smoke-ab12", "smoke", "http", "http://127.0.0.1:80/", 1_760_000_000_000, seed=7, operations=("get",))
STAGE = Stage(0, 0, "smoke", "smoke", 3.0, profile=(Segment(3.0, 10.0, 10.0),), level=10.0, connections=4)


def record(folder: Path, run: Run = RUN) -> Recording:
    """A short run, not closed."""
    recording = Recording(folder, 'name = "smoke"\n', run)
    recording.begin(STAGE, 0.5)
    times = Histogram()
    times.take([1_000_000, 2_000_000])
    recording.window(Window(0, 0, "get", scheduled=2, started=2, done=2, latency=times.packed(), errors={"timeout": 1}))
    recording.health(Health(0, 0, cpu=0.1, starved=0.5))
    recording.happen(Happening(0.6, "error", "nobody answered", {"code": "timeout"}))
    recording.figures(Figures(0.9, "agent", {"process_open_fds": 7.0}))
    recording.end(Ended(0, 0.5, 3.5, scheduled=2, validity=Validity(ok=False, reasons=("why",))))
    return recording


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Plan, run, stages, windows, generator, events and the server's side come back as they were."""
    recording = record(tmp_path)
    recording.update(msgspec.structs.replace(RUN, state="done", verdict="pass"))
    recording.close()
    read = Record(tmp_path / RUN.id)
    assert read.plan == 'name = "smoke"\n'
    assert (read.run.state, read.run.verdict, read.is_whole) == ("done", "pass", True)
    ((begun, ended),) = read.stages()
    assert begun == Begun(0.5, STAGE)
    assert ended is not None
    assert ended.validity.reasons == ("why",)
    (window,) = read.windows()
    assert (window.done, window.errors) == (2, {"timeout": 1})
    assert unpacked(window.latency).total == 2
    assert [one.starved for one in read.health()] == [0.5]
    assert [one.facts for one in read.events()] == [{"code": "timeout"}]
    assert [one.values for one in read.figures()] == [{"process_open_fds": 7.0}]


def test_files_can_be_read_by_anybody(tmp_path: Path) -> None:
    """Each line is JSON by itself, with histograms in the form that HdrHistogram's own tools read."""
    record(tmp_path).close()
    line = msgspec.json.decode((tmp_path / RUN.id / "windows.jsonl").read_bytes().splitlines()[0])
    assert line["latency"].startswith("HISTFAAAA")
    assert "scheduled" in line
    assert "dropped" not in line


@given(st.integers(0, 4000))
def test_a_cut_off_file_is_read_up_to_the_cut(tmp_path_factory: pytest.TempPathFactory, size: int) -> None:
    """Wherever a file ends, the whole lines before it count and nothing is raised."""
    folder = tmp_path_factory.mktemp("run")
    recording = Recording(folder, "", RUN)
    for second in range(20):
        recording.window(Window(second, 0, "get", done=second))
    recording.close()
    path = folder / RUN.id / "windows.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:size])
    assert len(list(Record(folder / RUN.id).windows())) == whole[:size].count(b"\n")


def test_a_killed_writer_leaves_what_it_had_flushed(tmp_path: Path) -> None:
    """Killing -9 costs nothing that was flushed, and the reader sees that the run has died."""
    code = f"""
import os, sys, time
sys.path[:0] = {sys.path!r}
from pathlib import Path
import msgspec
from test_record import RUN, record
recording = record(Path({str(tmp_path)!r}), msgspec.structs.replace(RUN, pid=os.getpid()))
recording.flush()
print("flushed", flush=True)
time.sleep(60)
"""
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    writer = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=env)
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"flushed\n"
    read = Record(tmp_path / RUN.id)
    assert (read.is_whole, read.has_died) == (False, False)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    assert read.has_died
    assert len(list(read.windows())) == 1
    assert read.stages()[0][1] is not None


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """No run, a later form, and damage within a file are told apart."""
    with pytest.raises(Refused, match="no run in"):
        Record(tmp_path)
    record(tmp_path).close()
    folder = tmp_path / RUN.id
    (folder / "windows.jsonl").write_bytes(b'{"second": "x"}\n')
    with pytest.raises(Refused, match=r"windows\.jsonl:1 cannot be read"):
        list(Record(folder).windows())
    (folder / "run.json").write_bytes(msgspec.json.encode(msgspec.structs.replace(RUN, format=99)))
    with pytest.raises(Refused, match="later version"):
        Record(folder)
    (folder / "run.json").write_bytes(b"{")
    with pytest.raises(Refused, match="cannot be read"):
        Record(folder)


def test_runs_are_found_by_their_beginning(tmp_path: Path) -> None:
    """The newest first; an id, an unmistakable beginning or `last`; nothing outside the folder."""
    for name in ("20260101-120000-a", "20260102-120000-b", "20260102-130000-c"):
        record(tmp_path, msgspec.structs.replace(RUN, id=name)).close()
    (tmp_path / "calibration.json").write_text("{}")
    assert [run.id[-1] for run in runs(tmp_path)] == ["c", "b", "a"]
    assert find(tmp_path, "last").run.id.endswith("c")
    assert find(tmp_path, "20260101").run.id.endswith("a")
    with pytest.raises(Refused, match="several runs"):
        find(tmp_path, "20260102")
    for name in ("2027", "../x", ""):
        with pytest.raises(Refused, match=r"no run|not the id"):
            find(tmp_path, name)
    assert runs(tmp_path / "nowhere") == []


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """With the place and the reason."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="cannot be recorded"):
        record(tmp_path / "file")
