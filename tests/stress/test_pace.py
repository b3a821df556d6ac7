"""An alarm is never early, rings once, and can be set anew or stopped; with and without the kernel's timers."""

from __future__ import annotations

import asyncio
import sys
import time

import pytest

from watchkeeper.stress import pace
from watchkeeper.stress.pace import Alarm


@pytest.fixture(params=["timerfd", "spin", "loop"])
def made(request, monkeypatch: pytest.MonkeyPatch):
    """A maker of alarms: armed by the kernel, kept turning at the end, or by the loop's own timers."""
    alarms = []
    if request.param == "loop":
        monkeypatch.setattr(sys, "platform", "elsewhere")

    def make(ring) -> Alarm:
        alarm = Alarm(asyncio.get_running_loop(), ring, 2_000_000 if request.param == "spin" else 0)
        alarms.append(alarm)
        return alarm

    yield make
    for alarm in alarms:
        alarm.close()


async def test_it_is_never_early(made) -> None:
    """Set a hundred times for a few hundred microseconds on: it rings at that time or after, once each."""
    rung: list[int] = []
    waiting = asyncio.Event()

    def ring() -> None:
        rung.append(time.monotonic_ns())
        waiting.set()

    alarm = made(ring)
    for number in range(100):
        due = time.monotonic_ns() + 200_000 + number * 7_000
        waiting.clear()
        alarm.set(due)
        async with asyncio.timeout(10):
            await waiting.wait()
        assert rung[-1] >= due
    await asyncio.sleep(0.01)
    assert len(rung) == 100


async def test_what_is_due_rings_at_once(made) -> None:
    """A time that is over is now."""
    rung = asyncio.Event()
    made(rung.set).set(time.monotonic_ns() - 5)
    async with asyncio.timeout(10):
        await rung.wait()


async def test_setting_again_replaces_and_stopping_stops(made) -> None:
    """The last word counts."""
    rung: list[int] = []
    alarm = made(lambda: rung.append(time.monotonic_ns()))
    alarm.set(time.monotonic_ns() + 1_000_000)
    late = time.monotonic_ns() + 20_000_000
    alarm.set(late)
    async with asyncio.timeout(10):
        while not rung:
            await asyncio.sleep(0.001)
    assert rung[0] >= late
    alarm.set(time.monotonic_ns() + 3_000_000)
    alarm.stop()
    await asyncio.sleep(0.02)
    assert len(rung) == 1


async def test_a_ring_may_set_it_anew(made) -> None:
    """As the floor does with each hit."""
    rung: list[int] = []

    def ring() -> None:
        rung.append(time.monotonic_ns())
        if len(rung) < 20:
            alarm.set(time.monotonic_ns() + pace.SHORTEST)

    alarm = made(ring)
    alarm.set(time.monotonic_ns())
    async with asyncio.timeout(10):
        while len(rung) < 20:
            await asyncio.sleep(0.001)
