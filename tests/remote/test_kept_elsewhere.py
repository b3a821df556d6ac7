"""A hub that keeps its figures in VictoriaMetrics: while that is away agents keep theirs, and nothing is missing later."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest

from rigs import victoria
from rigs.programs import Programs, until

CONFIG = """
[agent]
period = "200ms"
[machine]
name = "test-machine"
[store]
url = "{url}"
"""


@pytest.mark.slow
def test_an_outage_of_the_store_loses_nothing(tmp_path: Path) -> None:
    """The hub says that it is not ready and acknowledges nothing; what agents held meanwhile is there once it is back."""
    if victoria.PROGRAM is None:
        pytest.skip(victoria.MISSING)
    with victoria.Victoria(tmp_path / "victoria") as other:
        one = Programs(tmp_path, CONFIG.replace("{url}", other.url))
        try:
            hub = one.hub()
            one.agent()
            until(lambda: (answer := one.ask("/readyz")) and answer.status_code == 200, "the hub")
            until(lambda: other.samples("node_load1"), "the first figures")
            assert not (one.data / "store").exists()
            began = max(at for samples in other.samples("node_load1").values() for at in samples)
            other.process.terminate()
            other.process.wait(30)
            until(lambda: (answer := one.ask("/readyz")) and answer.status_code == 503, "the hub to say that it is not ready")
            time.sleep(0.7)  # figures that only the agent has
            hub.kill()
            hub.wait()
            one.hub()
            other.start()
            other.wait_ready()
            end = round(time.time() * 1000)
            until(lambda: newest(other) > end, "figures of now")
            until(lambda: (answer := one.ask("/readyz")) and answer.status_code == 200, "the hub to be ready again")
            answer = one.ask("/api/charts/load?machine=test-machine")
            assert answer is not None
            assert answer.status_code == 200, answer.text
            times = sorted(at for samples in other.samples("node_load1").values() for at in samples if began <= at <= end)
        finally:
            one.close()
    gaps = [after - before for before, after in pairwise(times)]
    assert max(gaps) <= 1000, "five rounds a second, whoever was away"


def newest(other: victoria.Victoria) -> int:
    """The instant of the newest figure."""
    return max((at for samples in other.samples("node_load1").values() for at in samples), default=0)
