"""`watchkeeper events`: what happened, oldest first as in a log, and with -f what happens next.

Following asks again every second with the last page's place in hand: events are rows before they are
messages, so a hub that was away tells all of them when it is back.
"""

from __future__ import annotations

import argparse
import time
from collections import deque
from collections.abc import Iterator

from watchkeeper.cli import figures, signs
from watchkeeper.cli.client import Hub, connect
from watchkeeper.cli.console import note, paper, print_json
from watchkeeper.cli.exits import OK
from watchkeeper.cli.options import Reach, reach
from watchkeeper.cli.targets import resolve
from watchkeeper.errors import Failed
from watchkeeper.model import Event

PAGE = 1000
AGAIN_SECONDS = 1.0


def declare(parser: argparse.ArgumentParser) -> None:
    """It takes a server, how many, and how grave."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="only this server's, also MACHINE/NAME")
    parser.add_argument("-n", "--lines", type=count, default=30, metavar="N", help="how many of the last ones (30)")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with those to come, until Ctrl-C")
    parser.add_argument(
        "--severity", choices=("info", "warning", "critical"), default="info", help="this grave or worse (info)"
    )


def run(args: argparse.Namespace) -> int:
    """Print them; with --json one object a line."""
    way = reach(args)
    hub = connect(way)
    sought: dict[str, str | int] = {"severity": args.severity}
    if args.name:
        found = resolve([args.name], hub.overview().servers, unique=True)[0]
        sought |= {"machine": found.machine, "server": found.status.name}
    last = hub.events(limit=args.lines, **sought).events[::-1]
    _print(args, last)
    if args.follow:
        for fresh in _follow(way, sought, last):
            _print(args, fresh)
    return OK


def _follow(way: Reach, sought: dict[str, str | int], known: tuple[Event, ...]) -> Iterator[tuple[Event, ...]]:
    """Pages of events that were not told yet, oldest first."""
    told = deque((event.id for event in known), 2 * PAGE)
    since = known[-1].at if known else 0
    away = False
    while True:
        time.sleep(AGAIN_SECONDS)
        try:
            page = _connected(way).events(limit=PAGE, since=since, **sought).events[::-1]
        except Failed as fault:
            if not fault.retry:
                raise
            if not away:
                note(f"{fault.why}; waiting for it")
            away = True
            continue
        if away:
            note("the hub is there again")
        away = False
        fresh = tuple(event for event in page if event.id not in told)
        if fresh:
            told.extend(event.id for event in fresh)
            since = max(since, fresh[-1].at)
            yield fresh


def _connected(way: Reach) -> Hub:
    return connect(way)  # looked up each time, since a hub may come back elsewhere


def _print(args: argparse.Namespace, events: tuple[Event, ...]) -> None:
    if args.json:
        for event in events:
            print_json(event, line=True)
        return
    from rich.text import Text  # noqa: PLC0415  # only a terminal's colours need it

    console = paper()
    now = int(time.time() * 1000)
    for event in events:
        sign = signs.SEVERITIES[event.severity]
        where = "/".join(filter(None, (event.machine, event.server)))
        line = Text.assemble((figures.when(event.at, now), "dim"), "  ", (sign.shape, sign.style), "  ", (where, "bold"), "  ")
        console.print(line.append(event.text), soft_wrap=True)


def count(written: str) -> int:
    """How many lines somebody wants, as typed."""
    if not written.isdecimal() or not 1 <= int(written) <= PAGE:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to {PAGE}, got {written!r}")
    return int(written)
