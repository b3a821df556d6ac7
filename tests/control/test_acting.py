"""What is done to servers by itself goes on whatever their evidence meets: names, logs and disks that cannot be had."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from rigs.engine import engine_on
from rigs.watching import python, watching
from watchkeeper.control import Docker, ServerSettings, acting, evidence
from watchkeeper.control.acting import AT_ONCE
from watchkeeper.control.evidence import Evidence
from watchkeeper.control.liveness import LivenessSettings
from watchkeeper.model import EventKind as K  # a table of them
from watchkeeper.model import ServerState
from watchkeeper.quantities import Duration

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="stops and looks at processes as Linux does")

HEEDS_NOTHING = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
held = open(os.fsencode(sys.argv[1]) + b"/Pr\\xfcfung.csv", "w")
print("deaf", flush=True)
time.sleep(1000)
"""


def deaf(folder: Path) -> ServerSettings:
    """A server that must be killed, and has a file open whose name is no UTF-8."""
    return ServerSettings(command=python(HEEDS_NOTHING, str(folder)), stop_grace=Duration(0.2))


async def content(one, identity: str) -> dict[str, str]:
    """The sections of what was saved."""
    raw = b"".join([part async for part in one.watch.evidence(identity)])
    return {part.title: part.text for part in msgspec.json.decode(raw, type=Evidence).sections}


async def test_names_that_are_no_text_end_nobody(tmp_path: Path) -> None:
    """A server with an open file whose name is not UTF-8 is looked at and killed, and the others stay under care."""
    servers = {"a": deaf(tmp_path), "b": ServerSettings(command=("sleep", "1000"))}
    async with watching(tmp_path / "agent", servers) as one:
        await one.until(lambda: "deaf" in one.watch.supervisor.kept("a").log.last_line(0), "its start")
        outcome = await one.order("stop")
        assert outcome.ok, outcome.text
        (saved,) = one.told(K.EVIDENCE_SAVED)
        assert r"/Pr\xfcfung.csv" in (await content(one, saved.facts["evidence"]))["descriptors"]
        os.kill(one.pid("b"), 9)
        await one.until(lambda: one.status("b").restarts == 1 and one.pid("b"), "the next run of another")


@pytest.mark.parametrize(("logs", "said"), [("none", "it cannot be read: status 501"), ("stuck", "was not given within 1 s")])
async def test_output_that_cannot_be_had_holds_up_no_restart(tmp_path: Path, logs: str, said: str) -> None:
    """A container that hangs and whose output the engine does not give, or never gives: evidence without it, then the order."""
    async with engine_on(tmp_path / "sock") as engine:
        box = engine.box("web")
        box.logs = logs
        await engine.start(box)
        settings = Docker(
            container="web",
            socket=engine.path,
            period=Duration(60),
            stop_grace=Duration(0.2),
            liveness=LivenessSettings(misses=2, start=Duration(0.1)),
        )
        servers = {"a": settings}
        async with watching(tmp_path / "agent", servers) as one:
            one.watch.replace(servers, marked={"a": ["http"]}, asked={"a": ["http"]})
            await one.until(lambda: one.status().state is ServerState.RUNNING, "it to be seen")

            def restarted() -> bool:
                one.watch.hearing.probed("a", "http", ok=False, why="no answer")
                return "POST /containers/web/restart" in engine.asked

            await one.until(restarted, "the order to restart it")
            assert said in (await content(one, one.told(K.EVIDENCE_SAVED)[0].facts["evidence"]))["last lines"]


async def test_a_look_that_breaks_or_never_ends_is_told_and_the_server_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong in it: there is no evidence, why is told, and what was to be done is done."""

    async def broken(*_: object, **__: object) -> Evidence:
        raise ZeroDivisionError("of all things")

    async def endless(*_: object, **__: object) -> Evidence:
        while True:  # not to be cancelled either, as what waits for a process that is stuck in the kernel
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                if over.is_set():
                    raise

    over = threading.Event()
    monkeypatch.setattr(acting, "LOOK_SECONDS", 0.5)
    async with watching(tmp_path / "agent", {"a": deaf(tmp_path)}) as one:
        for gather, why in ((broken, "ZeroDivisionError: of all things"), (endless, "it took longer than")):
            monkeypatch.setattr(evidence, "gather", gather)
            await one.until(lambda: one.pid() and "deaf" in one.watch.supervisor.kept("a").log.last_line(0), "its start")
            assert (await one.order("restart")).ok
            assert f"no evidence of a was taken: {why}" in one.told(K.EVIDENCE_SAVED)[-1].text
        over.set()
        for task in one.watch.acting._looks:
            task.cancel()


async def test_a_disk_that_does_not_answer_holds_up_no_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evidence that cannot be written is given up after its time, and no more than a few threads are left to such a disk."""
    release = threading.Event()
    monkeypatch.setattr(acting, "SAVE_SECONDS", 0.3)
    async with watching(tmp_path / "agent", {"a": deaf(tmp_path)}) as one:
        monkeypatch.setattr(one.watch.archive, "save", lambda _found: release.wait(60) and 0)
        for _ in range(AT_ONCE + 1):
            await one.until(lambda: one.pid() and "deaf" in one.watch.supervisor.kept("a").log.last_line(0), "its start")
            assert (await one.order("restart")).ok
        assert len(one.told(K.EVIDENCE_SAVED)) == AT_ONCE + 1
        assert "has not answered within" in one.told(K.EVIDENCE_SAVED)[0].text
        assert "the disk for it does not answer" in one.told(K.EVIDENCE_SAVED)[-1].text
        assert one.watch.acting._saving.unanswered == AT_ONCE
        release.set()
