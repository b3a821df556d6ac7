"""The agent: what runs on a watched machine. One straight page, read from `serve` down.

Rounds read figures, probes and pages are asked, servers are kept alive; all of it goes through the
spool to the hub, whose orders come back the same way (`duty` joins these parts). The agent works as
well without a hub: nothing here waits for one. It loads no store, query, journal or web room, and no
numpy: it shares its machine with the servers that it is there for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable
from pathlib import Path

from watchkeeper.clock import SystemClock
from watchkeeper.config import Document
from watchkeeper.duty import Agent
from watchkeeper.introduce import machine_name
from watchkeeper.model import EventKind
from watchkeeper.watched import SECTIONS, read_settings

__all__ = ["SECTIONS", "read_settings", "run", "serve"]

logger = logging.getLogger(__name__)


async def serve(
    read_document: Callable[[], Document], data: Path, lifeline: int | None = None, ready: Callable[[], None] = lambda: None
) -> None:
    """Run the agent until SIGTERM or SIGINT, or until `lifeline` (a pipe) ends; SIGHUP reads the configuration again.

    `ready` is called once everything runs.
    """
    agent = Agent(read_settings(read_document()), data, SystemClock())
    with contextlib.closing(agent):
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, agent.reload, read_document)
        if lifeline is not None:
            loop.add_reader(lifeline, agent.leave, stop)
        agent.happen(EventKind.AGENT_STARTED, f"{agent.settings.machine.name or machine_name()}'s agent has started")
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(agent.watch.run(), name="watch"),
                group.create_task(agent.probing.run(), name="probes"),
                group.create_task(agent.scraping.run(), name="pages"),
                group.create_task(agent.rounds.run(), name="rounds"),
                group.create_task(agent.uplink.run(), name="uplink"),
                group.create_task(agent.lost.run(), name="lost hub"),
            ]
            ready()
            await stop.wait()
            if lifeline is not None:
                loop.remove_reader(lifeline)
            logger.info("stopping")
            await agent.stop()
            for task in tasks:
                task.cancel()


def run(
    read_document: Callable[[], Document], data: Path, lifeline: int | None = None, ready: Callable[[], None] = lambda: None
) -> None:
    """Run the agent in this process until it is told to stop; raises ConfigError and Refused."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    asyncio.run(serve(read_document, data, lifeline, ready))
