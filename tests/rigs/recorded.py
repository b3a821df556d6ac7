"""A run's record without a run: stages of known rates and times, so that each figure of a report is known beforehand."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from watchkeeper.stress.histogram import Histogram
from watchkeeper.stress.record import Record, Recording
from watchkeeper.stress.run import Ended, Happening, Health, Held, Knee, Recovery, Run, Segment, Stage, Validity, Window

PLAN = """name = "made"
timeout = "2s"
objectives = ["p99 < 100ms", "errors < 1%", "recovery < 30s"]

[protocol]
kind = "http"

[[phase]]
kind = "steps"

[[phase]]
kind = "soak"
"""


class Piece(NamedTuple):
    """A stage to be made up: so many seconds at a rate, of which `done` are done, with exponential times of `mean` seconds."""

    kind: str
    name: str
    phase: int
    seconds: int
    rate: int
    mean: float
    done: int = -1
    code: str = "timeout"
    decision: str = "held"
    excluded: bool = False
    waiting: float = 0.0
    """Seconds that each start waits before it is begun: latency less service."""


def recorded(
    folder: Path, pieces: Sequence[Piece], run: str = "20260101-000000-made-0001", seed: int = 1, **more: object
) -> Record:
    """Write the record of such a run, second by second."""
    chance = np.random.default_rng(seed)
    given = {"plan": "made", "protocol": "http", "target": "http://127.0.0.1:1/", "started_at": 1_800_000_000_000}
    known = {"workers": 1, "operations": ("get",), "seed": 7}
    recording = Recording(folder, PLAN, Run(id=run, **(given | known | more)))  # type: ignore[arg-type]  # any of its fields
    at = 1
    for index, piece in enumerate(pieces):
        profile = (Segment(piece.seconds, piece.rate, piece.rate),)
        stage = Stage(
            index, piece.phase, piece.kind, piece.name, piece.seconds, profile=profile, level=piece.rate, connections=10,
            excluded=piece.excluded,
        )  # fmt: skip
        recording.begin(stage, float(at))
        done = piece.rate if piece.done < 0 else piece.done
        whole, service = Histogram(), Histogram()
        for second in range(at, at + piece.seconds):
            times = (
                np.ceil(chance.exponential(piece.mean, done) * 5000).astype(np.int64) * 200_000
            )  # few buckets: quickly packed
            seen, actual, failed = Histogram(), Histogram(), Histogram()
            actual.take(times)
            seen.take(times + int(piece.waiting * 1e9))
            left = piece.rate - done
            failed.take([2_000_000_000] * left)
            whole.merge(seen)
            service.merge(actual)
            errors = {piece.code: left} if left else {}
            row = Window(second, index, "get", scheduled=piece.rate, started=piece.rate, done=done, errors=errors)
            row.sent_bytes, row.received_bytes = 100 * piece.rate, 200 * done
            row.latency, row.service, row.failed = seen.packed(), actual.packed(), failed.packed()
            recording.window(row)
            lag = Histogram()
            lag.take([50_000] * piece.rate)
            busy = Health(
                second, 0, cpu=0.25, rss=50 << 20, connections=10, in_flight=round(done * piece.mean), lag=lag.packed()
            )
            recording.health(busy)
            if left and second == at:
                facts = {"code": piece.code, "operation": "get", "stage": str(index)}
                recording.happen(Happening(float(second), "error", "no answer <b>within</b> 2 s", facts))
        shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99} if done else {}
        quantiles = {name: whole.quantile(share) / 1e9 for name, share in shares.items()}
        due, left = piece.rate * piece.seconds, (piece.rate - done) * piece.seconds
        ended = Ended(index, float(at), float(at + piece.seconds), due, due, done * piece.seconds, decision=piece.decision)
        recording.end(
            msgspec.structs.replace(
                ended,
                errors={piece.code: left} if left else {},
                offered=float(piece.rate),
                achieved=float(done),
                quantiles=quantiles,
                clean=quantiles,
                validity=Validity(ok=True, lag_p99=5e-5),
            )
        )
        at += piece.seconds + 1
    over = {"state": "done", "ended_at": 1_800_000_000_000 + at * 1000}
    recording.update(msgspec.structs.replace(recording.run, **(over | more)))
    recording.close()
    return Record(folder / run)


def variant(record: Record, folder: Path, **changes: object) -> Record:
    """The same record with another run.json."""
    shutil.copytree(record.folder, folder / record.run.id)
    run = msgspec.structs.replace(record.run, **changes)
    (folder / record.run.id / "run.json").write_bytes(msgspec.json.encode(run))
    return Record(folder / record.run.id)


def usual(folder: Path, run: str = "20260101-000000-made-0001", scale: float = 1.0, seed: int = 1, **more: object) -> Record:
    """A search up to 1,000/s, a soak, an overload with half of it done, and a recovery: a run that passed."""
    pieces = [Piece("warm-up", "warm-up", 0, 4, 50, 0.01, excluded=True)]
    levels = (100, 200, 400, 600, 800, 1000)
    pieces += [Piece("steps", f"steps {level}/s", 1, 3, level, scale * 5 / (1200 - level)) for level in levels]
    pieces += [
        Piece("steps", "steps 1300/s", 1, 3, 1300, 0.2, done=1150, decision="broken: p99 < 100ms"),
        Piece("plateau", "plateau", 2, 22, 800, 0.0125 * scale),
        Piece("overload", "three times", 3, 6, 3000, 0.5, done=1150, decision="overloaded: p99 < 100ms"),
        Piece("recovery", "after three times", 4, 3, 800, 0.0125),
        Piece("soak", "soak", 5, 26, 500, 0.007 * scale, waiting=0.003),
    ]
    found = {
        "verdict": "pass",
        "knees": (Knee(1000.0, 1300.0, 800.0, 1000.0),),
        "recoveries": (Recovery("three times", 2.0, 30.0, 0.037, text="as before 2 s after three times"),),
        "objectives": (
            Held("p99 < 100ms", 0.05, True, "in plateau"),
            Held("errors < 1%", 0.0, True),
            Held("recovery < 30s", 2.0, True),
        ),
        "command": ("watchkeeper", "stress", "run", "made.toml"),
        "plan_hash": "ab" * 32,
        "environment": {"cores": "2", "python": "CPython 3.12", "descriptors": "20000"},
        "notes": ("the load and its target shared this machine: each took processor and memory from the other",),
    }
    return recorded(folder, pieces, run, seed, **(found | more))
