"""What a plan holds that is for its target alone: credentials in headers and settings, which no record and no report shows.

Pure. The run itself has the plan as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

IN_ITS_PLACE = "(withheld)"

_NAME = r"[\w-]*(?:authorization|cookie|token|secret|passw(?:or)?d|api[-_]?key|credential|x-auth)[\w-]*"
_PAIR = re.compile(rf"""(?i)(?<![\w-])(["']?{_NAME}["']?[ \t]*=[ \t]*)(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*')""")
_WORD = re.compile(rf"(?i)((?:[\w.=-]*\.)?{_NAME}=).+", re.DOTALL)


def of_plan(text: str) -> str:
    """A plan's TOML with texts under names such as ``Authorization``, ``Cookie`` or ``X-Api-Key`` left out."""
    return _PAIR.sub(rf'\1"{IN_ITS_PLACE}"', text)


def of_command(words: Sequence[str]) -> tuple[str, ...]:
    """The words of a command line, without what they set under such names."""
    return tuple(_WORD.sub(rf"\1{IN_ITS_PLACE}", word) if _WORD.fullmatch(word) else word for word in words)
