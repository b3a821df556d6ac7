"""An echo server of the library `websockets`, which consents to being put under load: python server.py PORT TOKEN."""

from __future__ import annotations

import asyncio
import sys
from http import HTTPStatus

from websockets.asyncio.server import Request, Response, ServerConnection, serve


async def echo(connection: ServerConnection) -> None:
    """Send back whatever comes."""
    async for message in connection:
        await connection.send(message)


async def main(port: int, token: str) -> None:
    """Serve until killed."""

    def consent(connection: ServerConnection, request: Request) -> Response | None:
        if request.path == "/.well-known/watchkeeper-stress":
            return connection.respond(HTTPStatus.OK, token + "\n")
        return None

    async with serve(echo, "127.0.0.1", port, process_request=consent, compression=None):
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
