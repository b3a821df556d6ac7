"""`watchkeeper service`: have the system start Watchkeeper at boot and keep it alive, and take that back.

What is written and run is made by `watchkeeper.service`; here a person is asked and told. A restart of the service
leaves the servers running: the agent finds a marker in its folder and hands them over to the next one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

from watchkeeper.cli.console import agree, is_person, say
from watchkeeper.cli.exits import FAILED, OK
from watchkeeper.cli.options import SYSTEM_DATA, add_program_arguments, program_options
from watchkeeper.cli.settings import read, read_document
from watchkeeper.errors import Refused
from watchkeeper.service import SYSTEMS, find_system
from watchkeeper.service.carrying import carry_out, show
from watchkeeper.service.steps import NAME, Installation, Program, Scope, System
from watchkeeper.watched import hand_over

WHAT = ("install", "uninstall", "status", "restart")


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("what", choices=WHAT, help="install and start it, take it out again, tell how it stands, restart it")
    parser.add_argument("--user", action="store_true", help="a service of yours alone, not of the system (what root installs)")
    parser.add_argument("--run-as", metavar="USER", default="", help="the account that the system's service runs as (root)")
    parser.add_argument("--program", choices=get_args(Program), default="up", help="hub and agent (up), or one of them")
    parser.add_argument("--name", default=NAME, help="what the service is called (watchkeeper)")
    parser.add_argument("--system", choices=sorted(SYSTEMS), default="", help="the service system; left out, the one that runs")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    parser.add_argument("--purge", action="store_true", help="with uninstall: the data goes too")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    add_program_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Do it, or say what would be done."""
    what = _installation(args)
    system = find_system(args.system)
    match args.what:
        case "install":
            read(read_document(what.config))  # a service that would refuse its configuration is not installed
            return _carry(args, system, what, "install")
        case "uninstall":
            return _uninstall(args, system, what)
        case "restart":
            return _carry(args, system, what, "restart")
    return _status(system, what)


def _carry(args: argparse.Namespace, system: System, what: Installation, verb: str) -> int:
    steps = system.install(what) if verb == "install" else system.restart(what)
    if args.dry_run:
        show(steps, print)
        return OK
    if what.program != "hub":
        hand_over(what.data)
    carry_out(steps, lambda line: say(args, line))
    if verb == "install":
        say(args, f"\nWatchkeeper is a service now ({system.name}): it starts with this computer.")
        say(args, "  next: `watchkeeper service status`, `watchkeeper status`, `watchkeeper sign-in`")
        if what.scope == "user" and system.name == "systemd":
            say(args, "  it ends when you sign out, unless `loginctl enable-linger` was run once")
    return OK


def _uninstall(args: argparse.Namespace, system: System, what: Installation) -> int:
    steps = system.uninstall(what)
    if args.dry_run:
        show(steps, print)
        print(f"{'remove' if args.purge else 'keep'} the data in {what.data}")
        return OK
    question = f"Stop Watchkeeper and take its service out{', and delete ' + str(what.data) if args.purge else ''}?"
    if not args.yes and not (is_person() and agree(question)):
        print("watchkeeper: nothing was done (say --yes, or answer yes)", file=sys.stderr)
        return FAILED
    carry_out(steps, lambda line: say(args, line))
    if args.purge:
        _purge(what.data)
        say(args, f"deleted {what.data}")
    else:
        say(args, f"the data stays in {what.data}; --purge deletes it")
    return OK


def _purge(data: Path) -> None:
    """Delete a data folder, if it is one: a mistyped --data must not take a home folder with it."""
    if not data.exists():
        return
    if not any((data / sign).exists() for sign in ("journal.db", "token", "agent")):
        raise Refused(f"{data} does not look like a data folder of ours, so it was not deleted", code="not-ours")
    shutil.rmtree(data)


def _status(system: System, what: Installation) -> int:
    argv = system.status(what)
    try:
        code = subprocess.run(argv, stdin=subprocess.DEVNULL, check=False).returncode
    except FileNotFoundError:
        raise Refused(f"{argv[0]} is not there: {system.name} does not run this computer", code="no-service-system") from None
    return OK if code in system.tells_up else (code if code in {3, 4} else FAILED)


def _installation(args: argparse.Namespace) -> Installation:
    options = program_options(args)
    uid = os.geteuid() if hasattr(os, "geteuid") else 0
    if args.user and args.run_as:
        raise Refused("--run-as is for the system's service; a service of yours runs as you", code="usage")
    scope: Scope = "user" if args.user or (uid and not args.dry_run and not args.run_as) else "system"
    named = args.data or os.environ.get("WATCHKEEPER_DATA")
    return Installation(
        python=Path(sys.executable),
        data=options.data if named or scope == "user" else SYSTEM_DATA,
        config=options.config,
        listen=options.listen,
        program=args.program,
        scope=scope,
        user=args.run_as,
        name=args.name,
        home=Path.home(),
        uid=uid,
    )
