"""How a run looks in the terminal: live while it goes on, a table of its stages afterwards.

`Screen` is a `Watcher`. On a terminal one line tells the second that has just passed, and `q` ends the run; a pipe gets a
line for each stage, and with --json a document for each thing that happens.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.table import Table

from watchkeeper.cli.console import is_person, print_json, say
from watchkeeper.cli.stress_timeline import Timeline
from watchkeeper.quantities import Duration
from watchkeeper.stress.record import Record
from watchkeeper.stress.recovery import Moment
from watchkeeper.stress.run import Ended, Run, Stage
from watchkeeper.stress.serverside.joined import ServerSide, found

CLEAR = "\r\x1b[K"


class Screen:
    """Tells what happens as it happens."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        """`folder`: where runs are kept."""
        self._args = args
        self._folder = folder
        self.timeline = Timeline(args)
        self._is_live = not args.json and not args.quiet and sys.stdout.isatty()
        self._began = 0

    async def began(self, run: Run) -> None:
        """See `desk.Watcher`."""
        untold = await self.timeline.tell("started", run)
        if self._args.json:
            print_json({"what": "began", "run": run, "announced": not untold}, line=True)
            return
        end = "; q or Ctrl-C ends it" if self._is_live else ""
        say(self._args, f"run {run.id}: plan {run.plan} against {run.target} ({run.protocol}), {run.workers} workers{end}")
        say(self._args, f"consent: {run.consent}")
        if run.calibration is not None:
            cost, ceiling = run.calibration.cpu_per_operation * 1e6, run.calibration.ceiling
            say(self._args, f"generator: {cost:.1f} µs an operation, up to {ceiling:.0f}/s")
        for one in run.notes:
            say(self._args, f"note: {one}")
        if untold:
            say(self._args, f"note: no timeline was told of this run: {untold}")

    def staged(self, stage: Stage) -> None:
        """See `desk.Watcher`."""
        self._began = 0
        self.timeline.staged(stage)
        if self._args.json:
            print_json({"what": "stage", "stage": stage}, line=True)
        elif self._is_live:
            print(f"{CLEAR}  {stage.name}: {Duration(round(stage.seconds, 3))} …", end="", flush=True)

    def saw(self, moment: Moment, stage: Stage, connections: int) -> None:
        """See `desk.Watcher`."""
        self._began += 1
        self.timeline.saw(moment, stage, connections)
        if self._args.json:
            told = {"what": "second", "stage": stage.index, "connections": connections}
            print_json(told | {name: _finite(value) for name, value in moment._asdict().items()}, line=True)
        elif self._is_live:
            figures = f"{moment.scheduled}/s due, {moment.done}/s done, {moment.failed} failed"
            times = f"p50 {seconds(moment.p50)}, p99 {seconds(moment.p99)}"
            text = f"  {stage.name} {self._began}/{stage.seconds:.0f} s: {figures}, {times}, {connections} connections"
            print(f"{CLEAR}{text}", end="", flush=True)

    def said(self, text: str) -> None:
        """See `desk.Watcher`."""
        self.timeline.said(text)
        if self._args.json:
            print_json({"what": "said", "text": text}, line=True)
        elif not self._args.quiet:
            print(f"{CLEAR if self._is_live else ''}{text}", flush=True)

    async def ended(self, run: Run) -> None:
        """See `desk.Watcher`."""
        await self.timeline.ended(run)
        if self._args.json:
            print_json({"what": "ended", "run": run}, line=True)
            return
        if self._is_live:
            print(CLEAR, end="")
        say(self._args, verdict(run))
        say(self._args, f"recorded in {self._folder / run.id}")

    @contextmanager
    def keys(self, loop: asyncio.AbstractEventLoop, abort: asyncio.Event) -> Iterator[None]:
        """`q` ends the run, for the length of this, where a person sits at the terminal."""
        if not self._is_live or not is_person():
            yield
            return
        import termios  # noqa: PLC0415  # not on Windows, where there is no such terminal
        import tty  # noqa: PLC0415  # only this verb needs it

        before = termios.tcgetattr(sys.stdin)

        def pressed() -> None:
            if sys.stdin.read(1) in {"q", "Q"}:
                abort.set()

        try:
            tty.setcbreak(sys.stdin)
            loop.add_reader(sys.stdin, pressed)
            yield
        finally:
            loop.remove_reader(sys.stdin)
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def verdict(run: Run) -> str:
    """What became of a run, in a few lines."""
    head = (run.verdict or run.state).upper()
    lines = [f"{head}: {run.why}" if run.why and run.state != "done" else head]
    lines += [f"  {reason}" for reason in run.reasons]
    for knee in run.knees:
        above = f", broke at {knee.broken:.6g}" if knee.broken else ""
        lines.append(f"  sustained {knee.sustained:.6g}{above}" + (f" ({knee.why})" if knee.why else ""))
    lines += [f"  {one.text}" for one in run.recoveries]
    for one in run.objectives:
        observed = "" if one.observed is None else f" {one.observed:.6g}"
        word = {True: "held", False: "missed", None: "not judged"}[one.held]
        lines.append(f"  {one.objective}: {word}{observed}" + (f" ({one.why})" if one.why else ""))
    return "\n".join(lines)


def runs_table(runs: Sequence[Run]) -> Table:
    """Runs, a line each."""
    table = Table(box=None, header_style="dim")
    for head in ("run", "plan", "target", "state", "verdict"):
        table.add_column(head)
    for run in runs:
        table.add_row(run.id, run.plan, run.server or run.target, run.state, run.verdict or "-")
    return table


def shown(record: Record) -> Iterator[Any]:
    """A run for a reader: what it was, its stages, its verdict."""
    run = record.run
    yield f"run {run.id}: plan {run.plan} against {run.target} ({run.protocol})"
    if record.has_died:
        yield "it was cut off: what it had recorded until then is shown"
    table = Table(box=None, header_style="dim")
    table.add_column("stage")
    for head in ("due/s", "done/s", "p50", "p95", "p99", "max", "failed", "dropped"):
        table.add_column(head, justify="right")
    table.add_column("decision")
    for begun, ended in record.stages():
        table.add_row(begun.stage.name, *(_cells(ended) if ended else ["…"] * 8), ended.decision if ended else "not ended")
    yield table
    yield verdict(run)
    yield from serverside(found(record.folder))


def serverside(side: ServerSide | None) -> Iterator[str]:
    """What is known of the server's side, a line each."""
    if side is None:
        return
    for place, one in enumerate(side.saturated[:6]):
        yield f"{'  then' if place else 'full first:'} {one.text}"
    if not side.saturated:
        yield f"full first: {side.why}"
    for what, cost, scale, unit in (
        ("a connection", side.bytes_per_connection, 1024, "KiB"),
        ("a message", side.seconds_per_message, 1e-6, "µs of processor time"),
    ):
        if cost.value is None:
            yield f"{what}: not known ({cost.why})"
        else:
            about = f"({cost.why})" if cost.why else f"({cost.low / scale:.3g} to {cost.high / scale:.3g}, 95 %)"
            yield f"{what}: {cost.value / scale:.3g} {unit} {about}"
    for alert in side.alerts:
        yield f"alert: {alert.text}"
    if side.restarts or side.hangs:
        yield f"restarts: {side.restarts}, told as hung: {side.hangs}"
    for note in side.notes:
        yield f"note: {note}"


def told(record: Record) -> dict[str, Any]:
    """The same for programs."""
    stages = [{"at": begun.at, "stage": begun.stage, "ended": ended} for begun, ended in record.stages()]
    return {"run": record.run, "died": record.has_died, "stages": stages, "serverside": found(record.folder)}


def seconds(value: float | None) -> str:
    """A time as people read it, with three digits."""
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "never"
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value * 1e6:.3g} µs"


def _cells(ended: Ended) -> list[str]:
    times = [seconds(ended.quantiles.get(name)) for name in ("p50", "p95", "p99", "max")]
    failed = sum(ended.errors.values())
    return [f"{ended.offered:.6g}", f"{ended.achieved:.6g}", *times, str(failed or ""), str(ended.dropped or "")]


def _finite(value: float) -> float | None:
    return value if isinstance(value, int) or math.isfinite(value) else None
