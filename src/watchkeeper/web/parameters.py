"""Parameters as Prometheus' API takes them: from the query and a posted form alike, times and durations in its ways.

Everything a caller gets wrong is Refused (``bad_data``) in the words that Prometheus 2.42 has for it. Pure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from watchkeeper.errors import Refused
from watchkeeper.model import Matcher
from watchkeeper.query import parse
from watchkeeper.query.tree import Selector

POINTS = 11_000
"""Steps of a range beyond the first: Prometheus' own limit."""
FIELDS = 1000
FOREVER = 1 << 53
"""Later than any instant (ms), and exact as a float."""
_SPAN = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
_UNITS = (31_536_000, 604_800, 86_400, 3_600, 60, 1, 0.001)
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_LONGEST = (1 << 63) / 1e9
"""Seconds that Prometheus' durations can hold."""


def bad(why: str, parameter: str = "") -> Refused:
    """A parameter that cannot be used."""
    return Refused(f'invalid parameter "{parameter}": {why}' if parameter else why, code="bad_data")


class Form:
    """What was asked with: names to values. A posted form stands before the query, and the first value of a name counts."""

    def __init__(self, query: str, body: str = "") -> None:
        """Read both; raises Refused when there are more than `FIELDS`."""
        self._fields: dict[str, list[str]] = {}
        for text in (body, query):
            try:
                pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS)
            except ValueError:
                raise bad(f"error parsing form values: more than {FIELDS} of them") from None
            for name, value in pairs:
                self._fields.setdefault(name, []).append(value)

    def text(self, name: str) -> str:
        """A value; empty when there is none."""
        return self._fields.get(name, [""])[0]

    def every(self, name: str) -> Sequence[str]:
        """All values of a name."""
        return self._fields.get(name, ())

    def at(self, name: str, default: int | None = None) -> int:
        """An instant, ms; one without a default must be there."""
        written = self.text(name)
        if not written and default is not None:
            return default
        if (found := instant(written)) is None:
            raise bad(f'cannot parse "{written}" to a valid timestamp', name)
        return found

    def span(self, name: str, default: float | None = None) -> float:
        """A length of time, seconds; one without a default must be there."""
        written = self.text(name)
        if not written and default is not None:
            return default
        if (found := seconds(written)) is None:
            raise bad(f'cannot parse "{written}" to a valid duration', name)
        if abs(found) >= _LONGEST:
            raise bad(f'cannot parse "{written}" to a valid duration. It overflows int64', name)
        return found

    def limit(self) -> int:
        """How many entries are wanted at most; 0: all."""
        written = self.text("limit")
        if written and not (written.isascii() and written.isdecimal() and len(written) < 16):
            raise bad("limit must be a number")
        return int(written or 0)

    def matches(self) -> list[tuple[Matcher, ...]]:
        """The matchers of every ``match[]``."""
        return [selector(one) for one in self.every("match[]")]

    def range(self) -> tuple[int, int, int]:
        """Start, end and step of a range query, ms."""
        start, end = self.at("start"), self.at("end")
        if end < start:
            raise bad("end timestamp must not be before start time", "end")
        step = round(self.span("step") * 1000)
        if step <= 0:
            told = "zero or negative query resolution step widths are not accepted. Try a positive integer"
            raise bad(told, "step")
        if (end - start) // step > POINTS:
            told = f"exceeded maximum resolution of {POINTS:,} points per timeseries."
            raise bad(f"{told} Try decreasing the query resolution (?step=XX)")
        return start, end, step


def instant(written: str) -> int | None:
    """Ms of Unix seconds or of RFC 3339; None where it is neither."""
    number = _number(written)
    if number is not None:
        return round(max(-FOREVER, min(FOREVER, number * 1000))) if not math.isnan(number) else None
    found = _RFC3339.fullmatch(written)
    if found is None:
        return None
    day, time, rest, zone = found.groups()
    try:
        there = datetime.fromisoformat(f"{day}T{time}{'+00:00' if zone in 'Zz' else zone}")
    except ValueError:
        return None
    return round((there - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000 + float(rest or 0) * 1000)


def seconds(written: str) -> float | None:
    """Seconds of a number or of ``1h30m``; None where it is neither."""
    number = _number(written)
    if number is not None:
        return number if not math.isnan(number) else None
    found = _SPAN.fullmatch(written) if written else None
    return sum(int(count) * unit for count, unit in zip(found.groups(), _UNITS, strict=True) if count) if found else None


def selector(written: str) -> tuple[Matcher, ...]:
    """The matchers of a series selector, of nothing more than one."""
    try:
        tree = parse(written)
    except Refused as fault:
        raise bad(fault.why, "match[]") from None
    if not isinstance(tree, Selector) or tree.window or tree.offset or tree.at is not None:
        raise bad("parse error: expected a series selector and nothing else", "match[]")
    return tree.matchers


def _number(written: str) -> float | None:
    try:
        return float(written) if "_" not in written and written == written.strip() else None
    except ValueError:
        return None
