"""What was full first. Pure: uses of resources in, named findings in the order of time out.

A resource counts as full when its use stays at or above a threshold for some readings in a row; a queue that overflows has
been full the moment it did. Of those that fill within `TOGETHER` seconds the nearer to the cause goes first (the order of
`uses`): a thread that is busy all the time makes queues, not the other way round.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from watchkeeper.stress.serverside.joined import Line, Saturated

TOGETHER = 2.0
"""Seconds within which two count as full at the same time: two readings."""


class Use(NamedTuple):
    """How much of a resource was used. `at` in ms; full at `threshold` and above, of what would be `limit`."""

    resource: str
    unit: str
    at: Sequence[int]
    values: Sequence[float | None]
    threshold: float
    limit: float
    readings: int = 3
    words: str = "{value:.3g} {unit} of {limit:.3g}"


class Span(NamedTuple):
    """A stage's time, in seconds into the run."""

    name: str
    began: float
    ended: float


def saturated(uses: Sequence[Use], stages: Sequence[Span], started_at: int) -> tuple[Saturated, ...]:
    """What was full while a stage went on, the first one first."""
    found: list[tuple[float, int, Saturated]] = []
    for order, use in enumerate(uses):
        if (one := _first(use, stages, started_at)) is not None:
            found.append((one.at, order, one))
    found.sort(key=lambda one: one[0])
    ordered: list[Saturated] = []
    while found:
        together = [one for one in found if one[0] <= found[0][0] + TOGETHER]
        ordered += [one for _, _, one in sorted(together, key=lambda one: one[1])]
        found = found[len(together) :]
    return tuple(ordered)


def _first(use: Use, stages: Sequence[Span], started_at: int) -> Saturated | None:
    """The first time that it was full for long enough, within a stage."""
    run: list[tuple[float, float, str]] = []
    for at, value in zip(use.at, use.values, strict=True):
        seconds = (at - started_at) / 1000
        stage = next((one.name for one in stages if one.began <= seconds <= one.ended), "")
        if value is None or math.isnan(value) or value < use.threshold or not stage:
            run.clear()
            continue
        run.append((seconds, value, stage))
        if len(run) == use.readings:
            began, worst, name = run[0][0], max(one[1] for one in run), run[0][2]
            words = use.words.format(value=worst, unit=use.unit, limit=use.limit).replace("  ", " ")
            text = f"{use.resource}: {words} from {began:.0f} s, in the stage {name}"
            return Saturated(use.resource, round(began, 3), name, worst, use.limit, use.unit, text)
    return None


def uses(lines: Sequence[Line]) -> list[Use]:
    """The resources that these lines tell of, those nearer to the cause first."""
    by_name: dict[str, list[Line]] = {}
    for one in lines:
        by_name.setdefault(one.name, []).append(one)
    return [use for find in _KINDS for use in find(by_name)]


Found = dict[str, list[Line]]


def _threads(found: Found) -> Iterator[Use]:
    """A thread runs on one processor at a time: at nine tenths of that there is no more of it."""
    for one in found.get("process_thread_cpu_seconds_total", ()):
        who = f"one thread's processor time ({one.labels.get('thread', '?')}, pid {one.labels.get('pid', '?')})"
        yield Use(who, "cores", one.at, one.values, 0.9, 1.0)


def _starved(found: Found) -> Iterator[Use]:
    """A thread that waits for a processor as long as it runs: others take it."""
    for one in found.get("process_thread_waiting_seconds_total", ()):
        who = f"the processor, waited for ({one.labels.get('thread', '?')}, pid {one.labels.get('pid', '?')})"
        yield Use(who, "seconds/s", one.at, one.values, 0.4, 1.0, words="{value:.2f} s of each second waiting for a processor")


def _processors(found: Found) -> Iterator[Use]:
    """All processors of the machine together: busy is what is not idle and not waiting for a disk."""
    busy: dict[int, float] = {}
    whole: dict[int, float] = {}
    for one in found.get("node_cpu_seconds_total", ()):
        is_idle = one.labels.get("mode") in {"idle", "iowait"}
        for at, value in zip(one.at, one.values, strict=True):
            if value is not None:
                whole[at] = whole.get(at, 0.0) + value
                busy[at] = busy.get(at, 0.0) + (0.0 if is_idle else value)
    times = sorted(whole)
    shares = [busy[at] / whole[at] if whole[at] > 0 else None for at in times]
    if times:
        yield Use("the machine's processors", "ratio", times, shares, 0.95, 1.0, words="{value:.0%} busy")


def _memory(found: Found) -> Iterator[Use]:
    used = _joined(found, "node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes", lambda free, all_: 1 - free / all_)
    for at, values in used:
        yield Use("the machine's memory", "ratio", at, values, 0.95, 1.0, words="{value:.0%} used")


def _descriptors(found: Found) -> Iterator[Use]:
    for at, values in _joined(found, "process_open_fds", "process_max_fds", lambda used, most: used / most):
        yield Use("file descriptors", "ratio", at, values, 0.9, 1.0, words="{value:.0%} of those that the process may have")


def _queue(found: Found) -> Iterator[Use]:
    for at, values in _joined(found, "process_listen_queue", "process_listen_queue_limit", lambda many, most: many / most):
        yield Use("the queue of connections to accept", "ratio", at, values, 0.9, 1.0, 1, "{value:.0%} full")
    for one in found.get("node_netstat_TcpExt_ListenOverflows", ()):
        words = "{value:.3g} connections a second dropped"
        yield Use("the queue of connections to accept", "1/s", one.at, one.values, 1e-9, 0.0, 1, words)


def _disks(found: Found) -> Iterator[Use]:
    for one in found.get("node_disk_io_time_seconds_total", ()):
        who = f"the disk {one.labels.get('device', '?')}"
        yield Use(who, "ratio", one.at, one.values, 0.95, 1.0, 5, "{value:.0%} busy")


def _pressure(found: Found) -> Iterator[Use]:
    """The kernel's own word that all work stood still for want of it (PSI, full)."""
    for name in ("memory", "io"):
        for one in found.get(f"node_pressure_{name}_stalled_seconds_total", ()):
            words = f"all work waited for {name} for {{value:.0%}} of the time"
            yield Use(f"{name} (pressure)", "ratio", one.at, one.values, 0.2, 1.0, words=words)


def _loop(found: Found) -> Iterator[Use]:
    for name, lines in found.items():
        if "loop_lag" in name and not name.endswith(("_total", "_count", "_sum", "_bucket")):
            for one in lines:
                yield Use("the event loop", "seconds", one.at, one.values, 0.1, 0.0, words="{value:.3g} s late")


_KINDS: tuple[Callable[[Found], Iterable[Use]], ...] = (
    _threads,
    _processors,
    _starved,
    _memory,
    _descriptors,
    _pressure,
    _disks,
    _queue,
    _loop,
)


def _joined(
    found: Found, name: str, of: str, ratio: Callable[[float, float], float]
) -> Iterator[tuple[list[int], list[float | None]]]:
    """One figure as a share of another, where both were read at the same instant with the same labels."""
    for one in found.get(name, ()):
        other = next((two for two in found.get(of, ()) if two.labels == one.labels), None)
        if other is None:
            continue
        limits = dict(zip(other.at, other.values, strict=True))
        at, values = [], []
        for instant, value in zip(one.at, one.values, strict=True):
            limit = limits.get(instant)
            at.append(instant)
            values.append(ratio(value, limit) if value is not None and limit else None)
        yield at, values
