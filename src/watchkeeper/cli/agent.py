"""`watchkeeper agent`: read figures, ask probes and keep servers alive on this machine."""

from __future__ import annotations

import argparse

from watchkeeper.cli import lifeline
from watchkeeper.cli.options import add_program_arguments, program_options
from watchkeeper.cli.readiness import Readiness
from watchkeeper.cli.settings import read_document
from watchkeeper.cli.tell import configure_log


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_program_arguments(parser, listen=False)


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or Ctrl-C; SIGHUP reads the configuration again."""
    from watchkeeper import agent  # noqa: PLC0415  # other verbs need no agent

    options = program_options(args)
    readiness = Readiness()  # before a server is started: it must not inherit the address
    configure_log("agent", options.log_level)

    def ready() -> None:
        readiness.tell_on_loop("watching")

    agent.run(lambda: read_document(options.config), options.data, lifeline.held(), ready)
    return 0
