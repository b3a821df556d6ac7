"""One of the processes of a Cloud Server with `--workers`: started by `workers`, never by hand.

`python -m cloudnet.programs.worker NUMBER HOST:PORT [arguments of cloud-server]`. It says ``worker HOST:PORT`` on stdout, where
its figures are, once clients may come, and ends when its standard input does, so that no process outlives its server.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import msgspec

from cloudnet import lock, logbook
from cloudnet import settings as told
from cloudnet.errors import ConfigError
from cloudnet.programs.server import loop_factory
from cloudnet.server import serve
from cloudnet.settings import Settings

LOCK_SECONDS = 15.0
"""How long a process of an earlier start, which is ending, may keep the file that is ours now."""


def main(arguments: list[str]) -> int:
    """Run it; returns the exit status."""
    number, listen = int(arguments[0]), arguments[1]
    try:
        whole = told.read(arguments[2:])
        logbook.begin(whole.log_level, whole.log_format)
        settings = share(whole, listen)
        with ExitStack() as stack, asyncio.Runner(loop_factory=loop_factory()) as runner:
            wait_for(stack, Path(settings.data) / f"worker-{number}")
            runner.run(work(settings, number))
    except ConfigError as fault:
        print(f"cloud-server, process {number}: {fault.why}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def share(whole: Settings, listen: str) -> Settings:
    """What one process may take of what the whole server may."""
    return msgspec.structs.replace(
        whole,
        listen=listen,
        metrics="127.0.0.1:0",
        connections=-(-whole.connections // whole.workers),
        memory=whole.memory // whole.workers,
        mailbox_total=whole.mailbox_total // whole.workers,
    )


def wait_for(stack: ExitStack, folder: Path) -> None:
    """Hold this process's lock once an earlier one has let it go; raises ConfigError."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            stack.enter_context(lock.held(folder))
        except ConfigError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


async def work(settings: Settings, number: int) -> None:
    """Serve until told to stop, or until nobody is there to tell us."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Lifeline(asyncio.Protocol):
        def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's own signature
            stop.set()

    await loop.connect_read_pipe(Lifeline, sys.stdin)

    def announce(_: str, figures: str) -> None:
        with suppress(BrokenPipeError):  # who has started us is gone, and the lifeline says so too
            print(f"worker {figures}", flush=True)

    await serve(settings, announce, stop, worker=number)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
