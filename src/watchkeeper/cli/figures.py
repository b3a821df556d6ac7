"""Figures as people read them in a terminal: "12 %", "7.42 GiB", "3 d 4 h", a bar, a row of blocks.

The same words, steps and dash as on the page; what is not known is a dash, never 0. Pure functions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

NONE = "\u2013"
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB")
_BLOCKS = "▁▂▃▄▅▆▇█"


def percent(ratio: float | None) -> str:
    """A ratio, 0 to 1, as percent; above 1 for several cores."""
    if ratio is None or not math.isfinite(ratio):
        return NONE
    value = ratio * 100
    if 0 < value < 0.1:
        return "<0.1 %"
    return f"{value:.0f} %" if value == 0 or value >= 9.95 else f"{value:.1f} %"


def size(count: float | None) -> str:
    """Bytes in powers of 1024."""
    return _scaled(count, _BINARY, 1024)


def rate(per_second: float | None) -> str:
    """Bytes a second in powers of 1000, as networks are sold."""
    told = _scaled(per_second, _DECIMAL, 1000)
    return told if told == NONE else f"{told}/s"


def number(value: float | None) -> str:
    """A count or a load: whole, or with what matters behind the point."""
    if value is None or not math.isfinite(value):
        return NONE
    return f"{value:.0f}" if float(value).is_integer() or abs(value) >= 100 else f"{value:.2f}"


def duration(seconds: float | None) -> str:
    """A length of time in its two largest parts: "45 s", "3 min 20 s", "41 d 3 h"."""
    if seconds is None or not math.isfinite(seconds):
        return NONE
    left = max(0, int(seconds))
    parts = ((left // 86400, "d"), (left // 3600 % 24, "h"), (left // 60 % 60, "min"), (left % 60, "s"))
    first = next((place for place, (count, _) in enumerate(parts) if count), 3)
    told = [f"{count} {unit}" for place, (count, unit) in enumerate(parts[first : first + 2]) if count or not place]
    return " ".join(told)


def clock(at: int) -> str:
    """The time of day of an instant (ms), in the viewer's zone."""
    return datetime.fromtimestamp(at / 1000).astimezone().strftime("%H:%M:%S")


def when(at: int, now: int) -> str:
    """An instant (ms) in the viewer's zone: the time of day, with the day before it unless it is today."""
    there, here = (datetime.fromtimestamp(instant / 1000).astimezone() for instant in (at, now))
    return there.strftime("%H:%M:%S" if there.date() == here.date() else "%Y-%m-%d %H:%M:%S")


def bar(ratio: float | None, width: int) -> str:
    """A bar of `width` characters; anything above nothing shows at least a sliver, not known shows none."""
    if ratio is None or not math.isfinite(ratio):
        return "·" * width
    eighths = round(min(1.0, max(0.0, ratio)) * width * 8)
    if ratio > 0:
        eighths = max(1, eighths)
    whole, rest = divmod(eighths, 8)
    filled = "█" * whole + (" ▏▎▍▌▋▊▉"[rest] if rest else "")
    return filled + "·" * (width - len(filled))


def blocks(values: Sequence[float | None], width: int, top: float | None = None) -> str:
    """The last `width` values as a row of blocks from zero to `top` (None: their own maximum); a gap is a space."""
    shown = list(values)[-width:]
    highest = top or max((value for value in shown if value is not None and math.isfinite(value)), default=0.0) or 1.0
    row = "".join(
        " " if value is None or not math.isfinite(value) else _BLOCKS[min(7, max(0, int(value / highest * 8)))]
        for value in shown
    )
    return row.rjust(width)


def _scaled(value: float | None, units: Sequence[str], step: int) -> str:
    if value is None or not math.isfinite(value):
        return NONE
    rest, at = float(value), 0
    while abs(rest) >= step * 0.9995 and at < len(units) - 1:
        rest, at = rest / step, at + 1
    behind = 0 if at == 0 or abs(rest) >= 99.95 else 1 if abs(rest) >= 9.995 else 2
    return f"{rest:.{behind}f} {units[at]}"
