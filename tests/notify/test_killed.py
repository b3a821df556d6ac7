"""The hub killed between any two steps, over real receivers: nothing is lost, and a copy can be known as one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from rigs.delivery import Talker, channel, count, killed_again_and_again, outages
from rigs.mouthpiece import STEPS
from rigs.receivers import Hook, MailServer


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kills", "pairs", "steps"),
    [
        (4, 6, ("inserted", "claimed", "sent", "settled")),
        pytest.param(30, 60, tuple(STEPS), marks=[pytest.mark.long, pytest.mark.timeout(900)]),
    ],
)
async def test_a_hub_killed_at_any_step_loses_nothing(tmp_path: Path, kills: int, pairs: int, steps: Sequence[str]) -> None:
    """All that was said to be durable arrives, in order within an incident; copies carry the key of the first.

    A kill costs each receiver one copy at most: what had been handed over when it came. Over many messages that is under 1 %.
    """
    hook, mail = Hook(), MailServer()
    async with hook.running(), mail.running():
        talker = Talker(tmp_path, channel("hook", hook) + channel("mail", mail))
        await killed_again_and_again(talker, ("hook", "mail"), kills, pairs, random.Random(7), steps)
        for receiver in (hook, mail):
            found = count(receiver, talker.told)
            assert found.lost == 0
            assert found.other_keys == 0
            assert found.out_of_order == 0
            assert found.copies <= kills
            if kills >= 30:
                assert found.share < 0.01


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_an_outage_of_a_minute_loses_nothing(tmp_path: Path) -> None:
    """Away, hanging, 503, 451, cut off, redirected, ten megabytes: all arrives, in order; copies only where it was taken."""
    for case, found in await outages(tmp_path, 60, 30):
        assert (found.lost, found.other_keys, found.out_of_order) == (0, 0, 0), case.does
        assert found.copies == (2 if case.name in {"hook-after", "hook-cuts"} else 0), case.does
