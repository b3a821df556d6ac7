"""A parsed question: what each node means, as frozen values. Times are milliseconds.

`parsing` makes these, `evaluation` walks them; nothing here knows the parser, a store or numpy.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from watchkeeper.model import Matcher

Type = Literal["scalar", "vector", "matrix", "string"]
At = float | Literal["start", "end"] | None


class Node(msgspec.Struct, frozen=True):
    """Any part of a question."""


class Number(Node, frozen=True):
    """A scalar literal."""

    value: float


class Text(Node, frozen=True):
    """A string literal."""

    value: str


class Selector(Node, frozen=True):
    """Series by their labels. `window` 0: the newest sample of each; else all within so many ms. `at` in ms, if pinned."""

    matchers: tuple[Matcher, ...]
    window: int = 0
    offset: int = 0
    at: At = None


class Subquery(Node, frozen=True):
    """An expression evaluated over `window` every `step` ms (0: the default) as if it were a range selector."""

    inner: Node
    window: int
    step: int
    offset: int = 0
    at: At = None


class Call(Node, frozen=True):
    """A function and its arguments."""

    function: str
    arguments: tuple[Node, ...]


class Aggregate(Node, frozen=True):
    """An aggregation over series; `by` None: over all of them, `without` turns the list round."""

    op: str
    inner: Node
    parameter: Node | None = None
    labels: tuple[str, ...] = ()
    without: bool = False


class Negative(Node, frozen=True):
    """Minus."""

    inner: Node


class Matching(msgspec.Struct, frozen=True):
    """Which series of two sides belong together. `card`: which side has many; `include` are labels of the side of one."""

    card: Literal["one-to-one", "many-to-one", "one-to-many", "many-to-many"] = "one-to-one"
    on: bool = False
    labels: tuple[str, ...] = ()
    include: tuple[str, ...] = ()


class Binary(Node, frozen=True):
    """Two sides and an operator; `bool` says that a comparison gives 0 or 1 instead of filtering."""

    op: str
    left: Node
    right: Node
    matching: Matching = Matching()
    bool: bool = False


class Parens(Node, frozen=True):
    """Brackets: of no meaning for the figures, but absent() looks for selectors without them."""

    inner: Node
