"""Configuration and data folder: can they be used, whose are they, and who else can read them?"""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from watchkeeper.doctor.finding import Finding, Patient

SECRETS = ("token", "link-token", "write-token")
SLOW_SYNC_SECONDS = 0.25
"""A disk that takes longer for one small synced write holds up every acknowledgement to agents."""


def examine(patient: Patient) -> Iterator[Finding]:
    """The configuration first: what follows depends on it."""
    yield _configuration(patient)
    if not patient.data.is_dir():
        yield Finding("data folder", "fail", f"there is no {patient.data}", "start Watchkeeper once, or name it with --data")
        return
    yield _rights(patient.data)
    yield from _secrets(patient.data)
    yield _writes(patient.data)
    yield _room(patient)
    yield _journal(patient.data)


def _configuration(patient: Patient) -> Finding:
    if patient.fault:
        return Finding("configuration", "fail", patient.fault, "`watchkeeper config check` tells file and line")
    if patient.config is None:
        return Finding("configuration", "pass", "no file: the defaults hold", "`watchkeeper init` writes one")
    mode = stat.S_IMODE(patient.config.stat().st_mode)
    if mode & 0o002:
        return Finding("configuration", "fail", f"everybody may change {patient.config}", f"chmod o-w {patient.config}")
    return Finding("configuration", "pass", f"{patient.config} can be used")


def _rights(data: Path) -> Finding:
    seen = data.stat()
    mode = stat.S_IMODE(seen.st_mode)
    if mode & 0o077:
        return Finding("data folder", "warn", f"{data} has mode {mode:04o}: others can look into it", f"chmod 700 {data}")
    if hasattr(os, "geteuid") and seen.st_uid != os.geteuid():
        return Finding("data folder", "warn", f"{data} belongs to another user (uid {seen.st_uid})", "run this as its owner")
    return Finding("data folder", "pass", f"{data} is its owner's alone")


def _secrets(data: Path) -> Iterator[Finding]:
    for name in SECRETS:
        file = data / name
        if file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077:
            yield Finding("tokens", "fail", f"others can read {file}, which lets them in", f"chmod 600 {file}")
            return
    yield Finding("tokens", "pass", "no other user can read them")


def _writes(data: Path) -> Finding:
    began = time.monotonic()
    try:
        with tempfile.NamedTemporaryFile(dir=data, prefix=".doctor-") as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
    except OSError as fault:
        return Finding(
            "disk", "fail", f"nothing can be written in {data}: {fault.strerror}", "check owner, mount and free space"
        )
    took = time.monotonic() - began
    if took > SLOW_SYNC_SECONDS:
        return Finding(
            "disk", "warn", f"a small write took {took * 1000:.0f} ms to be safe", "a busy or failing disk; look at its health"
        )
    return Finding("disk", "pass", f"a small write was safe after {took * 1000:.1f} ms")


def _room(patient: Patient) -> Finding:
    usage = shutil.disk_usage(patient.data)
    budget = int(patient.settings.hub.store.budget) if patient.settings is not None else 0
    held = sum(path.stat().st_size for path in (patient.data / "store").rglob("*") if path.is_file())
    told = f"{usage.free / 1e9:.1f} GB free, {held / 1e9:.2f} GB kept of at most {budget / 1e9:.1f}"
    if usage.free < 0.02 * usage.total:
        return Finding("room", "fail", f"the disk is nearly full: {told}", "free some space; figures are dropped soon")
    if budget and usage.free < budget - held:
        return Finding("room", "warn", told, "the disk will not hold what [store] budget allows: the oldest figures go sooner")
    return Finding("room", "pass", told)


def _journal(data: Path) -> Finding:
    path = data / "journal.db"
    if not path.exists():
        return Finding("journal", "skip", "no hub has run with this folder")
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as journal:
            said = [row[0] for row in journal.execute("pragma quick_check(3)")]
    except sqlite3.Error as fault:
        return Finding("journal", "fail", f"{path} cannot be read: {fault}", "restore a backup")
    if said != ["ok"]:
        return Finding("journal", "fail", f"{path} is damaged: {'; '.join(said)}", "restore a backup")
    return Finding("journal", "pass", f"sound, {path.stat().st_size / 1e6:.1f} MB")
