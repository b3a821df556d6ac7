"""`watchkeeper stress …`: put a server under load that has agreed to it, look at what was recorded, make rules of it.

A run is made by this process and its workers, not by the hub; the hub's timeline is told where there is one. How a run
looks in the terminal is `stress_screen`, where its target comes from `stress_target`; its report is `stress_report`.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tomllib
from pathlib import Path
from typing import Any

from watchkeeper.cli import stress_report
from watchkeeper.cli.config import as_toml
from watchkeeper.cli.console import paper, print_json, say
from watchkeeper.cli.exits import FAILED, OK, STRESS_ABORTED, STRESS_INVALID, STRESS_MISSED
from watchkeeper.cli.options import add_arguments, data_folder
from watchkeeper.errors import ConfigError, Refused

EXITS = {"pass": OK, "fail": STRESS_MISSED, "invalid": STRESS_INVALID}
"""What a verdict ends this command with; without one it is aborted (97) or broken (1)."""


def declare(parser: argparse.ArgumentParser) -> None:
    """Words of its own."""
    words = parser.add_subparsers(dest="what", metavar="WHAT", required=True, parser_class=type(parser))
    plans = words.add_parser("plans", help="list the built-in plans, or print one", description="list the built-in plans")
    plans.add_argument("plan", nargs="?", metavar="PLAN", help="print this one, to begin one's own with")
    run = words.add_parser("run", help="carry a plan out", description="carry a plan out: exit 0 pass, 99 missed, 98 invalid")
    run.add_argument("plan", metavar="PLAN", help="a built-in plan's name, or a TOML file")
    run.add_argument("--target", metavar="URL|SERVER", help="who is put under load: an address, or a supervised server")
    run.add_argument(
        "--protocol", choices=("http", "websocket", "tcp", "cloud"), help="what is spoken, where the plan leaves it open"
    )
    run.add_argument(
        "--from", dest="origins", default="", metavar="MACHINE,…", help="whose agents make the load, through the hub"
    )
    run.add_argument(
        "--over",
        choices=("hub", "nats"),
        default="hub",
        help="what carries words to and from the machines of --from",
    )
    run.add_argument("--connections", type=int, metavar="N", help="how many connections, all workers together")
    run.add_argument("--workers", type=int, metavar="N", help="how many worker processes")
    run.add_argument("--seed", type=int, metavar="N", help="fixes everything that is left to chance")
    run.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a key of the plan, as safety.max_rate=500"
    )
    runs = words.add_parser("runs", help="list the runs that were recorded", description="list the runs, the newest first")
    show = words.add_parser("show", help="show what a run has recorded", description="show a run, stage by stage")
    show.add_argument("record", nargs="?", default="last", metavar="RUN", help="its id, or the beginning of it (last)")
    join = words.add_parser(
        "join",
        help="put the server's side together again",
        description="ask the hub for the server's side of a run again: after a crash, or when the hub was away",
    )
    join.add_argument("record", nargs="?", default="last", metavar="RUN", help="its id, or the beginning of it (last)")
    propose = words.add_parser(
        "propose",
        help="propose rules from a run's knee",
        description="rules at 70 and 85 % of what was measured at the knee, as a diff for patch; nothing is applied",
    )
    propose.add_argument("record", nargs="?", default="last", metavar="RUN", help="its id, or the beginning of it (last)")
    propose.add_argument("--file", metavar="FILE", help="what it is a diff against (conf.d/capacity-SERVER.toml)")
    for below in (plans, run, runs, show, join, propose, *stress_report.add_words(words)):
        add_arguments(below, again=True)


def run(args: argparse.Namespace) -> int:
    """Do one of them."""
    if args.what in {"report", "compare"}:
        return {"report": stress_report.report, "compare": stress_report.compare}[args.what](args, runs_folder(args))
    return {"plans": _plans, "run": _run, "runs": _runs, "show": _show, "join": _join, "propose": _propose}[args.what](args)


def runs_folder(args: argparse.Namespace) -> Path:
    """Where runs are kept."""
    return data_folder(args.data) / "stress"


def _plans(args: argparse.Namespace) -> int:
    from watchkeeper.stress.plan import read  # noqa: PLC0415  # numpy and all protocols: for this verb alone
    from watchkeeper.stress.shelf import built_in  # noqa: PLC0415  # only this verb needs it

    known = built_in()
    if args.plan:
        print(_file(args.plan).read_text(encoding="utf-8").rstrip())
        return OK
    plans = {name: read({str(path): path.read_text(encoding="utf-8")})[0] for name, path in known.items()}
    if args.json:
        print_json({name: plan.about for name, plan in plans.items()})
        return OK
    from rich.table import Table  # noqa: PLC0415  # only to draw

    table = Table(box=None, header_style="dim")
    for head in ("plan", "what it does"):
        table.add_column(head)
    for name, plan in plans.items():
        table.add_row(name, plan.about)
    paper().print(table)
    return OK


def _run(args: argparse.Namespace) -> int:
    from watchkeeper.cli.stress_hub import origins, teller  # noqa: PLC0415  # only this verb needs it
    from watchkeeper.cli.stress_screen import Screen  # noqa: PLC0415  # as above
    from watchkeeper.cli.stress_target import here, prepare  # noqa: PLC0415  # only this verb needs it
    from watchkeeper.stress.conduct import conduct  # noqa: PLC0415  # only this verb needs it
    from watchkeeper.stress.desk import EndWord, Request  # noqa: PLC0415  # only this verb needs it

    path = _file(args.plan)
    plan, tables, supervised = prepare(path, _changes(args), args)
    hub = teller(args)
    request = Request(
        plan,
        as_toml(tables) + "\n",
        runs_folder(args),
        ("watchkeeper", *sys.argv[1:]),
        supervised,
        here=here(args),
        origins=origins(args, plan),
        teller=hub,
        guard=hub,
    )
    screen = Screen(args, runs_folder(args))

    async def whole() -> Any:
        abort = EndWord()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, abort.set)
        telling = asyncio.create_task(screen.timeline.run(abort), name="timeline")
        try:
            with screen.keys(loop, abort):
                return await conduct(request, screen, abort)
        finally:
            telling.cancel()

    done = asyncio.run(whole())
    stress_report.after_run(args, runs_folder(args) / done.id)
    if done.verdict:
        return EXITS[done.verdict]
    return STRESS_ABORTED if done.state == "aborted" else FAILED


def _runs(args: argparse.Namespace) -> int:
    from watchkeeper.cli.stress_screen import runs_table  # noqa: PLC0415  # as above
    from watchkeeper.stress.record import runs  # noqa: PLC0415  # only this verb needs it

    found = runs(runs_folder(args))
    if args.json:
        print_json(found)
    elif found:
        paper().print(runs_table(found))
    else:
        say(args, f"No run is recorded in {runs_folder(args)}.")
    return OK


def _show(args: argparse.Namespace) -> int:
    from watchkeeper.cli.stress_screen import shown, told  # noqa: PLC0415  # as above
    from watchkeeper.stress.record import find  # noqa: PLC0415  # only this verb needs it

    record = find(runs_folder(args), args.record)
    if args.json:
        print_json(told(record))
    else:
        for part in shown(record):
            paper().print(part)
    return OK


def _join(args: argparse.Namespace) -> int:
    from watchkeeper.cli.stress_hub import teller  # noqa: PLC0415  # as above
    from watchkeeper.cli.stress_screen import serverside  # noqa: PLC0415  # only this verb needs it
    from watchkeeper.stress.record import find  # noqa: PLC0415  # only this verb needs it
    from watchkeeper.stress.serverside.joining import join  # noqa: PLC0415  # only this verb needs it

    side = asyncio.run(join(find(runs_folder(args), args.record), teller(args)))
    if args.json:
        print_json(side)
    else:
        for line in serverside(side):
            say(args, line)
    return OK


def _propose(args: argparse.Namespace) -> int:
    from watchkeeper.cli.options import config_file  # noqa: PLC0415  # as above
    from watchkeeper.stress.propose import as_diff, propose  # noqa: PLC0415  # only this verb needs it
    from watchkeeper.stress.record import find  # noqa: PLC0415  # only this verb needs it

    record = find(runs_folder(args), args.record)
    proposal = propose(record)
    config = config_file(args.config)
    beside = (config.parent if config else Path()) / "conf.d" / f"capacity-{record.run.server}.toml"
    diff = as_diff(proposal, Path(args.file) if args.file else beside)
    if args.json:
        print_json({"diff": diff, "left_out": proposal.left_out})
        return OK
    for one in proposal.left_out:
        print(f"watchkeeper: not proposed: {one}", file=sys.stderr)
    if diff:
        print(diff, end="")
    else:
        print("watchkeeper: the file has these rules already", file=sys.stderr)
    return OK


def _file(named: str) -> Path:
    """The file of a plan; raises Refused."""
    from watchkeeper.config import nearest  # noqa: PLC0415  # only a mistake needs it
    from watchkeeper.stress.shelf import built_in  # noqa: PLC0415  # only this verb needs it

    known = built_in()
    if named in known:
        return known[named]
    path = Path(named)
    if path.suffix == ".toml" or "/" in named:
        if not path.is_file():
            raise Refused(f"there is no plan {path}", code="unknown-plan")
        return path
    raise Refused(f"there is no built-in plan {named!r}{nearest(named, sorted(known))}", code="unknown-plan")


def _changes(args: argparse.Namespace) -> dict[str, object]:
    """What the command line sets in the plan, by dotted key."""
    found: dict[str, object] = {}
    for pair in args.set:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise ConfigError(f"expected KEY=VALUE, got {pair!r}", where="--set")
        found[key] = _value(value)
    for name, key in (("connections", "connections"), ("workers", "generator.workers"), ("seed", "seed")):
        if (given := getattr(args, name)) is not None:
            found[key] = given
    return found


def _value(written: str) -> object:
    """A value as TOML has it; what is none is text, so that 30s needs no quotes."""
    try:
        return tomllib.loads(f"value = {written}")["value"]
    except tomllib.TOMLDecodeError:
        return written
