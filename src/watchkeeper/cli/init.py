"""`watchkeeper init`: look at what runs here and write a commented configuration for it. Never overwrites a file.

A person at a terminal is asked a few questions; with --yes, or without a terminal, every found server is taken. What is
written is read back as the program will read it before it gets its name.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from watchkeeper.cli.console import is_person, say
from watchkeeper.cli.exits import OK
from watchkeeper.cli.options import SYSTEM_CONFIG
from watchkeeper.cli.settings import read, read_document
from watchkeeper.control import DRIVERS
from watchkeeper.errors import Failed, Refused
from watchkeeper.survey import look
from watchkeeper.survey.found import Found
from watchkeeper.survey.proposal import proposal


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--output", metavar="FILE", help="where to write it (root: in /etc/watchkeeper, else here)")
    parser.add_argument("--print", action="store_true", dest="show", help="print it and write nothing")
    parser.add_argument("--no-connect", action="store_true", help="do not ask the ports what they speak")
    parser.add_argument("-y", "--yes", action="store_true", help="ask no questions, take every server that was found")


def run(args: argparse.Namespace) -> int:
    """Look, ask, write."""
    target = _target(args)
    if not args.show and target.exists():
        raise Refused(f"{target} is there already and is left as it is: --print shows what would be written", code="exists")
    found = look(connect=not args.no_connect)
    chosen = list(found) if args.yes or args.show or not is_person() else _choose(found)
    text = proposal(chosen, drivers=_drivers())
    if args.show:
        print(text, end="")
        return OK
    _write(target, text)
    say(args, f"wrote {target}: {_count(chosen)}")
    named = "" if target == SYSTEM_CONFIG or target == Path.cwd() / "watchkeeper.toml" else f" --config {target}"
    say(args, f"  next: read it, then `watchkeeper{named} up`, or `watchkeeper{named} service install`")
    return OK


def _drivers() -> frozenset[str]:
    """The drivers that a configuration may name."""
    return frozenset(str(one.__struct_config__.tag) for one in DRIVERS)


def _target(args: argparse.Namespace) -> Path:
    if args.output or args.config:
        return Path(args.output or args.config).expanduser().absolute()
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return SYSTEM_CONFIG if is_root else Path.cwd() / "watchkeeper.toml"


def _choose(found: Sequence[Found]) -> list[Found]:
    """Ask which ones; an empty answer is all of them."""
    if not found:
        return []
    for number, one in enumerate(found, 1):
        keeper = one.unit or (f"container {one.container}" if one.container else "nobody keeps it")
        ports = ", ".join(str(port.number) for port in one.ports[:4])
        print(f"  {number:2}  {one.name:24} port {ports:20} {keeper}", file=sys.stderr)
    print("Which are to be watched? Numbers, or Enter for all, or none: ", end="", file=sys.stderr, flush=True)
    return picked(sys.stdin.readline().strip(), found)


def picked(answer: str, found: Sequence[Found]) -> list[Found]:
    """The servers that an answer means; raises Refused for a number that was not offered."""
    if not answer:
        return list(found)
    if answer.lower() in {"none", "no", "0"}:
        return []
    numbers = answer.replace(",", " ").split()
    if wrong := [word for word in numbers if not word.isdecimal() or not 1 <= int(word) <= len(found)]:
        raise Refused(f"{wrong[0]!r} is none of the numbers 1 to {len(found)}", code="usage")
    return [found[int(word) - 1] for word in dict.fromkeys(numbers)]


def _write(target: Path, text: str) -> None:
    """Write it beside its place, read it as the program does, and only then give it its name (which must still be free)."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f".{target.name}.new")
        fresh.write_text(text, encoding="utf-8")
        fresh.chmod(0o640)
        try:
            read(read_document(fresh))
            os.link(fresh, target)
        finally:
            fresh.unlink()
    except FileExistsError:
        raise Refused(f"{target} is there already and is left as it is", code="exists") from None
    except OSError as fault:
        raise Failed(f"{target} cannot be written: {fault.strerror}", retry=False) from None


def _count(chosen: Sequence[Found]) -> str:
    names = ", ".join(one.name for one in chosen[:8]) + (" …" if len(chosen) > 8 else "")
    return f"{len(chosen)} server{'s' if len(chosen) != 1 else ''} found here{': ' + names if names else ''}"
