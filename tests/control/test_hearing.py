"""Hangs of real processes: found, evidence first, restarted; what is busy, reported only or expected is left alone."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from rigs.watching import Moody, earlier_agent, python, watching
from watchkeeper.control import ServerSettings, hearing, heartbeat, lifecycle
from watchkeeper.control.evidence import Evidence
from watchkeeper.control.hearing import Heard
from watchkeeper.control.heartbeat import HeartbeatFileSettings
from watchkeeper.control.liveness import LivenessSettings
from watchkeeper.control.parentage import Process, Spawn
from watchkeeper.control.permission import ControlSettings
from watchkeeper.model import EventKind as K  # a table of them
from watchkeeper.model import ServerState
from watchkeeper.quantities import Duration

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="stops and looks at processes as Linux does")

QUICKLY = LivenessSettings(misses=2)


async def evidence_of(one, identity: str) -> Evidence:
    """What was saved, as it would travel."""
    content = b"".join([part async for part in one.watch.evidence(identity)])
    return msgspec.json.decode(content, type=Evidence)


async def test_one_that_was_stopped_is_seen_saved_and_started_again(tmp_path: Path) -> None:
    """SIGSTOP: told, evidence, the action by watchkeeper with its reason, another process; in this order."""
    moody = Moody(liveness=QUICKLY)
    async with watching(tmp_path, {"a": moody.settings}, {"a": moody.probe}) as one:
        first = await one.until_well()
        os.kill(first, signal.SIGSTOP)
        await one.until(lambda: one.told(K.ACTION_ENDED), "the end of a restart")
        second = await one.until_well()
        assert second != first
        story = [
            K.SERVER_HUNG,
            K.EVIDENCE_SAVED,
            K.ACTION_REQUESTED,
            K.SERVER_STOPPING,
            K.SERVER_STOPPED,
            K.SERVER_STARTED,
            K.ACTION_ENDED,
        ]
        assert one.kinds()[2:] == story
        (saved,), (asked,) = one.told(K.EVIDENCE_SAVED), one.told(K.ACTION_REQUESTED)
        assert asked.facts["by"] == "watchkeeper"
        assert asked.facts["evidence"] == saved.facts["evidence"]
        assert "SIGSTOP" in asked.facts["reason"]
        found = await evidence_of(one, saved.facts["evidence"])
        assert found.pid == first
        assert "moody: serving" in next(part.text for part in found.sections if part.title == "last lines")
        assert (one.status().restarts, one.status().last_exit) == (1, "killed by SIGTERM")


@pytest.mark.parametrize("path", ["/sleep", "/lock"])
async def test_one_that_is_blocked_is_hung(tmp_path: Path, path: str) -> None:
    """Its only answering thread sleeps or waits for itself: no CPU, no answer."""
    moody = Moody()
    async with watching(tmp_path, {"a": moody.settings}, {"a": moody.probe}, marked=True) as one:
        first = await one.until_well()
        await asyncio.to_thread(moody.spoil, path)
        await one.until(lambda: one.pid() not in {0, first}, "another process")
        (hung,) = one.told(K.SERVER_HUNG)
        assert (hung.facts["reason"], hung.severity) == ("blocked", "critical")


async def test_one_that_works_is_busy_and_left_alone(tmp_path: Path) -> None:
    """It spins instead of answering: told as busy, not ended; and as well again when it answers."""
    moody = Moody(liveness=QUICKLY)
    async with watching(tmp_path, {"a": moody.settings}, {"a": moody.probe}) as one:
        first = await one.until_well()
        await asyncio.to_thread(moody.spoil, "/burn/1.5")
        await one.until(lambda: one.told(K.SERVER_BUSY), "it to be seen as busy")
        assert one.status().liveness == "busy"
        assert one.told(K.SERVER_BUSY)[0].facts["reason"] in {"working", "starved"}, (
            "the latter on a machine without a CPU to spare"
        )
        await one.until(lambda: one.told(K.SERVER_LIVES), "it to be well again")
        assert one.pid() == first
        assert not one.told(K.SERVER_HUNG)


async def test_one_that_works_for_longer_than_it_may_is_hung(tmp_path: Path) -> None:
    """A busy loop has its bound."""
    moody = Moody(liveness=LivenessSettings(misses=2, busy=Duration(1)))
    async with watching(tmp_path, {"a": moody.settings}, {"a": moody.probe}) as one:
        first = await one.until_well()
        await asyncio.to_thread(moody.spoil, "/burn/1000")
        await one.until(lambda: one.pid() not in {0, first}, "another process")
        assert "spinning" in [event.facts["reason"] for event in one.told(K.SERVER_HUNG)]
        assert one.told(K.SERVER_BUSY)


@pytest.mark.slow
async def test_a_probe_that_nobody_has_marked_is_only_told_of(tmp_path: Path) -> None:
    """Readiness alone kills nobody: the hang is reported, with evidence, and the server goes on when it can."""
    moody = Moody()
    async with watching(tmp_path, {"a": moody.settings}, {"a": moody.probe}) as one:
        first = await one.until_well()
        os.kill(first, signal.SIGSTOP)
        await one.until(lambda: one.told(K.EVIDENCE_SAVED), "evidence")
        (hung,) = one.told(K.SERVER_HUNG)
        assert (hung.severity, hung.text.endswith("it is only told of, not restarted")) == ("warning", True)
        await asyncio.sleep(1.5)
        os.kill(first, signal.SIGCONT)
        await one.until(lambda: one.told(K.SERVER_LIVES), "it to be well again")
        assert one.pid() == first
        assert not one.told(K.ACTION_REQUESTED)
        assert len(one.told(K.EVIDENCE_SAVED)) == 1


@pytest.mark.slow
async def test_expected_work_is_no_hang(tmp_path: Path) -> None:
    """While somebody has announced a stress run, silence is told as such and nobody is ended; after that it is."""
    moody = Moody(liveness=QUICKLY)
    async with watching(tmp_path, {"a": moody.settings}, {"a": moody.probe}) as one:
        first = await one.until_well()
        assert (await one.order("expect", seconds=2.5, reason="stress run 42")).ok
        os.kill(first, signal.SIGSTOP)
        await one.until(lambda: one.told(K.SERVER_BUSY), "it to be seen")
        assert "stress run 42" in one.status().liveness_why
        assert one.pid() == first
        await one.until(lambda: one.pid() not in {0, first}, "another process, once the time is over")


async def test_one_that_dumps_core_first_if_that_is_wanted(tmp_path: Path) -> None:
    """SIGABRT comes before SIGTERM."""
    moody = Moody(liveness=LivenessSettings(misses=2, abort=True))
    async with watching(tmp_path, {"a": moody.settings}, {"a": moody.probe}) as one:
        first = await one.until_well()
        os.kill(first, signal.SIGSTOP)
        await one.until(lambda: one.pid() not in {0, first}, "another process")
        assert one.status().last_exit == "killed by SIGABRT"


FED = """
import contextlib, os, socket, time
one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
def tell(words):
    with contextlib.suppress(ConnectionRefusedError):  # while nobody is there, as sd_notify(3) has it
        one.sendto(words, "\\0" + os.environ["NOTIFY_SOCKET"][1:])
assert os.environ["WATCHDOG_USEC"] == "500000"
time.sleep(0.3)
tell(b"READY=1\\nSTATUS=warm")
for _ in range(8):
    tell(b"WATCHDOG=1")
    time.sleep(0.1)
time.sleep(1000)
"""


async def test_a_watchdog_that_is_no_longer_fed(tmp_path: Path) -> None:
    """Ready when it says so, its own words shown, restarted when it says nothing any more; those after it wait for READY=1."""
    settings = LivenessSettings(notify=True, watchdog=Duration(0.5))
    servers = {"a": ServerSettings(command=python(FED), liveness=settings), "b": ServerSettings(command=("sleep", "1000"))}
    servers["b"] = msgspec.structs.replace(servers["b"], after=("a",))
    async with watching(tmp_path, servers) as one:
        await one.until(one.pid, "its start")
        first = one.pid()
        assert not one.watch.is_ready("a")
        assert not one.pid("b")
        await one.until(lambda: one.status().says == "warm", "its word")
        await one.until(lambda: one.pid("b"), "the start of what comes after it")
        await one.until(lambda: one.pid() not in {0, first}, "another process")
        (hung,) = one.told(K.SERVER_HUNG)
        assert "watchdog: no WATCHDOG=1 within 500ms" in hung.text


async def test_nobody_else_may_speak_for_a_server(tmp_path: Path) -> None:
    """A message of a process that is none of its own is not heard."""
    servers = {"a": ServerSettings(command=("sleep", "1000"), liveness=LivenessSettings(notify=True))}
    async with watching(tmp_path, servers) as one:
        await one.until(one.pid, "its start")
        address = one.watch.hearing.environment("a")["NOTIFY_SOCKET"]
        stranger = python(
            "import socket, sys; socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'READY=1', '\\0' + sys.argv[1][1:])",
            address,
        )
        run = await asyncio.create_subprocess_exec(*stranger)
        assert await run.wait() == 0
        await asyncio.sleep(0.2)
        assert not one.watch.is_ready("a")


QUICK_TO_SAY = """
import subprocess, sys, time
say = "from os import environ as e; from socket import *; a = chr(0) + e['NOTIFY_SOCKET'][1:]"
say += "; socket(AF_UNIX, SOCK_DGRAM).sendto(b'READY=1', a)"
subprocess.run([sys.executable, "-c", say], check=True)
print("said", flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize("held_up", ["the word that it is executed", "the step to running"])
async def test_what_is_said_before_the_agent_knows_who_it_is_counts(tmp_path: Path, held_up: str) -> None:
    """READY=1 of a quick server comes before the agent hears of its process, or takes that in; its sender has ended by then."""
    settings = ServerSettings(command=python(QUICK_TO_SAY), liveness=LivenessSettings(notify=True), autostart=False)
    async with watching(tmp_path, {"a": settings}) as one:
        kept = one.watch.supervisor.kept("a")
        assert kept is not None
        spawn, give = kept._parent.spawn, kept.give

        async def said() -> None:
            await one.until(lambda: "said" in kept.log.last_line(0), "its word")

        async def late_spawn(wanted: Spawn) -> Process:
            process = await spawn(wanted)
            await said()
            return process

        def late_give(given: lifecycle.Input, *, first: bool = False) -> None:
            if isinstance(given, lifecycle.Spawned):
                waiting.append(asyncio.ensure_future(said()))
                waiting[0].add_done_callback(lambda _: asyncio.get_running_loop().call_later(0.05, give, given))
            else:
                give(given, first=first)

        waiting: list[asyncio.Future[None]] = []
        if held_up == "the step to running":
            kept.give = late_give  # type: ignore[method-assign]  # the step must come late
        else:
            kept._parent.spawn = late_spawn  # type: ignore[method-assign]  # the word must come late
        outcome = await one.order("start")
        assert outcome.ok, outcome.text
        await one.until(lambda: one.status().state is ServerState.RUNNING, "it to run")
        await one.until(lambda: one.watch.is_ready("a"), "its READY=1", seconds=5)


BEATS = """
import pathlib, time
beat = pathlib.Path("beat")
for _ in range(6):
    beat.touch()
    time.sleep(0.1)
time.sleep(1000)
"""


async def test_a_heartbeat_file_that_rests(tmp_path: Path) -> None:
    """Left by an earlier run it is no sign of life; touched it is, resting it is a hang."""
    (tmp_path / "beat").touch()
    settings = LivenessSettings(heartbeat=HeartbeatFileSettings(file=Path("beat"), within=Duration(0.5)))
    servers = {"a": ServerSettings(command=python(BEATS), liveness=settings, folder=tmp_path)}
    async with watching(tmp_path / "agent", servers) as one:
        await one.until(one.pid, "its start")
        first = one.pid()
        await one.until(lambda: one.pid() not in {0, first}, "another process")
        assert "heartbeat: beat has not changed for 500ms" in one.told(K.SERVER_HUNG)[0].text


async def test_a_heartbeat_file_on_a_mount_that_hangs_blinds_for_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own server is neither alive nor hung, which is told; another that stops beating is found and restarted meanwhile."""
    away, back, stamp = threading.Event(), threading.Event(), heartbeat.stamp
    (tmp_path / "mount").mkdir()

    def hanging(path: Path) -> heartbeat.Stamp:
        if path.parent.name == "mount" and away.is_set():
            back.wait(60)
        return stamp(path)

    def beating(folder: Path) -> ServerSettings:
        beats = HeartbeatFileSettings(file=folder / "beat", within=Duration(0.5))
        command = ("sh", "-c", f"while touch {folder}/beat; do sleep 0.1; done")
        return ServerSettings(command=command, liveness=LivenessSettings(heartbeat=beats))

    monkeypatch.setattr(heartbeat, "stamp", hanging)
    monkeypatch.setattr(hearing, "BLIND_SECONDS", 0.5)
    servers = {"a": beating(tmp_path / "mount"), "b": beating(tmp_path)}
    async with watching(tmp_path / "agent", servers) as one:
        mounted, first = await one.until_well("a"), await one.until_well("b")
        away.set()
        await one.until(lambda: one.told(K.SERVER_WARNED), "that nobody knows")
        assert "nobody knows whether a beats" in one.told(K.SERVER_WARNED)[0].text
        os.kill(first, signal.SIGSTOP)
        await one.until(lambda: one.pid("b") not in {0, first}, "another process of the other")
        assert one.pid("a") == mounted
        back.set()
        await one.until(lambda: one.told(K.SERVER_LIVES), "that it is known again")
        heard = one.watch.hearing._heard["a"]
        known = heard.pulse._beat
        await one.until(lambda: heard.pulse._beat > known, "its next beats")
        assert (one.pid("a"), one.told(K.SERVER_HUNG)) == (mounted, [])


@pytest.mark.slow
async def test_after_so_many_deeds_a_person_is_asked(tmp_path: Path) -> None:
    """One an hour: the second hang is told, with evidence or not, and left to a person; who acts gives it back."""
    moody = Moody(liveness=QUICKLY)
    few = ControlSettings(automatic=1)
    async with watching(tmp_path, {"a": moody.settings}, {"a": moody.probe}, control=few) as one:
        first = await one.until_well()
        os.kill(first, signal.SIGSTOP)
        await one.until(lambda: one.pid() not in {0, first}, "another process")
        second = await one.until_well()
        os.kill(second, signal.SIGSTOP)
        await one.until(lambda: one.told(K.PERSON_NEEDED), "a person to be asked")
        assert one.told(K.PERSON_NEEDED)[0].severity == "critical"
        assert "acted 1 times within the hour" in one.status().asks
        await asyncio.sleep(1.5)
        assert one.pid() == second
        assert len(one.told(K.PERSON_NEEDED)) == 1
        assert (await one.order("restart")).ok
        assert one.status().asks == ""
        third = await one.until_well()
        os.kill(third, signal.SIGSTOP)
        await one.until(lambda: one.pid() not in {0, third}, "one more deed")


async def test_a_server_of_an_earlier_agent_goes_on_being_heard(tmp_path: Path) -> None:
    """Its socket has the same name for the next agent; it is ready already, and a hang of it is one."""
    code = FED.replace("range(8)", "range(40)")
    settings = LivenessSettings(notify=True, watchdog=Duration(0.5))
    servers = {"a": ServerSettings(command=python(code), liveness=settings)}
    first = (await earlier_agent(tmp_path, servers))["a"]
    async with watching(tmp_path, servers) as one:
        await one.until(lambda: one.pid() == first, "the adoption")
        heard: Heard = one.watch.hearing._heard["a"]
        await one.until(lambda: heard.pulse._pinged > heard.pulse.began, "a word of its watchdog")
        assert one.watch.is_ready("a")
        await one.until(lambda: one.pid() not in {0, first}, "another process")


async def test_many_that_hang_together_are_all_helped(tmp_path: Path) -> None:
    """A few are looked at, the rest are helped without: none waits for the others' evidence, and that is told."""
    moods = {f"s{number}": Moody(liveness=QUICKLY) for number in range(6)}
    servers = {name: moody.settings for name, moody in moods.items()}
    async with watching(tmp_path, servers, {name: moody.probe for name, moody in moods.items()}) as one:
        first = {name: await one.until_well(name) for name in moods}
        for pid in first.values():
            os.kill(pid, signal.SIGSTOP)
        await one.until(lambda: all(one.pid(name) not in {0, first[name]} for name in moods), "all of them")
        told = [event for name in moods for event in one.told(K.EVIDENCE_SAVED, name)]
        assert len(told) == 6
        assert all("evidence" in event.facts or "too many fail at once" in event.text for event in told)
        assert sum("evidence" in event.facts for event in told) >= 1
