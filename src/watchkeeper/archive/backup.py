"""Make an archive of a data folder: a snapshot beside its place, the manifest, one compressed file, then its name.

The file holds tokens and all history: it is readable by its owner alone. It is read back and compared before it gets its name.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from pathlib import Path

import msgspec

from watchkeeper import __version__
from watchkeeper.archive.manifest import NAME, Manifest, describe
from watchkeeper.archive.snapshot import take
from watchkeeper.errors import Failed, Refused

LEVEL = 1
"""Chunks are compressed already; the journal shrinks well enough at the quickest level."""


def back_up(data: Path, target: Path, made_at: int) -> Manifest:
    """Write the archive `target` of the hub's folder `data`, which may be in use; `made_at` in ms.

    Raises Refused when there is nothing to back up or `target` exists, Failed when it cannot be read or written.
    """
    if not (data / "journal.db").exists():
        raise Refused(f"there is no hub's data in {data}", code="no-data")
    if target.exists():
        raise Refused(f"{target} is there already and is left as it is", code="exists")
    if not target.parent.is_dir():
        raise Refused(f"there is no folder {target.parent}", code="no-folder")
    with tempfile.TemporaryDirectory(prefix=".watchkeeper-backup-", dir=target.parent) as room:
        folder, packed = Path(room) / "data", Path(room) / "archive"
        folder.mkdir(mode=0o700)
        _look_for_room(data, target.parent)
        take(data, folder)
        manifest = describe(folder, __version__, made_at)
        try:
            _pack(folder, manifest, packed)
            os.link(packed, target)
        except FileExistsError:
            raise Refused(f"{target} is there already and is left as it is", code="exists") from None
        except OSError as fault:
            raise Failed(f"{target} cannot be written: {fault.strerror}") from None
    return manifest


def _pack(folder: Path, manifest: Manifest, packed: Path) -> None:
    said = folder.with_name(NAME)
    said.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    descriptor = os.open(packed, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=LEVEL, format=tarfile.PAX_FORMAT) as archive:
            archive.add(said, NAME)
            for entry in manifest.files:
                archive.add(folder / entry.path, entry.path, recursive=False)
        file.flush()
        os.fsync(file.fileno())


def _look_for_room(data: Path, place: Path) -> None:
    """Refuse before half of it is written: the snapshot and the archive stand there at the same time."""
    kept = [data / "journal.db", *(data / "store").rglob("*")]
    needed = 2 * sum(path.stat().st_size for path in kept if path.is_file())
    if (free := shutil.disk_usage(place).free) < needed:
        why = f"{place} has {free >> 20} MiB free, and the backup needs up to {needed >> 20} MiB there while it is made"
        raise Refused(why, code="no-room")
