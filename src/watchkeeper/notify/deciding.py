"""What to do next with what waits for one channel: send, wait, ask another channel as well, or give up; with the reason.

Pure: rows of the journal, how the channel stands (`Standing`) and `now` (ms) in, one `Step` out; the lane does it. Two ways
lead back from an outage. By the clock: pauses that double, half by chance. By sight: each second the receiver is looked at,
and once it is there again everything that waits is due. A look that was never seen to fail proves nothing of a message that
may have been taken, nor of a receiver that refuses what it is sent: then the clock alone counts, so that nobody gets copies
each second.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from watchkeeper.journal.notifications import Queued
from watchkeeper.outward import LONGEST_PAUSE as LONGEST_PAUSE_ASKED
from watchkeeper.outward import Outward

LONGEST_ASKED = round(LONGEST_PAUSE_ASKED * 1000)
CIRCUIT = 3
"""After so many failures in a row the channel is left alone for a while, however much waits for it."""
FIRST_PAUSE = 2_000
LONGEST_PAUSE = 60_000
LONGEST_UNSURE_PAUSE = 900_000
"""Pauses in ms. A message that may have been taken is repeated less often: each time may be one more copy."""
QUICK = 60
"""So often what was certainly not taken is tried after the first pause, a minute and a half: most outages are no longer."""
LONGEST_AWAY = 300_000
"""While looks fail that have gone well before, an attempt would fail too, and hold up the lane: one in so many ms will do."""
MINUTE = 60_000
TEST = "a test"
TEST_LIFE = 120_000
"""A test that nobody waits for any more is not sent."""


class Send(NamedTuple):
    """Hand it over now."""

    row: Queued
    why: str


class Wait(NamedTuple):
    """Nothing to do before `until` (ms; 0: until something new comes)."""

    until: int
    why: str


class FallBack(NamedTuple):
    """Have the fall-back channel tell it too."""

    row: Queued
    why: str


class GiveUp(NamedTuple):
    """It is not tried any more."""

    row: Queued
    why: str


Step = Send | Wait | FallBack | GiveUp


class Standing(msgspec.Struct, frozen=True):
    """How a channel stands, as its lane remembers it. Times in ms.

    `failures` in a row, the last at `failed_at`. `closed_until`: the circuit is open, nothing is sent before. `asked_until`:
    the receiver asked for a pause. `sighted`: a look has gone well, so looks say something of this receiver; `away_until`:
    the last one did not, so nothing is sent. `recovered_at`: when it was found to be back, `proved` if it had been seen to be
    away before. `seen_away`: a look has failed since the last attempt. `blind`: looks go well while attempts fail, so they
    are not trusted. `used` are the attempts of the last minute that may have been taken, newest first.
    """

    failures: int = 0
    failed_at: int = 0
    closed_until: int = 0
    asked_until: int = 0
    recovered_at: int = 0
    proved: bool = False
    sighted: bool = False
    away_until: int = 0
    seen_away: bool = False
    blind: bool = False
    used: tuple[int, ...] = ()


def next_step(rows: Sequence[Queued], standing: Standing, rules: Outward, now: int) -> Step:
    """What to do next with a channel's open rows.

    Of each thread only the oldest may go, so that no "resolved" overtakes its "firing". What is critical goes before what is
    not, since a channel carries only so many a minute; a test goes before all else.
    """
    threads: set[str] = set()
    soonest = Wait(0, "nothing waits")
    send: Send | None = None
    for row in sorted(rows, key=lambda row: (row.kind != "test", row.at, row.id)):
        is_test = row.kind == "test"
        step = _test(row, now) if is_test else decide(row, standing, rules, now, leads=row.thread not in threads)
        if not is_test:
            threads.add(row.thread)
        if isinstance(step, (GiveUp, FallBack)):
            return step
        if isinstance(step, Send):
            if send is None or (send.row.severity != "critical" and step.row.severity == "critical" and send.why != TEST):
                send = step
        elif step.until and (not soonest.until or step.until < soonest.until):
            soonest = step
    return send or soonest


def decide(row: Queued, standing: Standing, rules: Outward, now: int, *, leads: bool = True) -> Step:
    """What to do with one row, whose thread has no older one waiting if it `leads`."""
    ends_at = row.at + round(rules.keep_trying * 1000)
    falls_at = row.at + round(rules.patience * 1000)
    can_fall = bool(rules.fallback) and not row.replaced
    troubled = bool(row.attempts or standing.failures)
    if now >= ends_at and troubled:
        return GiveUp(row, f"not delivered within {rules.keep_trying}: {row.why or 'the channel fails'}")
    if can_fall and troubled and now >= falls_at:
        return FallBack(row, f"not delivered within {rules.patience}: {row.why or 'the channel fails'}")
    wait = _wait(row, standing, rules, now) if leads else Wait(ends_at, "an older message of its thread goes first")
    if wait is None:
        return Send(row, "it was under way when the hub ended" if row.state == "claimed" else "it is due")
    if can_fall and troubled and falls_at < wait.until:
        return Wait(falls_at, "then the fall-back is asked")
    return wait if not troubled or wait.until < ends_at else Wait(ends_at, "then it is given up")


def refused(row: Queued, rules: Outward, why: str) -> Step:
    """What to do with one that the receiver refused for what it is: the same again would be refused again."""
    if rules.fallback and not row.replaced and row.kind != "test":
        return FallBack(row, why)
    return GiveUp(row, why)


def after_attempt(standing: Standing, now: int) -> Standing:
    """An attempt begins."""
    used = (now, *(at for at in standing.used if at > now - MINUTE))
    return msgspec.structs.replace(standing, used=used)


def after_success(standing: Standing, now: int) -> Standing:
    """It was delivered: if the circuit was open, all that waits is due."""
    well = Standing(recovered_at=standing.recovered_at, proved=standing.proved, sighted=standing.sighted, used=standing.used)
    return msgspec.structs.replace(well, recovered_at=now, proved=True) if standing.failures >= CIRCUIT else well


def after_refusal(standing: Standing) -> Standing:
    """The message was refused for what it is, so the receiver is there."""
    return Standing(
        recovered_at=standing.recovered_at, proved=standing.proved, sighted=standing.sighted, used=standing.used[1:]
    )


def after_failure(standing: Standing, now: int, *, unsure: bool, asked: float, chance: float) -> Standing:
    """It failed, and may have been taken (`unsure`). `asked`: seconds that the receiver asked us to wait; `chance`: 0 to 1."""
    failures = standing.failures + 1
    fooled = standing.recovered_at > 0 and not standing.seen_away and standing.failures > 0
    return Standing(
        failures=failures,
        failed_at=now,
        closed_until=now + pause(failures - QUICK, LONGEST_PAUSE, chance) if failures >= CIRCUIT else 0,
        asked_until=now + round(asked * 1000) if asked else 0,
        sighted=standing.sighted,
        blind=standing.blind or fooled,
        used=standing.used if unsure else standing.used[1:],
    )


def after_look(standing: Standing, now: int, *, there: bool) -> Standing:
    """The receiver was looked at: once it is back, all that waits is due; what is unsure, only if it had been seen away."""
    if not there:
        until = standing.failed_at + LONGEST_AWAY if standing.sighted and standing.failed_at else 0
        return msgspec.structs.replace(standing, seen_away=True, blind=False, recovered_at=0, proved=False, away_until=until)
    standing = msgspec.structs.replace(standing, sighted=True, away_until=0)
    if standing.recovered_at or not standing.failures:
        return standing
    if standing.seen_away or not standing.blind:
        return msgspec.structs.replace(standing, closed_until=0, recovered_at=now, proved=standing.seen_away)
    return standing


def due_after(attempts: int, now: int, *, unsure: bool, chance: float) -> int:
    """When one whose so many-th attempt failed is due again by the clock (ms)."""
    if unsure:
        return now + pause(attempts, LONGEST_UNSURE_PAUSE, chance)
    return now + pause(attempts - QUICK, LONGEST_PAUSE, chance)


def pause(number: int, longest: int, chance: float) -> int:
    """The pause after the so many-th failure (ms): doubled each time, half of it by chance."""
    whole = min(longest, FIRST_PAUSE << min(max(0, number - 1), 20))
    return round(whole * (0.5 + chance / 2))


def _wait(row: Queued, standing: Standing, rules: Outward, now: int) -> Wait | None:
    """What one that leads has to wait for; None: nothing."""
    if now < standing.asked_until <= now + LONGEST_ASKED:
        return Wait(standing.asked_until, "the receiver asked for a pause")
    recent = [at for at in standing.used if now - MINUTE < at <= now]
    if len(recent) >= rules.per_minute:
        return Wait(recent[rules.per_minute - 1] + MINUTE, f"{rules.per_minute} a minute are sent at most")
    if now < standing.away_until <= now + LONGEST_AWAY:
        return Wait(standing.away_until, "the receiver is seen to be away")
    if now < standing.closed_until <= now + LONGEST_PAUSE:
        return Wait(standing.closed_until, f"the circuit is open after {standing.failures} failures")
    is_back = standing.recovered_at > row.claimed_at and (standing.proved or not row.unsure)
    is_due = row.due_at <= now or row.due_at > now + LONGEST_UNSURE_PAUSE  # the clock was set back
    if row.state != "claimed" and not is_due and not is_back:
        return Wait(row.due_at, f"attempt {row.attempts} failed")
    return None


def _test(row: Queued, now: int) -> Step:
    """A test is tried once, at once, whatever the channel's standing; what one wants to know is how that goes."""
    if row.state == "waiting" and row.attempts:
        return GiveUp(row, row.why)
    if now - row.at > TEST_LIFE:
        return GiveUp(row, "the hub was away while it waited")
    return Send(row, TEST)
