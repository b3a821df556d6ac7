"""What rules cost: 1,000 of them over 100 machines of 300 series at 10 s, beside Prometheus with the same rules.

    600  one figure against a bound               bench_gauge{number="7"} > 92
    200  a ratio and a second condition           a / on (machine) b < 0.1 and on (machine) c > 90
    100  a sum within each machine                sum by (machine) (bench_percent) > 1500
    100  a rate over five minutes                 rate(bench_busy_counter{number="4"}[5m]) > 1e9

Ours: CPU seconds of this process for the frames of each 10 s as they come in, and for the rules that look back, asked every
10 s over the store; what a frame costs besides (store, link) is not in it. Prometheus: what it says that its rules took
(wall time of a process that has the machine for itself but for this one), and the CPU of the whole process with these rules
less the same without any; its samples come by remote write. A share of one core is CPU seconds by seconds.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import _fleet
import numpy as np
from _noise import Noise, table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from rigs.prometheus import PROGRAM, Prometheus  # the test rig's own
from watchkeeper.alert.court import Court
from watchkeeper.alert.rules import Rule, make
from watchkeeper.alert.settings import RuleSettings
from watchkeeper.clock import FakeClock
from watchkeeper.judging.asking import answered
from watchkeeper.model import Block, Dictionary, Frame, dictionary
from watchkeeper.query import Limits
from watchkeeper.store import StoreSettings, open_store

MACHINES = 100
PERIOD = 10.0
ROUNDS = 45
"""Rounds of frames in all; those after the first `WARM` are measured."""
WARM = 33
TICK = os.sysconf("SC_CLK_TCK")


def expressions() -> Iterator[str]:
    """A thousand conditions; ten of them hold on many machines, the others nowhere."""
    for number in range(600):
        bound = 90 + number / 10 if number % 60 else 40
        yield f'bench_gauge{{number="{number % 48}"}} > {bound}'
    for number in range(200):
        ratio = f'bench_bytes{{number="{number % 24}"}} / on (machine) bench_bytes{{number="{(number + 1) % 24}"}} < 0.0001'
        yield f'{ratio} and on (machine) bench_percent{{number="{number % 27}"}} > 90'
    for number in range(100):
        yield f"sum by (machine) (bench_percent) > {2700 + number}"
    for number in range(100):
        yield f'rate(bench_busy_counter{{number="{number % 30}"}}[5m]) > {1e9 + number}'


def rules() -> list[Rule]:
    """The same as rules of ours."""
    return [
        make(RuleSettings(alert=f"Bench{number}", expr=text), interval=PERIOD, where="", file="", group="bench")
        for number, text in enumerate(expressions())
    ]


def layouts() -> list[Dictionary]:
    """What each machine's columns are, with the labels that a hub puts to them."""
    found = []
    for number in range(MACHINES):
        name = f"machine-{number}"
        found.append(dictionary(tuple(one.labelled({"instance": name, "job": "node"}) for one in _fleet.layout(number).series)))
    return found


def ours(folder: Path, made: list[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float, int, int]:
    """CPU seconds of each 10 s for frames, the same for rules that look back, changes of alerts, and how many fire."""
    court = Court(rules())
    shapes = layouts()
    clock = FakeClock(wall=_fleet.BEGIN / 1000)
    store = open_store(folder, StoreSettings(), clock)
    for number, shape in enumerate(shapes):
        store.define(f"machine-{number}", "10s", shape)
    spent, fired = 0.0, 0
    for tick in range(ROUNDS):
        for number, (times, values) in enumerate(made):
            frame = Frame("10s", shapes[number].id, int(times[tick]), values[tick].tobytes())
            store.take(f"machine-{number}", frame)
            began = time.process_time()
            changes = court.frame(f"machine-{number}", "10s", shapes[number], frame.at, np.frombuffer(frame.values, "<f8"))
            if tick >= WARM:
                spent += time.process_time() - began
            fired += len(changes)
    questions = court.questions()
    at = int(made[0][0][ROUNDS - 1])
    answered(questions[0].tree, store, at, Limits())
    began = time.process_time()
    for rule in questions:
        rows = answered(rule.tree, store, at, Limits())
        court.answer(rule, rows, {}, at)
    asked = time.process_time() - began
    store.close()
    assert len(questions) == 100, len(questions)
    return spent / (ROUNDS - WARM), asked, fired, len(list(court.docket.entries()))


def prometheus(folder: Path, made: list[tuple[np.ndarray, np.ndarray]], *, with_rules: bool) -> tuple[float, float]:
    """What its rules took by its own word, and its CPU, each in seconds for each 10 s."""
    listed = "".join(f"    - alert: Bench{number}\n      expr: {text}\n" for number, text in enumerate(expressions()))
    folder.mkdir(parents=True)
    (folder / "rules.yml").write_text(f"groups:\n- name: bench\n  interval: 10s\n  rules:\n{listed}")
    config = "global: {evaluation_interval: 10s}\n" + (f"rule_files: [{folder / 'rules.yml'}]\n" if with_rules else "")
    shapes = layouts()
    with Prometheus(folder, config) as running:
        first = round(time.time() * 1000) - WARM * 10_000
        send(running, made, shapes, first, range(WARM))
        time.sleep(12)  # what starting costs is over
        before = (cpu(running), told(running))
        began = time.monotonic()
        for tick in range(WARM, WARM + 3):
            send(running, made, shapes, first, range(tick, tick + 1))
            time.sleep(max(0.0, (tick - WARM + 1) * PERIOD - (time.monotonic() - began)))
        seconds = time.monotonic() - began
        return (told(running) - before[1]) / seconds * PERIOD, (cpu(running) - before[0]) / seconds * PERIOD


def send(
    running: Prometheus, made: list[tuple[np.ndarray, np.ndarray]], shapes: list[Dictionary], first: int, ticks: range
) -> None:
    """Some rounds of all machines."""
    times = np.array([first + tick * 10_000 for tick in ticks])
    for start in range(0, MACHINES, 20):
        some = range(start, min(start + 20, MACHINES))
        running.write([Block(shapes[one].series, times, made[one][1][list(ticks)]) for one in some])


def cpu(running: Prometheus) -> float:
    """User and system seconds of the process."""
    fields = Path(f"/proc/{running.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def told(running: Prometheus) -> float:
    """Seconds that its rules have taken, by its own word."""
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
    connection.request("GET", "/metrics")
    page = connection.getresponse().read().decode()
    connection.close()
    found = re.search(r"^prometheus_rule_evaluation_duration_seconds_sum (\S+)$", page, re.MULTILINE)
    return float(found[1]) if found else 0.0


def main() -> None:
    """Print the table."""
    noise = Noise()
    made = [_fleet.machine(number, ROUNDS) for number in range(MACHINES)]
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="rules-bench-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        frames, asked, fired, firing = ours(folder / "ours", made)
        noise.look()
        rows = [
            (
                "900 rules on newest figures, ours",
                f"{frames:.3f}",
                f"{frames / PERIOD:.2%}",
                f"{frames / MACHINES * 1e6:.0f} µs a frame",
            ),
            ("100 rules that look back, ours", f"{asked:.3f}", f"{asked / PERIOD:.2%}", f"{asked / 100 * 1e3:.1f} ms a rule"),
            (
                "all 1,000, ours",
                f"{frames + asked:.3f}",
                f"{(frames + asked) / PERIOD:.2%}",
                f"{firing} alerts fire, {fired} changes",
            ),
        ]
        if PROGRAM:
            _, idle = prometheus(folder / "without", made, with_rules=False)
            noise.look()
            said, busy = prometheus(folder / "with", made, with_rules=True)
            noise.look()
            rows.append(
                (
                    "all 1,000, Prometheus, by its own word",
                    f"{said:.3f}",
                    f"{said / PERIOD:.2%}",
                    "wall time of its evaluations",
                )
            )
            more = busy - idle
            rows.append(
                (
                    "all 1,000, Prometheus, CPU with less without",
                    f"{more:.3f}",
                    f"{more / PERIOD:.2%}",
                    f"{busy:.2f} with, {idle:.2f} without",
                )
            )
        else:
            rows.append(("Prometheus is not installed (on Debian: apt install prometheus)", "", "", ""))
    heads = ("1,000 rules, 100 machines of 300 series at 10 s", "CPU-s per 10 s", "of a core", "")
    table("Rules", heads, rows, str(noise))


if __name__ == "__main__":
    main()
