"""Fuzz one target, or run it on files: `python tests/fuzz/one.py TARGET [FILE …] [libFuzzer's options]`; needs atheris."""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "src")]

with atheris.instrument_imports(include=["cloudnet", "watchkeeper"]):
    from fuzz.targets import TARGETS

name, *rest = sys.argv[1:]
atheris.Setup([name, *rest], TARGETS[name][0])
atheris.Fuzz()
