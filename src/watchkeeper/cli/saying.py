"""`watchkeeper pause | expect`: say something of servers that holds for a while, and why; `resume` takes a pause back."""

from __future__ import annotations

import argparse

from watchkeeper.cli import act


def declare(parser: argparse.ArgumentParser) -> None:
    """They take what actions take, and for how long."""
    act.declare(parser)
    expects = parser.prog.endswith(" expect")
    help_ = "how long the work may take" if expects else "how long (2h, 30m); left out, until it is resumed"
    parser.add_argument("--for", dest="seconds", type=act.duration, required=expects, default=0.0, metavar="TIME", help=help_)


def run(args: argparse.Namespace) -> int:
    """Ask for it on each server."""
    return act.run(args)
