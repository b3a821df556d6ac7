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
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from _noise import Noise, table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from rigs.delivery import Count, Talker, channel, count, killed_again_and_again, talk
from rigs.receivers import Fault, Hook, MailServer, Receiver

OUTAGE = float(os.environ.get("BENCH_OUTAGE", "60"))
KILLS = int(os.environ.get("BENCH_KILLS", "30"))
PAIRS = int(os.environ.get("BENCH_PAIRS", "60"))
HEADS = ("RECEIVER", "DOES", "TOLD", "DELIVERED", "LOST", "COPIES", "SAME KEY", "OUT OF ORDER", "DELAY first / last, s")


class Case:
    """A receiver and what it does."""

    def __init__(self, name: str, receiver: Receiver, does: str, fault: Fault = "", some: tuple[Fault, ...] = ()) -> None:
        self.name = name
        self.receiver = receiver
        self.does = does
        self.fault = fault
        self.receiver.faults = list(some)

    @property
    def away(self) -> bool:
        """Whether it is not there at all during the outage."""
        return self.does.startswith("away")


def cases() -> list[Case]:
    """All of them."""
    return [
        Case("plain", Hook(), "takes all"),
        Case("hook-away", Hook(), f"away for {OUTAGE:.0f} s"),
        Case("mail-away", MailServer(), f"away for {OUTAGE:.0f} s"),
        Case("hook-503", Hook(), f"503 to all for {OUTAGE:.0f} s", "unavailable"),
        Case("hook-hangs", Hook(), f"hangs for {OUTAGE:.0f} s, looks too", "hang"),
        Case("mail-451", MailServer(), f"451 for {OUTAGE:.0f} s", "before"),
        Case("hook-500", Hook(), "500 to three messages, looks are well", some=("before",) * 3),
        Case("hook-after", Hook(), "500 after it took two", some=("after", "after")),
        Case("hook-cuts", Hook(), "cuts off two answers", some=("cut", "cut")),
        Case("hook-slow", Hook(), "answers ten after 0.5 s", some=("slow",) * 10),
        Case("hook-big", Hook(), "answers five with 10 MB", some=("big",) * 5),
        Case("hook-odd", Hook(), "redirects, answers garbage", some=("redirect", "garbage")),
    ]


async def outages(folder: Path) -> list[tuple[Case, Count]]:
    """All receivers at once: well, then away or failing, then well again."""
    every = cases()
    async with AsyncExitStack() as stack:
        for case in every:
            await stack.enter_async_context(case.receiver.running())
        short = 'timeout = "2s"'
        talker = Talker(folder, "".join(channel(case.name, case.receiver, short) for case in every))
        await talker.live()
        for case in every:
            case.receiver.up_at = 0.0
            case.receiver.fault = case.fault
            if case.away:
                await case.receiver.down()
        await talk(talker, [case.name for case in every], 30)
        await asyncio.sleep(OUTAGE)
        for case in every:
            case.receiver.fault = ""
            if case.away:
                await case.receiver.up()
            elif case.fault:
                case.receiver.up_at = time.time()
        await talker.settle(240)
        await talker.stop()
        return [(case, count(case.receiver, talker.told)) for case in every]


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
    rows = []
    kept = True
    for part in (outages, kills):
        for case, found in measured(part):
            same = found.copies - found.other_keys
            rows.append(
                (
                    "mail" if isinstance(case.receiver, MailServer) else "webhook",
                    case.does,
                    found.told,
                    found.delivered,
                    found.lost,
                    f"{found.copies} ({found.share:.2%})",
                    same,
                    found.out_of_order,
                    found.delay() if case.fault or case.away else "-",
                )
            )
            kept = kept and not found.lost and not found.other_keys and not found.out_of_order
        noise.look()
    table("Delivery", HEADS, rows, str(noise))
    return 0 if kept else 1


def measured(part: Callable[[Path], Awaitable[list[tuple[Case, Count]]]]) -> list[tuple[Case, Count]]:
    """Run one part in a folder of its own."""

    async def run() -> list[tuple[Case, Count]]:
        with tempfile.TemporaryDirectory() as folder:
            return await part(Path(folder))

    return asyncio.run(run())


if __name__ == "__main__":
    sys.exit(main())
