"""Freed memory is kept for the next question."""

from __future__ import annotations

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import numpy as np
from watchkeeper.memory import keep_freed
if sys.argv[1] == "kept":
    assert keep_freed()
for _ in range(3):
    [np.ones(1 << 17) for _ in range(8)]
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    [np.ones(1 << 17) for _ in range(8)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's rules")
def test_what_is_freed_together_is_taken_again_without_fresh_pages() -> None:
    """Eight arrays of a MiB, ten times: twenty thousand pages by the library's own rules, next to none by ours."""
    assert faults("kept") < 1000 < faults("given back")


def faults(how: str) -> int:
    """Pages that the system had to bring."""
    done = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True)
    return int(done.stdout)
