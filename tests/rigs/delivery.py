"""Proof of delivery: a hub that is told much and killed often, receivers that fail, and a count of what arrived.

A test and a bench come in. Everything is real: the hub in a process of its own, its journal on the disk, HTTP and SMTP over
loopback.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from pathlib import Path
from typing import NamedTuple

from rigs.mouthpiece import STEPS
from rigs.receivers import Fault, Hook, MailServer, Receiver

MOUTHPIECE = Path(__file__).with_name("mouthpiece.py")


class Count(NamedTuple):
    """What became of what one receiver was to be told. `other_keys`: copies that no receiver could know as such."""

    told: int
    delivered: int
    lost: int
    copies: int
    other_keys: int
    out_of_order: int
    delays: tuple[float, ...] = ()

    @property
    def share(self) -> float:
        """Copies among all that arrived."""
        return self.copies / max(1, self.delivered + self.copies)

    def delay(self) -> str:
        """Seconds from the receiver's return to the first message that waited, and to the last."""
        return f"{min(self.delays):.2f} / {max(self.delays):.2f}" if self.delays else "-"


class Told(NamedTuple):
    """One bulletin that the hub has said to be durable."""

    number: int
    kind: str


class Talker:
    """The hub with its mouthpiece, and all that it was told."""

    def __init__(self, folder: Path, channels: str) -> None:
        """`channels` is TOML."""
        self.folder = folder
        self.config = folder / "watchkeeper.toml"
        self.config.write_text(channels)
        self.told: list[Told] = []
        self.lives = 0
        self._lives: asyncio.subprocess.Process | None = None
        self._hub = 0
        self._number = 0

    async def live(self, step: str = "", count: int = 1) -> None:
        """Start the hub, to die at a step."""
        self.lives += 1
        if self._lives is None:
            words = [str(MOUTHPIECE), str(self.config), str(self.folder / "data")]
            with (self.folder / "hub.log").open("ab") as log:
                self._lives = await asyncio.create_subprocess_exec(
                    sys.executable, *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log
                )
        self._hub = -1
        line = await self._ask(f"live {step} {count}" if step else "live")
        while line and not line.startswith("ready"):
            line = await self._line()
        assert line or step, "the hub has not started; see hub.log"
        if line:
            self._hub = int(line.split()[1])

    async def tell(self, kind: str, thread: str, channels: Sequence[str]) -> bool:
        """Tell one more; false when the hub died before it said that it is durable."""
        self._number += 1
        if await self._ask(f"tell {self._number} {kind} {thread} {' '.join(channels)}") != f"told {self._number}":
            return False
        self.told.append(Told(self._number, kind))
        return True

    async def settle(self, seconds: float = 600) -> None:
        """Wait until nothing waits any more."""
        async with asyncio.timeout(seconds):
            assert await self._ask("settle") == "settled"

    async def die(self) -> None:
        """By SIGKILL, if it lives."""
        await self._end(signal.SIGKILL)

    async def aclose(self) -> None:
        """For good."""
        await self.die()
        if self._lives is not None:
            self._lives.stdin.close()  # type: ignore[union-attr]  # it has one
            await self._lives.wait()

    async def stop(self) -> None:
        """In order."""
        await self._end(signal.SIGTERM)

    async def _end(self, by: signal.Signals) -> None:
        if self._hub > 0:
            with suppress(ProcessLookupError):  # it is dead, and has not said so yet
                os.kill(self._hub, by)
            while await self._line():
                pass

    async def _ask(self, words: str) -> str:
        """What it says to this; empty when it is dead."""
        assert self._lives is not None
        assert self._lives.stdin is not None
        if not self._hub:
            return ""
        self._lives.stdin.write(f"{words}\n".encode())
        await self._lives.stdin.drain()
        return await self._line()

    async def _line(self) -> str:
        assert self._lives is not None
        assert self._lives.stdout is not None
        line = (await self._lives.stdout.readline()).decode().strip()
        if line in {"", "dead"}:
            self._hub = 0
            return ""
        return line


async def talk(talker: Talker, channels: Sequence[str], pairs: int) -> int:
    """Tell so many incidents, each firing and, a little later, resolved; how many before the hub died."""
    open_threads: list[str] = []
    for done in range(pairs):
        thread = f"incident-{talker.lives}-{done}"
        if not await talker.tell("firing", thread, channels):
            return done
        open_threads.append(thread)
        if len(open_threads) > 5 and not await talker.tell("resolved", open_threads.pop(0), channels):
            return done
    for thread in open_threads:
        if not await talker.tell("resolved", thread, channels):
            return pairs
    return pairs


async def killed_again_and_again(
    talker: Talker, channels: Sequence[str], kills: int, pairs: int, chance: random.Random, steps: Sequence[str] = ()
) -> dict[str, int]:
    """Kill the hub at a random step of a random message, so often; then let it finish. How often at which step."""
    at: Counter[str] = Counter()
    steps = list(steps or STEPS)
    async with aclosing(talker):
        for number in range(kills):
            step = steps[number % len(steps)]
            await talker.live(step, chance.randint(1, 2 * pairs))
            await talk(talker, channels, pairs)
            await asyncio.sleep(chance.random() / 5)  # what was not reached by then dies here, anywhere
            await talker.die()
            at[step] += 1
        await talker.live()
        await talk(talker, channels, pairs)
        await talker.settle()
        await talker.stop()
    return dict(at)


def number_of(receiver: Receiver, place: int) -> Told | None:
    """Which bulletin it was that was taken; None: one of the hub's own, say that another channel fails."""
    told = receiver.taken[place].told
    if isinstance(receiver, MailServer):
        subject = str(told["Subject"])
        found = re.search(r"Bulletin (\d+)", subject)
        kind = "resolved" if subject.startswith("RESOLVED") else "firing"
    else:
        found = re.search(r"Bulletin (\d+)", told["commonAnnotations"]["title"])
        kind = told["status"]
    return Told(int(found[1]), kind) if found else None


def thread_of(receiver: Receiver, place: int) -> str:
    """Which incident it was of."""
    told = receiver.taken[place].told
    return str(told["References"] if isinstance(receiver, MailServer) else told["commonAnnotations"]["open_url"])


def count(receiver: Receiver, told: Sequence[Told]) -> Count:
    """Compare what was told with what was taken."""
    keys: dict[Told, set[str]] = {}
    firsts: dict[str, list[str]] = {}
    delays = []
    taken = 0
    for place, one in enumerate(receiver.taken):
        which = number_of(receiver, place)
        if which is None:
            continue
        taken += 1
        if which not in keys:
            firsts.setdefault(thread_of(receiver, place), []).append(which.kind)
            if receiver.up_at and one.at >= receiver.up_at:
                delays.append(one.at - receiver.up_at)
        keys.setdefault(which, set()).add(one.key)
    return Count(
        told=len(told),
        delivered=len(keys),
        lost=sum(one not in keys for one in told),
        copies=taken - len(keys),
        other_keys=sum(len(found) - 1 for found in keys.values()),
        out_of_order=sum(kinds == ["resolved", "firing"] for kinds in firsts.values()),
        delays=tuple(delays),
    )


def channel(name: str, receiver: Receiver, more: str = "") -> str:
    """A table of the configuration that leads to it."""
    if isinstance(receiver, Hook):
        return f'[channel.{name}]\nkind = "webhook"\nurl = "{receiver.url}"\nper_minute = 6000\n{more}\n'
    return (
        f'[channel.{name}]\nkind = "email"\nhost = "127.0.0.1"\nport = {receiver.port}\nsecurity = "none"\n'
        f'sender = "w@example.org"\nto = ["a@example.org"]\nper_minute = 6000\n{more}\n'
    )


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


def cases(seconds: float) -> list[Case]:
    """Receivers that are away or fail for so long, and such that fail now and then."""
    return [
        Case("plain", Hook(), "takes all"),
        Case("hook-away", Hook(), f"away for {seconds:.0f} s"),
        Case("mail-away", MailServer(), f"away for {seconds:.0f} s"),
        Case("hook-503", Hook(), f"503 to all for {seconds:.0f} s", "unavailable"),
        Case("hook-hangs", Hook(), f"hangs for {seconds:.0f} s, looks too", "hang"),
        Case("mail-451", MailServer(), f"451 for {seconds:.0f} s", "before"),
        Case("hook-500", Hook(), "500 to three messages, looks are well", some=("before",) * 3),
        Case("hook-after", Hook(), "500 after it took two", some=("after", "after")),
        Case("hook-cuts", Hook(), "cuts off two answers", some=("cut", "cut")),
        Case("hook-slow", Hook(), "answers ten after 0.5 s", some=("slow",) * 10),
        Case("hook-big", Hook(), "answers five with 10 MB", some=("big",) * 5),
        Case("hook-odd", Hook(), "redirects, answers garbage", some=("redirect", "garbage")),
    ]


async def outages(folder: Path, seconds: float, pairs: int) -> list[tuple[Case, Count]]:
    """All receivers at once: well, then away or failing, then well again."""
    every = cases(seconds)
    async with AsyncExitStack() as stack:
        for case in every:
            await stack.enter_async_context(case.receiver.running())
        short = 'timeout = "2s"'
        channels = "".join(channel(case.name, case.receiver, short) for case in every)
        talker = await stack.enter_async_context(aclosing(Talker(folder, channels)))
        await talker.live()
        for case in every:
            case.receiver.up_at = 0.0
            case.receiver.fault = case.fault
            if case.away:
                await case.receiver.down()
        await talk(talker, [case.name for case in every], pairs)
        await asyncio.sleep(seconds)
        for case in every:
            case.receiver.fault = ""
            if case.away:
                await case.receiver.up()
            elif case.fault:
                case.receiver.up_at = time.time()
        await talker.settle()
        await talker.stop()
        return [(case, count(case.receiver, talker.told)) for case in every]
