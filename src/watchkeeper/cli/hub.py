"""`watchkeeper hub`: store, tell and show, for the agents that dial in."""

from __future__ import annotations

import argparse
import sys

from watchkeeper.cli import lifeline
from watchkeeper.cli.options import add_program_arguments, program_options
from watchkeeper.cli.readiness import Readiness
from watchkeeper.cli.settings import read_document
from watchkeeper.cli.tell import configure_log


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_program_arguments(parser)
    parser.add_argument("--next-free", action="store_true", help="when the port is taken, use the next free one")


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or Ctrl-C."""
    from watchkeeper import hub  # noqa: PLC0415  # the agent comes through this room too and must not load the hub

    options = program_options(args)
    readiness = Readiness()
    configure_log("hub", options.log_level)
    if (line := lifeline.held()) is not None:
        lifeline.end_with_it(line)

    def ready(url: str, link: str) -> None:
        announce(url, "" if readiness.is_service else link)  # a service's words go to a log: no way in is written there
        readiness.tell_on_loop(f"dashboard at {url}")

    hub.run(
        lambda: read_document(options.config),
        options.data,
        options.listen,
        next_free=args.next_free,
        announce=ready,
        config=options.config,
    )
    return 0


def announce(url: str, link: str) -> None:
    """Say where the dashboard is; `up` reads these lines from its child and says them in its own words."""
    print(f"dashboard {url}")
    if link:
        print(f"sign-in {link}")
    print("ready", flush=True)
    sys.stdout.flush()
