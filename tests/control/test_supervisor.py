"""The supervisor over real processes: keeps, orders, adopts, reloads, and never leaves anybody behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from rigs.programs import is_alive
from watchkeeper.clock import SystemClock
from watchkeeper.control import BackoffSettings, LogSettings, ServerSettings
from watchkeeper.control.supervisor import Supervisor
from watchkeeper.errors import ConfigError, Refused
from watchkeeper.model import Action, Event, EventKind, Outcome, ServerState, Verb
from watchkeeper.quantities import Duration

SLEEP = ("sleep", "1000")
QUICK = BackoffSettings(first=Duration(0.1), most=Duration(0.4))


def python(code: str) -> tuple[str, ...]:
    """A program."""
    return (sys.executable, "-u", "-c", textwrap.dedent(code))


class Kept:
    """A running supervisor and what it has told."""

    def __init__(self, folder: Path, servers: dict[str, ServerSettings], ready: Callable[[str], bool]) -> None:
        self.folder = folder
        self.events: list[Event] = []
        self.shown: dict[str, tuple[ServerState, int]] = {}
        """State and pid of each server as they were when a change of it was told last."""
        self.supervisor = Supervisor(servers, folder, SystemClock(), emit=self.events.append, changed=self._show, ready=ready)

    def _show(self, name: str) -> None:
        if status := self.supervisor.status(name):
            self.shown[name] = status.state, status.pid

    def pid(self, name: str) -> int:
        """Its process, 0 for none."""
        return next((pid for server, pid, _ in self.supervisor.supervised() if server == name), 0)

    def state(self, name: str) -> ServerState:
        """Where it stands."""
        return self.supervisor.state(name)

    def kinds(self, name: str) -> list[EventKind]:
        """What was told of it."""
        return [event.kind for event in self.events if event.server == name]

    async def order(self, verb: Verb, name: str) -> Outcome:
        """An operator's order."""
        return await self.supervisor.order(Action("1", 0, "", name, verb, "me"))

    async def until(self, look: Callable[[], object], what: str, seconds: float = 10) -> None:
        """Wait for it."""
        deadline = time.monotonic() + seconds
        while not look():
            assert time.monotonic() < deadline, f"waited in vain for {what}: {self.supervisor.statuses()} {self.events}"
            await asyncio.sleep(0.01)

    def output(self, name: str) -> str:
        """What it has printed."""
        path = self.folder / "logs" / f"{name}.log"
        return path.read_text() if path.exists() else ""


@contextlib.asynccontextmanager
async def keeping(
    folder: Path, servers: dict[str, ServerSettings], ready: Callable[[str], bool] = lambda _: True, *, leave: bool = False
) -> AsyncIterator[Kept]:
    """Run a supervisor; at the end everything is stopped, unless it is left running on purpose."""
    kept = Kept(folder, servers, ready)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(kept.supervisor.run())
        await asyncio.sleep(0)
        try:
            yield kept
        finally:
            if not leave:
                await kept.supervisor.stop_all()
            task.cancel()
            kept.supervisor.close()


async def test_a_killed_server_is_there_again(tmp_path: Path) -> None:
    """Another pid, one restart counted, and the story told in order."""
    async with keeping(tmp_path, {"a": ServerSettings(command=SLEEP)}) as kept:
        await kept.until(lambda: kept.pid("a"), "its start")
        first = kept.pid("a")
        os.kill(first, signal.SIGKILL)
        await kept.until(lambda: kept.pid("a") not in {0, first}, "its successor")
        (status,) = kept.supervisor.statuses()
        assert (status.restarts, status.last_exit) == (1, "killed by SIGKILL")
        told = [EventKind.SERVER_STARTING, EventKind.SERVER_STARTED, EventKind.SERVER_EXITED, EventKind.SERVER_STARTED]
        assert kept.kinds("a") == told


async def test_one_that_keeps_ending_backs_off_and_never_gives_up(tmp_path: Path) -> None:
    """The first restart at once, then with pauses; it says when the next attempt is due."""
    settings = ServerSettings(command=python("raise SystemExit(3)"), backoff=QUICK)
    async with keeping(tmp_path, {"a": settings}) as kept:
        await kept.until(lambda: kept.supervisor.statuses()[0].restarts >= 4, "four restarts")
        await kept.until(lambda: kept.state("a") is ServerState.BACKOFF, "a pause")
        status = kept.supervisor.statuses()[0]
        assert status.next_attempt_at > time.time() * 1000 - 100
        assert "exit status 3" in status.reason
        assert EventKind.SERVER_RESTART_PLANNED in kept.kinds("a")


async def test_what_it_said_last_is_told_when_it_gives_up(tmp_path: Path) -> None:
    """Why a server does not start stands in its last line: in the event and the reason, but only what this run has said."""
    code = """
        import pathlib, sys
        once = pathlib.Path("once")
        if not once.exists():
            once.touch()
            print("the \x1b[31mport\x1b[0m is in use\\n")
        sys.exit(2)
    """
    settings = ServerSettings(command=python(code), backoff=QUICK, folder=tmp_path)
    async with keeping(tmp_path, {"a": settings}) as kept:
        await kept.until(lambda: kept.kinds("a").count(EventKind.SERVER_EXITED) >= 2, "two ends")
        first, second = [event for event in kept.events if event.kind is EventKind.SERVER_EXITED][:2]
        assert first.text == "a has ended by itself: exit status 2, saying “the port is in use”"
        assert first.facts == {"how": "exit status 2", "last_words": "the port is in use"}
        assert second.text == "a has ended by itself: exit status 2"
        assert kept.supervisor.statuses()[0].last_exit == "exit status 2"


async def test_a_missing_program_is_tried_until_it_appears(tmp_path: Path) -> None:
    """Told once, tried again, started as soon as it is there."""
    program = tmp_path / "program"
    async with keeping(tmp_path, {"a": ServerSettings(command=(str(program),), backoff=QUICK)}) as kept:
        await kept.until(lambda: kept.state("a") is ServerState.BACKOFF, "the failure")
        await asyncio.sleep(0.6)
        assert kept.kinds("a").count(EventKind.SERVER_START_FAILED) == 1
        assert "was not found" in kept.supervisor.statuses()[0].reason
        program.write_text("#!/bin/sh\nexec sleep 1000\n")
        program.chmod(0o755)
        await kept.until(lambda: kept.state("a") is ServerState.RUNNING, "its start")


async def test_one_that_ignores_the_request_is_killed_with_its_children(tmp_path: Path) -> None:
    """After its grace, and the whole group."""
    code = """
        import signal, subprocess, sys
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(1000)"
        child = subprocess.Popen([sys.executable, "-c", deaf])
        print(child.pid)
        child.wait()
        signal.pause()
    """
    async with keeping(tmp_path, {"a": ServerSettings(command=python(code), stop_grace=Duration(0.3))}) as kept:
        await kept.until(lambda: kept.output("a").strip(), "its child")
        child, leader = int(kept.output("a")), kept.pid("a")
        outcome = await kept.order("stop", "a")
        assert outcome.ok, outcome.text
        assert "killed by SIGKILL" in outcome.text
        assert not is_alive(leader)
        await kept.until(lambda: not is_alive(child), "the child's end")


async def test_what_a_crashed_leader_leaves_behind_is_ended(tmp_path: Path) -> None:
    """Else it would hold the port that the successor needs."""
    code = """
        import os, subprocess, sys, time
        child = subprocess.Popen(["sleep", "1000"])
        print(child.pid)
        time.sleep(0.2)
        os.abort()
    """
    settings = ServerSettings(command=python(code), restart="never")
    async with keeping(tmp_path, {"a": settings}) as kept:
        await kept.until(lambda: kept.state("a") is ServerState.EXITED, "its end")
        child = int(kept.output("a").split()[0])
        await kept.until(lambda: not is_alive(child), "the child's end")
        assert "killed by SIGABRT" in kept.supervisor.statuses()[0].reason


async def test_servers_start_after_what_they_need_is_ready(tmp_path: Path) -> None:
    """Running is not enough where something says whether it is ready."""
    ready = False
    servers = {"web": ServerSettings(command=SLEEP, after=("db",)), "db": ServerSettings(command=SLEEP)}
    async with keeping(tmp_path, servers, lambda _: ready) as kept:
        await kept.until(lambda: kept.state("db") is ServerState.RUNNING, "the first")
        await asyncio.sleep(0.1)
        assert kept.state("web") is ServerState.WAITING
        ready = True
        kept.supervisor.see_ready()
        await kept.until(lambda: kept.state("web") is ServerState.RUNNING, "the second")


async def test_orders_say_how_they_ended(tmp_path: Path) -> None:
    """Done, done already, not possible, not known: a sentence each."""
    servers = {
        "good": ServerSettings(command=SLEEP, autostart=False),
        "short": ServerSettings(command=python("raise SystemExit(7)"), autostart=False, restart="never"),
    }
    async with keeping(tmp_path, servers) as kept:
        assert kept.state("good") is ServerState.STOPPED
        started = await kept.order("start", "good")
        assert started.ok
        assert started.text == f"good runs (pid {kept.pid('good')})"
        assert (await kept.order("start", "good")).text.startswith("good runs already")
        before = kept.pid("good")
        restarted = await kept.order("restart", "good")
        assert restarted.ok
        assert kept.pid("good") not in {0, before}
        assert (await kept.order("stop", "good")).ok
        assert (await kept.order("stop", "good")).text == "good was stopped already"
        short = await kept.order("start", "short")
        assert not short.ok
        assert "exit status 7" in short.text
        unknown = await kept.order("start", "god")
        assert not unknown.ok
        assert "did you mean 'good'" in unknown.text


async def test_a_reload_touches_only_what_has_changed(tmp_path: Path) -> None:
    """Gone ones stop, new ones start, changed ones restart, the others notice nothing."""
    servers = {name: ServerSettings(command=SLEEP) for name in ("same", "changed", "gone")}
    async with keeping(tmp_path, servers) as kept:
        await kept.until(lambda: all(kept.pid(name) for name in servers), "all")
        before = {name: kept.pid(name) for name in servers}
        fresh = {
            "same": ServerSettings(command=SLEEP, log=LogSettings(keep=1)),
            "changed": ServerSettings(command=("sleep", "2000")),
            "new": ServerSettings(command=SLEEP),
        }
        kept.supervisor.reload(fresh)
        await kept.until(lambda: kept.pid("new") and kept.pid("changed") not in {0, before["changed"]}, "the changes")
        await kept.until(lambda: not is_alive(before["gone"]), "the end of the one that is gone")
        assert kept.pid("same") == before["same"]
        await kept.until(lambda: {status.name for status in kept.supervisor.statuses()} == set(fresh), "the new list")


async def test_no_shell_touches_the_command(tmp_path: Path) -> None:
    """Blanks, dollars, quotes and semicolons arrive as they are; so do environment and folder."""
    code = 'import os, sys; print(sys.argv[1:], os.environ["A"], os.getcwd()); import time; time.sleep(1000)'
    words = ("a b", "$HOME", "; touch evil", "'\"", "*", "")
    settings = ServerSettings(command=(*python(code), *words), environment={"A": "x y"}, folder=tmp_path)
    async with keeping(tmp_path / "state", {"a": settings}) as kept:
        await kept.until(lambda: kept.output("a").endswith("\n"), "its output")
        assert kept.output("a") == f"{list(words)} x y {tmp_path}\n"
        assert not (tmp_path / "evil").exists()
        last = [lines async for lines in kept.supervisor.logs("a", 5, follow=False)]
        assert last == [(kept.output("a").strip(),)]
        with pytest.raises(Refused, match="no server 'b'"):
            kept.supervisor.logs("b", 5, follow=False)


async def test_servers_outlive_their_supervisor_and_are_adopted(tmp_path: Path) -> None:
    """Kill -9 of a whole supervisor: the next one takes its server over, sees its end, and restarts it."""
    program = f"""
        import asyncio, sys
        from pathlib import Path
        from watchkeeper.clock import SystemClock
        from watchkeeper.control import ServerSettings
        from watchkeeper.control.supervisor import Supervisor
        one = Supervisor(
            {{name: ServerSettings(command=("sleep", "1000")) for name in ("kept", "removed")}},
            Path({str(tmp_path)!r}), SystemClock(), emit=lambda _: None,
            changed=lambda _: print(*[pid for _, pid, _ in one.supervised()], flush=True),
        )
        asyncio.run(one.run())
    """
    first = subprocess.Popen(python(program), stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    pids: list[str] = []
    while len(pids) < 2:
        pids = first.stdout.readline().split()
    await asyncio.sleep(0.2)
    first.kill()
    first.wait()
    first.stdout.close()
    kept_pid, removed_pid = map(int, pids)
    assert is_alive(kept_pid)
    async with keeping(tmp_path, {"kept": ServerSettings(command=SLEEP)}) as kept:
        await kept.until(lambda: kept.pid("kept") == kept_pid, "the adoption")
        assert kept.kinds("kept") == [EventKind.SERVER_ADOPTED]
        await kept.until(lambda: kept.shown.get("kept") == (ServerState.RUNNING, kept_pid), "it to be shown as adopted")
        await kept.until(lambda: not is_alive(removed_pid), "the end of what is not configured any more")
        os.kill(kept_pid, signal.SIGKILL)
        await kept.until(lambda: kept.pid("kept") not in {0, kept_pid}, "its successor")


async def test_two_supervisors_cannot_share_a_folder(tmp_path: Path) -> None:
    """The second is refused and told who is there."""
    async with keeping(tmp_path, {}):
        with pytest.raises(Refused, match=str(os.getpid())):
            Kept(tmp_path, {}, lambda _: True)


def test_a_wrong_order_is_refused_before_anything_starts(tmp_path: Path) -> None:
    """A circle of `after` is a mistake in the configuration."""
    with pytest.raises(ConfigError, match="wait for one another"):
        Kept(tmp_path, {"a": ServerSettings(command=SLEEP, after=("a",))}, lambda _: True)


async def test_one_that_is_there_again_while_it_still_stops_follows_itself(tmp_path: Path) -> None:
    """Taken out of the configuration and put back within its grace: it ends, told as a stop, and is started after that."""
    code = """
        import os, pathlib, signal, time
        def end(*_):
            pathlib.Path("stopping").touch()
            while not pathlib.Path("go").exists():
                time.sleep(0.01)
            os._exit(0)
        signal.signal(signal.SIGTERM, end)
        pathlib.Path("ready").touch()
        while True:
            signal.pause()
    """
    servers = {"a": ServerSettings(command=python(code), folder=tmp_path, stop_grace=Duration(60))}
    async with keeping(tmp_path, servers) as kept:
        await kept.until((tmp_path / "ready").exists, "its start")
        first = kept.pid("a")
        kept.supervisor.reload({})
        await kept.until((tmp_path / "stopping").exists, "its stop")
        kept.supervisor.reload(servers)
        (tmp_path / "go").touch()
        await kept.until(lambda: kept.pid("a") not in {0, first}, "its successor")
        await kept.until(lambda: kept.state("a") is ServerState.RUNNING, "it to run")
        told = [EventKind.SERVER_STARTING, EventKind.SERVER_STARTED]
        assert kept.kinds("a") == [*told, EventKind.SERVER_STOPPING, EventKind.SERVER_STOPPED, *told]
        assert not [event.text for event in kept.events if event.severity != "info"]
