"""Is every message delivered? Receivers that fail as real ones do, outages, and 30 kill -9 of the hub; the table that says so.

The hub is real and in a process of its own, told through a mouthpiece; receivers are a webhook's and a mail server's, over
loopback. Each row is a channel of its own, all at once. `DELAY` is from the receiver's return to each message that waited for
it (first and last). `COPIES` arrived more than once, `SAME KEY` of them can be known by it. BENCH_OUTAGE sets how long
receivers are away (60 s), BENCH_KILLS how often the hub dies (30), BENCH_PAIRS how many incidents are told in each of its
lives (60). ``--write`` puts both tables into docs/delivery-matrix.md, as `dev.py deliveries` does.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
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


PAGE = Path(__file__).resolve().parents[1] / "docs" / "delivery-matrix.md"
INTRO = """<!-- Made by `python3 dev.py deliveries`, which runs all of it; do not edit. -->

# Delivery matrix

Whether every message arrives: what is done to receivers and to the hub, and what came of it, measured by the command that
made this page. The hub is the real one in a process of its own, with its journal on the disk; receivers are a webhook's and a
mail server's. Each row is a channel of its own, and each incident is told twice: that it fires, and that it is over.

*Lost*: said to be durable, and never arrived. *Copies* arrived more than once, *same key* of them carry the key of the
first, so that a receiver can tell. *Out of order*: an end before its beginning. *Delay*: seconds from the receiver's return
to the first and the last message that had waited for it.
"""


def main() -> int:
    """Run both and print the table; 1 when a promise was not kept."""
    noise = Noise()
    kept = True
    page = [INTRO]
    parts = {"Receivers that fail": partial(outages, seconds=OUTAGE, pairs=30), "A hub that is killed": kills}
    for title, part in parts.items():
        found = measured(part)
        noise.look()
        rows = [row(*one) for one in found]
        table(title, HEADS, rows, str(noise))
        page.append(f"## {title}\n\n{listed(rows)}\nOn this {noise}.\n")
        kept = kept and not any(one.lost or one.other_keys or one.out_of_order for _, one in found)
    if "--write" in sys.argv[1:]:
        PAGE.write_text("\n".join(page), encoding="utf-8")
    return 0 if kept else 1


def listed(rows: Sequence[Sequence[object]]) -> str:
    """Rows as a page has them."""
    heads = [head.lower() for head in HEADS]
    lines = [heads, ["---"] * len(heads), *([str(cell) for cell in one] for one in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


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
