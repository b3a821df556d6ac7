"""`watchkeeper audit`: who did what, from where, why, and how it ended, oldest first as in a log; for admins."""

from __future__ import annotations

import argparse
import time

from watchkeeper.cli import figures
from watchkeeper.cli.client import connect
from watchkeeper.cli.console import note, paper, print_json
from watchkeeper.cli.events import PAGE, count
from watchkeeper.cli.exits import OK
from watchkeeper.cli.options import reach
from watchkeeper.web.people_shapes import AuditView


def declare(parser: argparse.ArgumentParser) -> None:
    """It takes what was done to, by whom, and how many."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="what was done to this server or person, also MACHINE/NAME")
    parser.add_argument("--by", metavar="WHO", help="what this person or token did; `watchkeeper` for what it did by itself")
    parser.add_argument("-n", "--lines", type=count, default=30, metavar="N", help="how many of the last ones (30)")


def run(args: argparse.Namespace) -> int:
    """Print them."""
    limit = PAGE if args.name or args.by else args.lines
    found = connect(reach(args)).ask("GET", f"/api/audit?limit={limit}", tuple[AuditView, ...])
    chosen = [one for one in found if fits(one, args.name or "", args.by or "")][: args.lines][::-1]
    if args.json:
        print_json(chosen)
        return OK
    if not chosen:
        note(f"nothing of that is among the last {len(found)} entries")
        return OK
    from rich.table import Table  # noqa: PLC0415  # only a table needs it
    from rich.text import Text  # noqa: PLC0415  # as above

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("WHEN", "WHO", "FROM", "WHAT"):
        table.add_column(heading, no_wrap=True)
    for heading in ("WHY", "OUTCOME"):
        table.add_column(heading, overflow="fold")
    now = int(time.time() * 1000)
    for one in chosen:
        told = (one.by, one.peer, f"{one.what} {one.about}", one.why, one.outcome)
        table.add_row(figures.when(one.at, now), *map(Text, told))
    paper().print(table)
    return OK


def fits(one: AuditView, name: str, by: str) -> bool:
    """Whether an entry is about `name` (with or without its machine) and by `by`; empty fits all."""
    return (not name or name in {one.about, one.about.rpartition("/")[2]}) and (not by or by == one.by)
