"""A run condensed: what a report stands on, in some megabytes however long the run, as one JSON document.

Histograms are merged, never averaged, so every percentile of a stage or of an operation is that of the record itself. Seconds
are put together where there are more than a chart can show; each stage keeps a few dozen blocks of time for intervals.
"""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import msgspec

from watchkeeper.errors import Refused
from watchkeeper.stress.run import Ended, Happening, Run, Stage
from watchkeeper.stress.serverside.joined import ServerSide

FORMAT = 1


class Cell(msgspec.Struct, omit_defaults=True):
    """One operation of one stage, as `run.Window` has it, over all its seconds. Histograms are packed, of ns."""

    scheduled: int = 0
    started: int = 0
    done: int = 0
    late: int = 0
    dropped: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    errors: dict[str, int] = {}
    counts: dict[str, int] = {}
    latency: bytes = b""
    service: bytes = b""
    starved: bytes = b""
    failed: bytes = b""
    spans: dict[str, bytes] = {}


class Spell(msgspec.Struct, omit_defaults=True):
    """One stage: its operations, and blocks of `block_seconds` each of its latency without starved moments."""

    stage: Stage
    began: float
    ended: Ended | None = None
    cells: dict[str, Cell] = {}
    blocks: list[bytes] = []
    block_seconds: float = 1.0
    seen_until: float = 0.0
    """The end of the last second that anything was seen in."""
    looks: list[float] = []
    """How many operations were under way, looked at once a second (thinned)."""


class Fault(msgspec.Struct, omit_defaults=True):
    """An error code over the run: seconds of the first and the last, and a sample of what was said."""

    count: int = 0
    first: float = 0.0
    last: float = 0.0
    operations: dict[str, int] = {}
    stages: dict[str, int] = {}
    sample: str = ""


class Line(msgspec.Struct, omit_defaults=True):
    """A figure of the target's side. `at` in seconds into the run."""

    name: str
    labels: dict[str, str]
    unit: str
    at: list[float]
    values: list[float | None]


class Mark(msgspec.Struct, frozen=True):
    """Something that is drawn as a line across all charts, `at` seconds into the run."""

    at: float
    kind: str
    text: str


class File(msgspec.Struct, frozen=True):
    """A file of the record: its size and SHA-256."""

    name: str
    bytes: int
    sha256: str


class Digest(msgspec.Struct, omit_defaults=True):
    """A whole run. `moments` and `generator` are columns by name, each over instants `step` seconds apart."""

    run: Run
    plan: str
    format: int = FORMAT
    died: bool = False
    step: float = 1.0
    spells: list[Spell] = []
    moments: dict[str, list[float | None]] = {}
    generator: dict[str, list[float | None]] = {}
    lag: bytes = b""
    lag_starved: bytes = b""
    workers: dict[str, dict[str, float]] = {}
    """By worker, over the run: what was worst, and seconds used."""
    faults: dict[str, Fault] = {}
    events: list[Happening] = []
    lines: list[Line] = []
    marks: list[Mark] = []
    joined: ServerSide | None = None
    """What was concluded of the server's side, as the record has it."""
    files: list[File] = []


def calls(digest: Digest) -> list[tuple[str, Spell]]:
    """All stages, each with a name of its own: a second one of the same name is called ``constant (2)``, and so on."""
    seen: Counter[str] = Counter()
    found = []
    for spell in digest.spells:
        name = spell.stage.name
        seen[name] += 1
        found.append((name if seen[name] == 1 else f"{name} ({seen[name]})", spell))
    return found


def kept(digest: Digest, path: Path) -> None:
    """Write it down, with gzip where the name ends so. Two of the same digest are the same bytes."""
    content = msgspec.json.encode(digest) + b"\n"
    path.write_bytes(gzip.compress(content, 9, mtime=0) if path.suffix == ".gz" else content)


def opened(path: Path) -> Digest:
    """Read one that was kept; raises Refused."""
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        found = msgspec.json.decode(content, type=Digest)
    except OSError as fault:
        raise Refused(f"{path} cannot be read: {fault.strerror or fault}", code="unknown-run") from None
    except (msgspec.DecodeError, UnicodeDecodeError, EOFError) as fault:
        raise Refused(f"{path} holds no condensed run: {fault}", code="damaged-run") from None
    if found.format > FORMAT:
        raise Refused(f"{path} was condensed by a later version of Watchkeeper", code="later-run")
    return found
