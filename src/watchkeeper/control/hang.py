"""Is a server hung, busy or fine? A pure decider: signs of life and what its threads do in, a verdict with its reason out.

Silence alone is no hang. A server that does not answer but uses a CPU, or wants one and gets none, is *busy*: it is left
alone until that has gone on for longer than its rules allow. One that is silent and does nothing is *hung*. Whoever asks
(`liveness`) keeps the tallies; nothing here knows a clock, a process or a setting's file.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from watchkeeper.control.activity import Motion
from watchkeeper.quantities import Duration

Reason = Literal[
    "answers",
    "starting",
    "stopping",
    "looking",
    "announced",
    "traced",
    "working",
    "starved",
    "spinning",
    "stopped",
    "blocked-in-kernel",
    "blocked",
    "unseen",
    "asked",
]
WORKING = 0.25
"""A thread that uses so much of a core works: well over what timers and keep-alives of an idle server take."""
STARVED = 0.5
"""A thread that waits for a CPU for so much of the time is held up by the machine, not by itself."""


class Rules(msgspec.Struct, frozen=True):
    """What is silent (`misses` of the last `of` answers), and how many seconds of that may be `busy` work or a `start`."""

    misses: int = 3
    of: int = 3
    busy: float = 300.0
    start: float = 60.0


class Sign(NamedTuple):
    """One source of signs of life: whether it is `silent`, with the reason in words, and since when (monotonic seconds)."""

    name: str
    silent: bool
    since: float
    why: str = ""


class Verdict(NamedTuple):
    """What is held of a server. `text` completes a sentence that begins with its name."""

    state: Literal["fine", "busy", "hung"]
    reason: Reason
    text: str


class Tally(NamedTuple):
    """The last answers of one probe, newest last (True: missed), and when the last one came (`since`; at first: its start)."""

    since: float
    missed: tuple[bool, ...] = ()

    def add(self, *, missed: bool, now: float, of: int) -> Tally:
        """One more."""
        return Tally(self.since if missed else now, (*self.missed, missed)[-of:])

    @property
    def misses(self) -> int:
        """How many of the last were missed."""
        return sum(self.missed)


def judge(  # noqa: C901, PLR0911  # a table of reasons
    rules: Rules,
    signs: tuple[Sign, ...],
    motion: Motion | None,
    now: float,
    *,
    running_for: float,
    alive: bool,
    announced: str = "",
    seen: bool = True,
) -> Verdict:
    """Weigh what is known at `now` (monotonic seconds).

    `alive`: it has given a sign since its start; `motion`: what its threads do (None: not known yet); `seen`: the system
    tells of threads at all; `announced`: why heavy work is expected at present (empty: it is not).
    """
    silent = [sign for sign in signs if sign.silent]
    if not alive and running_for < rules.start:
        return Verdict("fine", "starting", f"has not answered since its start {_ago(running_for)}")
    if not silent:
        return Verdict("fine", "answers", "answers")
    since = min(now - sign.since for sign in silent)
    told = f"has given no sign of life for {_span(since)} ({'; '.join(f'{sign.name}: {sign.why}' for sign in silent)})"
    if announced:
        return Verdict("busy", "announced", f"{told}, as was to be expected: {announced}")
    if motion is None:
        if not seen:
            return Verdict("hung", "unseen", f"{told}, and this system does not tell what it does")
        return Verdict("fine", "looking", f"{told}; what it does is looked at")
    threads = sum(motion.states.values())
    if "t" in motion.states:
        return Verdict("busy", "traced", f"{told}: a debugger holds it")
    if motion.states.get("T", 0) == threads:
        return Verdict("hung", "stopped", f"{told}: it has been stopped (SIGSTOP or Ctrl-Z)")
    if motion.busiest >= WORKING:
        used = f"its busiest thread uses {motion.busiest:.0%} of a core, all of them {motion.cpu:.1f} cores"
        if since > rules.busy:
            return Verdict("hung", "spinning", f"{told}, and has only been busy for longer than {_span(rules.busy)}: {used}")
        return Verdict("busy", "working", f"{told}, but is at work: {used}; that may go on for {_span(rules.busy)}")
    if motion.starved >= STARVED:
        return Verdict("busy", "starved", f"{told}, but gets no CPU: it wants one for {motion.starved:.0%} of the time")
    if "D" in motion.states:
        return Verdict("hung", "blocked-in-kernel", f"{told}: {motion.states['D']} of {threads} threads wait in the kernel")
    return Verdict("hung", "blocked", f"{told} and does nothing: {_sleep(threads)}, {motion.cpu:.0%} of a core used")


def _span(seconds: float) -> str:
    """A length of time as people read it: to a tenth below a minute, whole seconds above."""
    return str(Duration(round(seconds, 1) if seconds < 60 else round(seconds)))


def _ago(seconds: float) -> str:
    return f"{_span(seconds)} ago"


def _sleep(threads: int) -> str:
    return "its only thread sleeps" if threads == 1 else f"all of its {threads} threads sleep"
