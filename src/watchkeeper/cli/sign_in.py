"""`watchkeeper sign-in [NAME]`: a fresh one-time link to the dashboard, for whoever may read the local token."""

from __future__ import annotations

import argparse

from watchkeeper.cli.client import connect
from watchkeeper.cli.console import is_person, note, print_json
from watchkeeper.cli.exits import OK
from watchkeeper.cli.options import reach


def declare(parser: argparse.ArgumentParser) -> None:
    """It takes for whom."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="whom it lets in; left out, the first admin")


def run(args: argparse.Namespace) -> int:
    """Print the link alone on stdout, so that it can be handed to `xdg-open` and its like."""
    link = connect(reach(args)).sign_in_link(args.name or "")
    if args.json:
        print_json(link)
        return OK
    print(link.url, flush=True)
    if is_person() and not args.quiet:
        note("it works once, and for an hour")
    return OK
