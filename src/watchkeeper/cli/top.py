"""`watchkeeper top`: everything live in the terminal; one picture where there is no terminal or with --once."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence

from watchkeeper.cli.client import connect
from watchkeeper.cli.console import paper, print_json
from watchkeeper.cli.exits import OK
from watchkeeper.cli.options import reach
from watchkeeper.telling import Incident
from watchkeeper.web.shapes import Overview


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--once", action="store_true", help="print one picture and end, as without a terminal")


def run(args: argparse.Namespace) -> int:
    """Show until q is pressed."""
    way = reach(args)
    if args.json:
        print_json(connect(way).overview())
        return OK
    if args.once or not sys.stdout.isatty() or not sys.stdin.isatty() or os.environ.get("TERM") == "dumb":
        hub = connect(way)
        show(hub.overview(), hub.incidents())
        return OK
    connect(way).overview()  # a hub that cannot be asked is told as every other verb tells it, before the screen opens
    from watchkeeper.cli.live.feed import Feed  # noqa: PLC0415  # half a second that other verbs need not wait
    from watchkeeper.cli.live.screen import Top  # noqa: PLC0415  # the same

    Top(Feed(lambda: connect(way))).run()
    return OK


def show(seen: Overview, incidents: Sequence[Incident] = ()) -> None:
    """One picture."""
    from rich.table import Table  # noqa: PLC0415  # only a table needs it
    from rich.text import Text  # noqa: PLC0415  # only this verb needs it

    from watchkeeper.cli.live.past import Minute  # noqa: PLC0415  # only this verb needs it
    from watchkeeper.cli.live.picture import heads, incident_line, machine_line, order, server_row  # noqa: PLC0415  # only this verb needs it

    console = paper()
    width = shutil.get_terminal_size((120, 24)).columns
    nothing = Minute()
    console.print(Text(seen.sentence, "bold"))
    for incident in incidents:
        console.print(incident_line(incident, seen.at, width))
    for machine in seen.machines:
        console.print(machine_line(machine, nothing, seen.at, width))
    if not seen.servers:
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    shown = [head for head in heads(width) if head != "LAST MINUTE"]  # one look has no past
    for head in shown:
        table.add_column(head, justify="right" if head in {"UP", "CPU", "MEMORY", "RESTARTS"} else "left")
    for server in order(seen.servers):
        cells = dict(zip(heads(width), server_row(server, seen.servers, nothing, seen.at, width), strict=True))
        table.add_row(*(cells[head] for head in shown))
    console.print(table)
