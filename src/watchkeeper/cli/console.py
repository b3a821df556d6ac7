"""How verbs speak: tables and JSON on stdout, notes on stderr, a question only to a person at a terminal.

Colour follows Rich's rules (NO_COLOR, TERM=dumb, a pipe: none). Rich is loaded when a table is drawn.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from rich.console import Console


def paper() -> Console:
    """Where tables are drawn. A pipe gets whole lines: only a terminal, or COLUMNS, has an edge to cut at."""
    from rich.console import Console  # noqa: PLC0415  # 60 ms that only tables need

    piped = not sys.stdout.isatty() and not os.environ.get("COLUMNS")
    return Console(width=10_000 if piped else None, highlight=False, emoji=False, markup=False)


def print_json(value: Any, *, line: bool = False) -> None:
    """One JSON document, indented for a reader; as one `line` in a stream of them. Times are ms, figures base units."""
    encoded = msgspec.json.encode(value)
    print((encoded if line else msgspec.json.format(encoded, indent=2)).decode(), flush=line)


def note(text: str) -> None:
    """Something for the person, not for the pipe."""
    print(f"watchkeeper: {text}", file=sys.stderr, flush=True)


def say(args: argparse.Namespace, text: str) -> None:
    """A line of result, unless --quiet."""
    if not args.quiet:
        print(text, flush=True)


def is_person() -> bool:
    """Whether someone sits at a terminal and can be asked."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def agree(question: str) -> bool:
    """Ask; anything but yes is no."""
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
