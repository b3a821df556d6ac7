"""How the programs tell what they do: one line each on stderr, time in UTC, nothing secret."""

from __future__ import annotations

import logging
import time


def configure_log(program: str, level: str) -> None:
    """Send this process's log to stderr as ``2026-01-31T12:00:00Z hub warning: …``."""
    formatter = logging.Formatter(f"%(asctime)s {program} %(levelname)s: %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    for number, name in ((10, "debug"), (20, "info"), (30, "warning"), (40, "error"), (50, "critical")):
        logging.addLevelName(number, name)
    stream = logging.StreamHandler()
    stream.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[stream], force=True)
