"""`watchkeeper start | stop | restart | resume`: ask for an action on each server and wait for its outcome.

`pause` and `expect` come through here too (`saying`), with how long and why.

All names are resolved before the first server is touched. The hub keeps every action as a row, so Ctrl-C
stops the waiting, not the action.
"""

from __future__ import annotations

import argparse
import queue
import threading
import time
from collections.abc import Collection, Iterator

from watchkeeper.cli.client import Hub, connect
from watchkeeper.cli.console import agree, is_person, note, print_json, say
from watchkeeper.cli.exits import FAILED, OK
from watchkeeper.cli.options import reach
from watchkeeper.cli.targets import resolve, title
from watchkeeper.config import Duration
from watchkeeper.errors import Failed, Refused
from watchkeeper.web.shapes import ActionAsk, ActionView

ENDED = frozenset({"done", "failed", "unknown"})
POLL_SECONDS = 0.2
AT_ONCE = 16
"""How many actions are under way at the same time."""

Place = tuple[str, str]
"""Machine and server."""
Answer = ActionView | Refused | Failed


def declare(parser: argparse.ArgumentParser) -> None:
    """They take the servers, why, and how long to wait."""
    parser.add_argument("names", nargs="+", metavar="NAME", help="servers, also MACHINE/NAME, globs or @GROUP")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for those who come after (kept in the audit)")
    parser.add_argument("--dry-run", action="store_true", help="only say what would happen")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask before stopping several")
    parser.add_argument("--timeout", type=duration, default=Duration(120), metavar="TIME", help="how long to wait (2m)")


def run(args: argparse.Namespace) -> int:
    """Ask for all, then wait for all; 0 only if every one of them went well."""
    hub = connect(reach(args))
    servers = resolve(args.names, hub.overview().servers, unique=True)
    titles = {(view.machine, view.status.name): title(view, servers) for view in servers}
    asks = ActionAsk(args.verb, args.reason, float(getattr(args, "seconds", 0.0)), args.dry_run)
    harms = args.verb in {"stop", "restart"} and not args.dry_run
    ask_first = len(servers) > 1 and harms and not args.yes and is_person()
    if ask_first and not agree(f"{args.verb} {len(servers)} servers ({', '.join(titles.values())})?"):
        note("nothing was done")
        return FAILED
    told = []
    for (machine, server), answer in _each(hub, titles, asks, float(args.timeout)):
        if isinstance(answer, ActionView):
            told.append(answer)
        if not args.json or not isinstance(answer, ActionView):
            _tell(args, titles[machine, server], answer)
    if args.json:
        print_json(told)
    well = len(told) == len(servers) and all(action.state == "done" for action in told)
    return OK if well else FAILED


def _each(hub: Hub, servers: Collection[Place], ask: ActionAsk, seconds: float) -> Iterator[tuple[Place, Answer]]:
    """All at once, each as soon as its answer is there.

    The hub holds a request until the action has ended, so each has a thread of its own; they are daemons, because
    Ctrl-C must end the waiting at once.
    """
    answers: queue.SimpleQueue[tuple[Place, Answer]] = queue.SimpleQueue()
    free = threading.Semaphore(AT_ONCE)

    def one(place: Place) -> None:
        answer: Answer = Failed("a mistake of ours; its traceback stands above")
        with free:
            try:
                answer = _outcome(hub, *place, ask, seconds)
            except (Refused, Failed) as fault:
                answer = fault
            finally:
                answers.put((place, answer))

    for place in servers:
        threading.Thread(target=one, args=(place,), name=f"act-{place[1]}", daemon=True).start()
    for _ in servers:
        yield answers.get()


def _outcome(hub: Hub, machine: str, server: str, ask: ActionAsk, seconds: float) -> ActionView:
    """The action once it has ended, or as it stands when the time is over."""
    deadline = time.monotonic() + seconds
    action = hub.act(machine, server, ask)
    while action.state not in ENDED and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        action = hub.action(action.id)
    return action


def _tell(args: argparse.Namespace, name: str, answer: Answer) -> None:
    if not isinstance(answer, ActionView):
        note(f"{name}: {answer.why}")
    elif answer.state == "done":
        say(args, f"{name}: {answer.outcome.text if answer.outcome else 'done'}")
    elif answer.outcome:
        note(f"{name}: {answer.outcome.text}")
    else:
        note(f"{name}: no outcome yet, the action is {answer.state}; it goes on, see: watchkeeper events {name}")


def duration(written: str) -> Duration:
    """A length of time, as an argument."""
    try:
        return Duration.parse(written)
    except ValueError as fault:
        raise argparse.ArgumentTypeError(str(fault)) from None
