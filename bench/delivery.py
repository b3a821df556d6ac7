"""Is every message delivered? Receivers that fail as real ones do, outages, and 30 kill -9 of the hub; the table that says so.

The hub is real and in a process of its own, told through a mouthpiece; receivers are a webhook's and a mail server's, over
loopback. Each row is a channel of its own, all at once. `DELAY` is from the receiver's return to each message that waited for
it (first and last). `COPIES` arrived more than once, `SAME KEY` of them can be known by it. BENCH_OUTAGE sets how long
receivers are away (60 s), BENCH_KILLS how often the hub dies (30), BENCH_PAIRS how many incidents are told in each of its
lives (60).
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from _noise import Noise, table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from rigs.delivery import Case, Count, Talker, channel, count, killed_again_and_again, outages
from rigs.receivers import Hook, MailServer

OUTAGE = float(os.environ.get("BENCH_OUTAGE", "60"))
KILLS = int(os.environ.get("BENCH_KILLS", "30"))
PAIRS = int(os.environ.get("BENCH_PAIRS", "60"))
HEADS = ("RECEIVER", "DOES", "TOLD", "DELIVERED", "LOST", "COPIES", "SAME KEY", "OUT OF ORDER", "DELAY first / last, s")


async def kills(folder: Path) -> list[tuple[Case, Count]]:
    """The hub dies again and again."""
    hook, mail = Hook(), MailServer()
    async with hook.running(), mail.running():
        talker = Talker(folder, channel("hook", hook) + channel("mail", mail))
        await killed_again_and_again(talker, ("hook", "mail"), KILLS, PAIRS, random.Random())
        does = f"takes all; the hub is killed {KILLS} times"
        return [(Case("hook", hook, does), count(hook, talker.told)), (Case("mail", mail, does), count(mail, talker.told))]


def main() -> int:
    """Run both and print the table; 1 when a promise was not kept."""
    noise = Noise()
    kept = True
    parts = {"Receivers that fail": partial(outages, seconds=OUTAGE, pairs=30), "A hub that is killed": kills}
    for title, part in parts.items():
        found = measured(part)
        noise.look()
        table(title, HEADS, [row(*one) for one in found], str(noise))
        kept = kept and not any(one.lost or one.other_keys or one.out_of_order for _, one in found)
    return 0 if kept else 1


def row(case: Case, found: Count) -> tuple[object, ...]:
    """A line of the table."""
    kind = "mail" if isinstance(case.receiver, MailServer) else "webhook"
    copies = f"{found.copies} ({found.share:.2%})"
    same = found.copies - found.other_keys
    delay = found.delay() if case.fault or case.away else "-"
    return kind, case.does, found.told, found.delivered, found.lost, copies, same, found.out_of_order, delay


def measured(part: Callable[[Path], Awaitable[list[tuple[Case, Count]]]]) -> list[tuple[Case, Count]]:
    """Run one part in a folder of its own."""

    async def run() -> list[tuple[Case, Count]]:
        with tempfile.TemporaryDirectory() as folder:
            return await part(Path(folder))

    return asyncio.run(run())


if __name__ == "__main__":
    sys.exit(main())
