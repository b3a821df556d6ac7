"""The built-in plans' files. Apart from `plan`, so that they can be listed without loading every protocol."""

from __future__ import annotations

from pathlib import Path

BUILT_IN = Path(__file__).parent / "plans"


def built_in() -> dict[str, Path]:
    """The built-in plans' files by name."""
    return {path.stem: path for path in sorted(BUILT_IN.glob("*.toml"))}
