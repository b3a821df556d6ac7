"""What all tests of the stress lab have."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def precedence(request: pytest.FixtureRequest) -> Iterator[None]:
    """In long tests server and generator go before what else runs here, where that may be asked for: they are measured."""
    if request.node.get_closest_marker("long") is None:
        yield
        return
    before = os.getpriority(os.PRIO_PROCESS, 0)
    _nice(-15)
    yield
    _nice(before)


def _nice(wanted: int) -> None:
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, wanted)
        Path("/proc/self/autogroup").write_text(str(wanted))
