"""What may be read of a run's folder: files by name, with what they are, and nothing beside the folder."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import msgspec

from watchkeeper.errors import Refused
from watchkeeper.stress.record import NAME

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".md": "text/markdown; charset=utf-8",
    ".xml": "application/xml",
    ".csv": "text/csv; charset=utf-8",
    ".toml": "text/plain; charset=utf-8",
    ".hlog": "text/plain; charset=utf-8",
    ".log": "text/plain; charset=utf-8",
    ".diff": "text/plain; charset=utf-8",
}
MOST = 64 << 20
"""Bytes of a file that is handed out through the API; larger ones are read on the disk."""
FOLDERS = ("", "report", "histograms", "hdr")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


class StressFile(msgspec.Struct, frozen=True):
    """One file of a run: its name (``report/latency.hlog`` below a folder), bytes, media type."""

    name: str
    bytes: int
    kind: str


def listed(folder: Path) -> list[StressFile]:
    """All that may be read, in order of name."""
    found: list[StressFile] = []
    for below in FOLDERS:
        try:
            paths = sorted((folder / below).iterdir())
        except OSError:
            continue
        found += [
            StressFile(f"{below}/{path.name}" if below else path.name, size, KINDS[path.suffix])
            for path in paths
            if _FILE.fullmatch(path.name) and path.suffix in KINDS and (size := _size(path)) is not None
        ]
    return found


def content(folder: Path, name: str) -> tuple[bytes, str]:
    """A file's content and media type; raises Refused for what is not there, or too large."""
    below, _, last = name.rpartition("/")
    path = folder / below / last
    size = _size(path) if below in FOLDERS and _FILE.fullmatch(last) and path.suffix in KINDS else None
    if size is None:
        raise Refused(f"the run has no file {name[:120]!r}", code="no-file")
    if size > MOST:
        raise Refused(f"{name} has {size} bytes: read it in {folder}", code="too-large")
    return path.read_bytes(), KINDS[path.suffix]


def folder_of(lab: Path, run: str) -> Path:
    """A run's folder; raises Refused for a name that is none, or of which there is none."""
    if not NAME.fullmatch(run) or not (lab / run / "run.json").is_file():
        raise Refused(f"there is no run {run[:80]!r} here", code="unknown-run")
    return lab / run


def _size(path: Path) -> int | None:
    """Of a file proper: no link leads out of the folder."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None
