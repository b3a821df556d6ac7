"""What a message says of an alert's figure: against which bound, how it moves. Figures in, words out. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from watchkeeper.alert.rules import Rule
from watchkeeper.alert.shape import bound, figure, metrics
from watchkeeper.alert.templates import humanize, humanize1024, humanize_duration
from watchkeeper.model import Matcher
from watchkeeper.query.tree import Aggregate, Binary, Call, Negative, Node, Parens, Selector, Subquery

_OPS = {"<": "below", "<=": "at or below", ">": "above", ">=": "at or above", "==": "equal to", "!=": "other than"}
Trend = Sequence[tuple[int, float]]


def threshold(rule: Rule) -> str:
    """``below 10``: what the figure is held against; empty where that is no single number."""
    found = bound(rule.tree)
    return f"{_OPS[found.op]} {shown(found.value, unit(figure(rule.tree)))}" if found else ""


def unit(tree: Node) -> str:
    """``B``, ``s`` or nothing: what the figure of an expression is in, where its shape tells."""
    match tree:
        case Selector():
            names = metrics(tree)
            name = next(iter(names), "")
            return "B" if name.endswith("_bytes") else "s" if name.endswith(("_seconds", "_lag")) else ""
        case Parens(inner=inner) | Negative(inner=inner):
            return unit(inner)
        case Aggregate(inner=inner, op=op) if op in {"sum", "min", "max", "avg", "quantile", "topk", "bottomk"}:
            return unit(inner)
        case Call(function=function, arguments=arguments) if arguments and function.endswith("_over_time"):
            return unit(arguments[-1])
        case Binary(op=op, left=left, right=right) if op in {"+", "-"}:
            return unit(left) or unit(right)
    return ""


def shown(value: float, kind: str) -> str:
    """A figure as people read it."""
    match kind:
        case "B":
            return f"{humanize1024(value)}B"
        case "s":
            return humanize_duration(value)
    if math.isfinite(value) and abs(value) < 1e6:
        return f"{value:.4g}"
    return humanize(value)


def slope(trend: Trend, kind: str) -> str:
    """``rising by 1.2GiB an hour``: the robust (Theil and Sen) slope of the last hour; empty where it is too short or level."""
    if len(trend) < 5:
        return ""
    times = np.array([at for at, _ in trend], np.float64) / 3_600_000
    values = np.array([value for _, value in trend])
    sound = np.isfinite(values)
    times, values = times[sound], values[sound]
    if len(values) < 5:
        return ""
    one, other = np.triu_indices(len(values), 1)
    with np.errstate(all="ignore"):
        slopes = (values[other] - values[one]) / (times[other] - times[one])
    found = float(np.median(slopes[np.isfinite(slopes)])) if np.isfinite(slopes).any() else 0.0
    spread = float(np.quantile(np.abs(values), 0.9)) or 1.0
    if abs(found) < spread * 0.001:
        return "level over the last hour"
    return f"{'rising' if found > 0 else 'falling'} by {shown(abs(found), kind)} an hour"


def narrowed(tree: Node, matchers: tuple[Matcher, ...]) -> Node:
    """The same expression about some series alone: every selector gets these conditions too."""
    match tree:
        case Selector():
            return msgspec.structs.replace(tree, matchers=(*tree.matchers, *matchers))
        case Parens(inner=inner) | Negative(inner=inner) | Aggregate(inner=inner) | Subquery(inner=inner):
            return msgspec.structs.replace(tree, inner=narrowed(inner, matchers))
        case Call(arguments=arguments):
            return msgspec.structs.replace(tree, arguments=tuple(narrowed(one, matchers) for one in arguments))
        case Binary(left=left, right=right):
            return msgspec.structs.replace(tree, left=narrowed(left, matchers), right=narrowed(right, matchers))
    return tree
