"""A question put in order: the same words with the spaces, brackets and lines that Prometheus' formatter gives them.

The parser prints by a newer grammar than 2.42; where what it prints does not mean what was asked, the text is left as it is.
"""

from __future__ import annotations

import promql_parser as grammar

from watchkeeper.errors import Refused
from watchkeeper.query.lexing import NEWER, OLDER
from watchkeeper.query.parsing import parse


def pretty(text: str) -> str:
    """The question in order; raises Refused (``bad_data``) where it is none."""
    tree = parse(text)  # also bounds what the parser's own stack is given
    try:
        made: str = grammar.parse(text.replace(OLDER, NEWER)).prettify().replace(NEWER, OLDER)
        alike = parse(made) == tree
    except (ValueError, Refused):
        alike = False
    return made if alike else text.strip()
