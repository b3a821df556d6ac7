"""Figures as people read them: three digits, with the unit that fits. For texts of a report; its JSON has base units."""

from __future__ import annotations

import math

NONE = "–"  # noqa: RUF001  # as tables have it


def number(value: float | None) -> str:
    """A count or a rate: 950, 12.3 k, 1.25 M."""
    if value is None or math.isnan(value):
        return NONE
    if math.isinf(value):
        return "∞"
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e4, " k")):
        if abs(value) >= size:
            return f"{value / (1e3 if letter == ' k' else size):.3g}{letter}" if letter != " k" else f"{value / 1e3:.3g} k"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def rate(value: float | None) -> str:
    """So many a second."""
    return f"{number(value)}/s"


def seconds(value: float | None) -> str:
    """A time: 1.23 s, 45.6 ms, 7.89 µs."""
    if value is None or math.isnan(value):
        return NONE
    if math.isinf(value):
        return "never"
    if abs(value) >= 100:
        return f"{value:.0f} s"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if abs(value) >= size * 0.9995:
            return f"{value / size:.3g} {unit}"
    return f"{value * 1e9:.3g} ns" if value else "0 s"


def size(value: float | None) -> str:
    """Bytes: 1.5 KiB, 12.3 MiB."""
    if value is None or math.isnan(value):
        return NONE
    for unit, step in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if abs(value) >= step:
            return f"{value / step:.3g} {unit}"
    return f"{value:.0f} B"


def share(value: float | None) -> str:
    """Per cent, with as many digits as it takes to tell it from nothing."""
    if value is None or math.isnan(value):
        return NONE
    if value and abs(value) < 0.0001:
        return f"{value:.1e}".replace("e-0", "e-")
    return f"{value * 100:.3g} %"


def signed(value: float | None) -> str:
    """A relative difference: +3.2 %."""
    if value is None or math.isnan(value):
        return NONE
    return f"{value * 100:+,.0f} %" if abs(value) >= 1 else f"{value * 100:+.3g} %"


def of_unit(value: float | None, unit: str) -> str:
    """By its unit."""
    match unit:
        case "s":
            return seconds(value)
        case "bytes":
            return size(value)
        case "bytes/s":
            return f"{size(value)}/s"
        case "ratio":
            return share(value)
        case "1/s" | "/s":
            return rate(value)
        case _:
            return f"{number(value)} {unit}".strip()


def listed(words: list[str] | tuple[str, ...], most: int = 5) -> str:
    """Some of them, with commas, and how many more there are."""
    shown = ", ".join(words[:most])
    return f"{shown} and {len(words) - most} more" if len(words) > most else shown


def level(value: float, model: str) -> str:
    """A level of load: a rate, or users."""
    return f"{number(value)} users" if model == "closed" else rate(value)
