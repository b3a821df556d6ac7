"""Workers of a stress run on this machine, for a hub that tells it to: started, carried for, and never left behind.

The agent knows nothing of load: it hands bytes on, both ways, over the hub's link or, once it is told a line's name, over
NATS. A worker ends when its end of the socket pair does, whatever has become of this agent. Only an agent whose own file says
``load = true`` does it at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence

from watchkeeper.errors import ConfigError, Failed, Refused
from watchkeeper.wire.bus import OVER, Address, Bus
from watchkeeper.wire.packets import WorkerPart, encode, worker_part

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


Say = Callable[[int, bytes], Awaitable[None]]


class Line:
    """How workers are spoken to and heard: over the hub's link at first, over NATS once that is asked for."""

    def __init__(self, told: asyncio.Queue[tuple[int, bytes]], say: Say, nats: Callable[[], Address | None]) -> None:
        """`nats`: where this agent's own file says that such lines may go, asked when one is to; None: nowhere."""
        self.say = say
        self._told = told
        self._nats = nats
        self._bus: Bus | None = None

    async def hear(self, workers: Sequence[Worker]) -> None:
        """Hand on what comes, for ever. Raises Refused and Failed."""
        async with asyncio.TaskGroup() as group:
            while True:
                number, content = await self._told.get()
                if number == OVER and self._bus is None:
                    self._bus = bus = await self._over(content.decode("ascii", "replace"))
                    group.create_task(self._hear_bus(bus), name="workers over NATS")
                elif 0 <= number < len(workers):
                    with contextlib.suppress(ConnectionError):
                        workers[number].writer.write(content)
                        await workers[number].writer.drain()

    async def close(self) -> None:
        """Let go of the bus, if there is one."""
        if self._bus is not None:
            await self._bus.close()

    async def _over(self, name: str) -> Bus:
        try:
            address = self._nats()
        except ConfigError as fault:
            raise Refused(str(fault), code="no-nats") from None
        if address is None:
            raise Refused("this agent is told of no NATS server: its own file says so with nats under [agent]", code="no-nats")
        bus = await Bus.open(address, name, asks=False)

        async def say(number: int, content: bytes) -> None:
            await bus.send(encode(WorkerPart("", number, content)))

        self.say = say
        await say(OVER, b"")
        return bus

    async def _hear_bus(self, bus: Bus) -> None:
        while True:
            part = worker_part(await bus.receive())
            await self._told.put((part.number, part.content))


async def carry(
    count: int,
    told: asyncio.Queue[tuple[int, bytes]],
    say: Say,
    *,
    allowed: bool,
    nats: Callable[[], Address | None] = lambda: None,
) -> None:
    """See `wire.uplink.Duty.carry`. Without `count` (0) there is one for each processor."""
    if not allowed:
        raise Refused("this agent is not to make load: its own file says so with load = true under [agent]", code="no-load")
    count = count or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else count or os.cpu_count() or 1
    if count > MOST:
        raise Refused(f"at most {MOST} workers on one machine", code="too-many")
    workers: list[Worker] = []
    line = Line(told, say, nats)
    try:
        for _ in range(count):
            workers.append(await _started())  # noqa: PERF401  # each one that was started must be ended
        async with asyncio.TaskGroup() as group:
            handing = group.create_task(line.hear(workers), name="to workers")
            saying = [group.create_task(_say(one, number, line), name=f"worker {number}") for number, one in enumerate(workers)]
            await asyncio.wait(saying)
            handing.cancel()
    except OSError as fault:
        raise Refused(f"workers cannot be started: {fault.strerror}", code="no-load") from None
    except BaseExceptionGroup as faults:
        if (only := _only(faults)) is None:
            raise
        raise Refused(only.why, code="line-broke") from None
    finally:
        await line.close()
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


async def _say(worker: Worker, number: int, line: Line) -> None:
    with contextlib.suppress(ConnectionError):
        while content := await worker.reader.read(PART_BYTES):
            await line.say(number, content)


def _only(faults: BaseExceptionGroup[BaseException]) -> Refused | Failed | None:
    """What a line's end has to say, where nothing else went wrong."""
    rest = faults
    while len(rest.exceptions) == 1:
        inner = rest.exceptions[0]
        if isinstance(inner, Refused | Failed):
            return inner
        if not isinstance(inner, BaseExceptionGroup):
            return None
        rest = inner
    return None
