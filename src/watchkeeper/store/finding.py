"""Which columns of a layout match: label conditions to column numbers.

A layout never changes under its number, so an answer is kept. Conditions on the metric's name narrow
first, through an index; what is left is looked at one by one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from watchkeeper.errors import Refused
from watchkeeper.model import Matcher, Series

ANSWERS = 4096
"""Answers kept; all are dropped together once there are more."""
NAME = "__name__"


def condition(matcher: Matcher) -> Callable[[str], bool]:
    """What a label's value must satisfy; raises Refused on a regular expression that is none."""
    if matcher.op in {"=", "!="}:
        wanted, same = matcher.value, matcher.op == "="
        return lambda value: (value == wanted) is same
    try:
        pattern = re.compile(matcher.value).fullmatch
    except re.error as fault:
        raise Refused(f"{matcher.value!r} is no regular expression: {fault}", code="bad-matcher") from None
    hit = matcher.op == "=~"
    return lambda value: (pattern(value) is not None) is hit


def of_machine(matchers: Sequence[Matcher]) -> Callable[[str], bool]:
    """Whether a machine can have a match at all."""
    conditions = [condition(matcher) for matcher in matchers if matcher.label == "machine"]
    return lambda machine: all(one(machine) for one in conditions)


class Finder:
    """Answers for layouts, remembered."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._names: dict[int, dict[str, list[int]]] = {}
        self._answers: dict[tuple[int, tuple[Matcher, ...]], tuple[int, ...]] = {}

    def columns(self, number: int, layout: tuple[Series, ...], matchers: tuple[Matcher, ...]) -> tuple[int, ...]:
        """The columns of a layout that all conditions hold for, rising."""
        key = (number, matchers)
        answer = self._answers.get(key)
        if answer is None:
            if len(self._answers) >= ANSWERS:
                self._answers.clear()
            answer = self._answers[key] = self._look(number, layout, matchers)
        return answer

    def forget(self, used: set[int]) -> None:
        """Drop what is known of layouts that are no more."""
        self._names = {number: names for number, names in self._names.items() if number in used}
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
                if name is not None and all(one(name) for one in by_name)
                for column in names[name]
                if all(one(layout[column].label(label)) for label, one in rest)
            )
        )
