"""The command line: the tuple of verbs is the map of this room, `main` its entry point.

A verb is a file here with `declare(parser)` and `run(args) -> int`; one more verb is one file, one test
and one line below. Only the verb that was asked for is imported, so that the agent, which is started
through this door too, loads neither page, tables nor numbers. Faults become a line for a person and an
exit code here, and nowhere else.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple, NoReturn

from watchkeeper.cli.exits import BROKEN_PIPE, FAILED, INTERRUPTED, OK, USAGE
from watchkeeper.cli.options import add_arguments
from watchkeeper.errors import ConfigError, Failed, Refused


class Verb(NamedTuple):
    """One word of the command line. `room` is the module here that declares and runs it; `about` is its line of help."""

    name: str
    room: str
    about: str


VERBS = (
    Verb("up", "up", "run hub and agent on this machine, and say where the dashboard is"),
    Verb("hub", "hub", "run the hub alone: what stores, tells and shows"),
    Verb("agent", "agent", "run the agent alone: what reads figures and keeps servers alive"),
    Verb("status", "status", "tell whether everything is up: exit 0 all up, 3 something down, 4 not known"),
    Verb("top", "top", "watch everything live in the terminal"),
    Verb("start", "act", "start servers and wait until they run"),
    Verb("stop", "act", "stop servers and wait until they have ended"),
    Verb("restart", "act", "stop servers and start them again"),
    Verb("pause", "saying", "let nothing happen to servers by itself for a while, and say why"),
    Verb("resume", "act", "look after paused servers again"),
    Verb("expect", "saying", "announce heavy work, so that a busy server is not taken for hung"),
    Verb("evidence", "evidence", "list, show or save what servers were doing before they were killed"),
    Verb("logs", "logs", "print the end of a server's output, and follow it with -f"),
    Verb("events", "events", "list what happened, newest last, and follow it with -f"),
    Verb("audit", "audit", "list who did what, from where, why, and how it ended"),
    Verb("alert", "alert", "list alerts, acknowledge and silence them, and try rules over history"),
    Verb("query", "query", "answer a PromQL expression: a table, JSON, CSV, or a plot in the terminal"),
    Verb("channel", "channel", "list the ways to tell people, and test whether one would arrive"),
    Verb("drill", "drill", "do a real, harmless fault and follow the word of it until a person has it"),
    Verb("heartbeat", "heartbeat", "list the heartbeats that jobs have to send, and expect another"),
    Verb("stress", "stress", "put a server under load that has agreed to it, and show what was recorded"),
    Verb("sign-in", "sign_in", "print a fresh one-time link to the dashboard"),
    Verb("people", "people", "say who may come in and what they may do"),
    Verb("token", "token", "let programs in, and the agents of other machines; list tokens and take them back"),
    Verb("config", "config", "check a configuration, show what is in effect, or print its schema"),
    Verb("init", "init", "look at what runs here and write a configuration for it"),
    Verb("service", "service", "have the system start Watchkeeper at boot and keep it alive"),
    Verb("doctor", "doctor", "prove the installation: a sheet of what is well and what is not, fit to be shown"),
    Verb("backup", "backup", "write the hub's data into one file, also while it runs"),
    Verb("restore", "backup", "put a backup back into an empty data folder"),
    Verb("completion", "completion", "print the completion script of a shell"),
    Verb("version", "version", "say which version this is, and what it runs on"),
)

EPILOGUE = """\
exit codes: 0 done, 1 it could not be done, 2 wrong usage or configuration;
status: 0 all up, 3 something is down, 4 not known (no such server, agent away, hub not reached)
stress: 99 an objective was missed, 98 the run is invalid, 97 it was aborted

each takes --help, and --json for programs; `watchkeeper up` is the one to begin with"""


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one line with the nearest known word."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and where to read more, and end with the code of wrong usage."""
        if found := re.search(r"(?:argument (.+?): )?invalid choice: '(.*?)' \(choose from (.*)\)", message, re.DOTALL):
            what = {"VERB": "verb", None: "word"}.get(found[1], found[1])
            known = re.findall(r"[^\s',]+", found[3])
            message = f"unknown {what} {found[2]!r}{_nearest(found[2], known)}"
        self.exit(USAGE, f"watchkeeper: {message}\n  see: {self.prog} --help\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code; every fault that has a name becomes one line on stderr."""
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words or bool(os.environ.get("WATCHKEEPER_DEBUG"))
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="replace")  # a terminal without our signs gets question marks, not a traceback
    try:
        code = _run(words)
        sys.stdout.flush()
    except SystemExit as end:  # argparse ends so, after --help and after wrong usage
        return end.code if isinstance(end.code, int) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has seen enough. Python would complain once more while it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except (ConfigError, Refused, Failed) as fault:
        if debug:
            raise
        print(f"watchkeeper: {fault}", file=sys.stderr)
        return USAGE if isinstance(fault, ConfigError) else FAILED
    except Exception as fault:
        if debug:
            raise
        told = f"{type(fault).__name__}: {fault}".rstrip(": ")
        print(f"watchkeeper: a mistake of ours: {told}\n  run it again with --debug to see where", file=sys.stderr)
        return FAILED
    return code


def parser(*, only: Sequence[str] | None = None) -> Parser:
    """The whole grammar; with `only`, just the verbs among these words declare their arguments (light start)."""
    top = Parser(
        prog="watchkeeper",
        description="Keeps watch over your servers: it sees, acts, tells and proves.",
        epilog=EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_arguments(top)
    verbs = top.add_subparsers(dest="verb", metavar="VERB", title="verbs", parser_class=Parser)
    for verb in VERBS:
        below = verbs.add_parser(verb.name, help=verb.about, description=f"{verb.about}.", allow_abbrev=False)
        if only is None or verb.name in only:
            room = import_module(f"watchkeeper.cli.{verb.room}")
            room.declare(below)
            below.set_defaults(run=room.run)
            add_arguments(below, again=True)
    return top


def _run(words: list[str]) -> int:
    grammar = parser(only=words)
    args, unknown = grammar.parse_known_args(words)
    if not args.verb:
        grammar.print_help()
        return USAGE
    if unknown:
        known = _options(grammar, args.verb) if unknown[0].startswith("-") else []
        grammar.prog = f"{grammar.prog} {args.verb}"
        grammar.error(f"unknown argument {unknown[0]!r}{_nearest(unknown[0], known)}")
    code: int = args.run(args)
    return code or OK


def _options(grammar: Parser, verb: str) -> list[str]:
    """All flags that `verb` takes, as its help lists them."""
    below = next(action.choices for action in grammar._actions if action.dest == "verb")  # noqa: SLF001  # argparse shows them nowhere else
    assert isinstance(below, dict)
    return sorted(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", below[verb].format_usage()))


def _nearest(word: str, known: list[str]) -> str:
    from watchkeeper.config import nearest  # noqa: PLC0415  # only a mistake needs it

    return nearest(word, known)
