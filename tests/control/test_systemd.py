"""The driver `systemd` over a real, private D-Bus: what a unit does is seen at once, and orders are systemd's to carry out."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("dbus_fast", reason="the driver is for Linux")

from rigs import systemd1
from rigs.systemd1 import Systemd1, private_systemd
from rigs.watching import watching
from watchkeeper.control.systemd import Systemd, seen
from watchkeeper.failing import is_wanted
from watchkeeper.model import EventKind, ServerState
from watchkeeper.quantities import Duration

pytestmark = pytest.mark.skipif(bool(systemd1.why_not()), reason=systemd1.why_not())


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[Systemd1]:
    """A bus of our own."""
    async with private_systemd(tmp_path) as one:
        yield one


def unit(bus: Systemd1, **more: object) -> Systemd:
    """A server that is never polled within a test: what is seen in time was told."""
    return Systemd(unit="web", bus=bus.address, period=Duration(60), **more)  # type: ignore[arg-type]  # a test's own


@pytest.mark.parametrize(
    ("found", "state", "words"),
    [
        ({"ActiveState": "active", "SubState": "running"}, "running", "active (running)"),
        ({"ActiveState": "reloading", "SubState": "reload"}, "running", "reloading (reload)"),
        ({"ActiveState": "activating", "SubState": "start"}, "starting", "activating (start)"),
        ({"ActiveState": "deactivating", "SubState": "stop-sigterm"}, "stopping", "deactivating (stop-sigterm)"),
        ({"ActiveState": "inactive", "SubState": "dead", "ExecMainCode": 1}, "stopped", "inactive (dead), exit status 0"),
        (
            {"ActiveState": "failed", "SubState": "failed", "Result": "oom-kill", "ExecMainCode": 2, "ExecMainStatus": 9},
            "failed",
            "failed (failed), killed by SIGKILL, result oom-kill",
        ),
        ({"ActiveState": "inactive", "LoadState": "not-found"}, "failed", "there is no unit web.service"),
        ({"ActiveState": "inactive", "LoadState": "masked"}, "stopped", "web.service is masked"),
        ({"ActiveState": "active", "SubState": "running", "LoadState": "masked"}, "running", "active (running)"),
        ({"ActiveState": "deactivating", "SubState": "stop", "LoadState": "not-found"}, "stopping", "deactivating (stop)"),
        ({"ActiveState": "maintenance", "SubState": "x"}, "unknown", "systemd says: maintenance (x)"),
    ],
)
def test_what_properties_tell(found: dict[str, Any], state: str, words: str) -> None:
    """Each of a unit's states is one of ours, in systemd's words."""
    told = seen("web.service", found)
    assert (told.state, told.words) == (state, words)


def test_names_of_units() -> None:
    """A name without an ending is a service; what could be a path or an option is refused."""
    assert Systemd(unit="nginx").full_name == "nginx.service"
    assert Systemd(unit="my.app").full_name == "my.app.service"
    assert Systemd(unit="getty@tty1.service").full_name == "getty@tty1.service"
    for wrong in ("", "a b", "../x", "--all;"):
        with pytest.raises(ValueError, match="unit"):
            Systemd(unit=wrong)


async def test_what_systemd_does_is_seen_at_once(bus: Systemd1, tmp_path: Path) -> None:
    """A unit that is started, dies and is started again by systemd itself is told each time, and never started by us."""
    web = bus.unit("web.service")
    web.restarts = True
    async with watching(tmp_path / "agent", {"a": unit(bus)}) as one:
        await one.until(lambda: "Subscribe" in bus.asked and "GetAll" in bus.asked, "the first look")
        await bus.start(web)
        await one.until(lambda: one.status().state is ServerState.RUNNING, "it to be seen")
        first = web.pid
        assert one.pid() == first
        assert abs(one.status().started_at / 1000 - time.time()) < 60
        os.kill(first, signal.SIGKILL)
        await one.until(lambda: EventKind.SERVER_EXITED in one.kinds(), "its end")
        assert "killed by SIGKILL" in one.status().last_exit
        await one.until(lambda: one.pid() not in {0, first}, "its next run")
        assert (one.pid(), one.status().restarts) == (web.pid, 1)
        assert "StartUnit" not in bus.asked


async def test_orders_are_systemds_to_carry_out(bus: Systemd1, tmp_path: Path) -> None:
    """Start, restart in one go, stop: each ends when the unit has got there."""
    web = bus.unit("web.service")
    async with watching(tmp_path / "agent", {"a": unit(bus)}) as one:
        outcome = await one.order("start")
        assert outcome.ok, outcome.text
        first = web.pid
        outcome = await one.order("restart")
        assert outcome.ok, outcome.text
        assert one.pid() == web.pid != first
        assert "RestartUnit" in bus.asked
        assert "StopUnit" not in bus.asked
        assert "have systemd stop web.service" in (await one.order("stop", dry_run=True)).text
        outcome = await one.order("stop")
        assert outcome.ok, outcome.text
        assert (one.status().state, web.state) == (ServerState.STOPPED, "inactive")


async def test_it_goes_on_when_the_agent_stops(bus: Systemd1, tmp_path: Path) -> None:
    """An agent that ends leaves the unit as it is; the next one finds it running."""
    web = bus.unit("web.service")
    await bus.start(web)
    for _ in range(2):
        async with watching(tmp_path / "agent", {"a": unit(bus)}) as one:
            await one.until(one.pid, "it to be found")
            assert one.kinds() == [EventKind.SERVER_ADOPTED]
    assert (web.state, one.pid()) == ("active", web.pid)


async def test_a_refusal_is_told_in_systemds_words(bus: Systemd1, tmp_path: Path) -> None:
    """Without the right to, an order fails with what systemd says, nothing is tried again, and the unit goes on."""
    web = bus.unit("web.service")
    await bus.start(web)
    web.forbidden = True
    async with watching(tmp_path / "agent", {"a": unit(bus)}) as one:
        await one.until(one.pid, "it to be found")
        outcome = await one.order("stop")
        assert not outcome.ok
        assert "Interactive authentication required" in outcome.text
        assert (one.status().state, web.state) == (ServerState.RUNNING, "active")


async def test_a_unit_that_there_is_not_cannot_be_started(bus: Systemd1, tmp_path: Path) -> None:
    """The outcome names it, and it is not tried again and again."""
    settings = Systemd(unit="no-such", bus=bus.address)
    async with watching(tmp_path / "agent", {"a": settings}) as one:
        outcome = await one.order("start")
        assert not outcome.ok
        assert "there is no unit no-such.service" in outcome.text
        assert one.status().state is ServerState.EXITED


async def test_another_systemd_is_joined_again(bus: Systemd1, tmp_path: Path) -> None:
    """While systemd is away nobody knows how the unit stands; once another is there it is subscribed to, and all is seen."""
    web = bus.unit("web.service")
    await bus.start(web)
    async with watching(tmp_path / "agent", {"a": unit(bus)}) as one:
        await one.until(one.pid, "it to be found")
        await bus.leave()
        await one.until(lambda: one.watch.supervisor.unseen("a"), "that it cannot be seen")
        assert one.status().state is ServerState.RUNNING
        bus.asked.clear()
        await bus.open()
        await one.until(lambda: not one.watch.supervisor.unseen("a"), "that it is seen again")
        assert "Subscribe" in bus.asked
        await bus.stop(web)
        await one.until(lambda: one.status().state is ServerState.EXITED, "its end")
        assert not is_wanted(one.status())  # somebody has stopped it: that is no fault


async def test_a_kill_goes_to_all_of_the_unit(bus: Systemd1, tmp_path: Path) -> None:
    """What does not heed its stop within the grace is killed through systemd."""
    web = bus.unit("web.service")
    async with watching(tmp_path / "agent", {"a": unit(bus, stop_grace=Duration(0.5))}) as one:
        assert (await one.order("start")).ok
        assert web.process
        web.process.send_signal(signal.SIGSTOP)  # so that SIGTERM waits, which goes first where both come at once
        stat = Path(f"/proc/{web.process.pid}/stat")
        await one.until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "it to stand still")
        outcome = await one.order("stop")
        assert outcome.ok, outcome.text
        assert "KillUnit" in bus.asked
