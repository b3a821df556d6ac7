"""How grave a line of output says it is, and which lines are wanted: by level, by a pattern. Pure.

Patterns are RE2's: a search takes time in proportion to the line, whatever somebody writes.
"""

from __future__ import annotations

import re
from typing import Literal, get_args

from watchkeeper.errors import Refused

Level = Literal["debug", "info", "warning", "error"]
LEVELS: tuple[Level, ...] = get_args(Level)
_WORDS: dict[str, Level] = {
    **dict.fromkeys(("TRACE", "DEBUG"), "debug"),
    **dict.fromkeys(("INFO", "NOTICE"), "info"),
    **dict.fromkeys(("WARN", "WARNING"), "warning"),
    **dict.fromkeys(("ERR", "ERROR", "FATAL", "CRITICAL", "CRIT", "PANIC", "ALERT", "EMERG"), "error"),
}
_NAMES = "|".join(sorted(_WORDS, key=len, reverse=True))
# In capitals anywhere, as most loggers write it; or as the value of a key, in any case, as logfmt and JSON do.
_SAID = re.compile(rf"\b({_NAMES})\b|\b(?i:level|severity|lvl)\"?\s*[=:]\s*\"?(?i:({_NAMES}))\b")
_COLOURS = {"warning": "\x1b[33m", "error": "\x1b[31m", "debug": "\x1b[2m"}
_FOUND, _PLAIN = "\x1b[7m", "\x1b[27m"
_RESET = "\x1b[0m"


def level(line: str) -> Level | None:
    """What it says of itself; None when it does not say."""
    found = _SAID.search(line)
    return _WORDS[(found[1] or found[2]).upper()] if found else None


class Sieve:
    """Which lines are wanted. A line that does not say its level goes with the last that did: a trace has many lines."""

    def __init__(self, pattern: str = "", least: Level | None = None, *, any_case: bool = False) -> None:
        """Raises Refused for a pattern that RE2 does not take."""
        self._pattern = None
        self._least = LEVELS.index(least) if least else 0
        self._last = 0
        if not pattern:
            return
        import re2  # noqa: PLC0415  # only a search needs it

        options = re2.Options()
        options.log_errors = False
        options.case_sensitive = not any_case
        options.max_mem = 1 << 20
        try:
            self._pattern = re2.compile(pattern, options)
        except re2.error as fault:
            said = fault.args[0].decode() if fault.args and isinstance(fault.args[0], bytes) else str(fault)
            raise Refused(f"the pattern {pattern!r} is none of RE2's: {said}", code="usage") from None

    def takes(self, line: str) -> bool:
        """Whether this line is wanted."""
        if (said := level(line)) is not None:
            self._last = LEVELS.index(said)
        return self._last >= self._least and (self._pattern is None or self._pattern.search(line) is not None)

    def painted(self, line: str) -> str:
        """The line for a terminal: in its level's colour, what was searched for marked."""
        colour = _COLOURS.get(level(line) or "", "")
        if self._pattern is not None:
            pieces, at = [], 0
            for found in self._pattern.finditer(line):
                if found.end() > found.start():
                    pieces += [line[at : found.start()], _FOUND, line[found.start() : found.end()], _PLAIN]
                    at = found.end()
            line = "".join([*pieces, line[at:]])
        return f"{colour}{line}{_RESET}" if colour or _FOUND in line else line
