"""Which programs take a machine, for `top`: three questions of the hub, and lines of text. Nothing here waits or draws."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich.text import Text

from watchkeeper.cli import figures
from watchkeeper.cli.client import PromAnswer

LISTED = 12
NAME = 32
BAR = 10

Ask = Callable[[str], PromAnswer]
"""A PromQL question as of now."""


class Program(NamedTuple):
    """All processes of one name. `cpu` in cores, `memory` in bytes, `disk` in bytes a second; NaN: not known."""

    name: str
    cpu: float
    memory: float
    processes: float
    disk: float


def look(ask: Ask, machine: str) -> list[Program]:
    """What weighs on a machine, the busiest first; raises what `ask` raises."""
    where = f"{{machine={json.dumps(machine, ensure_ascii=False)}}}"
    moved = f"rate(watchkeeper_program_read_bytes_total{where}[1m]) + rate(watchkeeper_program_written_bytes_total{where}[1m])"
    columns = [
        _by_program(ask(question))
        for question in (
            f"rate(watchkeeper_program_cpu_seconds_total{where}[1m])",
            f"watchkeeper_program_resident_memory_bytes{where}",
            f"watchkeeper_program_processes{where}",
            moved,
        )
    ]
    found = [Program(name, *(column.get(name, math.nan) for column in columns)) for name in columns[1]]
    return sorted(found, key=lambda one: (-_known(one.cpu), -_known(one.memory), one.name))


def lines(machine: str, found: Sequence[Program], width: int) -> list[Text]:
    """One line for each, under a heading; the name gets what room there is."""
    room = min(NAME, max(12, width - 45))
    told = [Text(f"  {'PROGRAMS ON ' + machine:{room}.{room}}  {'CPU':<16}  {'MEMORY':>9}  {'DISK':>10}", "dim")]
    if not found:
        return [*told, Text("  its agent has not told of any", "dim")]
    for one in found[:LISTED]:
        name = one.name if one.processes <= 1 else f"{one.name} ({one.processes:.0f})"
        line = Text(f"  {name:{room}.{room}}  ")
        line.append(figures.bar(_plain(one.cpu), BAR), "cyan").append(f" {figures.percent(_plain(one.cpu)):>5}")
        line.append(f"  {figures.size(_plain(one.memory)):>9}  {figures.rate(_plain(one.disk)):>10}")
        line.truncate(width - 1)
        told.append(line)
    return told


def _by_program(answer: PromAnswer) -> dict[str, float]:
    return {one["metric"].get("program", ""): float(one["value"][1]) for one in answer.result}


def _known(figure: float) -> float:
    return 0.0 if math.isnan(figure) else figure


def _plain(figure: float) -> float | None:
    return None if math.isnan(figure) else figure
