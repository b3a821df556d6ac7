"""What holds for all tests: no property's example is wrong for being slow on a busy machine, and no edge cuts what is told."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
os.environ.pop("COLUMNS", None)  # a terminal's width, or a test runner's: what a pipe gets has no edge
