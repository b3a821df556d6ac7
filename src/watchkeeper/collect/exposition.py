"""A server's own page of figures: Prometheus' text format 0.0.4, and OpenMetrics 1.0 as far as they differ.

Pages change in their figures, hardly ever in their lines: `Parser` remembers what the lines were and
reads only figures while these stay. Sizes are bounded by the caller; a line that is no sample is
`Failed` with its number. Histograms and summaries come out as the series they are made of.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from watchkeeper.errors import Failed
from watchkeeper.model import NOT_A_NUMBER, Family, Kind, Series

_SAMPLE = re.compile(
    r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*"
    r'(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})?\s+'
    r"(\S+)(?:\s+(-?[\d.]+))?(?:\s+#.*)?\s*$"
)
_FIGURE = re.compile(r"(\S+)(?:\s+(-?[\d.]+))?(?:\s+#.*)?\s*")
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_KINDS: dict[str, Kind] = {"counter": "counter", "gauge": "gauge", "info": "info", "histogram": "counter", "summary": "gauge"}
_TAILS = ("_bucket", "_sum", "_count", "_total", "_created")


class Page(NamedTuple):
    """What a page said: series in its order, as many values, and the families it described."""

    series: tuple[Series, ...]
    values: list[float]
    families: tuple[Family, ...]


class Parser:
    """Reads one server's page again and again."""

    def __init__(self, most: int) -> None:
        """`most`: how many series a page may have."""
        self._most = most
        self._heads: list[str] = []
        self._page: Page | None = None

    def read(self, text: str) -> Page:
        """Read a page; raises Failed. `series` is the same object as before while the page's lines are."""
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        if self._page is not None and len(lines) == len(self._heads):
            values = self._figures(lines)
            if values is not None:
                values = _told(values)
                self._page = self._page._replace(values=values)
                return self._page
        self._page = self._whole(text)
        return self._page

    def _figures(self, lines: list[str]) -> list[float] | None:
        """The figures of lines that begin as those before; None when one does not."""
        values = []
        for line, head in zip(lines, self._heads, strict=True):
            if not line.startswith(head):
                return None
            figure = line[len(head) :]
            try:
                values.append(float(figure))
            except ValueError:
                if not (found := _FIGURE.fullmatch(figure)):  # not even a time or an exemplar behind it
                    return None
                try:
                    values.append(float(found[1]))
                except ValueError:
                    return None
        return values

    def _whole(self, text: str) -> Page:
        kinds: dict[str, Kind] = {}
        helps: dict[str, str] = {}
        seen: dict[Series, float] = {}
        heads: list[str] = []
        for number, line in enumerate(text.splitlines(), 1):
            if line.startswith("#"):
                _describe(line, kinds, helps)
            elif line.strip():
                series, value, head = _sample(line, number)
                if len(seen) >= self._most:
                    raise Failed(f"it has more than {self._most} series", retry=False)
                if series in seen:
                    raise Failed(f"line {number}: {series.text()} is there twice")
                seen[series] = value
                heads.append(head)
        self._heads = heads
        families = tuple(_family(name, kinds, helps) for name in dict.fromkeys(series.name for series in seen))
        return Page(tuple(seen), _told(list(seen.values())), families)


def _told(values: list[float]) -> list[float]:
    """The same with NaN as a figure that was told rather than one that is absent. One sum says whether there is any."""
    if math.isnan(sum(values)):
        return [NOT_A_NUMBER if math.isnan(value) else value for value in values]
    return values


def _sample(line: str, number: int) -> tuple[Series, float, str]:
    """One sample line: series, value, and what of the line comes before the value."""
    found = _SAMPLE.match(line)
    if not found:
        raise Failed(f"line {number} is no sample: {line[:80]!r}")
    labels: list[tuple[str, str]] = []
    inside = found[2] or ""
    place = 0
    while place < len(inside):
        label = _LABEL.match(inside, place)
        if not label:
            raise Failed(f"line {number}: its labels cannot be read: {inside[:80]!r}")
        labels.append((label[1], _unescaped(label[2])))
        place = label.end()
    try:
        value = float(found[3])
    except ValueError:
        raise Failed(f"line {number}: {found[3][:40]!r} is no figure") from None
    return Series(found[1], tuple(sorted(labels))), value, line[: found.start(3)]


def _describe(line: str, kinds: dict[str, Kind], helps: dict[str, str]) -> None:
    words = line.split(None, 3)
    if len(words) == 4 and words[1] == "TYPE":
        kinds[words[2]] = _KINDS.get(words[3].strip(), "untyped")
    elif len(words) == 4 and words[1] == "HELP":
        helps[words[2]] = words[3].replace("\\n", " ").replace("\\\\", "\\")


def _family(name: str, kinds: dict[str, Kind], helps: dict[str, str]) -> Family:
    """A series' family: its own name, or that of the histogram, summary or counter that it is a part of."""
    owner = name
    if name not in kinds:
        owner = next(
            (name.removesuffix(tail) for tail in _TAILS if name.endswith(tail) and name.removesuffix(tail) in kinds), name
        )
    return Family(name, kinds.get(owner, "untyped"), helps.get(owner, ""))


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    return re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), text)


NOTHING = Page((), [], ())
