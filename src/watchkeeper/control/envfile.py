"""Environment files as systemd's EnvironmentFile= has them: ``KEY=VALUE`` lines, comments, quotes, continued lines. Pure.

Nothing is expanded: a dollar is a dollar. The reader names a line that is no assignment, where systemd only logs it:
a server without a variable that somebody has written down is worse than one that says why it does not start.
"""

from __future__ import annotations

import re

from watchkeeper.errors import Failed

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MOST_BYTES = 1 << 20


def parse(text: str, path: str) -> dict[str, str]:
    """The variables of a file, the last one of a name; raises Failed naming file and line."""
    found: dict[str, str] = {}
    at, line = 0, 1
    while at < len(text):
        end = _line_end(text, at)
        begin = text[at:end].lstrip(" \t")
        if not begin or begin[0] in "#;":
            at, line = end + 1, line + 1
            continue
        name, equals, _ = begin.partition("=")
        name = name.removeprefix("export ").strip()
        if not equals or not _NAME.fullmatch(name):
            raise Failed(f"{path}:{line}: expected NAME=VALUE", retry=False)
        start = text.index("=", at) + 1
        value, at = _value(text, start, f"{path}:{line}")
        if "\0" in value:
            raise Failed(f"{path}:{line}: a zero byte cannot be in a variable", retry=False)
        line += text.count("\n", start, at)
        found[name] = value
    return found


def _value(text: str, at: int, where: str) -> tuple[str, int]:
    """A value and where the next line begins: bare, quoted, or pieces of both, a backslash at the end going on."""
    value: list[str] = []
    kept = 0
    """So much of the value is sure: blanks at the end of a bare one do not count."""
    while at < len(text) and text[at] in " \t":
        at += 1
    while at < len(text) and text[at] != "\n":
        sign = text[at]
        if sign == "\r" and text[at + 1 : at + 2] in {"\n", ""}:
            at += 1
            continue
        if sign in "'\"":
            piece, at = _quoted(text, at, where)
            value.extend(piece)
            kept = len(value)
            continue
        if sign == "\\" and at + 1 < len(text):
            at += 1
            if text[at] != "\n":
                value.append(text[at])
                kept = len(value)
            at += 1
            continue
        value.append(sign)
        at += 1
        if sign not in " \t":
            kept = len(value)
    return "".join(value[:kept]), at + 1


def _quoted(text: str, at: int, where: str) -> tuple[str, int]:
    quote = text[at]
    at += 1
    found = []
    while at < len(text) and text[at] != quote:
        if quote == '"' and text[at] == "\\" and at + 1 < len(text):
            at += 1
            # As in a shell: within double quotes a backslash counts before these alone, and joins lines.
            if text[at] == "\n":
                at += 1
                continue
            if text[at] not in '"\\`$':
                found.append("\\")
        found.append(text[at])
        at += 1
    if at >= len(text):
        raise Failed(f"{where}: the quote is never closed", retry=False)
    return "".join(found), at + 1


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end
