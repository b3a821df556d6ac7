"""`watchkeeper drill run|list|show|scenarios`: prove that an alert would arrive, by a real and harmless fault.

The hub does it; this verb begins it, tells each leg as it is reached, and ends with 0 when the word came all the way and back.
Ctrl-C calls it off: the fault is undone at once.
"""

from __future__ import annotations

import argparse
import signal
import time
from types import FrameType
from urllib.parse import quote

from watchkeeper.cli import figures
from watchkeeper.cli.client import Hub, connect
from watchkeeper.cli.console import note, paper, print_json, say
from watchkeeper.cli.exits import FAILED, OK
from watchkeeper.cli.options import add_arguments, reach
from watchkeeper.errors import ConfigError, Failed, Refused
from watchkeeper.quantities import Duration
from watchkeeper.telling import Drill, DrillLeg
from watchkeeper.web.alert_shapes import DrillsView, DrillView, ScenarioView

LOOK_SECONDS = 0.25
PATIENCE_SECONDS = 30.0
"""How long the hub may be away in the middle of a drill before this verb gives up; the drill is the hub's and goes on."""
OVER = ("passed", "failed", "interrupted")
STYLES = {"passed": ("● passed", "green"), "failed": ("✕ failed", "red"), "interrupted": ("✕ interrupted", "red")}


def declare(parser: argparse.ArgumentParser) -> None:
    """Four words of its own."""
    words = parser.add_subparsers(dest="what", metavar="WHAT", required=True, parser_class=type(parser))
    run = words.add_parser("run", help="do one now", description="do a drill now: exit 0 when it has passed")
    run.add_argument("scenario", nargs="?", default="killed", metavar="SCENARIO", help="which fault (killed)")
    run.add_argument("--channel", action="append", default=[], metavar="NAME", help="tell it over this one; may be given again")
    run.add_argument("--machine", default="", metavar="NAME", help="of a real server (scenario server)")
    run.add_argument("--server", default="", metavar="NAME", help="a real server (scenario server)")
    run.add_argument("--yes-really", action="store_true", help="a real server is held for its users too")
    run.add_argument("--acknowledge", default="0s", metavar="TIME", help="wait so long for a person who follows the link")
    lists = words.add_parser("list", help="list those that were done", description="list drills, the newest first")
    show = words.add_parser("show", help="show one, leg by leg", description="show a drill, leg by leg")
    show.add_argument("drill", nargs="?", default="last", metavar="DRILL", help="its id, or the beginning of it (last)")
    scenarios = words.add_parser("scenarios", help="list what can be done here", description="list the kinds of faults")
    for below in (run, lists, show, scenarios):
        add_arguments(below, again=True)


def run(args: argparse.Namespace) -> int:
    """Do one of the four."""
    return {"run": _run, "list": _list, "show": _show, "scenarios": _scenarios}[args.what](args, connect(reach(args)))


def _run(args: argparse.Namespace, hub: Hub) -> int:
    try:
        patience = float(Duration.parse(args.acknowledge))
    except ValueError as fault:
        raise ConfigError(str(fault), where="--acknowledge") from None
    ask = {
        "scenario": args.scenario,
        "channels": args.channel,
        "machine": args.machine,
        "server": args.server,
        "acknowledge_seconds": patience,
        "yes_really": args.yes_really,
    }
    drill = hub.ask("POST", "/api/drills", DrillView, ask).drill
    if not args.json:
        say(args, f"drill {drill.id}: {drill.scenario}, done to {drill.server} on {drill.machine}")
    off = _Off()
    told: set[tuple[str, str]] = set()
    heard = time.monotonic()
    while drill.state not in OVER:
        if off.asked:
            off.asked = False
            note("calling it off: the fault is undone")
            hub.ask("DELETE", f"/api/drills/{quote(drill.id)}", DrillView)
        time.sleep(LOOK_SECONDS)
        try:
            drill = hub.ask("GET", f"/api/drills/{quote(drill.id)}", DrillView).drill
        except Failed:
            if time.monotonic() - heard > PATIENCE_SECONDS:
                raise
            continue
        heard = time.monotonic()
        for leg in drill.legs:
            if (leg.name, leg.channel) not in told and not args.json:
                say(args, _line(drill, leg))
            told.add((leg.name, leg.channel))
    return _conclude(args, hub, drill)


def _conclude(args: argparse.Namespace, hub: Hub, drill: Drill) -> int:
    view = hub.ask("GET", f"/api/drills/{quote(drill.id)}", DrillView)
    if args.json:
        print_json(view)
    elif drill.state == "passed":
        say(args, f"passed: {view.proof}. Certificate: {hub.found.url}/api/drills/{drill.id}/certificate")
    else:
        note(f"{drill.state}: {drill.why}; it came as far as: {view.proof}")
    return OK if drill.state == "passed" else FAILED


def _list(args: argparse.Namespace, hub: Hub) -> int:
    found = hub.ask("GET", "/api/drills", DrillsView)
    if args.json:
        print_json(found)
        return OK
    if not found.drills:
        say(args, "No drill was ever done. Do one: watchkeeper drill run")
        return OK
    from rich.table import Table  # noqa: PLC0415  # only a table needs it
    from rich.text import Text  # noqa: PLC0415  # only this verb needs it

    now = int(time.time() * 1000)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("DRILL", "WHEN", "SCENARIO", "RESULT", "DELIVERED AFTER"):
        table.add_column(heading, no_wrap=True)
    table.add_column("REASON", overflow="fold")
    for one in (view.drill for view in found.drills):
        shape, style = STYLES.get(one.state, (f"◌ {one.state}", ""))
        after = f"{(one.leg('delivered') - one.leg('fault')) / 1000:.2f} s" if one.leg("delivered") else figures.NONE
        table.add_row(one.id, figures.when(one.at, now), one.scenario, Text(shape, style), after, one.why)
    paper().print(table)
    if found.next_at:
        say(args, f"the next one begins by itself {figures.when(found.next_at, now)}")
    return OK


def _show(args: argparse.Namespace, hub: Hub) -> int:
    identity = args.drill
    if identity == "last":
        newest = hub.ask("GET", "/api/drills?limit=1", DrillsView).drills
        if not newest:
            raise Refused("no drill was ever done: watchkeeper drill run", code="unknown-drill")
        identity = newest[0].drill.id
    view = hub.ask("GET", f"/api/drills/{quote(identity, safe='')}", DrillView)
    drill = view.drill
    if args.json:
        print_json(view)
        return OK
    say(args, f"{drill.id}  {drill.scenario}, done to {drill.server} on {drill.machine}, begun by {drill.by}")
    for leg in drill.legs:
        say(args, _line(drill, leg))
    say(args, f"{drill.state}: {drill.why or view.proof}")
    say(args, f"certificate: {hub.found.url}/api/drills/{drill.id}/certificate")
    return OK


def _scenarios(args: argparse.Namespace, hub: Hub) -> int:
    found = hub.ask("GET", "/api/drills/scenarios", tuple[ScenarioView, ...])
    if args.json:
        print_json(found)
        return OK
    from rich.table import Table  # noqa: PLC0415  # only a table needs it

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("SCENARIO", no_wrap=True)
    for heading in ("WHAT IS DONE", "RULES", "HERE"):
        table.add_column(heading, overflow="fold")
    for one in found:
        table.add_row(one.name, one.about, ", ".join(one.rules), one.unavailable or "yes")
    paper().print(table)
    return OK


def _line(drill: Drill, leg: DrillLeg) -> str:
    """One leg: how long after the fault, what, and what was seen."""
    after = (leg.at - drill.leg("fault")) / 1000
    where = f" ({leg.channel})" if leg.channel else ""
    return f"  {after:8.3f} s  {leg.name}{where}" + (f": {leg.text}" if leg.text else "")


class _Off:
    """Hears Ctrl-C once; a second one ends this verb, and the drill goes on at the hub."""

    def __init__(self) -> None:
        self.asked = False
        signal.signal(signal.SIGINT, self._hear)

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, signal.SIG_DFL)
