"""What every package shares: an installed tree with its dependencies, man pages, completions.

Man pages and completions are made from the grammar of the command line itself, so they cannot drift from it.
"""

from __future__ import annotations

import argparse
import gzip
import subprocess
import sys
from pathlib import Path

from argparse_manpage.manpage import Manpage

from watchkeeper import __version__
from watchkeeper.cli import VERBS, parser
from watchkeeper.cli.completion import SHELLS, script

HOME = Path(__file__).resolve().parent.parent
LOCK = HOME / "requirements.lock"


def installed(wheel: Path, folder: Path, python: str = sys.executable) -> Path:
    """A virtual environment with the wheel and the locked versions of what it needs, and without pip."""
    subprocess.run([python, "-m", "venv", "--without-pip", str(folder)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install"]
    quietly = ["--quiet", "--disable-pip-version-check", "--no-compile", "--only-binary", ":all:"]
    subprocess.run([*pip, *quietly, "-c", str(LOCK), str(wheel)], check=True)
    return folder


def man_pages(folder: Path) -> None:
    """``watchkeeper.1.gz`` and a page for each verb, ``watchkeeper-status.1.gz``."""
    folder.mkdir(parents=True, exist_ok=True)
    top = parser()
    below = next(action for action in top._actions if isinstance(action, argparse._SubParsersAction))  # noqa: SLF001  # nowhere else
    pages = {"watchkeeper": top} | {f"watchkeeper-{verb.name}": below.choices[verb.name] for verb in VERBS}
    for name, grammar in pages.items():
        data = {"project_name": "Watchkeeper", "version": __version__, "manual_title": "Watchkeeper"}
        data["description"] = (grammar.description or "").rstrip(".")
        text = str(Manpage(grammar, data, "single-commands-section" if grammar is top else "pretty"))
        write_gz(folder / f"{name}.1.gz", text.encode())


def completions(folder: Path, names: dict[str, str]) -> None:
    """A completion script for each shell, at the path that `names` says."""
    for shell in SHELLS:
        if shell in names:
            target = folder / names[shell]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(script(shell), encoding="utf-8")


def write_gz(target: Path, content: bytes) -> None:
    """Compressed without a time and a name inside, so that the same text gives the same bytes."""
    target.write_bytes(gzip.compress(content, 9, mtime=0))
