"""Where a question goes wrong: the parser says that it does, people want to see the place.

A text is wrong at the first word after which nothing could make it right again. That is found by trying: beginnings of the
text, ended in every way that the grammar knows, until one cannot be ended. Works on faults alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import promql_parser as grammar

from watchkeeper.errors import Refused
from watchkeeper.query.faults import bad_data
from watchkeeper.query.lexing import NEWER, OLDER, Prepared

VAGUE = "invalid promql query"
"""All that the parser says of a text that its grammar does not have."""
LONGEST = 500
"""Words of a text that is tried: each try costs as much as a parse, a hundred of them in all."""
_ENDS = ("", "x", "1", "1s", '"1"', '= "1"', "( x )", "( x ) x", "( x ) ( x )")
_CLOSES = {"(": ")", "{": "}", "[": "]"}


def located(prepared: Prepared, why: str) -> Refused:
    """The refusal of a text that the parser refused for this reason, with line and column where they can be known."""
    if why != VAGUE:
        named = re.search(r"function(?: with name)? ['\"](\w+)['\"]", why)
        name = named[1].replace(NEWER, OLDER) if named else ""
        spots = [token.at for token in prepared.tokens if token.text == name]
        return bad_data(why, spots[0] if len(spots) == 1 else "")
    words = prepared.text.split(" ")
    if len(words) > LONGEST:
        return bad_data(f"somewhere among these {len(words)} words there is one that cannot stand there")
    least, most = 0, len(words)  # so many words can be ended; so many cannot
    if _can_end(words):
        return bad_data("unexpected end of input", prepared.end)
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (middle, most) if _can_end(words[:middle]) else (least, middle)
    token = prepared.tokens[most - 1]
    return bad_data(f"unexpected {token.text!r}", token.at)


def _can_end(words: Sequence[str]) -> bool:
    """Whether some ending makes this beginning a question."""
    opened: list[str] = []
    for word in words:
        if word in _CLOSES:
            opened.append(_CLOSES[word])
        elif opened and word == opened[-1]:
            opened.pop()
    begin, closing = " ".join(words), " ".join(reversed(opened))
    return any(_is_grammatical(f"{begin} {end} {closing}") for end in _ENDS)


def _is_grammatical(text: str) -> bool:
    try:
        grammar.parse(text)
    except ValueError as fault:
        return str(fault) != VAGUE
    return True
