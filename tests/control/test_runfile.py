"""What is written of our processes outlives us whole, belongs to one agent at a time, and misleads none."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from watchkeeper.control.identity import Identity, identify
from watchkeeper.control.runfile import Entry, RunFile
from watchkeeper.errors import Refused

AGENT = """
import subprocess, sys
from pathlib import Path
from watchkeeper.control.identity import identify
from watchkeeper.control.runfile import Entry, RunFile
run = RunFile(Path(sys.argv[1]))
command = (sys.executable, "-c", "import time; time.sleep(120)")
server = subprocess.Popen(command, start_new_session=True, close_fds=False, stdout=subprocess.DEVNULL)
run.record("web", Entry(identify(server.pid), 1, command))
print(server.pid, flush=True)
sys.stdin.read()
"""

WRITER = """
import itertools, sys
from pathlib import Path
from watchkeeper.control.identity import Identity
from watchkeeper.control.runfile import Entry, RunFile
run = RunFile(Path(sys.argv[1]))
for number in itertools.count(1):
    run.record("web", Entry(Identity(number, number, "b" * (number % 3000)), number, ("a",) * (number % 300)))
    print(number, flush=True)
"""


def entry(number: int) -> Entry:
    """An entry that can be told from others."""
    return Entry(Identity(number, number * 10, "boot"), number * 1000, ("/bin/sleep", str(number)))


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunFile]:
    """A run folder, held."""
    run = RunFile(tmp_path / "run")
    yield run
    run.close()


def test_what_is_recorded_is_found_by_the_next_agent(tmp_path: Path) -> None:
    """Entries come back as they were, a second record replaces the first, and forgotten ones are gone."""
    first = RunFile(tmp_path / "run")
    first.record("web", entry(1))
    first.record("web", entry(2))
    first.record("db.main", entry(3))
    first.record("job", entry(4))
    first.forget("job")
    first.forget("never-known")
    first.close()
    second = RunFile(tmp_path / "run")
    assert second.entries() == {"web": entry(2), "db.main": entry(3)}
    second.close()


def test_the_folder_is_for_us_alone(tmp_path: Path) -> None:
    """Commands can hold secrets: nobody else reads the folder, even if it stood there open before."""
    (tmp_path / "run").mkdir(mode=0o755)
    run = RunFile(tmp_path / "run")
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
    run.close()


def test_a_second_agent_is_refused_with_the_pid_of_the_first(tmp_path: Path, run: RunFile) -> None:
    """Two agents on one folder would each restart the other's servers; the sentence names whom to look at."""
    with pytest.raises(Refused, match=f"in use by the agent with pid {os.getpid()}$") as refused:
        RunFile(tmp_path / "run")
    assert refused.value.code == "in-use"
    run.record("web", entry(1))
    assert run.entries() == {"web": entry(1)}


def test_torn_and_foreign_files_are_told_and_passed_over(
    tmp_path: Path, run: RunFile, caplog: pytest.LogCaptureFixture
) -> None:
    """One file that cannot be read costs its own server the adoption, never the others theirs."""
    run.record("good", entry(1))
    whole = (tmp_path / "run" / "good.json").read_bytes()
    for name, content in {
        "torn": whole[:-9],
        "empty": b"",
        "zeros": bytes(64),
        "other": b'{"pid": 1}',
        "wrong": whole.replace(b'"pid":1', b'"pid":"x"'),
        "bytes": b"\xff\xfe",
    }.items():
        (tmp_path / "run" / f"{name}.json").write_bytes(content)
    (tmp_path / "run" / "folder.json").mkdir()
    (tmp_path / "run" / "half.json.new").write_bytes(whole[:5])
    with caplog.at_level(logging.WARNING):
        assert run.entries() == {"good": entry(1)}
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 7
    for name in ("torn", "empty", "zeros", "other", "wrong", "bytes", "folder"):
        assert any(f"{name}.json" in line for line in told), name


def test_a_disk_that_takes_nothing_does_not_stop_a_server(
    tmp_path: Path, run: RunFile, caplog: pytest.LogCaptureFixture
) -> None:
    """Recording that fails is told as an error and raises nothing; the older entry stays whole."""
    run.record("web", entry(1))
    (tmp_path / "run" / "web.json.new").mkdir()
    run.record("web", entry(2))
    assert "run file of web cannot be written" in caplog.text
    assert run.entries() == {"web": entry(1)}


def test_kill_9_gives_the_folder_back_though_servers_live_on(tmp_path: Path) -> None:
    """A server that outlives its agent holds no lock, and the next agent finds the very same process."""
    agent = subprocess.Popen([sys.executable, "-c", AGENT, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert agent.stdin
    assert agent.stdout
    server = int(agent.stdout.readline())
    try:
        with pytest.raises(Refused, match=f"by the agent with pid {agent.pid}$"):
            RunFile(tmp_path)
        agent.kill()
        agent.wait()
        run = RunFile(tmp_path)
        assert run.entries()["web"].identity == identify(server)
        run.close()
    finally:
        os.kill(server, signal.SIGKILL)
        agent.kill()
        agent.wait()
        agent.stdin.close()
        agent.stdout.close()


@pytest.mark.parametrize("after", [1, 7, 40])
def test_kill_9_leaves_whole_entries(tmp_path: Path, after: int) -> None:
    """Killed anywhere in its writing, the agent leaves the last entry that it had recorded, or the one it was recording."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE)
    assert writer.stdout
    for _ in range(after):
        recorded = int(writer.stdout.readline())
    writer.kill()
    recorded = max([recorded, *map(int, writer.stdout.read().split())])
    writer.wait()
    writer.stdout.close()
    run = RunFile(tmp_path)
    assert run.entries()["web"].started_at in {recorded, recorded + 1}
    run.close()
