"""A server's raw output as lines that are fit to be shown: bytes in, text out, nothing kept but an unfinished line.

What a server prints is not to be trusted: it may steer a terminal, hide a line or have no end. Lines are cut
at `LONGEST_LINE` bytes, undecodable bytes replaced, escape sequences and control characters removed.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

LONGEST_LINE = 8192
BATCH = 200
# Escape sequences and control characters but the tab, with their 8-bit forms. No arm may run over the next
# sequence's start: a server that prints nothing but openings would else cost the square of its line.
_CONTROL = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x80-\x9f]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0a-\x1f\x7f-\x9f]"
)


class Cutter:
    """Cuts a stream of bytes into lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, more: bytes) -> list[str]:
        """The lines that `more` completes."""
        *whole, rest = more.split(b"\n")
        if whole:
            whole[0] = self._rest + whole[0]
            self._rest = b""
        # Enough to see that it is too long even with a carriage return behind it; the rest of it is never shown.
        self._rest = (self._rest + rest)[: LONGEST_LINE + 2]
        return [clean(line) for line in whole]

    def end(self) -> str:
        """The unfinished line, as there will be no more of it; empty when there is none."""
        rest, self._rest = self._rest, b""
        return clean(rest)


def clean(line: bytes) -> str:
    """One line, without its end, as text that is safe to show and no longer than `LONGEST_LINE` bytes and an ellipsis."""
    line = line.removesuffix(b"\r")
    if len(line) <= LONGEST_LINE:
        return _CONTROL.sub("", line.decode("utf-8", "replace"))
    # The decoder holds back a character that the cut went through.
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(line[:LONGEST_LINE])
    return _CONTROL.sub("", text) + "…"


def batches(lines: list[str]) -> Iterator[tuple[str, ...]]:
    """The lines in portions of at most `BATCH`."""
    for start in range(0, len(lines), BATCH):
        yield tuple(lines[start : start + BATCH])
