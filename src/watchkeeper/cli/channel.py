"""`watchkeeper channel list | test NAME …`: how the ways to tell people stand, and whether one would really arrive.

A test goes the way of every message, through the hub's outbox, and is tried once; what the receiver said is printed.
"""

from __future__ import annotations

import argparse
import time
from urllib.parse import quote

from watchkeeper.cli import figures
from watchkeeper.cli.client import Hub, connect
from watchkeeper.cli.console import note, paper, print_json, say
from watchkeeper.cli.exits import FAILED, OK
from watchkeeper.cli.options import reach
from watchkeeper.errors import Refused
from watchkeeper.web.shapes import ChannelView, NotificationView

TEST_SECONDS = 660.0
"""The hub answers after twice a channel's time-out at the latest, which is five minutes at most."""


def declare(parser: argparse.ArgumentParser) -> None:
    """It takes what to do, and the channels to test."""
    parser.add_argument("what", choices=("list", "test"), help="list: how each stands; test: send one message over each")
    parser.add_argument("channels", nargs="*", metavar="CHANNEL", help="which to test")
    parser.add_argument("--all", action="store_true", help="test every one")


def run(args: argparse.Namespace) -> int:
    """0 when all that was tested was delivered."""
    hub = connect(reach(args))
    known = hub.ask("GET", "/api/channels", tuple[ChannelView, ...])
    if args.what == "list":
        _list(args, known)
        return OK
    names = [one.name for one in known] if args.all else args.channels
    if not names:
        raise Refused("say which channel to test, or --all" if known else "no channel is configured: see [channel.NAME]")
    told = [_test(args, hub, name) for name in names]
    if args.json:
        print_json(told)
    return OK if all(one.state == "delivered" for one in told) else FAILED


def _test(args: argparse.Namespace, hub: Hub, name: str) -> NotificationView:
    began = time.monotonic()
    told = hub.ask("POST", f"/api/channels/{quote(name, safe='')}/test", NotificationView, seconds=TEST_SECONDS)
    took = time.monotonic() - began
    if args.json:
        return told
    if told.state == "delivered":
        say(args, f"{name}: delivered in {took:.1f} s ({told.receipt})")
    else:
        note(f"{name}: not delivered: {told.why or 'it is still under way'}")
    return told


def _list(args: argparse.Namespace, known: tuple[ChannelView, ...]) -> None:
    if args.json:
        print_json(known)
        return
    if not known:
        say(args, 'No channel is configured. In the configuration: [channel.NAME], for example with kind = "email".')
        return
    from rich.table import Table  # noqa: PLC0415  # only a table needs it
    from rich.text import Text  # noqa: PLC0415  # only this verb needs it

    now = int(time.time() * 1000)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("CHANNEL", "KIND", "STATE"):
        table.add_column(heading, no_wrap=True)
    table.add_column("WAITING", justify="right", no_wrap=True)
    for heading in ("LAST DELIVERED", "FALL-BACK", "REASON"):
        table.add_column(heading, overflow="fold")
    for one in known:
        state = (
            Text("■ failing", "red")
            if one.failures
            else Text("● well", "green")
            if one.last_success_at
            else Text("◌ never used")
        )
        last = figures.when(one.last_success_at, now) if one.last_success_at else figures.NONE
        table.add_row(one.name, one.kind, state, str(one.queue), last, one.fallback or figures.NONE, one.why)
    paper().print(table)
