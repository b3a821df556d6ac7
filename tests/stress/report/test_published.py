"""The reports in the repository are what their raw data give, to the last figure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BUILD = Path(__file__).resolve().parents[3] / "docs" / "reports" / "build.py"


@pytest.mark.skipif(not BUILD.is_file(), reason="the documentation is not here")
def test_every_published_figure_comes_out_of_the_raw_data() -> None:
    """Recomputed from the condensed runs, each figure is the published one."""
    done = subprocess.run([sys.executable, str(BUILD), "--check"], capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stderr
