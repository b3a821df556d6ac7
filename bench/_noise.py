"""How noisy the machine is while a bench runs: a fixed piece of work, timed again and again, and tables."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence


def reference() -> float:
    """CPU seconds of a fixed piece of interpreter work."""
    began = time.process_time()
    total = 0
    for number in range(300_000):
        total += number * number % 7
    return time.process_time() - began


class Noise:
    """Takes the reference before, between and after measurements; says how far it wandered."""

    def __init__(self) -> None:
        self._seen = [reference()]

    def look(self) -> None:
        """Take it once more."""
        self._seen.append(reference())

    def __str__(self) -> str:
        """One line for the foot of a table."""
        middle = statistics.median(self._seen)
        spread = (max(self._seen) - min(self._seen)) / middle * 100
        return (
            f"machine: {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}; "
            f"a fixed loop took {middle * 1000:.0f} ms CPU (spread {spread:.0f} % over {len(self._seen)} looks)"
        )


def median_cpu(work: Callable[[], object], times: int) -> float:
    """Median CPU seconds of `work` over so many runs."""
    seen = []
    for _ in range(times):
        began = time.process_time()
        work()
        seen.append(time.process_time() - began)
    return statistics.median(seen)


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[object]], foot: str = "") -> None:
    """Print rows under heads, columns aligned."""
    cells = [[str(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    print(f"\n{title}")
    for place, row in enumerate(cells):
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if place == 0:
            print("  " + "  ".join("-" * width for width in widths))
    if foot:
        print(f"  {foot}")
