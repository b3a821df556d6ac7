"""What a process is called for people: its program, or what an interpreter runs. Pure.

Of a command line nothing is told but the name of a file, a module or a class: arguments may hold secrets.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

KERNEL = "[kernel]"
"""All that the kernel runs itself."""
LONGEST = 64
CUT = 15


class _Way(NamedTuple):
    """How an interpreter reads its arguments: options without a word of their own, those with one, a text, a name."""

    flags: str = "(?!)"
    worded: str = "(?!)"
    text: str = r"-\w*[ce]|--eval"
    name: str = "(?!)"


_WAYS = {
    r"(python|pypy)[\d.]*": _Way(
        "-[bBdEiIOPqRsSuvVx]+", "-[bBdEiIOPqRsSuvVx]*[WX]", "-[bBdEiIOPqRsSuvVx]*c", "-[bBdEiIOPqRsSuvVx]*m"
    ),
    r"java": _Way(
        "-[XD].+|-ea|-da|-server|-client|-agentlib:.+|-javaagent:.+",
        "-cp|-classpath|--class-path|-p|--module-path",
        "(?!)",
        "-jar|-m|--module",
    ),
    r"node(js)?": _Way("--[a-z-]+=.+", "-r|--require|--import|--loader", "-e|--eval|-p|--print|-pe"),
    r"(ba|da|z|k)?sh": _Way(
        "-[abefhiklmnptuvxBCEHPT]+|--login|--norc|--noprofile|--posix", "-[OoO]|--rcfile|--init-file", "-[a-zA-Z]*[cs][a-zA-Z]*"
    ),
    r"ruby|perl|php|lua|busybox|deno|bun|dotnet|mono": _Way(),
}
"""By what the interpreter is called. An option that is not here may have a word of its own or not: see `_ran`."""
_SCRIPT = re.compile(r".+\.(py|pyw|pyz|js|mjs|cjs|ts|rb|pl|php|lua|sh|bash|jar|dll|exe)")
_NAME = re.compile(r"[\w.+@ -]{1,48}")
"""What a file, a module or a class is called; anything else may be a text that nobody should read."""
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\U0010ffff]")


def program(word: str, command: Sequence[str]) -> str:
    """The program of a process that the system calls `word` and that was started with `command` (empty: we may not see it)."""
    words = [one for one in command if one]
    run = _last_part(words[0]).lstrip("-") if words else ""
    word = word.removesuffix("-MainThread")  # what Node calls the thread that a process is known by
    # Linux ends its word after 15 characters (proc(5)). A process that has given itself a title is known by its word: titles
    # tell of users and requests.
    name = run if len(word) == CUT and run.startswith(word) and " " not in run else word
    way = next((way for called, way in _WAYS.items() if re.fullmatch(rf"({called})(\.exe)?", name, re.IGNORECASE)), None)
    if way and (ran := _ran(way, words[1:])):
        name = f"{name} {ran}"
    return _UNPRINTABLE.sub("?", name)[:LONGEST] or "?"


def _ran(way: _Way, arguments: Sequence[str]) -> str:
    """What an interpreter with these arguments runs; empty where that has no name, or is not surely what it runs.

    Behind an option that is not known a word may be that option's own: it is told only if it is called like a script.
    """
    rest, is_sure = iter(arguments), True
    for one in rest:
        if not one.startswith("-"):
            return _named(one) if is_sure or _SCRIPT.fullmatch(one) else ""
        if re.fullmatch(way.text, one):
            return ""
        if re.fullmatch(way.name, one):
            return _named(next(rest, ""))
        if re.fullmatch(way.worded, one):
            next(rest, None)
        elif not re.fullmatch(way.flags, one):
            is_sure = False
    return ""


def _named(path: str) -> str:
    last = _last_part(path)
    return last if _NAME.fullmatch(last) else ""


def _last_part(path: str) -> str:
    """The last part of a path of any system."""
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]
