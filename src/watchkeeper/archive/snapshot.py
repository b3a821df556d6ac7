"""A whole copy of a data folder while a hub writes to it.

The order makes it whole: a frame is in the log until it is sealed into a chunk file, and a layout is in the catalogue before
any frame that needs it is durable. So the log comes first, then the chunks, then the catalogue: what was durable when the
copy began is in it, and what came in twice is known to be there already by the store's own recovery. SQLite files are copied
by SQLite (one consistent state each), log segments up to their last whole batch.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from watchkeeper.errors import Failed
from watchkeeper.store.log import batches

SMALL_BYTES = 1 << 20
"""Files of the folder itself (tokens, keys) are small; what is larger is nothing of ours."""

LEFT_OUT = {"hub.json", "lock"}
"""True only of the running hub."""

PAGES = 512
"""So many pages of a database are copied at a time: its writer gets a turn between."""


def take(data: Path, target: Path) -> None:
    """Copy what must survive of `data` into the new folder `target`. Raises Failed."""
    try:
        _store(data / "store", target / "store")
        if (data / "journal.db").exists():
            _database(data / "journal.db", target / "journal.db")
        for path in _small_files(data):
            _copy(path, target / path.name)
    except sqlite3.Error as fault:
        raise Failed(f"a database below {data} cannot be copied: {fault}") from None
    except OSError as fault:
        raise Failed(f"{fault.filename or data}: {fault.strerror}") from None


def _store(store: Path, target: Path) -> None:
    if not store.is_dir():
        return
    target.mkdir(parents=True)
    (target / "log").mkdir()
    for segment in sorted((store / "log").glob("*.log")):
        _segment(segment, target / "log" / segment.name)
    for tier in ("t0", "t1", "t2"):
        for path in sorted(store.glob(f"{tier}-*.db")):
            _database(path, target / path.name)
    if (store / "meta.db").exists():
        _database(store / "meta.db", target / "meta.db")


def _segment(path: Path, target: Path) -> None:
    """The log's file up to its last whole batch; one that was dropped meanwhile is sealed in the chunks that follow."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return
    sound = 0
    for end, _ in batches(raw, {}):
        sound = end
    if sound:
        target.write_bytes(raw[:sound])


def _database(path: Path, target: Path) -> None:
    """One state of a database, whoever writes to it; one that retention has removed meanwhile is no loss."""
    if not path.exists():
        return
    reading = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    with closing(reading) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy, pages=PAGES)
    target.chmod(0o600)


def _small_files(data: Path) -> Iterator[Path]:
    for path in sorted(data.iterdir()):
        named = path.name not in LEFT_OUT and not path.name.startswith(("journal.db", "."))
        if named and path.is_file() and not path.is_symlink() and path.stat().st_size <= SMALL_BYTES:
            yield path


def _copy(path: Path, target: Path) -> None:
    try:
        shutil.copyfile(path, target)
    except FileNotFoundError:
        return
    target.chmod(path.stat().st_mode & 0o777)
