"""Functions that look at labels: label_replace, label_join, and the labels that absent() can tell."""

from __future__ import annotations

import re
from collections.abc import Sequence

from watchkeeper.errors import Refused
from watchkeeper.model import Series
from watchkeeper.query.faults import execution
from watchkeeper.query.lexing import LABEL
from watchkeeper.query.tree import Node, Parens, Selector
from watchkeeper.store.finding import expression

NAME = "__name__"
_REFERENCE = re.compile(r"\$(?:\$|([0-9A-Za-z_]+)|\{([0-9A-Za-z_]+)\})")


def label_replace(series: Sequence[Series], target: str, template: str, source: str, pattern: str) -> list[Series]:
    """Set `target` by `template` where all of `source` matches; raises Refused (``execution``)."""
    try:
        compiled = expression(pattern)
    except Refused:
        raise execution(f"invalid regular expression in label_replace(): {pattern}") from None
    if not LABEL.fullmatch(target):
        raise execution(f"invalid destination label name in label_replace(): {target}")
    answers: dict[str, str | None] = {}
    found = []
    for one in series:
        value = valued(one, source)
        if value not in answers:
            match = compiled.fullmatch(value)
            answers[value] = None if match is None else _expanded(template, match)
        replacement = answers[value]
        found.append(one if replacement is None else labelled(one, target, replacement))
    return found


def label_join(series: Sequence[Series], target: str, separator: str, sources: Sequence[str]) -> list[Series]:
    """Set `target` to the values of others, joined; raises Refused (``execution``)."""
    for name in sources:
        if not LABEL.fullmatch(name):
            raise execution(f"invalid source label name in label_join(): {name}")
    if not LABEL.fullmatch(target):
        raise execution(f"invalid destination label name in label_join(): {target}")
    return [labelled(one, target, separator.join(valued(one, name) for name in sources)) for one in series]


def valued(series: Series, label: str) -> str:
    """A label's value, the metric's name among them."""
    return series.name if label == NAME else series.label(label)


def labelled(series: Series, label: str, value: str) -> Series:
    """The series with a label set, or without it where the value is empty."""
    if label == NAME:
        return Series(value, series.labels)
    labels = {key: kept for key, kept in series.labels if key != label}
    if value:
        labels[label] = value
    return Series(series.name, tuple(sorted(labels.items())))


def told_by_matchers(node: Node) -> Series:
    """What absent() can say about the series that it does not find: labels that a selector wants to be equal to one value."""
    while isinstance(node, Parens):
        node = node.inner
    if not isinstance(node, Selector):
        return Series("")
    told: dict[str, str] = {}
    seen: set[str] = set()
    for one in node.matchers:
        if one.label == NAME:
            continue
        if one.op == "=" and one.label not in seen:
            told[one.label] = one.value
            seen.add(one.label)
        else:
            told.pop(one.label, None)
    return Series("", tuple(sorted((label, value) for label, value in told.items() if value)))


def _expanded(template: str, match: re.Match[str]) -> str:
    """The template with its references put in, by Go's rules: the longest name, and nothing for a group that is not there."""

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name is None:
            return "$"
        try:
            return match.group(int(name) if name.isdigit() else name) or ""
        except (IndexError, KeyError):
            return ""

    return _REFERENCE.sub(value, template)
