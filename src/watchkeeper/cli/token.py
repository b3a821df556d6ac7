"""`watchkeeper token list | add | revoke NAME`: what lets programs in, and another machine's agent (`--role link`)."""

from __future__ import annotations

import argparse
import time
from urllib.parse import quote

from watchkeeper.cli import figures
from watchkeeper.cli.client import connect
from watchkeeper.cli.console import is_person, note, paper, print_json, say
from watchkeeper.cli.exits import OK
from watchkeeper.cli.options import reach
from watchkeeper.errors import Refused
from watchkeeper.web.people_shapes import MadeToken, TokenView

KINDS = ("viewer", "operator", "admin", "link", "write")


def declare(parser: argparse.ArgumentParser) -> None:
    """It takes what to do, and a token's name."""
    parser.add_argument("what", choices=("list", "add", "revoke"), help="list them, make one, or take one back")
    parser.add_argument("name", nargs="?", metavar="NAME", help="what the token is called")
    parser.add_argument(
        "--role",
        choices=KINDS,
        default="viewer",
        help="with add: a role, `link` for another machine's agent, or `write` for remote write alone (viewer)",
    )
    parser.add_argument("--days", type=float, default=0, metavar="N", help="with add: when it ends (never)")


def run(args: argparse.Namespace) -> int:
    """Print a fresh token alone on stdout, so that it can go into a file."""
    hub = connect(reach(args))
    if args.what == "list":
        known = hub.ask("GET", "/api/tokens", tuple[TokenView, ...])
        if args.json:
            print_json(known)
        else:
            _table(known)
        return OK
    if not args.name:
        raise Refused(f"say which: watchkeeper token {args.what} NAME")
    if args.what == "revoke":
        hub.send("DELETE", f"/api/tokens/{quote(args.name, safe='')}")
        say(args, f"{args.name} is taken back")
        return OK
    made = hub.ask("POST", "/api/tokens", MadeToken, {"name": args.name, "kind": args.role, "days": args.days})
    if args.json:
        print_json(made)
        return OK
    print(made.secret, flush=True)
    if is_person() and not args.quiet:
        note("it is shown this once; put it into a file that its program alone can read")
    return OK


def _table(known: tuple[TokenView, ...]) -> None:
    from rich.table import Table  # noqa: PLC0415  # only a table needs it

    now = int(time.time() * 1000)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("TOKEN", "ROLE", "MADE BY", "MADE", "LAST USED", "ENDS"):
        table.add_column(heading, no_wrap=True)
    for one in known:
        made, used = figures.when(one.created_at, now), figures.when(one.used_at, now) if one.used_at else figures.NONE
        if not one.expires_at:
            ends = "a file of the hub's" if one.local else "when taken back"
        elif one.expires_at <= now:
            ends = "has ended"
        else:
            ends = f"in {figures.duration((one.expires_at - now) / 1000)}"
        table.add_row(one.name, one.kind, one.made_by or figures.NONE, made, used, ends)
    paper().print(table)
