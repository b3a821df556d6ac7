"""`watchkeeper query`: a PromQL expression's value now, at an instant, or over a range.

It asks the hub over Prometheus' API. A mistake in the expression is shown at its place. How answers look is `answers`.
"""

from __future__ import annotations

import argparse
import re
import time
from datetime import datetime

from watchkeeper.cli import answers
from watchkeeper.cli.client import connect
from watchkeeper.cli.console import note, print_json
from watchkeeper.cli.exits import OK
from watchkeeper.cli.options import reach
from watchkeeper.errors import Refused
from watchkeeper.quantities import Duration

POINTS = 60
"""Steps of a range that names none."""
PLOTTED = Duration(3600)
WIDE = 76
"""Characters of a line that are shown around a mistake."""


def declare(parser: argparse.ArgumentParser) -> None:
    """It takes the expression, when, and how to show it."""
    parser.add_argument("expression", metavar="EXPR", help="PromQL, such as 'rate(node_network_receive_bytes_total[5m])'")
    when = "when: a date and time, Unix seconds, or how long ago, as 15m (now)"
    parser.add_argument("--at", type=_instant, metavar="TIME", help=when)
    parser.add_argument("--range", type=_span, metavar="LENGTH", help="over the time before that, as 1h")
    parser.add_argument("--step", type=_span, metavar="LENGTH", help="a value every so often, as 1m (a 60th of the range)")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument(
        "--plot", action="store_true", help="draw it in the terminal, over the last hour unless --range says more"
    )
    shown.add_argument("--csv", action="store_true", help="print a line of CSV for each value")


def run(args: argparse.Namespace) -> int:
    """Ask and show."""
    if args.json and (args.plot or args.csv):
        raise Refused("choose one of --json, --csv and --plot", code="two-formats")
    length = args.range or (PLOTTED if args.plot else None)
    if args.step and not length:
        raise Refused("--step needs --range", code="no-range")
    at = time.time() if args.at is None else args.at
    span = (float(length), float(args.step or max(1, round(length / POINTS)))) if length else None
    try:
        told = connect(reach(args)).query(args.expression, at, span)
    except Refused as fault:
        raise Refused(pointed(fault.why, args.expression), code=fault.code) from None
    if args.json:
        print_json(told)
    elif args.csv:
        answers.print_csv(told)
    elif not told.result:
        note("nothing matches, or nothing was there at that time")
    elif args.plot and span:
        answers.plot(told, at - span[0], at, span[1])
    else:
        answers.print_table(told)
    return OK


def pointed(why: str, expression: str) -> str:
    """A fault, with the line of the expression and a caret below the place where it names one."""
    why = why.removeprefix('invalid parameter "query": ')
    found = re.match(r"(\d+):(\d+): ", why)
    lines = expression.split("\n")
    if not found or int(found[1]) > len(lines):
        return why
    line, column = lines[int(found[1]) - 1], int(found[2]) - 1
    begin = max(0, column - WIDE // 2) if len(line) > WIDE else 0
    shown = "".join(sign if sign.isprintable() else " " for sign in line[begin : begin + WIDE])
    return f"{why}\n  {shown}\n  {' ' * (column - begin)}^"


def _span(written: str) -> Duration:
    try:
        found = Duration.parse(written)
    except ValueError as fault:
        raise argparse.ArgumentTypeError(str(fault)) from None
    if found < 0.001:
        raise argparse.ArgumentTypeError("expected more than nothing")
    return found


def _instant(written: str) -> float:
    """Unix seconds of a time as people write it: local unless it names a zone."""
    if written == "now":
        return time.time()
    if re.fullmatch(r"-?\d+(\.\d+)?", written):
        return float(written)
    try:
        return time.time() - Duration.parse(written)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(written).astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        expected = "expected a time such as 2026-01-31T12:00, 1760000000, or 15m for that long ago"
        raise argparse.ArgumentTypeError(f"{expected}, got {written!r}") from None
