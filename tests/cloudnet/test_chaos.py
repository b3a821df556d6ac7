"""Everything is killed and cut at random: nothing that was accepted is lost, nothing comes twice, the order is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from rigs.chaos import Chaos, judge


@pytest.mark.slow
async def test_thirty_clients_for_ten_seconds(tmp_path: Path) -> None:
    """Servers, clients and cables die at random; each message that was accepted is taken once and in order."""
    chaos = Chaos(tmp_path, 3, 10)
    await chaos.run(10)
    judge(chaos)


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_two_hundred_clients_for_a_minute(tmp_path: Path) -> None:
    """The same with more of everything."""
    chaos = Chaos(tmp_path, 8, 25)
    await chaos.run(60)
    judge(chaos)
