"""`watchkeeper status`: is everything up? One sentence, one table, one exit code.

0: all that was asked for is up; 3: something is down; 4: not known, because an agent is out of touch, the hub is
not reached, or there is no such server (systemctl answers 4 there too; 2 means something else in the LSB). A server
that was stopped on purpose is down when it is named, as the LSB has it, and no trouble when all are asked for.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from datetime import datetime

import msgspec

from watchkeeper.cli import figures, signs
from watchkeeper.cli.act import duration
from watchkeeper.cli.client import connect
from watchkeeper.cli.console import note, paper, print_json
from watchkeeper.cli.exits import DOWN, OK, UNKNOWN
from watchkeeper.cli.options import reach
from watchkeeper.cli.targets import resolve, title
from watchkeeper.config import Duration
from watchkeeper.errors import Failed, Refused
from watchkeeper.model import Health, ServerState
from watchkeeper.web.shapes import MachineView, Overview, ServerView

BETWEEN_SECONDS = 0.5
"""Between two questions of ``--wait``."""


class Verdict(msgspec.Struct, frozen=True):
    """What ``status --json`` prints. `health` is the worst of what was asked for, `exit` this command's exit code."""

    health: Health
    exit: int
    sentence: str
    at: int = 0
    servers: tuple[ServerView, ...] = ()
    machines: tuple[MachineView, ...] = ()


def declare(parser: argparse.ArgumentParser) -> None:
    """It takes the servers to look at."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="servers, also MACHINE/NAME or globs; all, if none is given")
    parser.add_argument(
        "--wait", type=duration, default=Duration(0), metavar="TIME", help="wait until all is up, so long at the most (1m)"
    )


def run(args: argparse.Namespace) -> int:
    """Ask, judge, print; with ``--wait`` ask again until all is up, or its time is."""
    until = time.monotonic() + args.wait
    while True:
        verdict = _ask(args)
        left = until - time.monotonic()
        if verdict.exit == OK or left <= 0:
            break
        time.sleep(min(BETWEEN_SECONDS, left))
    if not args.json and not verdict.at:
        note(verdict.sentence)
    if args.json:
        print_json(verdict)
    elif verdict.at and not args.quiet:
        _print(verdict)
    return verdict.exit


def _ask(args: argparse.Namespace) -> Verdict:
    """What can be said now; a hub that is away is an answer, too."""
    try:
        return judge(connect(reach(args)).overview(), args.names)
    except (Failed, Refused) as fault:
        return Verdict("unknown", UNKNOWN, str(fault))


def judge(seen: Overview, names: Sequence[str]) -> Verdict:
    """The verdict on the named servers, or on everything; raises `Refused` for a name that nothing fits."""
    servers = resolve(names, seen.servers)
    homes = {view.machine for view in servers}
    machines = tuple(view for view in seen.machines if not names or view.machine.name in homes)
    if names:
        healths = {view.health for view in servers}
    else:
        healths = {view.health for view in servers if view.status.state is not ServerState.STOPPED}
        healths |= {view.health for view in machines}
    health: Health = "down" if "down" in healths else "unknown" if "unknown" in healths or not seen.machines else "up"
    code = {"up": OK, "down": DOWN, "unknown": UNKNOWN}[health]
    sentence = _sentence(servers) if names else seen.sentence
    return Verdict(health, code, sentence, seen.at, tuple(servers), machines)


def _sentence(servers: Sequence[ServerView]) -> str:
    if len(servers) == 1:
        status = servers[0].status
        return f"{status.name} is {signs.of_server(servers[0]).word}"
    up = sum(view.health == "up" for view in servers)
    return f"All {up} are up" if up == len(servers) else f"{up} of {len(servers)} are up"


def _print(verdict: Verdict) -> None:
    from rich.table import Table  # noqa: PLC0415  # only a table needs it
    from rich.text import Text  # noqa: PLC0415  # only this verb needs it

    console = paper()
    console.print(Text(verdict.sentence, "bold"))
    for view in verdict.machines:
        console.print(_machine(view))
    if not verdict.servers:
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("SERVER", "STATE"):
        table.add_column(heading, no_wrap=True)
    for heading in ("UP", "CPU", "MEMORY", "RESTARTS"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("REASON", overflow="fold")
    for server in verdict.servers:
        sign = signs.of_server(server)
        known = server.health != "unknown"
        status, seen = server.status, server.figures
        running = known and status.pid and status.started_at
        table.add_row(
            title(server, verdict.servers),
            Text(sign.text(), sign.style),
            figures.duration((verdict.at - status.started_at) / 1000) if running else figures.NONE,
            figures.percent(seen.cpu_ratio) if running else figures.NONE,
            figures.size(seen.memory_bytes) if running else figures.NONE,
            str(status.restarts),
            reason(server),
        )
    console.print(table)


def _machine(view: MachineView) -> str:
    sign, seen = signs.of_machine(view), view.figures
    told = f"{sign.text()}  {view.machine.name}"
    if view.health != "up":
        return f"{told}  its agent is out of touch"
    disk = f"disk {seen.disk_mountpoint or ''} {figures.percent(seen.disk_ratio)}".replace("  ", " ")
    facts = (
        f"cpu {figures.percent(seen.cpu_ratio)}",
        f"memory {figures.percent(seen.memory_ratio)}",
        disk,
        f"load {figures.number(seen.load1)}",
        f"up {figures.duration(seen.uptime_seconds)}",
    )
    return f"{told}  {' · '.join(facts)}"


def _clock(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000).astimezone():%H:%M:%S}"


def reason(view: ServerView) -> str:
    """What there is to say of a server, in one line.

    First what a person must decide, then its pause, then why it counts as busy or hung; else its state's reason, the probe
    that fails, or its last exit.
    """
    status = view.status
    if view.health == "unknown" and status.health != "unknown":
        return "its agent is out of touch"
    failing = next((probe for probe in status.probes if not probe.ok and probe.at), None)
    for pressing in (status.asks, status.paused_why, status.liveness_why and f"{status.liveness}: {status.liveness_why}"):
        if pressing:
            return pressing
    if status.state is ServerState.BACKOFF and status.next_attempt_at:
        return f"{status.reason}; next attempt at {_clock(status.next_attempt_at)}"
    if status.reason:
        return status.reason
    if failing:
        return f"{failing.name}: {failing.why}"
    return f"last exit: {status.last_exit}" if status.last_exit and view.health != "up" else ""
