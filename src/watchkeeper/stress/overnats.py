"""The line to workers on another machine, over NATS: the hub's link still starts and ends them, all else goes past the hub.

Looks to `distant` like the line through the hub. The agent opens its end when it is told the line's name, and says so with the
first message; from then on orders and what workers say travel over NATS alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from watchkeeper.errors import Failed
from watchkeeper.wire.bus import OVER, Address, Bus, subject
from watchkeeper.wire.packets import WorkerPart, encode, worker_part

READY_SECONDS = 30.0
"""For the agent to start its workers and open its end."""


class Socket(Protocol):
    """A line through the hub, or what looks like one."""

    async def send(self, message: bytes) -> None:
        """Raises Failed."""
        ...

    async def receive(self) -> bytes | None:
        """The next message, None at the end; raises Failed."""
        ...

    async def close(self, reason: str = "") -> None:
        """Let go of it."""
        ...


class NatsSocket:
    """Both ways at once: what comes first, from the hub (how it ended) or over NATS, is received first."""

    def __init__(self, link: Socket, bus: Bus) -> None:
        """Both are open."""
        self._link = link
        self._bus = bus
        self._asked: dict[str, asyncio.Task[bytes | None]] = {}

    async def send(self, message: bytes) -> None:
        """Past the hub."""
        await self._bus.send(message)

    async def receive(self) -> bytes | None:
        """See `Socket`."""
        for name, ask in (("bus", self._bus.receive), ("link", self._link.receive)):
            if name not in self._asked:
                self._asked[name] = asyncio.ensure_future(ask())  # ended by `close`
        await asyncio.wait(self._asked.values(), return_when=asyncio.FIRST_COMPLETED)
        name = next(name for name in ("bus", "link") if self._asked.get(name) and self._asked[name].done())
        return self._asked.pop(name).result()

    async def close(self, reason: str = "") -> None:
        """Both."""
        for task in self._asked.values():
            task.cancel()
        await asyncio.gather(*self._asked.values(), return_exceptions=True)
        await self._bus.close()
        await self._link.close(reason)


async def over_nats(machine: str, address: Address, dial: Callable[[], Awaitable[Socket]]) -> NatsSocket:
    """Have workers started through the hub, and be joined to them over NATS. Raises Failed and Refused."""
    name = subject()
    bus = await Bus.open(address, name, asks=True)
    try:
        link = await dial()
    except BaseException:
        await bus.close()
        raise
    socket = NatsSocket(link, bus)
    try:
        await link.send(encode(WorkerPart("", OVER, name.encode())))
        async with asyncio.timeout(READY_SECONDS):
            message = await socket.receive()
        part = worker_part(message) if message is not None else None
        if part is None or part.end:
            raise Failed(f"{machine}: {part.why if part else 'the hub has closed the line'}", retry=False)
    except TimeoutError:
        await socket.close()
        raise Failed(f"the agent on {machine} did not open its end of the line over NATS: is it of this version?") from None
    except BaseException:
        await socket.close()
        raise
    return socket
