"""Pauses, schedules, limits and orders over real servers; and what of it outlives the agent."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import msgspec
import pytest

from rigs.programs import is_alive
from rigs.watching import QUICK, Moody, earlier_agent, python, watching
from watchkeeper.collect import tasks
from watchkeeper.collect.process import ProcessReader, Supervised
from watchkeeper.config import decode_hook
from watchkeeper.control import ServerSettings, carrying
from watchkeeper.control.history import History
from watchkeeper.control.limits import CountLimit, LimitSettings, MemoryLimit
from watchkeeper.control.liveness import LivenessSettings
from watchkeeper.control.permission import ControlSettings
from watchkeeper.control.schedule import ScheduleSettings, next_after
from watchkeeper.errors import Refused
from watchkeeper.model import Action, ServerState
from watchkeeper.model import EventKind as K  # many of them
from watchkeeper.quantities import Duration, Size
from watchkeeper.standing import Weighed

SLEEP = ServerSettings(command=("sleep", "1000"), backoff=QUICK)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="stops and reads processes as Linux does")


async def test_while_it_is_paused_nothing_happens_by_itself(tmp_path: Path) -> None:
    """A crash is not undone, a hang is not ended; people may still act; resumed, it is started again."""
    moody = Moody(liveness=LivenessSettings(misses=2))
    async with watching(tmp_path, {"a": moody.settings, "b": SLEEP}, {"a": moody.probe}) as one:
        await one.until_well()
        first, second = one.pid("a"), one.pid("b")
        for name in ("a", "b"):
            outcome = await one.order("pause", name, reason="moving disks")
            assert outcome.text == f"{name} is paused until somebody resumes it"
        assert one.status().paused_until == -1
        assert one.status().paused_why == "paused by ann until somebody resumes it (moving disks)"
        os.kill(first, signal.SIGSTOP)
        os.kill(second, signal.SIGKILL)
        await one.until(lambda: one.told(K.SERVER_HUNG), "the hang to be told")
        await one.until(lambda: one.watch.supervisor.state("b") is ServerState.EXITED, "the crash to be seen")
        assert "not started again, since it is paused" in one.told(K.SERVER_EXITED, "b")[0].text
        assert one.pid() == first
        assert not one.told(K.ACTION_REQUESTED)
        assert (await one.order("start", "b")).ok
        os.kill(one.pid("b"), signal.SIGKILL)
        await one.until(lambda: one.watch.supervisor.state("b") is ServerState.EXITED, "the next crash")
        assert (await one.order("resume", "b")).text == "b is looked after again"
        await one.until(lambda: one.pid("b"), "its start")
        assert (await one.order("resume", "b")).text == "b was not paused"
        assert (await one.order("resume", "a")).ok
        await one.until(lambda: one.pid() not in {0, first}, "help at last")


async def test_a_pause_ends_by_its_time(tmp_path: Path) -> None:
    """And what crashed meanwhile is started then."""
    async with watching(tmp_path, {"a": SLEEP}) as one:
        await one.until(one.pid, "its start")
        first = one.pid()
        await one.order("pause", seconds=1.0)
        os.kill(first, signal.SIGKILL)
        await one.until(lambda: one.told(K.SERVER_RESUMED), "the end of the pause")
        assert "resumed by the end of its pause" in one.told(K.SERVER_RESUMED)[0].text
        await one.until(lambda: one.pid() not in {0, first}, "its start")
        assert one.status().paused_until == 0


async def test_a_pause_outlives_the_agent(tmp_path: Path) -> None:
    """Kill -9 of the agent: the next one still starts nothing by itself, neither what crashed nor what starts with it."""
    servers = {"a": SLEEP, "b": SLEEP}
    pauses = [Action("1", 0, "", name, "pause", "ann", "hands off", 3600.0) for name in servers]
    pids = await earlier_agent(tmp_path, servers, *pauses)
    os.kill(pids["b"], signal.SIGKILL)
    deadline = time.monotonic() + 10
    while is_alive(pids["b"]):
        assert time.monotonic() < deadline
    async with watching(tmp_path, servers) as one:
        await one.until(lambda: one.watch.supervisor.kept("b").life.held, "the pause to be known")
        assert one.pid("a") == pids["a"]
        assert one.status("b").state in {ServerState.STOPPED, ServerState.EXITED}
        assert one.status("b").paused_until > time.time() * 1000
        os.kill(pids["a"], signal.SIGKILL)
        await one.until(lambda: one.watch.supervisor.state("a") is ServerState.EXITED, "the crash to be seen")
        assert (await one.order("resume", "b")).ok
        await one.until(lambda: one.pid("b"), "its start")


@pytest.mark.parametrize("boot", ["this boot", "an earlier boot"])
async def test_what_is_paused_is_not_started_with_the_agent(tmp_path: Path, boot: str) -> None:
    """Neither after the agent was stopped with its servers nor after a boot; resumed, it is started."""
    async with watching(tmp_path, {"a": SLEEP}) as one:
        await one.until(one.pid, "its start")
        assert (await one.order("pause", reason="moving disks")).ok
    life = tmp_path / "run" / "a.life"
    if boot != "this boot":
        history = msgspec.msgpack.decode(life.read_bytes(), type=History)
        life.write_bytes(msgspec.msgpack.encode(msgspec.structs.replace(history, boot_id=boot, done=False)))
    async with watching(tmp_path, {"a": SLEEP, "b": SLEEP}) as one:
        kept = one.watch.supervisor.kept("a")
        assert kept
        await one.until(lambda: one.pid("b") and kept.idle, "what is not paused to be started")
        assert (kept.life.state, kept.life.held, one.pid()) == (ServerState.STOPPED, True, 0)
        assert one.status().reason == "it would be started, but is paused by ann until somebody resumes it (moving disks)"
        assert (await one.order("resume")).ok
        await one.until(one.pid, "its start")


DRAINS = """
    import os, pathlib, signal, socket, time
    def end(*_):
        told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        told.connect("\\0" + os.environ["NOTIFY_SOCKET"][1:])
        told.send(b"STOPPING=1\\nEXTEND_TIMEOUT_USEC=60000000")
        while not pathlib.Path("drained").exists():
            time.sleep(0.01)
        os._exit(0)
    signal.signal(signal.SIGTERM, end)
    pathlib.Path("ready").touch()
    while True:
        signal.pause()
"""


async def test_a_stop_waits_for_one_that_asks_for_more_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EXTEND_TIMEOUT_USEC: the answer comes with the end, long after its grace, and speaks of no kill."""
    monkeypatch.setattr(carrying, "STOP_MARGIN_SECONDS", 0.2)
    settings = ServerSettings(command=python(DRAINS), stop_grace=Duration(2), folder=tmp_path)
    async with watching(tmp_path / "agent", {"a": settings}) as one:
        await one.until((tmp_path / "ready").exists, "it to be ready")
        kept = one.watch.supervisor.kept("a")
        assert kept
        order = asyncio.create_task(one.order("stop"))
        await one.until(lambda: kept.grace_left > 30, "its wish to be heard")
        assert await asyncio.wait([order], timeout=4) == (set(), {order})
        (tmp_path / "drained").touch()
        outcome = await order
        assert (outcome.ok, outcome.text) == (True, "a has stopped (exit status 0)")


async def test_what_it_requires_holds_it(tmp_path: Path) -> None:
    """Down with it, waiting while it is down, up again with it; a quick restart of it is no reason."""
    servers = {"db": SLEEP, "app": msgspec.structs.replace(SLEEP, requires=("db",)), "page": SLEEP}
    servers["page"] = msgspec.structs.replace(SLEEP, requires=("app",))
    async with watching(tmp_path, servers) as one:
        await one.until(lambda: one.pid("page"), "all of them")
        app = one.pid("app")
        first = one.pid("db")
        os.kill(first, signal.SIGKILL)
        await one.until(lambda: one.pid("db") not in {0, first}, "its restart")
        assert one.pid("app") == app
        told = await one.order("stop", "db", dry_run=True)
        assert "held until it is back: app, page" in told.text
        assert (await one.order("stop", "db")).ok
        await one.until(lambda: one.status("page").state is ServerState.WAITING, "the last of them to be held")
        assert one.status("app").reason == "waits until db is ready"
        assert "it requires db, which is down" in one.told(K.SERVER_HELD, "app")[0].text
        assert (await one.order("start", "db")).ok
        await one.until(lambda: one.pid("page") and one.pid("app") not in {0, app}, "both of them")


async def test_conditions_are_waited_for_and_told(tmp_path: Path) -> None:
    """Not started before all hold, which is said once; a restart after a crash passes by them too."""
    path = tmp_path / "go"
    written = {"command": ["sleep", "1000"], "start_when": [{"kind": "file", "path": str(path)}]}
    settings = msgspec.convert(written, ServerSettings, dec_hook=decode_hook)
    async with watching(tmp_path / "agent", {"a": settings}) as one:
        await one.until(lambda: one.told(K.SERVER_WAITING), "it to be told")
        assert one.status().reason == f"waits until there is {path}"
        path.touch()
        await one.until(one.pid, "its start")
        path.unlink()
        os.kill(one.pid(), signal.SIGKILL)
        await one.until(lambda: len(one.told(K.SERVER_WAITING)) == 2, "it to wait again")
        assert one.pid() == 0
        path.touch()
        await one.until(one.pid, "its start")


async def test_a_schedule_restarts_what_runs(tmp_path: Path) -> None:
    """As an action of ours with its reason, shown beforehand; what does not run is left out, and told so."""
    plan = ScheduleSettings(restart="0 4 * * *", zone="UTC")
    servers = {"a": msgspec.structs.replace(SLEEP, schedule=plan)}
    async with watching(tmp_path, servers) as one:
        await one.until(one.pid, "its start")
        first = one.pid()
        due = next_after(plan, time.time())
        assert one.status().restart_at == round(due * 1000)
        one.watch.upkeep.look(due - 1)
        one.watch.upkeep.look(due)
        await one.until(lambda: one.pid() not in {0, first}, "its restart")
        assert one.told(K.ACTION_REQUESTED)[0].facts["reason"] == "it is restarted at 0 4 * * *, as its schedule has it"
        assert not one.told(K.EVIDENCE_SAVED)
        await one.order("stop")
        one.watch.upkeep.look(due + 86_399)
        one.watch.upkeep.look(due + 86_401)
        assert "left out: it is stopped" in one.told(K.RESTART_MISSED)[0].text
        one.watch.upkeep.look(due + 10 * 86_400 + 3600)
        assert "was missed" in one.told(K.RESTART_MISSED)[1].text


GROWS = "import time\nhoard = bytearray(80 << 20)\nfiles = [open('/dev/null') for _ in range(200)]\ntime.sleep(1000)"


@pytest.mark.parametrize("then", ["alert", "restart"])
async def test_a_limit_that_is_not_kept(tmp_path: Path, then: str) -> None:
    """Memory and files of a real process, read as the agent reads them: told, and restarted if that is wanted."""
    limits = LimitSettings(
        memory=MemoryLimit(above=Size(60 << 20), held=Duration(0.3), then=then),  # type: ignore[arg-type]  # one of two
        fds=CountLimit(above=100, held=Duration(0.3)),
    )
    servers = {"a": ServerSettings(command=python(GROWS), limits=limits)}
    async with watching(tmp_path, servers) as one:
        living = lambda: [Supervised(*each) for each in one.watch.supervisor.supervised()]  # noqa: E731  # asked again and again
        reader = Weighed(ProcessReader(tasks(), lambda: ["a"], living), one.watch.upkeep.weigh, living)
        await one.until(one.pid, "its start")
        first = one.pid()
        wanted = (lambda: one.pid() not in {0, first}) if then == "restart" else (lambda: len(one.told(K.LIMIT_EXCEEDED)) == 2)
        await one.until(lambda: (reader.read(), wanted())[1], "its limit to be held against it")
        told = {event.facts["limit"]: event for event in one.told(K.LIMIT_EXCEEDED)}
        assert "over the limit of 60 MiB" in told["memory"].text
        assert "over the limit of 100 open files" in told["fds"].text
        if then == "restart":
            assert one.told(K.EVIDENCE_SAVED)
            assert "MiB" in one.told(K.ACTION_REQUESTED)[0].facts["reason"]
        else:
            assert one.pid() == first
        reader.close()


STUBBORN = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('no', flush=True)\ntime.sleep(1000)"


async def test_one_that_refuses_to_stop_delays_no_other_and_is_looked_at_before_it_is_killed(tmp_path: Path) -> None:
    """While it has its grace, another that was killed is back; then evidence of it is saved, and only then it is killed."""
    servers = {
        "stubborn": ServerSettings(command=python(STUBBORN), stop_grace=Duration(1.5)),
        "other": SLEEP,
    }
    async with watching(tmp_path, servers) as one:
        log = tmp_path / "logs" / "stubborn.log"
        await one.until(lambda: one.pid("other") and log.exists() and log.read_text() == "no\n", "both")
        first = one.pid("other")
        stopping = asyncio.create_task(one.order("stop", "stubborn"))
        await one.until(lambda: one.status("stubborn").state is ServerState.STOPPING, "its stop")
        os.kill(first, signal.SIGKILL)
        await one.until(lambda: one.pid("other") not in {0, first}, "the other")
        assert one.status("stubborn").state is ServerState.STOPPING
        assert (await stopping).text == "stubborn has stopped (killed by SIGKILL)"
        kinds = one.kinds("stubborn")
        assert kinds.index(K.EVIDENCE_SAVED) < kinds.index(K.SERVER_STOPPED)
        (saved,) = one.told(K.EVIDENCE_SAVED, "stubborn")
        assert "has not within its grace" in saved.facts["why"]


async def test_the_agents_own_file_has_the_last_word(tmp_path: Path) -> None:
    """What it does not allow is refused by name, and nothing happens; the status says what is allowed."""
    servers = {"a": SLEEP, "b": msgspec.structs.replace(SLEEP, control=False)}
    only = ControlSettings(allow=("restart", "pause"))
    async with watching(tmp_path, servers, control=only) as one:
        await one.until(lambda: one.pid("a") and one.pid("b"), "both")
        before = one.pid("a"), one.pid("b")
        assert one.status("a").allowed == ("restart", "pause")
        assert one.status("b").allowed == ()
        assert "[agent.control] allow" in (await one.order("stop", "a")).text
        assert "[server.b] control" in (await one.order("restart", "b")).text
        assert (one.pid("a"), one.pid("b")) == before
        assert "did you mean" in (await one.order("restart", "aa")).text or "known" in (await one.order("restart", "aa")).text


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        ({"seconds": -1.0}, "a time of"),
        ({"seconds": 1e12}, "a time of"),
        ({"reason": "x" * 501}, "at most 500"),
        ({}, "how long"),
    ],
)
async def test_an_order_that_is_wrong_in_itself_is_refused(tmp_path: Path, more: dict[str, object], wrong: str) -> None:
    """Whatever a hub lets through."""
    async with watching(tmp_path, {"a": SLEEP}) as one:
        outcome = await one.order("expect", **more)
        assert not outcome.ok
        assert wrong in outcome.text


async def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    """Of every verb."""
    async with watching(tmp_path, {"a": SLEEP}) as one:
        await one.until(one.pid, "its start")
        first, events = one.pid(), len(one.events)
        for verb in ("start", "stop", "restart", "pause", "resume", "expect"):
            outcome = await one.order(verb, dry_run=True, seconds=5.0)
            assert (outcome.ok, "would" in outcome.text) == (True, True)
        assert (one.pid(), len(one.events), one.status().paused_until) == (first, events, 0)


async def test_evidence_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """By the first step of asking for it."""
    async with watching(tmp_path, {"a": SLEEP}) as one:
        with pytest.raises(Refused, match="not the id"):
            await anext(one.watch.evidence("../run/a"))


async def test_without_a_keeper_and_its_folder_servers_can_still_be_stopped(tmp_path: Path) -> None:
    """The data folder is deleted, the keeper killed: the agent goes on, says why nothing starts, and ends its servers."""
    folder = tmp_path / "agent"
    servers = {name: ServerSettings(command=("sleep", "1000"), stop_grace=Duration(2)) for name in ("a", "b")}
    async with watching(folder, servers) as one:
        await one.until(lambda: one.pid("a") and one.pid("b"), "both to run")
        pids = [one.pid("a"), one.pid("b")]
        keeper = one.watch.supervisor._parent._line.peer  # type: ignore[attr-defined]  # the keeper's pid
        shutil.rmtree(folder)
        os.kill(keeper, signal.SIGKILL)
        await one.until(lambda: K.KEEPER_LOST in {event.kind for event in one.events}, "the loss to be told")
        os.kill(pids[0], signal.SIGKILL)
        await one.until(lambda: one.status("a").state is ServerState.BACKOFF, "that it cannot be started")
        assert "run folder" in one.status("a").reason
        async with asyncio.timeout(15):
            await one.watch.supervisor.stop_all()
        assert not any(is_alive(pid) for pid in pids)
