"""The frame of servers that run elsewhere, over a real daemon: seen, ordered, refused, never started twice."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import msgspec
import pytest

from rigs import hungmount
from rigs.hungmount import hung_mount, is_held
from rigs.programs import is_alive
from rigs.watching import watching
from watchkeeper import argv
from watchkeeper.clock import SystemClock
from watchkeeper.control.abroad import Abroad, Lookout
from watchkeeper.control.pidfile import Pidfile
from watchkeeper.control.script import Script
from watchkeeper.model import EventKind, ServerState
from watchkeeper.quantities import Duration

DAEMON = """\
import os, signal, sys
name, stubborn = sys.argv[1], len(sys.argv) > 2
if os.fork():
    os._exit(0)
os.setsid()
null = os.open(os.devnull, os.O_RDWR)
for number in (0, 1, 2):
    os.dup2(null, number)
if stubborn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open(name + ".new", "w") as file:
    file.write(str(os.getpid()))
os.rename(name + ".new", name)
while True:
    signal.pause()
"""
CONTROL = """\
import os, signal, subprocess, sys, time
verb, daemon, name = sys.argv[1:4]
def pid():
    try:
        number = int(open(name).read())
        os.kill(number, 0)
        return 0 if open(f"/proc/{number}/stat").read().rpartition(")")[2].split()[0] == "Z" else number
    except (OSError, ValueError):
        return 0
if verb == "status":
    print("it is there" if pid() else "nobody is there")
    sys.exit(0 if pid() else 3)
if verb == "start":
    sys.exit(0 if pid() else subprocess.run([sys.executable, daemon, name]).returncode)
if verb == "stop" and pid():
    os.kill(pid(), signal.SIGTERM)
    while pid():
        time.sleep(0.02)
"""
QUICK = Duration(0.2)


class Daemon:
    """A daemon that puts itself into the background, and its commands."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "daemon.pid"
        (folder / "daemon.py").write_text(DAEMON, encoding="utf-8")
        (folder / "control.py").write_text(CONTROL, encoding="utf-8")
        self.start = (sys.executable, str(folder / "daemon.py"), str(self.path))
        self._control = (sys.executable, str(folder / "control.py"))
        self._behind = (str(folder / "daemon.py"), str(self.path))

    def command(self, verb: str) -> tuple[str, ...]:
        """As an init script has them."""
        return (*self._control, verb, *self._behind)

    @property
    def pid(self) -> int:
        """Its number, 0 when it does not run."""
        number = int(self.path.read_text()) if self.path.exists() else 0
        return number if number and is_alive(number) else 0

    async def launch(self) -> int:
        """Started by somebody else."""
        process = await asyncio.create_subprocess_exec(*self.start)
        await process.wait()
        while not self.pid:
            await asyncio.sleep(0.01)
        return self.pid

    def script(self, **more: object) -> Script:
        """It, by its commands."""
        words = {verb: self.command(verb) for verb in ("start", "stop", "status")}
        return Script(**words, pidfile=self.path, period=QUICK, **more)  # type: ignore[arg-type]  # a test's own


@pytest.fixture
def daemon(tmp_path: Path) -> object:
    """One, ended at the end."""
    one = Daemon(tmp_path)
    yield one
    if one.pid:
        os.kill(one.pid, signal.SIGKILL)


async def test_what_others_start_and_end_is_seen_and_left_to_them(daemon: Daemon, tmp_path: Path) -> None:
    """A server that appears is running with its pid, one that ends has ended, and nobody here starts it again."""
    async with watching(tmp_path / "agent", {"a": Pidfile(pidfile=daemon.path, start=daemon.start, period=QUICK)}) as one:
        await one.until(lambda: one.watch.supervisor.kept("a").found, "the first look")  # type: ignore[union-attr]  # it is one that waits or is kept, else the test fails
        assert one.status().state is ServerState.STOPPED
        pid = await daemon.launch()
        await one.until(lambda: one.status().state is ServerState.RUNNING, "it to be seen")
        assert (one.pid(), one.watch.supervisor.supervised()[0][:2]) == (pid, ("a", pid))
        assert abs(one.status().started_at / 1000 - daemon.path.stat().st_mtime) < 5
        os.kill(pid, signal.SIGKILL)
        await one.until(lambda: one.status().state is ServerState.EXITED, "its end to be seen")
        await asyncio.sleep(1)
        assert (one.status().state, daemon.pid) == (ServerState.EXITED, 0)
        assert EventKind.SERVER_EXITED in one.kinds()
        again = await daemon.launch()
        await one.until(lambda: one.pid() == again, "its next run")
        assert one.status().restarts == 1


async def test_it_is_started_again_where_that_is_asked_for(daemon: Daemon, tmp_path: Path) -> None:
    """With `restart = "always"` a killed one is started by its command, at once."""
    settings = Pidfile(pidfile=daemon.path, start=daemon.start, period=QUICK, restart="always", autostart=True)
    async with watching(tmp_path / "agent", {"a": settings}) as one:
        await one.until(one.pid, "its start")
        first = daemon.pid
        assert one.pid() == first
        os.kill(first, signal.SIGKILL)
        await one.until(lambda: one.pid() not in {0, first}, "its next start")
        assert one.pid() == daemon.pid
        assert one.status().restarts == 1


async def test_orders_go_through_its_driver(daemon: Daemon, tmp_path: Path) -> None:
    """Start, restart and stop end in what they say; a dry run says whose command would be run."""
    async with watching(tmp_path / "agent", {"a": daemon.script()}) as one:
        started = await one.order("start")
        assert started.ok, started.text
        first = one.pid()
        assert first == daemon.pid
        told = await one.order("stop", dry_run=True)
        assert f"would run {sys.executable!r}" in told.text
        again = await one.order("restart")
        assert again.ok, again.text
        assert one.pid() == daemon.pid != first
        stopped = await one.order("stop")
        assert stopped.ok, stopped.text
        assert (one.status().state, daemon.pid) == (ServerState.STOPPED, 0)
        assert not [event for event in one.events if event.severity == "critical"]


async def test_a_verb_that_it_lacks_is_refused_by_name(daemon: Daemon, tmp_path: Path) -> None:
    """Without a start command nobody may start or restart it; the status does not offer it, and nothing happens."""
    pid = await daemon.launch()
    async with watching(tmp_path / "agent", {"a": Pidfile(pidfile=daemon.path, period=QUICK)}) as one:
        await one.until(one.pid, "it to be seen")
        refused = await one.order("restart")
        assert not refused.ok
        assert refused.text == "its driver pidfile cannot restart it without a command `start`"
        assert set(one.status().allowed) == {"stop", "pause", "resume", "expect"}
        assert daemon.pid == pid


async def test_a_stop_that_is_refused_leaves_it_running(daemon: Daemon, tmp_path: Path) -> None:
    """A stop command that fails is the outcome, in its own words, and the server counts as running."""
    no = (sys.executable, "-c", "print('not today'); raise SystemExit(4)")
    pid = await daemon.launch()
    settings = Pidfile(pidfile=daemon.path, stop=no, period=QUICK)
    async with watching(tmp_path / "agent", {"a": settings}) as one:
        await one.until(one.pid, "it to be seen")
        outcome = await one.order("stop")
        assert not outcome.ok
        assert "exit status 4" in outcome.text
        assert (one.status().state, one.pid(), daemon.pid) == (ServerState.RUNNING, pid, pid)


async def test_one_that_ignores_its_stop_is_killed_after_its_grace(daemon: Daemon, tmp_path: Path) -> None:
    """SIGTERM, the grace, then SIGKILL to that very process."""
    settings = Pidfile(pidfile=daemon.path, start=(*daemon.start, "stubborn"), period=QUICK, stop_grace=Duration(0.5))
    async with watching(tmp_path / "agent", {"a": settings}) as one:
        assert (await one.order("start")).ok
        outcome = await one.order("stop")
        assert outcome.ok, outcome.text
        assert daemon.pid == 0


async def test_it_outlives_the_agent_and_is_found_again(daemon: Daemon, tmp_path: Path) -> None:
    """An agent that stops, or is replaced, leaves it alone; the next one finds the same process and starts nothing."""
    settings = daemon.script(autostart=True)
    async with watching(tmp_path / "agent", {"a": settings}) as one:
        await one.until(one.pid, "its start")
        pid = one.pid()
    assert daemon.pid == pid
    async with watching(tmp_path / "agent", {"a": settings}) as one:
        await one.until(one.pid, "it to be found")
        assert (one.pid(), one.kinds()[:1]) == (pid, [EventKind.SERVER_ADOPTED])
    os.kill(pid, signal.SIGKILL)


async def test_no_answer_is_neither_up_nor_down(daemon: Daemon, tmp_path: Path) -> None:
    """A status command that fails otherwise changes nothing, is told once, and is over when it answers again."""
    broken = tmp_path / "broken"
    ask = f"subprocess.run({daemon.command('status')!r}).returncode"
    code = f"import os, sys, subprocess; sys.exit(9 if os.path.exists({str(broken)!r}) else {ask})"
    pid = await daemon.launch()
    settings = Script(status=(sys.executable, "-c", code), pidfile=daemon.path, period=QUICK)
    async with watching(tmp_path / "agent", {"a": settings}) as one:
        await one.until(one.pid, "it to be seen")
        broken.touch()
        await one.until(lambda: one.watch.supervisor.unseen("a"), "no answer")
        await asyncio.sleep(0.6)
        assert (one.status().state, one.pid()) == (ServerState.RUNNING, pid)
        assert one.kinds().count(EventKind.SERVER_WARNED) == 1
        broken.unlink()
        await one.until(lambda: not one.watch.supervisor.unseen("a"), "an answer")
        assert one.kinds().count(EventKind.SERVER_LIVES) == 1


@pytest.mark.slow
async def test_a_new_one_is_looked_at_at_once_and_one_unseen_again_soon(daemon: Daemon, tmp_path: Path) -> None:
    """However long its period: what is configured while all runs is seen, and so is the end of a driver's silence."""
    broken = tmp_path / "broken"
    broken.touch()
    ask = f"subprocess.run({daemon.command('status')!r}).returncode"
    code = f"import os, sys, subprocess; sys.exit(9 if os.path.exists({str(broken)!r}) else {ask})"
    pid = await daemon.launch()
    late = Script(status=(sys.executable, "-c", code), pidfile=daemon.path, period=Duration(3600))
    async with watching(tmp_path / "agent", {}) as one:
        await asyncio.sleep(0.2)
        one.watch.supervisor.reload({"a": late})
        await one.until(lambda: one.watch.supervisor.unseen("a"), "the first look")
        broken.unlink()
        await one.until(lambda: one.pid() == pid, "the next look")


async def test_what_does_not_end_though_it_is_killed_is_looked_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A broker that drains long after its stop and heeds no signal: one piece of evidence, however often it is killed."""
    up = tmp_path / "up"
    up.touch()
    status = ("/bin/sh", "-c", f"test -e {up} || exit 3")
    settings = Script(status=status, start=("/bin/true",), stop=("/bin/true",), stop_grace=Duration(0.2), period=QUICK)
    async with watching(tmp_path / "agent", {"a": settings}) as one:
        await one.until(lambda: one.status().state is ServerState.RUNNING, "it to be seen")
        order = asyncio.create_task(one.order("stop"))
        await one.until(lambda: caplog.text.count("killing it") == 3, "the third kill")
        assert one.kinds().count(EventKind.EVIDENCE_SAVED) == 1
        up.unlink()
        await order
        await one.until(lambda: one.status().state is ServerState.STOPPED, "its end at last")


async def test_a_pid_file_that_comes_late_is_no_other_run(daemon: Daemon, tmp_path: Path) -> None:
    """A server that ran before its file named it is the same when it does, and from then on known by its process."""
    settings = msgspec.structs.replace(daemon.script(restart="always"), status=("/bin/true",))
    async with watching(tmp_path / "agent", {"a": settings}) as one:
        await one.until(lambda: one.status().state is ServerState.RUNNING, "it to be seen")
        assert one.pid() == 0
        pid = await daemon.launch()
        await one.until(lambda: one.pid() == pid, "its process to be known")
        assert (one.status().restarts, EventKind.SERVER_EXITED in one.kinds()) == (0, False)
        os.kill(pid, signal.SIGKILL)
        successor = await daemon.launch()
        await one.until(lambda: one.pid() == successor, "its next run")
        assert (one.status().restarts, one.kinds().count(EventKind.SERVER_EXITED)) == (1, 1)


@pytest.mark.skipif(bool(hungmount.why_not()), reason=hungmount.why_not())
async def test_a_status_command_that_the_kernel_holds_makes_it_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in vain, on a disk that does not answer: no answer, and not run again soon, unless it has ended."""
    pids = tmp_path / "pids"
    told: list[str] = []
    heard = Abroad(lambda *_: None, lambda *_: None, lambda _, why: told.append(why), lambda *_: None, lambda _: None)
    with hung_mount(tmp_path / "gone") as unreachable:
        status = ("/bin/sh", "-c", f"echo $$ >> {pids}; exec stat {unreachable}")
        one = Lookout("a", Script(status=status), tmp_path / "log", heard, SystemClock())
        looking = asyncio.create_task(one.look(3))
        await asyncio.wait([looking], timeout=20)
        assert looking.done()
        assert looking.result().state == "unknown"
        (pid,) = map(int, pids.read_text().split())
        assert is_held(pid)
        assert (await one.look(0.5)).state == "unknown"
        assert (await one.look(0.5)).words == told[-1] == "'/bin/sh' was killed and has not ended: the kernel holds it"
        assert pids.read_text() == f"{pid}\n"
        with monkeypatch.context() as later:
            later.setattr(argv, "AGAIN_SECONDS", 0.0)
            await one.look(3)
            assert len(pids.read_text().split()) == 2
    async with asyncio.timeout(20):
        while (await one.look(5)).words == told[1]:
            await asyncio.sleep(0.01)
    assert len(pids.read_text().split()) == 3
