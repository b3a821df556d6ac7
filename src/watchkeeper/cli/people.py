"""`watchkeeper people list | add | role | password | reset | sign-out | remove NAME`: who may come in, and what they may do.

All of it is asked of the hub, which writes down who asked. Passwords are typed without an echo, or read from a pipe; they stand
in no argument, because every user of a machine sees those.
"""

from __future__ import annotations

import argparse
import getpass
import sys
import time
from urllib.parse import quote

from watchkeeper.cli import figures
from watchkeeper.cli.client import Hub, connect
from watchkeeper.cli.console import agree, is_person, paper, print_json, say
from watchkeeper.cli.exits import FAILED, OK
from watchkeeper.cli.options import reach
from watchkeeper.errors import Refused
from watchkeeper.web.people_shapes import PersonView, SessionView
from watchkeeper.web.shapes import SignInLink

WHAT = ("list", "add", "role", "password", "reset", "sessions", "sign-out", "remove")
ROLES = ("admin", "operator", "viewer")
LONGEST = 4096


def declare(parser: argparse.ArgumentParser) -> None:
    """It takes what to do, and with whom."""
    parser.add_argument("what", choices=WHAT, help="what to do; `reset` takes away all that proves a person, for a lost device")
    parser.add_argument("name", nargs="?", metavar="NAME", help="the person; list and sessions take all without one")
    parser.add_argument("--role", choices=ROLES, help="with add and role: what they may do (add: viewer)")
    parser.add_argument("--password", action="store_true", help="with add: give them a password instead of a link")
    parser.add_argument("--yes", action="store_true", help="with remove and reset: do not ask")


def run(args: argparse.Namespace) -> int:
    """0 when it was done."""
    hub = connect(reach(args))
    if args.what == "list":
        return _list(args, hub)
    if args.what == "sessions":
        return _sessions(args, hub)
    if not args.name:
        raise Refused(f"say who: watchkeeper people {args.what} NAME")
    if args.what == "add":
        return _add(args, hub)
    return _change(args, hub, f"/api/people/{quote(args.name, safe='')}")


def _change(args: argparse.Namespace, hub: Hub, here: str) -> int:
    match args.what:
        case "role":
            if not args.role:
                raise Refused(f"say which role: watchkeeper people role {args.name} --role {'|'.join(ROLES)}")
            hub.send("POST", f"{here}/role", {"role": args.role})
            say(args, f"{args.name} is {_article(args.role)} now, in sessions that are open too")
        case "password":
            hub.send("POST", f"{here}/password", {"password": typed_twice(f"New password of {args.name}: ")})
            say(args, f"{args.name} has a new password; all their sessions have ended")
        case "sign-out":
            hub.send("DELETE", f"{here}/sessions")
            say(args, f"{args.name} is signed out everywhere")
        case "reset" if _agreed(args, "Take away all that proves"):
            hub.send("POST", f"{here}/reset")
            say(args, f"password, codes, passkeys and sessions of {args.name} are gone; `watchkeeper sign-in {args.name}`")
        case "remove" if _agreed(args, "Remove"):
            hub.send("DELETE", here)
            say(args, f"{args.name} may not come in any more")
        case _:
            return FAILED
    return OK


def _agreed(args: argparse.Namespace, question: str) -> bool:
    return args.yes or not is_person() or agree(f"{question} {args.name}?")


def _add(args: argparse.Namespace, hub: Hub) -> int:
    role = args.role or "viewer"
    ask = {"name": args.name, "role": role}
    if args.password:
        ask["password"] = typed_twice(f"Password of {args.name}: ")
    hub.send("POST", "/api/people", ask)
    if args.password:
        if args.json:
            print_json({"name": args.name, "role": role})
        else:
            say(args, f"{args.name} is {_article(role)} now")
        return OK
    link = hub.ask("POST", f"/api/people/{quote(args.name, safe='')}/sign-in-links", SignInLink)
    if args.json:
        print_json({"name": args.name, "role": role, "url": link.url, "expires_at": link.expires_at})
        return OK
    say(args, f"{args.name} is {_article(role)} now. This link lets {args.name} in once, within an hour:")
    print(link.url, flush=True)
    return OK


def typed_twice(prompt: str) -> str:
    """A password that a person types twice, or the first line of a pipe; raises `Refused` when the two differ."""
    if not is_person():
        return sys.stdin.readline(LONGEST).rstrip("\r\n")
    first = getpass.getpass(prompt)
    if getpass.getpass("The same again: ") != first:
        raise Refused("the two are not the same")
    return first


def _article(role: str) -> str:
    return f"an {role}" if role[0] in "ao" else f"a {role}"


def _list(args: argparse.Namespace, hub: Hub) -> int:
    known = hub.ask("GET", "/api/people", tuple[PersonView, ...])
    if args.name:
        known = tuple(one for one in known if one.name == args.name)
    if args.json:
        print_json(known)
        return OK
    from rich.table import Table  # noqa: PLC0415  # only a table needs it

    now = int(time.time() * 1000)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("PERSON", "ROLE", "PROVED BY", "SESSIONS", "LAST SIGN-IN"):
        table.add_column(heading, no_wrap=True)
    for one in known:
        proofs = ["password"] * one.password + ["codes"] * one.codes
        proofs += [f"{one.passkeys} passkey{'s' * (one.passkeys > 1)}"] if one.passkeys else []
        last = figures.when(one.entered_at, now) if one.entered_at else figures.NONE
        table.add_row(one.name, one.role, ", ".join(proofs) or "a link", str(one.sessions), last)
    paper().print(table)
    return OK


def _sessions(args: argparse.Namespace, hub: Hub) -> int:
    known = hub.ask("GET", "/api/sessions", tuple[SessionView, ...])
    if args.name:
        known = tuple(one for one in known if one.person == args.name)
    if args.json:
        print_json(known)
        return OK
    from rich.table import Table  # noqa: PLC0415  # only a table needs it

    now = int(time.time() * 1000)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("PERSON", "BY", "FROM", "SINCE", "LAST SEEN", "BROWSER"):
        table.add_column(heading, no_wrap=True)
    for one in known:
        since, seen = figures.when(one.created_at, now), figures.when(one.seen_at, now)
        table.add_row(one.person, one.method, one.peer, since, seen, one.browser[:60])
    paper().print(table)
    return OK
