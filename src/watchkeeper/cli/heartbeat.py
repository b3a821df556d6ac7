"""`watchkeeper heartbeat list | new NAME | remove NAME`: who has to send a sign of life, and whether it comes.

`new` prints the address that the job asks at its end: ``backup.sh; curl -fsS --retry 3 ADDRESS/$?``.
"""

from __future__ import annotations

import argparse
import time
from urllib.parse import quote

from watchkeeper.cli import figures
from watchkeeper.cli.client import connect
from watchkeeper.cli.console import paper, print_json, say
from watchkeeper.cli.exits import OK
from watchkeeper.cli.options import reach
from watchkeeper.errors import Refused
from watchkeeper.web.shapes import HeartbeatView

SIGNS = {"new": ("◌", ""), "up": ("●", "green"), "late": ("▲", "yellow"), "down": ("✕", "red")}


def declare(parser: argparse.ArgumentParser) -> None:
    """It takes what to do, with which, and how a new one is expected."""
    parser.add_argument(
        "what", choices=("list", "new", "remove"), help="list: how each stands; new: expect one more; remove: no more"
    )
    parser.add_argument("heartbeat", nargs="?", default="", metavar="HEARTBEAT", help="its name")
    parser.add_argument("--period", default="", metavar="TIME", help="due so long after the last one (1d)")
    parser.add_argument("--cron", default="", metavar="EXPR", help="due when a cron expression says so, instead")
    parser.add_argument("--zone", default="UTC", metavar="ZONE", help="the time zone of the cron expression (UTC)")
    parser.add_argument("--grace", default="5m", metavar="TIME", help="how late it may be before it counts as missing (5m)")
    parser.add_argument("--longest", default="", metavar="TIME", help="how long a run may take that told of its start")


def run(args: argparse.Namespace) -> int:
    """Do it; raises Refused for what the hub turns down."""
    hub = connect(reach(args))
    if args.what == "list":
        _list(args, hub.ask("GET", "/api/heartbeats", tuple[HeartbeatView, ...]))
        return OK
    if not args.heartbeat:
        raise Refused(f"say which heartbeat: watchkeeper heartbeat {args.what} NAME", code="no-name")
    if args.what == "remove":
        hub.send("DELETE", f"/api/heartbeats/{quote(args.heartbeat, safe='')}")
        say(args, f"{args.heartbeat} is not expected any more")
        return OK
    asked = {name: getattr(args, name) for name in ("period", "cron", "zone", "grace", "longest")}
    made = hub.ask("POST", "/api/heartbeats", HeartbeatView, {"name": args.heartbeat} | asked)
    if args.json:
        print_json(made)
    else:
        say(args, f"{made.name} is expected {made.expected}. Its job asks, at its end:\n{made.url}")
    return OK


def _list(args: argparse.Namespace, known: tuple[HeartbeatView, ...]) -> None:
    if args.json:
        print_json(known)
        return
    if not known:
        say(
            args,
            "No heartbeat is expected. Expect one: watchkeeper heartbeat new NAME, or [expected.NAME] in the configuration.",
        )
        return
    from rich.table import Table  # noqa: PLC0415  # only a table needs it
    from rich.text import Text  # noqa: PLC0415  # only this verb needs it

    now = int(time.time() * 1000)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("HEARTBEAT", "STATE", "LAST"):
        table.add_column(heading, no_wrap=True)
    for heading in ("EXPECTED", "REASON", "ADDRESS"):
        table.add_column(heading, overflow="fold")
    for one in known:
        shape, style = SIGNS[one.state]
        last = figures.when(one.last_at, now) if one.last_at else figures.NONE
        table.add_row(one.name, Text(f"{shape} {one.state}", style), last, one.expected, one.reason, one.url or figures.NONE)
    paper().print(table)
