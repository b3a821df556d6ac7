"""Put an archive back: into a folder that does not exist yet or is empty, whole or not at all.

Nothing in the archive is trusted before it is compared: only files that the manifest names are taken, each by its size and
digest, below the target and nowhere else; the folder gets its name once all of them are there.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
from pathlib import Path, PurePosixPath
from typing import IO

import msgspec

from watchkeeper.archive.manifest import NAME, Entry, Manifest, check_versions
from watchkeeper.errors import Failed, Refused

MOST_MANIFEST = 16 << 20
BLOCK = 1 << 20


def restore(archive: Path, data: Path) -> Manifest:
    """Unpack `archive` as the data folder `data`.

    Raises Refused for a folder that holds something, an archive that is none, is damaged or is newer than this program;
    Failed when the disk does not take it. In every case `data` is as it was.
    """
    if data.exists() and any(data.iterdir()):
        raise Refused(f"{data} holds something already: move it away, or name another with --data", code="exists")
    try:
        with tarfile.open(archive, "r:gz") as packed:
            manifest = _manifest(packed)
            check_versions(manifest)
            data.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".watchkeeper-restore-", dir=data.parent) as room:
                folder = Path(room) / "data"
                folder.mkdir(mode=0o700)
                _unpack(packed, manifest, folder)
                if data.exists():
                    data.rmdir()
                folder.rename(data)
    except FileNotFoundError:
        raise Refused(f"there is no file {archive}", code="no-file") from None
    except (tarfile.TarError, EOFError, msgspec.MsgspecError, UnicodeDecodeError) as fault:
        raise Refused(f"{archive} is no backup of ours, or is damaged: {fault}", code="damaged") from None
    except OSError as fault:
        told = fault.strerror or str(fault)  # gzip's own complaints come without a number
        raise Failed(f"{archive} cannot be put back: {told}", retry=False) from None
    return manifest


def _manifest(packed: tarfile.TarFile) -> Manifest:
    first = packed.next()
    file = packed.extractfile(first) if first and first.name == NAME and first.isfile() else None
    if file is None:
        raise Refused("this is no backup of ours: its first part is no manifest", code="damaged")
    return msgspec.json.decode(file.read(MOST_MANIFEST), type=Manifest)


def _unpack(packed: tarfile.TarFile, manifest: Manifest, folder: Path) -> None:
    wanted = {entry.path: entry for entry in manifest.files}
    while member := packed.next():
        entry = wanted.pop(member.name, None)
        file = packed.extractfile(member) if entry and member.isfile() else None
        if entry is None or file is None or member.size != entry.size:
            raise Refused(f"the backup is damaged: {member.name[:200]!r} is not as its manifest says", code="damaged")
        _take(file, entry, folder, member.mode & 0o777)
    if wanted:
        raise Refused(f"the backup is damaged: {len(wanted)} files are missing, such as {min(wanted)}", code="damaged")


def _take(file: IO[bytes], entry: Entry, folder: Path, mode: int) -> None:
    pure = PurePosixPath(entry.path)
    if pure.is_absolute() or ".." in pure.parts or "\\" in entry.path:
        raise Refused(f"the backup is damaged: {entry.path[:200]!r} is no path below a data folder", code="damaged")
    target = folder.joinpath(*pure.parts)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    seen = hashlib.sha256()
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        while block := file.read(BLOCK):
            seen.update(block)
            out.write(block)
        out.flush()
        os.fsync(out.fileno())
    if seen.hexdigest() != entry.sha256:
        raise Refused(f"the backup is damaged: {entry.path} has changed since it was made", code="damaged")
    target.chmod(mode & 0o700 | mode & 0o044)
