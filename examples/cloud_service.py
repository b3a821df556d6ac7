"""A service behind a Cloud Server, and who asks it: found by its type, reached wherever it runs, asked and answered.

    python3 cloud_service.py serve            answers every message with its words in capitals, until it is stopped
    python3 cloud_service.py ask "some text"  finds such a service, asks it and prints the answer

The service has a key of its own, apart from the device that runs it: it may move to another device and stay who it is.
CLOUD_SERVER names another server than the local one.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

from cloudnet.client import connect
from cloudnet.errors import Refused
from cloudnet.keys import Identity, load_or_create, written

SERVER = os.environ.get("CLOUD_SERVER", "ws://127.0.0.1:8765")
TYPE = "capitals"


async def serve() -> None:
    """Register and answer."""
    device, service = load_or_create(Path("device.key")), load_or_create(Path("service.key"))
    async with connect(SERVER, device, identities=[service], takeover=True) as client:
        await client.register("Capitals", kind="service", type=TYPE, identity=service)
        print(f"serving as {written(service.key)}", flush=True)
        async for message in client:
            with suppress(Refused):  # one who cannot be answered must not end the service for all
                await client.send(message.sender, message.body.upper(), author=service)


async def ask(text: str) -> None:
    """Find a service that is there now, send it the text and wait for its answer."""
    async with connect(SERVER, Identity.new()) as client:
        async for entry in client.find(kind="service", type=TYPE, present=True):
            await client.send(entry.profile.key, text.encode(), wait=True)
            async for answer in client:
                if answer.author == entry.profile.key:
                    print(answer.body.decode(), flush=True)
                    return
        raise SystemExit("no such service is there now")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve"]:
            asyncio.run(serve())
        case ["ask", text]:
            asyncio.run(ask(text))
        case _:
            raise SystemExit(__doc__)
