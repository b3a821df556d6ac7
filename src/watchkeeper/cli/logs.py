"""`watchkeeper logs`: the end of a server's output, and with -f what comes after, whatever happens in between.

Lines go to stdout as the server wrote them; what happens to the connection goes to stderr.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator

from watchkeeper.cli.client import connect
from watchkeeper.cli.console import note, print_json
from watchkeeper.cli.exits import OK
from watchkeeper.cli.levels import LEVELS, Sieve
from watchkeeper.cli.options import Reach, reach
from watchkeeper.cli.targets import resolve
from watchkeeper.errors import Refused

MOST_LINES = 5000
"""What the hub gives at once."""
REMEMBERED = 500
"""How much of the tail is read when following, so that the stream can be joined to it without a gap."""


def declare(parser: argparse.ArgumentParser) -> None:
    """It takes one server and how much of its output."""
    parser.add_argument("name", metavar="NAME", help="the server, also MACHINE/NAME")
    parser.add_argument("-n", "--lines", type=_lines, default=100, metavar="N", help="how many of the last lines (100)")
    parser.add_argument("-g", "--grep", default="", metavar="RE", help="only lines in which this is found (RE2)")
    parser.add_argument("-i", "--ignore-case", action="store_true", help="with --grep: capitals or not")
    parser.add_argument("--level", choices=LEVELS, help="only lines of this level and above, and what belongs to them")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with those to come, until Ctrl-C")


def run(args: argparse.Namespace) -> int:
    """Print lines; with --json one object a line."""
    way = reach(args)
    found = resolve([args.name], connect(way).overview().servers, unique=True)
    if len(found) > 1:
        names = ", ".join(f"{view.machine}/{view.status.name}" for view in found[:8])
        raise Refused(f"{args.name} means {len(found)} servers: say which of {names}", code="ambiguous-server")
    machine, server = found[0].machine, found[0].status.name
    sieve = Sieve(args.grep, args.level, any_case=args.ignore_case)
    paints = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    for line in _lines_of(args, way, machine, server, sieve):
        if args.json:
            print_json({"machine": machine, "server": server, "line": line}, line=True)
        else:
            print(sieve.painted(line) if paints else line, flush=args.follow)
    return OK


def _lines_of(args: argparse.Namespace, way: Reach, machine: str, server: str, sieve: Sieve) -> Iterator[str]:
    try:
        searched = MOST_LINES if args.grep or args.level else args.lines
        tail = connect(way).logs(machine, server, max(searched, REMEMBERED) if args.follow else searched).lines
    except Refused as fault:
        if fault.code != "no-logs" or not args.follow:
            raise
        note(fault.why)  # nothing was written yet: that is no reason not to wait for it
        tail = ()
    yield from [line for line in tail if sieve.takes(line)][-args.lines :]
    if args.follow:
        from watchkeeper.cli.live.lines import follow  # noqa: PLC0415  # the WebSocket library is for followers alone

        yield from (line for line in follow(lambda: connect(way), machine, server, tail, note) if sieve.takes(line))


def _lines(written: str) -> int:
    if not written.isdecimal() or not 1 <= int(written) <= MOST_LINES:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to {MOST_LINES}, got {written!r}")
    return int(written)
