"""Tables and cells in HTML. Every text is escaped, unless it is `Raw`, which only these rooms make."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from html import escape

from watchkeeper.stress.analysis.chance import Interval
from watchkeeper.stress.report.document import Times
from watchkeeper.stress.report.wording import NONE, of_unit, seconds


class Raw(str):
    """HTML that is such already."""

    __slots__ = ()


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    caption: str = "",
    text: Sequence[int] = (),
    classes: Sequence[str] = (),
) -> str:
    """A table; the first cell of a row is its head. `text`: columns that are prose, `classes`: of the rows."""
    head = "".join(f'<th scope="col"{_left(place in text)}>{escape(one)}</th>' for place, one in enumerate(heads))
    body = []
    for number_, row in enumerate(rows):
        first = f'<th scope="row">{_cell(row[0])}</th>'
        rest = "".join(f"<td{_prose(place in text)}>{_cell(one)}</td>" for place, one in enumerate(row[1:], 1))
        kind = f' class="{classes[number_]}"' if number_ < len(classes) and classes[number_] else ""
        body.append(f"<tr{kind}>{first}{rest}</tr>")
    told = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{told}<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _cell(text: str) -> str:
    return text if isinstance(text, Raw) else escape(text)


def _left(yes: bool) -> str:  # noqa: FBT001  # of a cell
    return ' class="l"' if yes else ""


def _prose(yes: bool) -> str:  # noqa: FBT001  # of a cell
    return ' class="t"' if yes else ""


def pill(text: str, tone: str) -> Raw:
    """A word with its colour."""
    return Raw(f'<span class="pill {tone}">{escape(text)}</span>')


def moment(at: int) -> str:
    """An instant (ms since the epoch), in UTC."""
    return dt.datetime.fromtimestamp(at / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def quantile(times: Times, name: str) -> str:
    """One of them; n/a where there were too few values for it."""
    return seconds(times.quantiles[name]) if name in times.quantiles else ("n/a" if times.n else NONE)


def within(interval: Interval | None, unit: str) -> str:
    """An interval, in brackets."""
    return f" ({of_unit(interval.low, unit)} to {of_unit(interval.high, unit)})" if interval is not None else ""


def with_range(value: str, interval: Interval | None) -> Raw:
    """A time, and its interval in small letters below it."""
    if interval is None:
        return Raw(escape(value))
    return Raw(f"{escape(value)}<small>{escape(seconds(interval.low))} to {escape(seconds(interval.high))}</small>")


def figure(value: str, name: str, detail: str) -> str:
    """A card with one figure."""
    inside = f'<span class="big">{escape(value)}</span><b>{escape(name)}</b><p class="small">{escape(detail)}</p>'
    return f'<div class="card">{inside}</div>'
