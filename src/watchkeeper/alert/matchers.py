"""Conditions on an alert's labels, as Alertmanager writes them: ``severity="critical"``, ``machine=~"db-.*"``.

An absent label is the empty string. Regular expressions are RE2 and anchored. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from watchkeeper.errors import Refused
from watchkeeper.model import Matcher
from watchkeeper.store.finding import condition

_FORM = re.compile(r'\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^"]*?))\s*', re.DOTALL)
_PARTS = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}
MOST = 64
"""Matchers that one silence or route may have."""


def parse_matcher(written: str) -> Matcher:
    """One matcher; raises Refused (``bad-matcher``) with what was expected."""
    found = _FORM.fullmatch(written)
    if found is None:
        raise Refused(
            f'expected a matcher such as severity="critical" or machine=~"db-.*", got {written[:80]!r}', code="bad-matcher"
        )
    quoted, plain = found[3], found[4]
    value = re.sub(r"\\[\\\"n]", lambda one: _ESCAPES[one[0]], quoted) if quoted is not None else plain
    matcher = Matcher(found[1], found[2], value)  # type: ignore[arg-type]  # one of the four, by the pattern
    condition(matcher)
    return matcher


def parse_matchers(written: str) -> tuple[Matcher, ...]:
    """Several, parted by commas, with or without braces; raises Refused."""
    inside = written.strip()
    if inside.startswith("{") and inside.endswith("}"):
        inside = inside[1:-1]
    return tuple(parse_matcher(part) for part in _PARTS.findall(inside) if part.strip())


def written(matcher: Matcher) -> str:
    """A matcher as people write it."""
    escaped = matcher.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{matcher.label}{matcher.op}"{escaped}"'


def matches(matchers: Sequence[Matcher], labels: Mapping[str, str]) -> bool:
    """Whether all of them hold."""
    return all(condition(one)(labels.get(one.label, "")) for one in matchers)


def matches_nothing(matchers: Sequence[Matcher]) -> bool:
    """Whether every one of them holds for an absent label, so that all alerts would match."""
    return all(condition(one)("") for one in matchers)
