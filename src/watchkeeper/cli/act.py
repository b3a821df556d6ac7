"""`watchkeeper start | stop | restart`: ask for an action on each server and wait for its outcome.

All names are resolved before the first server is touched. The hub keeps every action as a row, so Ctrl-C
stops the waiting, not the action.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence

from watchkeeper.cli.client import Hub, connect
from watchkeeper.cli.console import agree, is_person, note, print_json, say
from watchkeeper.cli.exits import FAILED, OK
from watchkeeper.cli.options import reach
from watchkeeper.cli.targets import resolve, title
from watchkeeper.config import Duration
from watchkeeper.errors import Refused
from watchkeeper.web.shapes import ActionView

ENDED = frozenset({"done", "failed", "unknown"})
POLL_SECONDS = 0.2


def declare(parser: argparse.ArgumentParser) -> None:
    """They take the servers, and how long to wait."""
    parser.add_argument("names", nargs="+", metavar="NAME", help="servers, also MACHINE/NAME or globs")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask before stopping several")
    parser.add_argument("--no-wait", action="store_true", help="ask for it and leave; do not wait for the outcome")
    parser.add_argument("--timeout", type=_duration, default=Duration(120), metavar="TIME", help="how long to wait (2m)")


def run(args: argparse.Namespace) -> int:
    """Ask for all, then wait for all; 0 only if every one of them went well."""
    hub = connect(reach(args))
    servers = resolve(args.names, hub.overview().servers, unique=True)
    titles = {(view.machine, view.status.name): title(view, servers) for view in servers}
    ask_first = len(servers) > 1 and args.verb != "start" and not args.yes and is_person()
    if ask_first and not agree(f"{args.verb} {len(servers)} servers ({', '.join(titles.values())})?"):
        note("nothing was done")
        return FAILED
    asked: list[ActionView] = []
    for (machine, server), name in titles.items():
        try:
            asked.append(hub.act(machine, server, args.verb))
        except Refused as fault:
            note(f"{name}: {fault.why}")
    told = []
    for action in asked if args.no_wait else _outcomes(hub, asked, float(args.timeout)):
        told.append(action)
        if not args.json:
            _tell(args, titles[action.machine, action.server], action)
    if args.json:
        print_json(told)
    well = len(told) == len(servers) and all(args.no_wait or action.state == "done" for action in told)
    return OK if well else FAILED


def _outcomes(hub: Hub, asked: Sequence[ActionView], seconds: float) -> Iterator[ActionView]:
    """Each action once it has ended; those that have not ended in time come last, as they then stand."""
    deadline = time.monotonic() + seconds
    open_still = list(asked)
    while open_still:
        yield from (action for action in open_still if action.state in ENDED)
        open_still = [action for action in open_still if action.state not in ENDED]
        if time.monotonic() > deadline:
            yield from open_still
            return
        if open_still:
            time.sleep(POLL_SECONDS)
            open_still = [hub.action(action.id) for action in open_still]


def _tell(args: argparse.Namespace, name: str, action: ActionView) -> None:
    if args.no_wait:
        say(args, f"{name}: {args.verb} asked for ({action.id})")
    elif action.state == "done":
        say(args, f"{name}: {action.outcome.text if action.outcome else 'done'}")
    elif action.outcome:
        note(f"{name}: {action.outcome.text}")
    else:
        note(f"{name}: no outcome yet, the action is {action.state}; it goes on, see: watchkeeper events {name}")


def _duration(written: str) -> Duration:
    try:
        return Duration.parse(written)
    except ValueError as fault:
        raise argparse.ArgumentTypeError(str(fault)) from None
