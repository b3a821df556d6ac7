"""The agent's parts joined, without a hub: it keeps, reads and asks; a bad reload changes nothing."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rigs.programs import HELLO, free_port, is_alive
from watchkeeper.clock import SystemClock
from watchkeeper.config import Document, load
from watchkeeper.duty import Agent, link_address
from watchkeeper.errors import Refused
from watchkeeper.model import Action, Dictionary, Event, Frame, ServerState
from watchkeeper.watched import read_settings


def config(port: int, more: str = "") -> str:
    """One server with a probe."""
    return f"""
[agent]
period = "200ms"
[machine]
name = "box"
[server.hello]
command = ["{sys.executable}", "{HELLO}", "{port}"]
[[server.hello.probe]]
kind = "http"
url = "http://127.0.0.1:{port}/healthz"
period = "200ms"
{more}
"""


class Rig:
    """An agent at work, and what it would have sent."""

    def __init__(self, agent: Agent, path: Path) -> None:
        self.agent = agent
        self.path = path
        self.sent: list[object] = []
        agent.uplink.record = self.sent.append  # type: ignore[method-assign]  # what would be sent is kept

    def events(self) -> list[str]:
        """The kinds of what has happened."""
        return [str(one.kind) for one in self.sent if isinstance(one, Event)]

    def read(self) -> Document:
        """The configuration as it is now."""
        return load(self.path)

    async def until(self, true: Callable[[], object]) -> None:
        """Wait for a condition."""
        async with asyncio.timeout(20):
            while not true():
                await asyncio.sleep(0.02)


@asynccontextmanager
async def working(folder: Path, text: str) -> AsyncIterator[Rig]:
    """An agent without a hub."""
    path = folder / "watchkeeper.toml"
    path.write_text(text)
    agent = Agent(read_settings(load(path)), folder / "data", SystemClock())
    rig = Rig(agent, path)
    parts = (agent.supervisor, agent.probing, agent.scraping, agent.rounds)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(part.run()) for part in parts]
        try:
            yield rig
        finally:
            await agent.stop()
            for task in tasks:
                task.cancel()
    agent.close()


async def test_a_server_is_kept_probed_and_read_without_a_hub(tmp_path: Path) -> None:
    """Its health is its probe's word, its figures are in the frames."""
    async with working(tmp_path, config(free_port())) as rig:
        await rig.until(lambda: rig.agent.statuses()[0].health == "up")
        status = rig.agent.statuses()[0]
        assert (status.state, status.probes[0].ok) == (ServerState.RUNNING, True)
        layouts: list[Dictionary] = []
        rig.agent.spool.keep_layout = layouts.append  # type: ignore[method-assign]  # what would be sent is kept
        rig.agent.reload(rig.read)
        await rig.until(lambda: layouts and any(isinstance(one, Frame) for one in rig.sent))
        named = {series.text() for series in layouts[-1].series}
        assert 'process_resident_memory_bytes{server="hello"}' in named
        assert any(name.startswith("node_memory_MemAvailable_bytes") for name in named)
        pid = status.pid
    assert not is_alive(pid)


async def test_a_bad_reload_is_told_and_changes_nothing(tmp_path: Path) -> None:
    """The event names the mistake; the server goes on undisturbed under the old settings."""
    async with working(tmp_path, config(free_port())) as rig:
        await rig.until(lambda: rig.agent.statuses()[0].health == "up")
        pid = rig.agent.statuses()[0].pid
        rig.path.write_text('[server.hello]\ncomand = ["x"]\n')
        rig.agent.reload(rig.read)
        told = next(one.text for one in rig.sent if isinstance(one, Event) and one.kind == "config_rejected")
        assert "comand" in told
        assert "command" in told
        assert rig.agent.statuses()[0].pid == pid


async def test_a_reload_adds_and_removes(tmp_path: Path) -> None:
    """A new server starts, a removed one stops, the unchanged one notices nothing."""
    port = free_port()
    other = f'[server.other]\ncommand = ["{sys.executable}", "{HELLO}", "{free_port()}"]'
    async with working(tmp_path, config(port)) as rig:
        await rig.until(lambda: rig.agent.statuses()[0].pid)
        pid = rig.agent.statuses()[0].pid
        rig.path.write_text(config(port, other))
        rig.agent.reload(rig.read)
        await rig.until(lambda: [status.state for status in rig.agent.statuses()].count(ServerState.RUNNING) == 2)
        added = next(status.pid for status in rig.agent.statuses() if status.name == "other")
        rig.path.write_text(config(port))
        rig.agent.reload(rig.read)
        await rig.until(lambda: not is_alive(added) and len(rig.agent.statuses()) == 1)
        assert rig.agent.statuses()[0].pid == pid
        assert rig.events().count("config_reloaded") == 2


async def test_an_order_for_nobody_is_an_outcome(tmp_path: Path) -> None:
    """The hub is told in words what it asked wrongly."""
    async with working(tmp_path, config(free_port())) as rig:
        outcome = await rig.agent.order(Action("1", 1, "box", "helo", "restart", "admin"))
        assert not outcome.ok
        assert "did you mean 'hello'" in outcome.text


def test_two_agents_on_one_folder_are_refused(tmp_path: Path) -> None:
    """Two supervisors would fight over one server."""
    path = tmp_path / "watchkeeper.toml"
    path.write_text(config(free_port()))
    settings = read_settings(load(path))
    first = Agent(settings, tmp_path / "data", SystemClock())
    with pytest.raises(Refused, match="in use by the agent"):
        Agent(settings, tmp_path / "data", SystemClock())
    first.close()


@pytest.mark.parametrize(
    ("hub", "link"),
    [
        ("https://hub.example/", "wss://hub.example/link"),
        ("http://127.0.0.1:8900", "ws://127.0.0.1:8900/link"),
        ("https://example.org/watch", "wss://example.org/watch/link"),
    ],
)
def test_where_agents_dial(hub: str, link: str) -> None:
    """The hub's address with the link's scheme and path."""
    assert link_address(hub) == link
