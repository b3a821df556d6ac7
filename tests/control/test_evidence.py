"""Evidence of real processes: what stands in it, what never does, and that it comes to an end."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from watchkeeper.clock import SystemClock
from watchkeeper.control import evidence as room
from watchkeeper.control import facts
from watchkeeper.control.archive import Archive, EvidenceSettings
from watchkeeper.control.evidence import MOST_BYTES, Evidence, Section, gather
from watchkeeper.errors import Refused
from watchkeeper.quantities import Size

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what is read is Linux's")

SERVER = textwrap.dedent("""
    import socket, sys, threading, time
    listening = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listening.getsockname())
    threading.Thread(target=time.sleep, args=(1000,), name="sleeper", daemon=True).start()
    def stands_here():
        print("ready", flush=True)
        while True: pass
    stands_here()
""")


@pytest.fixture
def server() -> Iterator[int]:
    """A Python that spins, with a secret in its command line and one in its environment."""
    words = [sys.executable, "-uc", SERVER, "--password", "hunter2-in-argv", "--url", "https://ann:hunter2-in-url@h/"]
    environment = os.environ | {"DATABASE_PASSWORD": "hunter2-in-environment"}
    process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout
    process.stdout.readline()
    yield process.pid
    process.kill()
    process.wait()
    process.stdout.close()


def by_title(found: Evidence) -> dict[str, str]:
    """Its sections."""
    return {part.title: part.text for part in found.sections}


async def test_what_stands_in_it(server: int) -> None:
    """Threads by CPU, files, sockets by state, the kernel's tables, pressure, the last lines, and why it was taken."""
    found = await gather("web", server, "it hangs", ["listening", "password=hunter2-in-log"], SystemClock())
    told = by_title(found)
    assert (found.server, found.pid, found.missing, told["why"]) == ("web", server, (), "it hangs")
    busiest, sleeper = told["threads"].splitlines()[1:3]
    assert f"{server} R" in busiest
    assert " S " in sleeper
    assert "1 tcp listening" in told["sockets"]
    assert "tcp established" in told["sockets"]
    assert "127.0.0.1:" in told["sockets"]
    assert "/dev/null" in told["descriptors"] or "pipe" in told["descriptors"]
    assert "Max open files" in told["status, limits, io"]
    assert "loadavg" in told["pressure"]
    assert told["last lines"].startswith("listening\n")


async def test_no_secret_stands_in_it(server: int) -> None:
    """Not of the command line, of the log or of the reason; the environment is not read at all."""
    lines = ["Authorization: Bearer hunter2-in-log"]
    found = msgspec.json.encode(await gather("web", server, "token=hunter2-in-reason", lines, SystemClock()))
    assert b"hunter2" not in found
    assert b"[hidden]" in found


@pytest.mark.skipif(shutil.which("py-spy", path=str(Path(sys.executable).parent)) is None, reason="py-spy is not installed")
@pytest.mark.parametrize("stopped", [False, True])
async def test_python_says_where_it_stands(server: int, stopped: bool) -> None:
    """py-spy's stacks, of one that runs and of one that was stopped; it goes on as it was."""
    if stopped:
        os.kill(server, signal.SIGSTOP)
    told = by_title(await gather("web", server, "?", [], SystemClock()))["python stacks"]
    if "ermission" in told:
        pytest.skip("this system does not let one process look into another")
    assert "stands_here" in told
    state = facts.stat_of(Path(f"/proc/{server}"))[0]
    assert (state == b"T") == stopped


async def test_one_that_has_gone_gives_what_there_is() -> None:
    """No processes, and yet the last lines and the pressure."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    told = by_title(await gather("web", gone.pid, "?", ["its last words"], SystemClock()))
    assert told["last lines"] == "its last words"
    assert told["sockets"] == "none that may be seen"


async def test_what_is_stuck_is_left_behind(server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table whose reading never ends costs no more than the time there is, and is named as missing."""
    release = threading.Event()
    monkeypatch.setattr(room, "SECONDS", 0.5)
    monkeypatch.setattr(facts, "pressure", lambda _pids: str(release.wait(60)))
    found = await gather("web", server, "?", [], SystemClock())
    release.set()
    assert set(found.missing) == {"pressure", "processes"}
    assert "threads" in by_title(found)


async def test_it_is_bounded_and_one_broken_section_costs_no_other(server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables without end are cut, in all far below five megabytes; what breaks says so."""

    def broken(_pids: object) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(facts, "stacks", broken)
    monkeypatch.setattr(facts, "threads", lambda _pids: "é" * 30_000_000)
    monkeypatch.setattr(facts, "descriptors", lambda _pids: "x" * 30_000_000)
    found = await gather("web", server, "?", ["y" * 8000] * 2000, SystemClock())
    assert len(msgspec.json.encode(found)) < MOST_BYTES
    assert by_title(found)["threads"].endswith("(cut here)")
    assert "ZeroDivisionError" in by_title(found)["kernel stacks"]
    monkeypatch.setattr(facts, "sockets", lambda _pids: "\x01" * 3_000_000)
    monkeypatch.setattr(facts, "tables", lambda *_: "\x01" * 3_000_000)
    found = await gather("web", server, "?", [], SystemClock())
    assert len(msgspec.json.encode(found)) < MOST_BYTES
    assert "found no room" in by_title(found)["status, limits, io"]
    assert "loadavg" in by_title(found)["pressure"]


def test_addresses_are_written_as_people_write_them() -> None:
    """Both families, as the kernel of a little-endian machine has them."""
    assert facts._address("0100007F:1F90") == "127.0.0.1:8080"
    assert facts._address("00000000000000000000000001000000:0050") == "[::1]:80"


def test_a_socket_that_waits_is_told_with_its_queue() -> None:
    """What a client has sent and the server has not read."""
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_connection(listening.getsockname()) as client:
        accepted, _ = listening.accept()
        client.send(b"x" * 123)
        told = facts.sockets([os.getpid()])
        accepted.close()
    assert "to read 123" in told


def made(number: int, size: int = 10) -> Evidence:
    """One to keep."""
    return Evidence(f"{number:012x}-{number:014x}", number, "web", 1, "why", 0.1, (Section("x", "y" * size),))


def test_the_archive_keeps_the_newest_within_its_space(tmp_path: Path) -> None:
    """The oldest go when room is needed; ids that lead elsewhere are none."""
    archive = Archive(tmp_path / "evidence", 10_000)
    sizes = [archive.save(made(number, 3000)) for number in range(1, 6)]
    assert sum(path.stat().st_size for path in (tmp_path / "evidence").iterdir()) <= 10_000
    assert msgspec.json.decode(archive.read(made(5).id), type=Evidence) == made(5, 3000)
    assert len(archive.read(made(5).id)) == sizes[-1]
    for wrong in (made(1).id, "../../etc/passwd", "", "x" * 5000):
        with pytest.raises(Refused) as refused:
            archive.read(wrong)
        assert refused.value.code == "no-evidence"
    assert (tmp_path / "evidence").stat().st_mode & 0o077 == 0


def test_an_archive_without_room_for_one_is_refused() -> None:
    """Where the settings are read."""
    with pytest.raises(ValueError, match="at least 6MiB"):
        EvidenceSettings(space=Size(1000))


async def test_several_at_once_do_not_wait_for_one_another(server: int) -> None:
    """Each has its own thread."""
    found = await asyncio.gather(*(gather(f"s{number}", server, "?", [], SystemClock()) for number in range(4)))
    assert all(not one.missing for one in found)
