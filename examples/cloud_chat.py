"""A chat for two over a Cloud Server: what one types is shown to the other, sealed on the way.

    python3 cloud_chat.py MY.key            prints my key and waits for whoever writes first
    python3 cloud_chat.py MY.key THEIR-KEY  writes to them

A tick behind a line says that the other side's program has it. CLOUD_SERVER names another server than the local one.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from cloudnet.client import Client, connect
from cloudnet.errors import CloudError
from cloudnet.keys import load_or_create, read, written

SERVER = os.environ.get("CLOUD_SERVER", "ws://127.0.0.1:8765")


class Chat:
    """One conversation; `other` is known once they have written, if not from the start."""

    def __init__(self, client: Client, other: bytes) -> None:
        self.client = client
        self.other = other

    async def listen(self) -> None:
        """Show what comes."""
        async for message in self.client:
            self.other = self.other or message.author
            print(f"{written(message.author)[:8]}: {message.body.decode(errors='replace')}", flush=True)

    async def speak(self) -> None:
        """Send each line that is typed, until the input ends."""
        while line := await asyncio.to_thread(sys.stdin.readline):
            if not self.other:
                print("nobody has written yet", flush=True)
                continue
            try:
                await self.client.send(self.other, line.rstrip("\n").encode(), wait=True)
            except CloudError as fault:
                print(f"not sent: {fault}", flush=True)
            else:
                print("✓", flush=True)


async def main(arguments: list[str]) -> None:
    """Chat until the input ends."""
    identity = load_or_create(Path(arguments[0]))
    async with connect(SERVER, identity, takeover=True) as client:
        print(f"I am {written(identity.key)}", flush=True)
        chat = Chat(client, read(arguments[1]) if arguments[1:] else b"")
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(chat.listen())
            await chat.speak()
            listening.cancel()


if __name__ == "__main__":
    if len(sys.argv) not in {2, 3}:
        raise SystemExit(__doc__)
    asyncio.run(main(sys.argv[1:]))
