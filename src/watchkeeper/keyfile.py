"""Secrets that this machine makes for itself and keeps in a file of its own: tokens for its programs, keys for signing.

256 random bits, mode 0600, made at the first need and the same ever after. A file that others may read is closed to them.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from watchkeeper.errors import Failed

LEAST_CHARS = 32
"""A shorter text was torn by a full disk: it is replaced."""


def kept_secret(file: Path) -> str:
    """The secret in `file`, made if there is none; blocks. Raises `Failed` when the file cannot be read or written."""
    try:
        with contextlib.suppress(FileNotFoundError):
            secret = file.read_text(encoding="ascii", errors="replace").strip()
            file.chmod(0o600)
            if len(secret) >= LEAST_CHARS:
                return secret
        secret = secrets.token_urlsafe(32)
        fresh = file.with_name(f".{file.name}.new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as out:
            out.write(secret + "\n")
        fresh.replace(file)
    except OSError as fault:
        raise Failed(f"the secret file {file} cannot be used: {fault.strerror}", retry=False) from fault
    return secret
