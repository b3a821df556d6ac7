"""Which expressions one source's newest figures answer: those that look back at nothing and never join machines. Pure.

All series of a source share the labels of `OF_SOURCE`; an expression stays with its source as long as each match and each
aggregation keeps one of them.
"""

from __future__ import annotations

from watchkeeper.alert.program import REDUCTIONS, UNARY
from watchkeeper.alert.shape import NAME, bare, metric, selectors
from watchkeeper.query.parsing import type_of
from watchkeeper.query.tree import Aggregate, Binary, Call, Negative, Node, Number, Selector

OF_SOURCE = frozenset({"machine", "instance"})
"""Labels that all series of one source share: each has the source's own name there."""


class NotHere(Exception):  # not an error: the engine answers such a rule
    """This cannot be said from one source's newest figures; `args[0]` says why."""


def is_local(tree: Node) -> str:
    """Empty when the answer for a source can come from it alone, whatever its layout; else the reason why not."""
    try:
        _look(tree)
    except NotHere as why:
        return str(why)
    if type_of(tree) != "vector" or not selectors(tree):
        return "it is about no series"
    return ""


def _look(tree: Node) -> frozenset[str]:  # noqa: C901  # a table of kinds
    """Which labels of `OF_SOURCE` its series surely have; raises NotHere for whatever no layout makes right."""
    match bare(tree):
        case Number():
            return frozenset()
        case Selector(window=window, offset=offset, at=at) as selector:
            if window or offset or at is not None:
                raise NotHere("it looks back")
            if not metric(selector):
                raise NotHere("it names no metric")
            return OF_SOURCE
        case Negative(inner=inner):
            return _look(inner)
        case Call(function=function, arguments=arguments):
            if function not in UNARY and function not in {"time", "clamp_min", "clamp_max", "round", "vector"}:
                raise NotHere(f"{function}() needs more than the newest figures")
            return frozenset().union(*map(_look, arguments))
        case Aggregate(op=op, inner=inner, labels=labels, without=without, parameter=parameter):
            if op not in REDUCTIONS or parameter is not None:
                raise NotHere(f"{op} needs all series at once")
            has = _look(inner)
            if not (kept := has - set(labels) if without else has & set(labels)):
                raise NotHere("it adds up over machines")
            return kept
        case Binary() as binary:
            return _look_both(binary)
        case other:
            raise NotHere(f"{type(other).__name__.lower()} needs more than the newest figures")


def _look_both(node: Binary) -> frozenset[str]:
    left, right = _look(node.left), _look(node.right)
    if type_of(node.left) == "scalar" or type_of(node.right) == "scalar":
        return left | right
    matching = node.matching
    wanted = set(matching.labels)
    both = left & right
    if not (both & wanted if matching.on else both - wanted) or NAME in wanted:
        raise NotHere("it matches series of different machines")
    if node.op == "or":
        return both
    if node.op in {"and", "unless"} or matching.card == "many-to-one":
        return left
    if matching.card == "one-to-many":
        return right
    return left & wanted if matching.on else left - wanted
