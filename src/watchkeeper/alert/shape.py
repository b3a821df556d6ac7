"""What a rule's expression is made of: which metrics it reads, how far back, and which figure it holds against which bound.

Pure walks over `query.tree`; the compiler, the court and the bulletins ask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from watchkeeper.query.signatures import COMPARISONS
from watchkeeper.query.tree import Aggregate, Binary, Call, Negative, Node, Number, Parens, Selector, Subquery

NAME = "__name__"
_TURNED = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "==", "!=": "!="}


class Bound(NamedTuple):
    """The comparison that decides: ``op`` and the number, as in ``< 0.1``."""

    op: str
    value: float


def children(node: Node) -> tuple[Node, ...]:
    """The nodes right below one."""
    match node:
        case Binary(left=left, right=right):
            return (left, right)
        case Aggregate(inner=inner, parameter=parameter):
            return (inner,) if parameter is None else (inner, parameter)
        case Call(arguments=arguments):
            return arguments
        case Negative(inner=inner) | Parens(inner=inner) | Subquery(inner=inner):
            return (inner,)
    return ()


def nodes(tree: Node) -> Iterator[Node]:
    """Every node, the root first."""
    yield tree
    for child in children(tree):
        yield from nodes(child)


def selectors(tree: Node) -> list[Selector]:
    """Every selector, left to right."""
    return [node for node in nodes(tree) if isinstance(node, Selector)]


def metric(selector: Selector) -> str:
    """The metric that a selector names; empty where it names none exactly."""
    return next((one.value for one in selector.matchers if one.label == NAME and one.op == "="), "")


def metrics(tree: Node) -> frozenset[str]:
    """The metrics that it reads; the empty name stands for selectors that name none exactly."""
    return frozenset(map(metric, selectors(tree)))


def can_answer(tree: Node, is_known: Callable[[str], bool]) -> bool:
    """Whether an expression can give anything at all, going by which metrics anybody tells."""
    match tree:
        case Selector():
            name = metric(tree)
            return not name or is_known(name)
        case Call(function="absent" | "absent_over_time" | "vector"):
            return True
        case Binary(op="or", left=left, right=right):
            return can_answer(left, is_known) or can_answer(right, is_known)
        case Binary(op="unless", left=left):
            return can_answer(left, is_known)
    return all(can_answer(child, is_known) for child in children(tree))


def missing(tree: Node, is_known: Callable[[str], bool]) -> list[str]:
    """The metrics that it names and nobody tells."""
    return sorted(name for name in metrics(tree) if name and not is_known(name))


def reach(tree: Node) -> int:
    """How far back it looks in ms, beyond the look-back that every selector has."""
    found = 0
    match tree:
        case Selector(window=window, offset=offset):
            return window + max(0, offset)
        case Subquery(window=window, offset=offset):
            found = window + max(0, offset)
    return found + max(map(reach, children(tree)), default=0)


def bare(tree: Node) -> Node:
    """The same without brackets around it."""
    while isinstance(tree, Parens):
        tree = tree.inner
    return tree


def number(tree: Node) -> float | None:
    """The value of an expression of literals alone; None for any other."""
    tree = bare(tree)
    match tree:
        case Number(value=value):
            return value
        case Negative(inner=inner):
            below = number(inner)
            return None if below is None else -below
        case Binary(op=op, left=left, right=right) if op in {"+", "-", "*", "/"}:
            one, other = number(left), number(right)
            if one is None or other is None or (op == "/" and other == 0):
                return None
            return {"+": one + other, "-": one - other, "*": one * other, "/": one / other if other else 0.0}[op]
    return None


def figure(tree: Node) -> Node:
    """The figure that a condition is about: what stands left of its deciding comparison, without filters."""
    tree = bare(tree)
    match tree:
        case Binary(op=op, left=left, right=right, bool=False) if op in COMPARISONS:
            return figure(right if number(left) is not None else left)
        case Binary(op=op, left=left) if op in {"and", "unless", "or"}:
            return figure(left)
    return tree


def bound(tree: Node) -> Bound | None:
    """The number that decides, if there is a single one: the outermost comparison with a literal on the left of and, unless."""
    tree = bare(tree)
    match tree:
        case Binary(op=op, left=left, right=right, bool=False) if op in COMPARISONS:
            if (value := number(right)) is not None:
                return Bound(op, value)
            if (value := number(left)) is not None:
                return Bound(_TURNED[op], value)
        case Binary(op=op, left=left) if op in {"and", "unless", "or"}:
            return bound(left)
    return None
