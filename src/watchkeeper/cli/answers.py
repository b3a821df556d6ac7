"""How answers to PromQL look in a terminal: a table, a plot, CSV.

A label has a column of its own. Of a range the table has the newest, the
least and the most, and its course as a row of blocks. A plot's lines carry letters, since colour alone tells nobody.
"""

from __future__ import annotations

import csv
import math
import shutil
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from watchkeeper.cli import braille, figures
from watchkeeper.cli.client import PromAnswer
from watchkeeper.cli.console import note, paper

NAME = "__name__"
LINES = 12
"""Lines of a plot; what is beyond them nobody could tell apart."""
COLUMNS = 8
"""Labels that get a column each; with more a series is told as one text."""
COURSE = 30
_STYLES = ("cyan", "yellow", "green", "magenta", "blue", "red", "bright_cyan", "bright_yellow")


def print_csv(told: PromAnswer) -> None:
    """A line for each value: labels, Unix seconds, the value. What a series does not have is empty."""
    out = csv.writer(sys.stdout, lineterminator="\n")
    if told.resultType in {"scalar", "string"}:
        out.writerows([("time", "value"), told.result])
        return
    names = _names(told.result)
    out.writerow([*names, "time", "value"])
    for one in told.result:
        labels = [one["metric"].get(name, "") for name in names]
        out.writerows([*labels, at, value] for at, value in _points(one))


def print_table(told: PromAnswer) -> None:
    """A row for each series; a scalar or a text alone."""
    from rich.table import Table  # noqa: PLC0415  # only a table needs it
    from rich.text import Text  # noqa: PLC0415  # only this verb needs it

    if told.resultType in {"scalar", "string"}:
        print(told.result[1])
        return
    names = _names(told.result)
    apart = len(names) <= COLUMNS
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in names if apart else ["series"]:
        table.add_column("metric" if name == NAME else name, overflow="fold", no_wrap=name == NAME)
    is_range = told.resultType == "matrix"
    for heading in ("LAST", "LEAST", "MOST") if is_range else ("VALUE",):
        table.add_column(heading, justify="right", no_wrap=True)
    if is_range:
        table.add_column("COURSE", no_wrap=True)
    for one in told.result:
        labels = [one["metric"].get(name, "") for name in names] if apart else [_title(one["metric"])]
        shown = _summary(one) if is_range else [legible(one["value"][1])]
        table.add_row(*map(Text, [*labels, *shown]))
    paper().print(table)


def plot(told: PromAnswer, start: float, end: float, step: float) -> None:
    """The lines over time as braille dots, each with a letter where it ends and in the legend."""
    from rich.text import Text  # noqa: PLC0415  # only a plot needs it

    series = told.result[:LINES]
    if len(told.result) > LINES:
        note(f"{len(told.result)} series; the first {LINES} are drawn: topk({LINES}, …) would choose the largest")
    lines = [[(float(at), float(value)) for at, value in one["values"]] for one in series]
    size = shutil.get_terminal_size((100, 30))
    known = [value for line in lines for _, value in line if math.isfinite(value)]
    marks = [short(mark) for mark in (max(known, default=0.0), min(known, default=0.0))]
    margin = max(map(len, marks))
    width = max(20, min(size.columns, 160) - margin - 3 - len(lines))
    height = max(6, min(20, size.lines - len(lines) - 4))
    picture = braille.draw(lines, start, end, width, height, step * 1.5)
    ends = _ends(lines, picture, height)
    console = paper()
    for row, text in enumerate(picture.rows):
        mark = marks[0] if row == 0 else marks[1] if row == height - 1 else ""
        told_row = Text(f"{mark:>{margin}} {'┤' if mark else '│'}", "dim")
        for sign, owner in zip(text, picture.owners[row], strict=True):
            told_row.append(sign, _style(owner) if owner >= 0 else "")
        for number in ends.get(row, ()):
            told_row.append(_letter(number), f"bold {_style(number)}")
        console.print(told_row)
    console.print(Text(f"{' ' * margin} └{_clocks(start, end, width)}", "dim"))
    for number, one in enumerate(series):
        last = legible(one["values"][-1][1])
        console.print(Text.assemble((_letter(number), f"bold {_style(number)}"), f"  {_title(one['metric'])}  {last}"))


def short(value: float) -> str:
    """A figure for an axis."""
    return f"{value:.4g}"


def legible(written: str) -> str:
    """A value as a person reads it: whole as it is, others with six digits. JSON and CSV have all of them."""
    value = float(written)
    return written if not math.isfinite(value) or value.is_integer() else f"{value:.6g}"


def _names(result: Sequence[dict[str, Any]]) -> list[str]:
    """All labels, the metric's name first."""
    found = {name for one in result for name in one["metric"]}
    return [*([NAME] if NAME in found else []), *sorted(found - {NAME})]


def _points(one: dict[str, Any]) -> list[Any]:
    return one["values"] if "values" in one else [one["value"]]


def _title(metric: dict[str, str]) -> str:
    inside = ", ".join(f'{name}="{value}"' for name, value in sorted(metric.items()) if name != NAME)
    return f"{metric.get(NAME, '')}{{{inside}}}" if inside or NAME not in metric else metric[NAME]


def _summary(one: dict[str, Any]) -> list[str]:
    values = [float(value) for _, value in one["values"]]
    last = legible(one["values"][-1][1])
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return [last, figures.NONE, figures.NONE, ""]
    step = max(1, -(-len(values) // COURSE))
    course = [values[place] for place in range(len(values) - 1, -1, -step)][::-1]
    low, high = min(known), max(known)
    lifted = [value - low for value in course]
    return [last, short(low), short(high), figures.blocks(lifted, len(course), high - low or None)]


def _ends(lines: Sequence[braille.Points], picture: braille.Picture, height: int) -> dict[int, list[int]]:
    """Which lines end in which row."""
    found: dict[int, list[int]] = {}
    for number, line in enumerate(lines):
        last = next((value for _, value in reversed(line) if math.isfinite(value)), None)
        if last is not None:
            span = picture.most - picture.least
            up = (last - picture.least) / span if span > 0 and math.isfinite(span) else 0.5
            bottom = height * 4 - 1
            found.setdefault((bottom - round(up * bottom)) // 4, []).append(number)
    return found


def _clocks(start: float, end: float, width: int) -> str:
    """First and last instant below their ends, in the viewer's zone; with the day where it is more than one."""
    instants = [datetime.fromtimestamp(at).astimezone() for at in (start, end)]
    shape = "%H:%M:%S" if instants[0].date() == instants[1].date() else "%Y-%m-%d %H:%M"
    first, last = (one.strftime(shape) for one in instants)
    return f"{first}{last:>{max(len(last) + 1, width - len(first))}}"


def _letter(number: int) -> str:
    return chr(ord("a") + number)


def _style(number: int) -> str:
    return _STYLES[number % len(_STYLES)]
