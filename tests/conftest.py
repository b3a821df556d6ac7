"""What holds for all tests: no example of a property is wrong for being slow on a machine that is busy."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
