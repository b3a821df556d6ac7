"""What the server counts: every packet's fate, every delay, in the words of OpenMetrics.

Counters are plain attributes, since they are raised for every message; `page` makes the text for ``/metrics``. A message that
is
not delivered has a reason, and every reason has a counter: what came in is what was settled, rejected or is still under way.
Source: the OpenMetrics text format 1.0.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence

BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histograms' buckets, in seconds."""
EXPOSITION = "application/openmetrics-text; version=1.0.0; charset=utf-8"

Labels = Sequence[tuple[str, str]]


class Histogram:
    """Counts of durations."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        """Empty."""
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def observe(self, seconds: float, times: int = 1) -> None:
        """Count a duration."""
        self.counts[bisect_left(BOUNDS, seconds)] += times
        self.total += seconds * times


class Figures:
    """All counters of one server."""

    def __init__(self) -> None:
        """At zero."""
        self.started_at = time.time()
        self.received = 0
        """Messages that clients have sent: each is accepted or rejected in the end, and under way until then."""
        self.received_bytes = 0
        self.forwarded = 0
        self.taken = 0
        self.accepted = 0
        self.rejected = 0
        self.replayed = 0
        self.packets: Counter[str] = Counter()
        """Other packets received, by kind."""
        self.drops: Counter[str] = Counter()
        """Messages not delivered, by reason."""
        self.refusals: Counter[str] = Counter()
        """Things asked and refused, by reason."""
        self.closes: Counter[str] = Counter()
        """Connections ended by us, by reason."""
        self.turned_away: Counter[str] = Counter()
        """Connections refused before their handshake, by reason."""
        self.logins: Counter[str] = Counter()
        self.accepts = 0
        self.paused: Counter[str] = Counter()
        """Clients not read for a while, by reason."""
        self.delay = Histogram()
        """From a message's arrival to its recipient's taking it."""
        self.lag = Histogram()
        """How late the event loop is."""
        self.newest_lag = 0.0
        self.oldest_under_way = 0.0
        self.cpu_at = 0.0


class Page:
    """Lines of the exposition, family by family."""

    def __init__(self) -> None:
        """Empty."""
        self._lines: list[str] = []

    def add(self, name: str, kind: str, about: str, samples: Iterable[tuple[Labels, float]]) -> None:
        """A family; a counter's samples get their ``_total``."""
        self._lines += (f"# TYPE {name} {kind}", f"# HELP {name} {about}")
        tail = "_total" if kind == "counter" else ""
        for labels, value in samples:
            self._lines.append(f"{name}{tail}{_written(labels)} {_number(value)}")

    def one(self, name: str, kind: str, about: str, value: float) -> None:
        """A family of one sample."""
        self.add(name, kind, about, [((), value)])

    def counts(self, name: str, label: str, about: str, counter: Counter[str]) -> None:
        """A counter by one label."""
        self.add(name, "counter", about, [(((label, key),), value) for key, value in sorted(counter.items())])

    def histogram(self, name: str, about: str, histogram: Histogram) -> None:
        """A histogram's buckets, sum and count."""
        self._lines += (f"# TYPE {name} histogram", f"# HELP {name} {about}")
        running = 0
        for bound, count in zip((*BOUNDS, float("inf")), histogram.counts, strict=True):
            running += count
            le = "+Inf" if bound == float("inf") else repr(bound)  # "1.0", not "1": the standard's canonical numbers
            self._lines.append(f'{name}_bucket{{le="{le}"}} {running}')
        self._lines += (f"{name}_count {running}", f"{name}_sum {_number(histogram.total)}")

    def text(self) -> str:
        """The whole page."""
        return "\n".join((*self._lines, "# EOF", ""))


def merged(pages: dict[str, str], own: dict[str, tuple[float, float]]) -> str:
    """The pages of several processes as one, each sample with its process under ``worker``; behind it what is known of each.

    `own`: whether it is up, and how often it was started again.
    """
    families: dict[str, list[str]] = {}
    for worker, text in pages.items():
        lines: list[str] = []
        is_first = False
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                name = line.split()[2]
                is_first = name not in families
                lines = families.setdefault(name, [])
            if line.startswith("#"):
                if is_first and line != "# EOF":
                    lines.append(line)
                continue
            series, _, value = line.rpartition(" ")
            name, brace, labels = series.partition("{")
            lines.append(f'{name}{{worker="{worker}"{"," + labels if brace else "}"} {value}')
    page = Page()
    page.add(
        "cloud_worker_up", "gauge", "Whether a process answers.", [((("worker", one),), up) for one, (up, _) in own.items()]
    )
    restarts = [((("worker", one),), count) for one, (_, count) in own.items()]
    page.add("cloud_worker_restarts", "counter", "How often a process was started again.", restarts)
    return "\n".join((*(line for lines in families.values() for line in lines), page.text()))


def process(page: Page, started_at: float) -> None:
    """What this process uses, under the names that every Prometheus client library has."""
    page.one("process_cpu_seconds", "counter", "CPU time used.", time.process_time())
    page.one("process_start_time_seconds", "gauge", "When it was started, in Unix time.", started_at)
    page.one("process_resident_memory_bytes", "gauge", "Resident memory.", resident())
    try:
        page.one("process_open_fds", "gauge", "Open file descriptors.", len(os.listdir("/proc/self/fd")))  # noqa: PTH208  # one system call; a Path for each entry would be made to be counted
    except OSError:
        return


def resident() -> float:
    """Resident memory in bytes; NaN where the system does not tell it cheaply."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123  # once a second
            return int(file.read().split()[1]) * float(os.sysconf("SC_PAGE_SIZE"))
    except OSError:
        return float("nan")


def _written(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(number: float) -> str:
    value = float(number)
    if value == float("inf"):
        return "+Inf"
    if value != value:  # noqa: PLR0124  # the only number that is not itself
        return "NaN"
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
