"""`watchkeeper version`: what a bug report begins with."""

from __future__ import annotations

import argparse
import json
import platform
import sys

from watchkeeper import __version__
from watchkeeper.cli.exits import OK


def declare(parser: argparse.ArgumentParser) -> None:
    """It takes nothing of its own."""
    del parser


def run(args: argparse.Namespace) -> int:
    """Print version, Python and system."""
    told = {"watchkeeper": __version__, "python": platform.python_version(), "platform": platform.platform()}
    if args.json:
        print(json.dumps(told))
    else:
        print(f"watchkeeper {__version__} (Python {told['python']}, {told['platform']})")
    sys.stdout.flush()
    return OK
