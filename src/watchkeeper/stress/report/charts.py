"""Which of the server's lines are drawn together: a chart for each kind of figure, a few lines in each. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from watchkeeper.stress.report.digest import Line

MOST_LINES = 8
MOST_CHARTS = 16
TITLES = {
    "process_cpu_seconds_total": "Processor time of the server",
    "process_thread_cpu_seconds_total": "Processor time by thread",
    "process_thread_waiting_seconds_total": "Threads waiting for a processor",
    "process_resident_memory_bytes": "Memory, resident",
    "process_proportional_memory_bytes": "Memory, its share of what is shared",
    "process_max_fds": "Open files allowed",
    "process_listen_queue_limit": "Connections that may wait to be accepted",
    "process_open_fds": "Open files",
    "process_threads": "Threads",
    "process_sockets": "Sockets by state",
    "process_listen_queue": "Connections waiting to be accepted",
    "process_voluntary_context_switches_total": "Context switches, voluntary",
    "process_involuntary_context_switches_total": "Context switches, involuntary",
    "node_cpu_seconds_total": "Processor time of the machine",
    "node_pressure_cpu_waiting_seconds_total": "Pressure: waiting for a processor",
    "node_pressure_io_waiting_seconds_total": "Pressure: waiting for disks",
    "node_pressure_memory_waiting_seconds_total": "Pressure: waiting for memory",
    "node_pressure_io_stalled_seconds_total": "Pressure: nothing but waiting for disks",
    "node_load1": "Load of the machine",
    "node_memory_MemAvailable_bytes": "Memory available on the machine",
}


class ServerChart(msgspec.Struct, frozen=True):
    """One chart of the server's side."""

    title: str
    unit: str
    lines: tuple[Line, ...]


def server_charts(lines: Sequence[Line]) -> list[ServerChart]:
    """Lines of one name share a chart, the liveliest first where there are too many."""
    by_name: dict[str, list[Line]] = {}
    for line in lines:
        by_name.setdefault(line.name, []).append(line)
    found = []
    for name, own in list(by_name.items())[:MOST_CHARTS]:
        several = len(own) > 1
        kept = sorted(own, key=_life, reverse=True)[:MOST_LINES]
        shown = tuple(Line(_label(line) if several else name, line.labels, line.unit, line.at, line.values) for line in kept)
        found.append(ServerChart(TITLES.get(name, name), own[0].unit, shown))
    return found


def _life(line: Line) -> float:
    seen = [value for value in line.values if value is not None]
    return max(seen, default=0.0) - min(seen, default=0.0)


def _label(line: Line) -> str:
    labels = {name: value for name, value in line.labels.items() if name not in {"machine", "server", "instance", "job"}}
    return " ".join(labels.values()) or line.name
