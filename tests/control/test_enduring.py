"""A fault of the agent's own in the care for one server is told and got over; the other servers notice nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from rigs.watching import QUICK, watching
from watchkeeper.control import ServerSettings, enduring
from watchkeeper.control.enduring import endure
from watchkeeper.control.parentage import Process, Spawn
from watchkeeper.model import EventKind as K  # a table of them
from watchkeeper.model import ServerState


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pauses."""
    monkeypatch.setattr(enduring, "FIRST_SECONDS", 0.01)


async def test_what_breaks_is_told_and_begun_again() -> None:
    """Each time with its words, those of a group by their causes; who cannot even be told changes nothing."""
    heard: list[str] = []
    faults: list[Exception] = [ExceptionGroup("two", [ZeroDivisionError("by chance"), KeyError()]), ValueError("again")]

    async def work() -> None:
        if faults:
            raise faults.pop(0)

    def broke(why: str) -> None:
        heard.append(why)
        raise OSError(why)

    await endure("a test", work, broke)
    assert heard == ["ZeroDivisionError: by chance; KeyError", "ValueError: again"]


async def test_who_is_cancelled_is_not_begun_again() -> None:
    """Neither alone nor when it breaks at the same time."""
    for fault in (asyncio.CancelledError(), ZeroDivisionError()):
        began = asyncio.Event()

        async def work(fault: BaseException = fault, began: asyncio.Event = began) -> None:
            began.set()
            try:
                await asyncio.sleep(1000)
            finally:
                raise fault

        task = asyncio.create_task(endure("a test", work, lambda _: None))
        await began.wait()
        task.cancel()
        async with asyncio.timeout(10):
            await asyncio.wait({task})
        assert task.cancelled()


@pytest.mark.skipif(sys.platform != "linux", reason="an order that comes again is the keeper's to know")
async def test_a_start_that_breaks_after_it_was_done_is_found_again(tmp_path: Path) -> None:
    """The process that was started meanwhile is taken, not a second one beside it, and it is kept on as before."""
    servers = {name: ServerSettings(command=("sleep", "1000"), autostart=name == "b", backoff=QUICK) for name in "ab"}
    async with watching(tmp_path, servers) as one:
        await one.until(lambda: one.pid("b"), "the start of the other")
        kept, other = one.watch.supervisor.kept("a"), one.pid("b")
        assert kept is not None
        spawn, started = kept._parent.spawn, []

        async def breaking(wanted: Spawn) -> Process:
            process = await spawn(wanted)
            started.append(process.pid)
            if len(started) == 1:
                raise ZeroDivisionError("of all things")
            return process

        kept._parent.spawn = breaking  # type: ignore[method-assign]  # a fault that nobody has foreseen
        outcome = await one.order("start")
        assert outcome.ok, outcome.text
        assert started == [one.pid(), one.pid()]
        (told,) = one.told(K.SERVER_WARNED)
        assert (told.severity, "ZeroDivisionError: of all things" in told.text) == ("critical", True)
        os.kill(one.pid(), signal.SIGKILL)
        await one.until(lambda: one.status().restarts == 1 and one.pid() not in {0, started[0]}, "its next run")
        assert (one.pid("b"), one.told(K.SERVER_WARNED, "b")) == (other, [])


async def test_an_end_that_cannot_be_told_is_not_lost(tmp_path: Path) -> None:
    """What breaks while a step is taken costs the telling alone: the server is started again, and a stop stops it."""
    servers = {"a": ServerSettings(command=("sleep", "1000"), backoff=QUICK)}
    async with watching(tmp_path, servers) as one:
        await one.until(lambda: one.status().state is ServerState.RUNNING, "its start")
        kept, first = one.watch.supervisor.kept("a"), one.pid()
        assert kept is not None
        narrate, broken = kept._narrate, []

        def breaking(*step: object) -> None:
            if not broken:
                broken.append(step)
                raise ZeroDivisionError
            narrate(*step)  # type: ignore[arg-type]  # as it was given

        kept._narrate = breaking  # type: ignore[method-assign]  # a fault that nobody has foreseen
        os.kill(first, signal.SIGKILL)
        await one.until(lambda: one.pid() not in {0, first}, "its next run")
        outcome = await one.order("stop")
        assert outcome.ok, outcome.text
        assert one.status().state is ServerState.STOPPED
