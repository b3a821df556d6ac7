"""`cloud-server`: run a Cloud Server until it is told to stop. Exit 2: a setting that cannot be used."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from cloudnet import lock, logbook
from cloudnet import settings as told
from cloudnet.errors import ConfigError
from cloudnet.mailfile import adopt
from cloudnet.programs import workers
from cloudnet.server import serve


def main(arguments: list[str] | None = None) -> int:
    """Run it; returns the exit status."""
    try:
        settings = told.read(arguments)
        logbook.begin(settings.log_level, settings.log_format)
        told_again = sys.argv[1:] if arguments is None else arguments
        with lock.held(Path(settings.data)), asyncio.Runner(loop_factory=loop_factory()) as runner:
            adopt(Path(settings.data), settings.workers)
            if settings.workers > 1:
                runner.run(workers.run(settings, told_again, _announce))
            else:
                runner.run(serve(settings, _announce))
    except ConfigError as fault:
        print(f"cloud-server: {fault.why}", file=sys.stderr)
        return 2
    except ExceptionGroup as faults:
        wrong = faults.subgroup(ConfigError)
        if wrong is None or faults.split(ConfigError)[1] is not None:
            raise
        print(f"cloud-server: {wrong.exceptions[0]}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Uvloop's where there is one; on Windows a loop that can watch sockets."""
    try:
        import uvloop  # noqa: PLC0415  # not on Windows
    except ImportError:
        return asyncio.SelectorEventLoop
    return uvloop.new_event_loop


def _announce(address: str, _: str = "") -> None:
    print(f"Cloud Server on {address}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
