"""`watchkeeper evidence list | show | save`: what servers were doing before something was done to them.

The list is the journal's; what was found is fetched from the agent that has it, secrets already taken out.
"""

from __future__ import annotations

import argparse
import time
from datetime import datetime
from pathlib import Path

import msgspec

from watchkeeper.cli import figures
from watchkeeper.cli.client import Hub, connect
from watchkeeper.cli.console import note, paper, print_json, say
from watchkeeper.cli.exits import FAILED, OK
from watchkeeper.cli.options import reach
from watchkeeper.cli.targets import resolve
from watchkeeper.errors import Refused
from watchkeeper.web.evidence_shapes import EvidenceFile, EvidenceView

LISTED = 30
SOUGHT = 1000


def declare(parser: argparse.ArgumentParser) -> None:
    """What to do, and with which."""
    parser.add_argument("deed", choices=("list", "show", "save"), help="list what there is, print one, save one as a file")
    parser.add_argument("which", nargs="?", metavar="NAME|ID", help="a server, or the id of one (of a server, the newest)")
    parser.add_argument("-o", "--output", metavar="FILE", help="where to save it (SERVER-ID.txt; .json for a JSON document)")


def run(args: argparse.Namespace) -> int:
    """List, print or save."""
    hub = connect(reach(args))
    if args.deed == "list":
        return _list(args, hub)
    if not args.which:
        raise Refused("say of which server, or which one by its id: watchkeeper evidence list", code="usage")
    one = _find(hub, args.which)
    found = hub.evidence(one.machine, one.id)
    if args.deed == "show":
        if args.json:
            print_json(found)
        else:
            print(as_text(found), end="")
        return OK
    return _save(args, found)


def as_text(found: EvidenceFile) -> str:
    """All of it for a person to read."""
    when = datetime.fromtimestamp(found.at / 1000).astimezone().isoformat(" ", "seconds")
    head = f"{found.server} (pid {found.pid}) at {when}, gathered within {found.seconds:.2f} s"
    if found.missing:
        head += f"; not to be had in time: {', '.join(found.missing)}"
    parts = [f"\n== {part.title} ==\n{part.text.rstrip()}" for part in found.sections]
    return "\n".join([head, *parts]) + "\n"


def _list(args: argparse.Namespace, hub: Hub) -> int:
    sought: dict[str, str | int] = {"limit": LISTED}
    if args.which:
        view = resolve([args.which], hub.overview().servers, unique=True)[0]
        sought |= {"machine": view.machine, "server": view.status.name}
    listed = hub.evidence_list(**sought).evidence
    if args.json:
        print_json(listed)
        return OK
    if not listed:
        note("nothing was saved yet: that happens when a server hangs, uses too much, or has to be killed")
        return OK
    from rich.table import Table  # noqa: PLC0415  # only a table needs it

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("ID", "WHEN", "SERVER", "SIZE"):
        table.add_column(heading, no_wrap=True)
    table.add_column("WHY", overflow="fold")
    now = int(time.time() * 1000)
    for one in listed:
        where = f"{one.machine}/{one.server}"
        table.add_row(one.id, figures.when(one.at, now), where, figures.size(float(one.bytes)), one.why)
    paper().print(table)
    return OK


def _find(hub: Hub, which: str) -> EvidenceView:
    """By its id, or the newest of a server."""
    for one in hub.evidence_list(limit=SOUGHT).evidence:
        if one.id == which:
            return one
    view = resolve([which], hub.overview().servers, unique=True)[0]
    listed = hub.evidence_list(machine=view.machine, server=view.status.name, limit=1).evidence
    if not listed:
        raise Refused(f"nothing was saved of {view.status.name}", code="no-evidence")
    return listed[0]


def _save(args: argparse.Namespace, found: EvidenceFile) -> int:
    path = Path(args.output or f"{found.server}-{found.id}.txt")
    is_json = args.json or path.suffix == ".json"
    content = msgspec.json.format(msgspec.json.encode(found), indent=2) if is_json else as_text(found).encode()
    try:
        with path.open("xb") as file:
            file.write(content)
    except OSError as fault:
        note(f"{path} cannot be written: {fault.strerror}")
        return FAILED
    say(args, f"saved as {path}")
    return OK
