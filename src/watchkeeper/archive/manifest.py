"""What an archive says of itself: its first member, read before anything else is believed."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec

from watchkeeper.errors import Failed, Refused
from watchkeeper.journal.migrations import MIGRATIONS
from watchkeeper.store.catalog import VERSION as STORE_VERSION

NAME = "manifest.json"
FORMAT = 1


class Entry(msgspec.Struct, frozen=True):
    """A file: its path below the data folder, its bytes, and their SHA-256 in hexadecimal."""

    path: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """`journal` and `store` are the versions of their tables and files; `made_at` in ms; `watchkeeper` for a person."""

    format: int
    watchkeeper: str
    journal: int
    store: str
    made_at: int
    files: tuple[Entry, ...]


def describe(folder: Path, watchkeeper: str, made_at: int) -> Manifest:
    """The manifest of a snapshot."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = tuple(Entry(path.relative_to(folder).as_posix(), path.stat().st_size, digest(path)) for path in paths)
    journal = _value(folder / "journal.db", "select version from journal_version")
    store = _value(folder / "store" / "meta.db", "select value from setting where name = 'version'")
    return Manifest(FORMAT, watchkeeper, int(journal or "0"), store, made_at, files)


def check_versions(manifest: Manifest) -> None:
    """Raises Refused (``newer``) when the archive holds what only a newer Watchkeeper can read."""
    newer = ""
    if manifest.format > FORMAT:
        newer = f"format {manifest.format} of the archive (this one reads up to {FORMAT})"
    elif manifest.journal > len(MIGRATIONS):
        newer = f"version {manifest.journal} of the journal (this one reads up to {len(MIGRATIONS)})"
    elif manifest.store and int(manifest.store) > int(STORE_VERSION):
        newer = f"version {manifest.store} of the store (this one reads up to {STORE_VERSION})"
    if newer:
        why = f"the backup was made by a newer Watchkeeper ({manifest.watchkeeper}) with {newer}: install that one first"
        raise Refused(why, code="newer")


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _value(path: Path, query: str) -> str:
    if not path.exists():
        return ""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            row = database.execute(query).fetchone()
    except sqlite3.Error as fault:
        raise Failed(f"{path.name} cannot be read: {fault}", retry=False) from None
    return str(row[0]) if row else ""
