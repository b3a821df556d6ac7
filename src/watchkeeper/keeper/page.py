r"""How messages and records are written: lines of ``key value``, an empty line at the end, keys that come again are lists.

The same on the socket and on the disk, readable by eye, and read without `json` (1.1 MiB of memory). A line break in a
value is written ``\n``, a backslash ``\\``. Bytes that are no UTF-8 pass through, as in file names and environments.
"""

from __future__ import annotations

LONGEST = 4 << 20
"""Bytes of one page: a command and its environment cannot be longer than the kernel takes (2 MiB)."""

Page = dict[str, list[str]]

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` and `collections` cost the keeper half a megabyte
    from collections.abc import Mapping, Sequence


def write(page: Mapping[str, str | int | Sequence[str]]) -> bytes:
    """One page with its end."""
    return lines(page) + b"\n"


def lines(page: Mapping[str, str | int | Sequence[str]]) -> bytes:
    """The lines of a page without its end, for what is appended later."""
    found = []
    for key, value in page.items():
        for each in (value,) if isinstance(value, (str, int)) else value:
            text = str(each).replace("\\", "\\\\").replace("\n", "\\n")
            found.append(f"{key} {text}\n")
    return "".join(found).encode("utf-8", "surrogateescape")


def read(written: bytes) -> Page:
    """A page from its lines; an unfinished last line does not count. Never raises: what is no line is passed over."""
    page: Page = {}
    for line in written.decode("utf-8", "surrogateescape").split("\n")[:-1]:
        key, blank, text = line.partition(" ")
        if blank:
            page.setdefault(key, []).append(_plain(text))
    return page


def one(page: Page, key: str, default: str = "") -> str:
    """The last value of a key: what was written later counts."""
    return page[key][-1] if key in page else default


def number(page: Page, key: str, default: int = 0) -> int:
    """A value as a whole number; `default` for what is none."""
    try:
        return int(one(page, key))
    except ValueError:
        return default


class Reader:
    """Cuts a stream of bytes into pages."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, more: bytes) -> list[Page]:
        """The pages that `more` completes. Raises ValueError when one grows beyond `LONGEST`."""
        *whole, self._rest = (self._rest + more).split(b"\n\n")
        if len(self._rest) > LONGEST:
            raise ValueError("a page is too long")
        return [read(text + b"\n") for text in whole]


def _plain(text: str) -> str:
    if "\\" not in text:
        return text
    return "\\".join(part.replace("\\n", "\n") for part in text.split("\\\\"))
