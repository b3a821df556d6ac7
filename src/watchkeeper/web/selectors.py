"""Series selectors as people write them: ``node_load1``, ``{machine="a"}``, ``probe_success{server=~"web.*"}``.

Reads the small form alone, for looking series up; PromQL has a parser of its own. Regular expressions are kept to
what cannot run away: this is one thread, and it has a fleet to watch.
"""

from __future__ import annotations

import re

from watchkeeper.errors import Refused
from watchkeeper.model import Matcher

_WHOLE = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)?\s*(?:\{(.*)\}\s*)?", re.DOTALL)
_ONE = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.){0,200})"\s*(?:,|$)', re.DOTALL)
_TAME = re.compile(r"[^(){}\[\]\\]*")
LONGEST = 1000


def read_selector(written: str) -> list[Matcher]:
    """The matchers of a selector; raises `Refused` (``bad-selector``) that says what was expected."""
    found = _WHOLE.fullmatch(written) if len(written) <= LONGEST else None
    rest, place = (found[2] or "").strip() if found else "", 0
    if not found or not (found[1] or rest):
        raise Refused(f'expected a selector such as node_load1{{machine="a"}}, got {written[:80]!r}', code="bad-selector")
    result = [Matcher("__name__", "=", found[1])] if found[1] else []
    while place < len(rest):
        one = _ONE.match(rest, place)
        if not one:
            raise Refused(f'expected label="value" in the selector, at {rest[place : place + 40]!r}', code="bad-selector")
        place = one.end()
        value = re.sub(r"\\(.)", lambda hit: {"n": "\n"}.get(hit[1], hit[1]), one[3], flags=re.DOTALL)
        if one[2] in {"=~", "!~"}:
            _check_tame(value)
        result.append(Matcher(one[1], one[2], value))  # type: ignore[arg-type]  # the pattern admits these four alone
    return result


def _check_tame(pattern: str) -> None:
    """Alternatives of words and a few wildcards: no groups, so no repeats of repeats, whose time is exponential."""
    if not _TAME.fullmatch(pattern) or sum(pattern.count(sign) for sign in "*+?") > 3:
        raise Refused(f"the pattern {pattern!r} is not taken here: words, | and at most three of * + ?", code="bad-selector")
    try:
        re.compile(pattern)
    except re.error as fault:
        raise Refused(f"the pattern {pattern!r} is malformed: {fault}", code="bad-selector") from None
