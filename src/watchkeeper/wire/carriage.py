"""The hub between a stress run and workers on an agent's machine: bytes go on as they come, until either side has gone."""

from __future__ import annotations

import asyncio
from typing import Protocol

from watchkeeper.wire.downlink import Downlink, WorkerLine
from watchkeeper.wire.packets import encode, worker_part


class Asker(Protocol):
    """Whoever conducts the run."""

    async def receive(self) -> bytes | None:
        """Its next word; None once it has gone."""
        ...

    async def send(self, message: bytes) -> None:
        """Hand it one."""
        ...


async def between(link: Downlink, machine: str, count: int, asker: Asker) -> None:
    """Have `count` workers started there and carry for them; raises Refused (in a group) for what is no part of it."""
    async with link.workers(count) as line, asyncio.TaskGroup() as group:
        hearing = group.create_task(_hear(line, asker), name=f"workers of {machine}")
        telling = group.create_task(_tell(line, asker), name=f"to workers of {machine}")
        await asyncio.wait({hearing, telling}, return_when=asyncio.FIRST_COMPLETED)
        hearing.cancel()
        telling.cancel()


async def _hear(line: WorkerLine, asker: Asker) -> None:
    while True:
        part = await line.receive()
        await asker.send(encode(part))
        if part.end:
            return


async def _tell(line: WorkerLine, asker: Asker) -> None:
    while (message := await asker.receive()) is not None:
        part = worker_part(message)
        await line.send(part.number, part.content)
