"""The agents' door: hands an accepted binary WebSocket to the hub's link. Knows nothing of packets."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from litestar import WebSocket, websocket
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.exceptions import WebSocketDisconnect
from litestar.params import FromPath

from watchkeeper.errors import Refused
from watchkeeper.web import access
from watchkeeper.web.hall import Hall

MOST = 64
"""Workers that may be asked for on one machine."""
RECHECK = 30.0
"""How often, in seconds, it is looked whether the agent's token still holds."""
GONE = (WebSocketDisconnect, OSError)
"""What a socket raises whose other side has gone; the server below tells it by an OSError until the disconnect was received.

Who sends may be the hub's own commit: an agent that dies just then must not end the hub.
"""


class AgentSocket:
    """A `desk.LinkSocket` over an accepted WebSocket."""

    def __init__(self, socket: WebSocket[Any, Any, Any], peer: str, token: str) -> None:
        self.peer = peer
        self.token = token
        self._socket = socket
        self._open = True

    async def receive(self) -> bytes | None:
        """The next message; None once the agent has gone."""
        if not self._open:
            return None
        message = await self._socket.receive()
        if message["type"] != "websocket.receive":
            self._open = False
            return None
        data = message.get("bytes")
        if data is None:
            await self.close(1003, "packets are binary")
            return None
        return bytes(data)

    async def send(self, message: bytes) -> None:
        """Send one message; nothing after the end."""
        if self._open:
            try:
                await self._socket.send_data(message, "binary")
            except GONE:
                self._open = False

    async def close(self, code: int, reason: str) -> None:
        """Close; nothing when it is closed."""
        if self._open:
            self._open = False
            with suppress(*GONE):
                await self._socket.close(code, reason.encode()[:120].decode(errors="ignore"))


@websocket("/link")
async def link(socket: WebSocket[Any, Any, Any], hall: NamedDependency[Hall]) -> None:
    """Serve one agent, which the gate has let in by its token, until it goes."""
    await socket.accept()
    agent = AgentSocket(socket, _place(socket), socket.scope["bearer"].name)  # type: ignore[typeddict-item]  # from the gate
    async with asyncio.TaskGroup() as group:
        recheck = group.create_task(_recheck(socket, agent, hall), name="link-recheck")
        await hall.desk.link(agent)
        recheck.cancel()
    await agent.close(1000, "")


@websocket("/api/stress/workers/{machine:str}/{count:int}")
async def workers(
    socket: WebSocket[Any, Any, Any], hall: NamedDependency[Hall], machine: FromPath[str], count: FromPath[int]
) -> None:
    """Carry for a stress run, whose operator the gate has let in, between it and workers on a machine."""
    await socket.accept()
    line = AgentSocket(socket, _place(socket), socket.scope["bearer"].name)  # type: ignore[typeddict-item]  # as above
    try:
        await hall.desk.workers(machine, min(max(count, 0), MOST), line)
    except* Refused as faults:
        await line.close(1008, str(faults.exceptions[0]))
    await line.close(1000, "")


async def _recheck(socket: WebSocket[Any, Any, Any], agent: AgentSocket, hall: Hall) -> None:
    """End the link soon after its token was taken back: an agent that may not come in may not stay either."""
    shown = socket.headers.get("authorization", "")
    while True:
        await asyncio.sleep(RECHECK)
        who, _ = await access.identify(hall.desk.journal, shown, "", hall.now())
        if who is None or who.role != "link":
            await agent.close(4401, "this link token was taken back")
            return


def _place(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    client = connection.client
    return f"{client.host}:{client.port}" if client else ""
