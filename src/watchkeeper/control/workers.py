"""Workers of a stress run on this machine, for a hub that tells it to: started, carried for, and never left behind.

The agent knows nothing of load: it hands bytes on, both ways. A worker ends when its end of the socket pair does, whatever has
become of this agent. Only an agent whose own file says ``load = true`` does it at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Awaitable, Callable

from watchkeeper.errors import Refused

MOST = 64
"""Workers at one time."""
PART_BYTES = 65536
GOODBYE_SECONDS = 3.0


class Worker:
    """One process and our end of its line."""

    def __init__(self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.process = process
        self.reader = reader
        self.writer = writer

    async def end(self) -> None:
        """Close the line and wait; by force after a while."""
        self.writer.close()
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self.process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()


async def carry(
    count: int, told: asyncio.Queue[tuple[int, bytes]], say: Callable[[int, bytes], Awaitable[None]], *, allowed: bool
) -> None:
    """See `wire.uplink.Duty.carry`. Without `count` (0) there is one for each processor."""
    if not allowed:
        raise Refused("this agent is not to make load: its own file says so with load = true under [agent]", code="no-load")
    count = count or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else count or os.cpu_count() or 1
    if count > MOST:
        raise Refused(f"at most {MOST} workers on one machine", code="too-many")
    workers: list[Worker] = []
    try:
        for _ in range(count):
            workers.append(await _started())  # noqa: PERF401  # each one that was started must be ended
        async with asyncio.TaskGroup() as group:
            handing = group.create_task(_hand(workers, told), name="to workers")
            saying = [group.create_task(_say(one, number, say), name=f"worker {number}") for number, one in enumerate(workers)]
            await asyncio.wait(saying)
            handing.cancel()
    except OSError as fault:
        raise Refused(f"workers cannot be started: {fault.strerror}", code="no-load") from None
    finally:
        await asyncio.shield(asyncio.gather(*(one.end() for one in workers)))


async def _started() -> Worker:
    ours, theirs = socket.socketpair()
    with theirs:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "watchkeeper.stress.worker",
            str(theirs.fileno()),
            pass_fds=(theirs.fileno(),),
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    reader, writer = await asyncio.open_connection(sock=ours, limit=1 << 20)
    return Worker(process, reader, writer)


async def _hand(workers: list[Worker], told: asyncio.Queue[tuple[int, bytes]]) -> None:
    while True:
        number, content = await told.get()
        if 0 <= number < len(workers):
            with contextlib.suppress(ConnectionError):
                workers[number].writer.write(content)
                await workers[number].writer.drain()


async def _say(worker: Worker, number: int, say: Callable[[int, bytes], Awaitable[None]]) -> None:
    with contextlib.suppress(ConnectionError):
        while content := await worker.reader.read(PART_BYTES):
            await say(number, content)
