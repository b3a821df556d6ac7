"""Which columns of a layout match: label conditions to column numbers.

A layout never changes under its number, so an answer is kept. Conditions on the metric's name narrow
first, through an index; what is left is looked at one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import re2

from watchkeeper.errors import Refused
from watchkeeper.model import Matcher, Series
from watchkeeper.store.catalog import Catalog
from watchkeeper.store.head import Stream

ANSWERS = 4096
"""Answers kept; all are dropped together once there are more."""
FEW_LAYOUTS = 8
"""An agent has a handful of streams; of more, each pair is not compared."""
NAME = "__name__"
_QUIET = re2.Options()
_QUIET.log_errors = False


@lru_cache(maxsize=1024)
def expression(text: str) -> Any:
    """A regular expression as Prometheus understands it (RE2, so none runs away); raises Refused on one that is none."""
    try:
        return re2.compile(text, _QUIET)
    except re2.error as fault:
        why = fault.args[0].decode() if isinstance(fault.args[0], bytes) else fault.args[0]
        raise Refused(f"{text!r} is no regular expression: {why}", code="bad-matcher") from None


@lru_cache(maxsize=1024)
def condition(matcher: Matcher) -> Callable[[str], bool]:
    """What a label's value must satisfy; raises Refused on a regular expression that is none."""
    if matcher.op in {"=", "!="}:
        wanted, same = matcher.value, matcher.op == "="
        return lambda value: (value == wanted) is same
    pattern = expression(matcher.value).fullmatch
    hit = matcher.op == "=~"
    return lambda value: (pattern(value) is not None) is hit


def of_machine(matchers: Sequence[Matcher]) -> Callable[[str], bool]:
    """Whether a machine's streams can have a match at all; those of a name that begins with ``_`` speak of any machine."""
    conditions = [condition(matcher) for matcher in matchers if matcher.label == "machine"]
    return lambda machine: machine.startswith("_") or all(one(machine) for one in conditions)


class Finder:
    """Which streams and which columns a question means; answers for layouts are remembered."""

    def __init__(self, catalog: Catalog, streams: dict[int, Stream]) -> None:
        """`streams` is the store's own table and grows with it."""
        self._catalog = catalog
        self._streams = streams
        self._names: dict[int, dict[str, list[int]]] = {}
        self._picked: dict[tuple[int, tuple[int, ...]], tuple[Series, ...]] = {}
        self._answers: dict[tuple[int, tuple[Matcher, ...]], tuple[int, ...]] = {}
        self._overlaps: dict[tuple[int, int], bool] = {}

    def streams(self, matchers: Sequence[Matcher]) -> list[Stream]:
        """The streams of machines that can match; raises Refused where a matcher makes no sense."""
        for matcher in matchers:
            condition(matcher)
        fits = of_machine(matchers)
        exact = next((one.value for one in matchers if one.label == "machine" and one.op == "="), None)
        numbers = list(self._streams) if exact is None else self._catalog.of_machine(exact)
        return [self._streams[one] for one in numbers if one in self._streams and fits(self._catalog.streams[one].machine)]

    def match(self, number: int, matchers: tuple[Matcher, ...]) -> tuple[tuple[Series, ...], tuple[int, ...]]:
        """A layout's series and the columns of it that all conditions hold for, rising; both empty where it is not known."""
        layout = self._catalog.layout(number)
        if layout is None:
            return (), ()
        key = (number, matchers)
        answer = self._answers.get(key)
        if answer is None:
            if len(self._answers) >= ANSWERS:
                self._answers.clear()
            answer = self._answers[key] = self._look(number, layout, matchers)
        return layout, answer

    def names(self, number: int, layout: tuple[Series, ...], columns: tuple[int, ...]) -> tuple[Series, ...]:
        """What some columns of a layout are: the same object each time, as long as it is remembered."""
        key = (number, columns)
        found = self._picked.get(key)
        if found is None:
            if len(self._picked) >= ANSWERS:
                self._picked.clear()
            found = self._picked[key] = tuple(layout[column] for column in columns)
        return found

    def machine(self, stream: int) -> str:
        """Whose stream it is."""
        return self._catalog.streams[stream].machine

    def overlap(self, layouts: Sequence[int]) -> bool:
        """Whether a series may stand in two of these layouts, of one machine's streams: not looked at in vain again."""
        if len(layouts) > FEW_LAYOUTS:
            return True
        for place, one in enumerate(layouts):
            for other in layouts[:place]:
                known = self._overlaps.get((one, other))
                if known is None:
                    if len(self._overlaps) >= ANSWERS:
                        self._overlaps.clear()
                    both = set(self._catalog.layout(one) or ()) & set(self._catalog.layout(other) or ())
                    known = self._overlaps[one, other] = bool(both)
                if known:
                    return True
        return False

    def forget(self) -> None:
        """Drop what is remembered, because layouts have gone."""
        self._picked.clear()
        self._names.clear()
        self._answers.clear()

    def _look(self, number: int, layout: tuple[Series, ...], matchers: tuple[Matcher, ...]) -> tuple[int, ...]:
        names = self._names.get(number)
        if names is None:
            names = self._names[number] = {}
            for column, series in enumerate(layout):
                names.setdefault(series.name, []).append(column)
        by_name = [condition(matcher) for matcher in matchers if matcher.label == NAME]
        exact = next((matcher.value for matcher in matchers if matcher.label == NAME and matcher.op == "="), None)
        candidates = [exact] if exact in names else ([] if exact is not None else list(names))
        rest = [(matcher.label, condition(matcher)) for matcher in matchers if matcher.label != NAME]
        return tuple(
            sorted(
                column
                for name in candidates
                if all(one(name) for one in by_name)
                for column in names[name]
                if all(one(layout[column].label(label)) for label, one in rest)
            )
        )


class Allowance:
    """How many samples one question may still read."""

    def __init__(self, most: int) -> None:
        """A whole one."""
        self._most = most
        self._left = most

    def spend(self, samples: int) -> None:
        """Take some of it; raises Refused (``too-much``) when it does not suffice."""
        self._left -= samples
        if self._left < 0:
            wanted = self._most - self._left
            raise Refused(
                f"this would read {wanted:,} samples, more than the {self._most:,} that it may; "
                "ask for fewer series or a shorter time",
                code="too-much",
            )
