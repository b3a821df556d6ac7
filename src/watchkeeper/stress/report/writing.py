"""The report's files: which formats there are, and all of them into a run's own folder. Each is replaced as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.errors import Refused
from watchkeeper.stress.record import Record
from watchkeeper.stress.report import hdrlog, sheet
from watchkeeper.stress.report.building import build
from watchkeeper.stress.report.digest import Digest, opened
from watchkeeper.stress.report.document import Report
from watchkeeper.stress.report.junit import junit
from watchkeeper.stress.report.page import page
from watchkeeper.stress.report.reading import read
from watchkeeper.stress.report.summary import summary

FOLDER = "report"
"""Below the run's own folder."""


def as_json(report: Report) -> str:
    """The report's numbers."""
    return msgspec.json.format(msgspec.json.encode(report), indent=1).decode() + "\n"


FORMATS: dict[str, tuple[str, Callable[[Report], str]]] = {
    "html": ("report.html", page),
    "json": ("report.json", as_json),
    "markdown": ("report.md", summary),
    "junit": ("junit.xml", junit),
    "csv": ("series.csv", sheet.series),
    "server-csv": ("server.csv", sheet.server),
}
"""A format by name: its file, and what makes it of a report."""
LOG = "hdr"
LOG_FILE = "latency.hlog"
NAMES = (*FORMATS, LOG)


def schema() -> dict[str, Any]:
    """JSON Schema of the report's JSON."""
    found = msgspec.json.schema(Report)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Watchkeeper stress report", **found}


def source(path: Path) -> Digest:
    """A digest, from a run's folder or from a file that a digest was kept in."""
    return read(Record(path)) if path.is_dir() else opened(path)


def write(record: Record, others: Sequence[Digest] = (), formats: Iterable[str] = NAMES) -> list[Path]:
    """Write a run's report in these formats; returns the files. Raises Refused."""
    return write_into(record.folder / FOLDER, build(read(record), others), record, formats)


def write_into(folder: Path, report: Report, record: Record | None, formats: Iterable[str]) -> list[Path]:
    """The same into any folder. Without a record there is no log, as a digest holds no single seconds."""
    found = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in formats:
            if name != LOG:
                file, make = FORMATS[name]
                found.append(_replaced(folder / file, [make(report)]))
            elif record is not None:
                found.append(_replaced(folder / LOG_FILE, hdrlog.lines(record)))
    except OSError as fault:
        raise Refused(f"the report cannot be written in {folder}: {fault.strerror}", code="no-report") from None
    return found


def _replaced(path: Path, content: Iterable[str] | Iterator[str]) -> Path:
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("w", encoding="utf-8", newline="") as file:
        for piece in content:
            file.write(piece)
    fresh.replace(path)
    return path
