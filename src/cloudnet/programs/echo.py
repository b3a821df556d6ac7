"""`python -m cloudnet.programs.echo HOST:PORT`: sends every message back whole, text and binary. For conformance tests only.

The cases of RFC 6455 need a server that echoes, and a Cloud Server refuses whatever is no packet. So this program puts the
Cloud Server's own acceptance and frame rules under an echo and has nothing else: no login, no limits. Never offer it to anyone.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from contextlib import suppress

from picows import WSMsgType

from cloudnet.accept import Street, listen
from cloudnet.codes import Close
from cloudnet.errors import ConfigError
from cloudnet.figures import Figures
from cloudnet.frames import Framed
from cloudnet.framing import Broken
from cloudnet.limits import Admission
from cloudnet.programs.server import loop_factory
from cloudnet.settings import split_address


class Echo(Framed):
    """One connection that gets back what it says."""

    def _take(self, message: bytes) -> None:
        self._say(WSMsgType.BINARY, message)

    def _take_text(self, message: bytes) -> None:
        self._say(WSMsgType.TEXT, message)

    def _fail(self, fault: Exception) -> None:
        match fault:
            case Broken():
                self._part(fault.code, fault.why)
            case _:
                print(f"echo: {fault!r}", file=sys.stderr)
                self._part(Close.FAULT, "a mistake of ours")

    def _say(self, kind: WSMsgType, message: bytes) -> None:
        if self._transport is not None:
            self._transport.send(kind, message)


async def echo(host: str, port: int) -> None:
    """Echo until SIGTERM or SIGINT; the address is printed once it may be connected to. Raises ConfigError."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):  # Windows
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    door = listen(host, port)
    async with asyncio.TaskGroup() as group:
        street = Street(door, Admission(0, 0, 0), Figures(), lambda *_: Echo(), None, group)
        street.open()
        print("echo on {}:{}".format(*door.getsockname()[:2]), flush=True)
        await stop.wait()
        street.close()


def main(arguments: list[str] | None = None) -> int:
    """Run it; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="echo", description="Echo WebSocket messages, for conformance tests only.", allow_abbrev=False
    )
    parser.add_argument("address", metavar="HOST:PORT", help="port 0 for any that is free")
    args = parser.parse_args(arguments)
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(echo(*split_address(args.address, "address")))
    except ConfigError as fault:
        print(f"echo: {fault.why}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
