"""What the server's side comes to, as files of a run's folder: lines to draw, marks on the clock, and findings.

``server.json`` and ``marks.json`` are plain arrays, so that whoever draws needs nothing else; ``serverside.json`` holds what
was concluded from them. Each is replaced as a whole. Times named `at` here are ms since the epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from watchkeeper.errors import Refused

T = TypeVar("T")

MarkKind = Literal["alert-firing", "alert-resolved", "restart", "hang", "event"]

MOST_POINTS = 4000
"""Of a line. A run of days is thinned, so that its report stays one that opens."""


class Line(msgspec.Struct, frozen=True):
    """One figure over the run. Counters are told as their rise a second, and the unit says so (``bytes/s``, ``cores``)."""

    name: str
    labels: dict[str, str]
    unit: str
    at: list[int]
    values: list[float | None]


class Mark(msgspec.Struct, frozen=True):
    """Something that happened, for a line across all charts."""

    at: int
    kind: MarkKind
    text: str


class Saturated(msgspec.Struct, frozen=True):
    """The resource that was full first: since when (s into the run), in which stage, and how full at that moment.

    `value` and `limit` are in `unit`; `text` says it in words.
    """

    resource: str
    at: float
    stage: str
    value: float
    limit: float
    unit: str
    text: str


class Cost(msgspec.Struct, frozen=True):
    """What one more costs, with its 95 % interval; `value` None where it could not be told, and `why`."""

    value: float | None = None
    low: float = 0.0
    high: float = 0.0
    points: int = 0
    why: str = ""


class Fired(msgspec.Struct, frozen=True):
    """An alert that was firing during the run. Lags in seconds.

    `lag`: from when its condition began to hold until it fired; `after_load`: from the beginning of the stage that was run
    when its condition began to hold; `to_resolve`: from firing to resolved (None: it was not yet).
    """

    name: str
    severity: str
    stage: str
    fired_at: int
    lag: float
    after_load: float | None
    to_resolve: float | None
    text: str


class ServerSide(msgspec.Struct, frozen=True):
    """What is known of the server's side: ``serverside.json``. `sources` are who said it, `notes` what a reader must know."""

    saturated: tuple[Saturated, ...] = ()
    """Everything that was full at some time, the first one first."""
    why: str = ""
    """Why nothing is named, where nothing is."""
    bytes_per_connection: Cost = Cost()
    seconds_per_message: Cost = Cost()
    alerts: tuple[Fired, ...] = ()
    restarts: int = 0
    hangs: int = 0
    subject: dict[str, str] = {}
    """What was measured, as its agent tells it apart: ``build``, ``config`` and ``host``, each a digest."""
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def write(folder: Path, lines: Sequence[Line], marks: Sequence[Mark], found: ServerSide) -> None:
    """Keep all three; raises OSError."""
    for name, content in (("server", lines), ("marks", marks), ("serverside", found)):
        fresh = folder / f"{name}.json.new"
        fresh.write_bytes(msgspec.json.encode(content) + b"\n")
        fresh.replace(folder / f"{name}.json")


def lines(folder: Path) -> list[Line]:
    """The lines of a run, empty where it has none; raises Refused for a damaged file."""
    return _read(folder / "server.json", list[Line]) or []


def marks(folder: Path) -> list[Mark]:
    """The marks of a run; as `lines`."""
    return _read(folder / "marks.json", list[Mark]) or []


def found(folder: Path) -> ServerSide | None:
    """The findings of a run, None where nothing was joined; raises Refused for a damaged file."""
    return _read(folder / "serverside.json", ServerSide)


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise Refused(f"{path} cannot be read: {fault}", code="damaged-run") from None
