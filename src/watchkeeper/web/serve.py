"""uvicorn as we run it: on a socket that is already bound, without touching signals, and quick to end.

Open live streams would hold its end up for ever, so `stop` first has them say farewell. The hub owns
the task that runs `run`; returning means that every connection is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn

from watchkeeper.web.changes import Changes
from watchkeeper.web.gate import App
from watchkeeper.wire.packets import PACKET_BYTES

TICK = 1.0
"""How often the Date header is renewed; uvicorn's own loop wakes ten times a second for it."""


class WebServer(uvicorn.Server):
    """Serves an app on one bound socket; made by the hub, run in one of its tasks, stopped by `stop`."""

    def __init__(self, app: App, changes: Changes, bound: socket.socket) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="httptools",
                ws="websockets-sansio",
                ws_max_size=PACKET_BYTES,
                ws_ping_interval=20.0,
                ws_ping_timeout=20.0,
                ws_per_message_deflate=True,
                lifespan="off",
                log_config=None,
                log_level="warning",  # who opens a page is no news
                access_log=False,
                server_header=False,
                proxy_headers=False,  # a peer's word on its own address would undo the count of its failures
                backlog=256,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=2,
            )
        )
        self._changes = changes
        self._bound = bound
        self._ended = asyncio.Event()

    async def run_on_bound(self) -> None:
        """Serve until `stop`; cancelling ends it too, less politely."""
        try:
            await self.serve(sockets=[self._bound])
        finally:
            self._bound.close()

    def stop(self, reason: str = "the hub is stopping") -> None:
        """Say farewell on every live stream, then end."""
        self._changes.close(reason)
        self.should_exit = True
        self._ended.set()

    async def main_loop(self) -> None:
        """Keep the Date header right until told to stop."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await self._ended.wait()
        await asyncio.sleep(0.05)  # the farewells are on their way; closing the sockets now would overtake them

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the hub."""
        yield
