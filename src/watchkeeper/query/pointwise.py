"""Functions of a figure alone: arithmetic, trigonometry, dates. Arrays in, arrays of the same shape out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from watchkeeper.query.table import Bools, Floats, Ints

Pointwise = Callable[[Floats], Floats]

MATHS: dict[str, Pointwise] = {
    "abs": np.abs,
    "ceil": np.ceil,
    "floor": np.floor,
    "exp": np.exp,
    "ln": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "sqrt": np.sqrt,
    "sgn": np.sign,
    "acos": np.arccos,
    "acosh": np.arccosh,
    "asin": np.arcsin,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "cos": np.cos,
    "cosh": np.cosh,
    "sin": np.sin,
    "sinh": np.sinh,
    "tan": np.tan,
    "tanh": np.tanh,
    "deg": lambda values: values * 180 / np.pi,
    "rad": lambda values: values * np.pi / 180,
}


NO_DAY, NO_SECOND = divmod(1 << 63, 86_400)
"""Where Go's clock comes to when it is given NaN or infinity: 2**63 seconds after the epoch."""


def rounded(values: Floats, nearest: Floats) -> Floats:
    """To multiples of `nearest`, halves up; by the inverse, as Prometheus does it."""
    inverse = 1.0 / nearest
    return np.floor(values * inverse + 0.5) / inverse


def date(name: str, seconds: Floats) -> Floats:
    """A part of the UTC date of each instant (s since the epoch); what no calendar holds, NaN too, as Go has it."""
    sound = np.abs(seconds) < 9.2e18
    whole = np.where(sound, seconds, 0).astype(np.int64)  # toward zero, as Go converts
    days = np.where(sound, whole // 86_400, NO_DAY)
    of_day = np.where(sound, whole % 86_400, NO_SECOND)
    if name == "minute":
        return (of_day // 60 % 60).astype(np.float64)
    if name == "hour":
        return (of_day // 3600).astype(np.float64)
    if name == "day_of_week":
        return ((days + 4) % 7).astype(np.float64)
    year, month, day = _civil(days)
    parts: dict[str, Callable[[], Ints]] = {
        "year": lambda: year,
        "month": lambda: month,
        "day_of_month": lambda: day,
        "day_of_year": lambda: days - _days(year, np.ones_like(month)) + 1,
        "days_in_month": lambda: _days(year + month // 12, month % 12 + 1) - _days(year, month),
    }
    return parts[name]().astype(np.float64)


def _civil(days: Ints) -> tuple[Ints, Ints, Ints]:
    """Year, month and day of days since the epoch: Gregorian, counted in eras of 400 years that begin in March."""
    shifted = days + 719_468
    era = shifted // 146_097
    of_era = shifted - era * 146_097
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    march = (5 * of_year + 2) // 153
    month = np.where(march < 10, march + 3, march - 9)
    return year + era * 400 + (month <= 2), month, of_year - (153 * march + 2) // 5 + 1


def _days(year: Ints, month: Ints) -> Ints:
    """Days from the epoch to the first of a month."""
    year = year - (month <= 2)
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * np.where(month > 2, month - 3, month + 9) + 2) // 5
    days: Ints = era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
    return days


def operate(op: str, left: Floats, right: Floats) -> Floats:
    """An arithmetic operator."""
    with np.errstate(all="ignore"):
        found: Floats = _ARITHMETIC[op](left, right)
        return found


def compare(op: str, left: Floats, right: Floats) -> Bools:
    """A comparison."""
    found: Bools = _COMPARISONS[op](left, right)
    return found


_ARITHMETIC: dict[str, np.ufunc] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.power,
    "atan2": np.arctan2,
}
_COMPARISONS: dict[str, np.ufunc] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    ">": np.greater,
    "<=": np.less_equal,
    ">=": np.greater_equal,
}
