"""The judge: what becomes of one alert after one look at its condition. Pure: `now` goes in, a verdict with a reason comes out.

    inactive ──holds──▸ pending ──`for` is over──▸ firing ──over──▸ resolved
                           │                        │  ▲
                           └──does not hold──▸ ∅    └──┘ keep_firing_for, or neither holds nor clears
    pending, firing ──nobody can tell──▸ unknown ──▸ where it then belongs

Whoever cannot tell neither fires nor resolves: a machine that is silent keeps its alerts as they were, marked unknown.
Times are milliseconds.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

import msgspec

from watchkeeper.telling import AlertState


class Sight(enum.Enum):
    """What a look at a condition has shown. BETWEEN: it does not hold, but what clears it does not hold either."""

    HOLDS = "holds"
    BETWEEN = "between"
    OVER = "over"
    UNKNOWABLE = "unknowable"


class Terms(NamedTuple):
    """A rule's times in ms: how long it must hold (`hold`), and how long it must have been over (`keep`)."""

    hold: int = 0
    keep: int = 0


class Case(msgspec.Struct, frozen=True):
    """Where an alert stands. `held_at`: when its condition held last; `was`: what it was before nobody could tell.

    `over_at`: since when it is over while it is still kept firing (0: it is not).
    """

    state: AlertState
    active_at: int
    held_at: int
    fired_at: int = 0
    over_at: int = 0
    was: AlertState = AlertState.PENDING


class Verdict(NamedTuple):
    """`case` None: nothing is left of it. `reason` is empty when nothing has changed that is worth a word."""

    case: Case | None
    reason: str = ""


def judge(case: Case | None, sight: Sight, terms: Terms, now: int) -> Verdict:  # noqa: PLR0911  # a table of sights
    """One more look, at `now`. A resolved case is returned once, for whoever tells it, and forgotten then."""
    if case is None or case.state is AlertState.RESOLVED:
        return _fresh(terms, now) if sight is Sight.HOLDS else Verdict(None)
    match sight:
        case Sight.HOLDS:
            return _holds(case, terms, now)
        case Sight.UNKNOWABLE:
            if case.state is AlertState.UNKNOWN:
                return Verdict(case)
            return Verdict(msgspec.structs.replace(case, state=AlertState.UNKNOWN, was=case.state), "nobody can tell")
        case Sight.BETWEEN if _was(case) is AlertState.FIRING:
            if case.state is AlertState.FIRING and not case.over_at:
                return Verdict(case)
            return Verdict(msgspec.structs.replace(case, state=AlertState.FIRING, over_at=0), "not cleared yet")
    return _over(case, terms, now)


def due(case: Case, terms: Terms) -> int:
    """When it must be looked at again though nothing comes in; 0: never."""
    if case.state is AlertState.PENDING:
        return case.active_at + terms.hold
    if case.state is AlertState.FIRING and case.over_at:
        return case.over_at + terms.keep
    return 0


def _was(case: Case) -> AlertState:
    return case.was if case.state is AlertState.UNKNOWN else case.state


def _fresh(terms: Terms, now: int) -> Verdict:
    if terms.hold <= 0:
        return Verdict(Case(AlertState.FIRING, now, now, now), "it holds")
    return Verdict(Case(AlertState.PENDING, now, now), "it holds, but not for long enough yet")


def _holds(case: Case, terms: Terms, now: int) -> Verdict:
    if _was(case) is AlertState.FIRING:
        steady = msgspec.structs.replace(case, state=AlertState.FIRING, held_at=now, over_at=0)
        if case.state is AlertState.UNKNOWN:
            return Verdict(steady, "it still holds, now that one can tell again")  # UNKNOWN -> FIRING
        return Verdict(steady, "it holds again" if case.over_at else "")
    if case.state is AlertState.UNKNOWN:
        # How long it has held nobody knows, so it has to hold anew.
        again = msgspec.structs.replace(case, state=AlertState.PENDING, active_at=now, held_at=now)  # UNKNOWN -> PENDING
        return Verdict(again, "it holds, now that one can tell again")
    if now - case.active_at >= terms.hold:  # PENDING -> FIRING
        return Verdict(
            msgspec.structs.replace(case, state=AlertState.FIRING, held_at=now, fired_at=now), "it has held long enough"
        )
    return Verdict(msgspec.structs.replace(case, held_at=now))


def _over(case: Case, terms: Terms, now: int) -> Verdict:
    if _was(case) is not AlertState.FIRING:
        return Verdict(None, "it did not last")  # PENDING -> inactive
    if case.state is AlertState.UNKNOWN:
        return Verdict(_resolved(case, now), "it was over when one could tell again")  # UNKNOWN -> RESOLVED
    if terms.keep > 0:
        over_at = case.over_at or now
        if now - over_at < terms.keep:
            reason = "" if case.over_at else "it is over, but not for long enough yet"
            return Verdict(msgspec.structs.replace(case, over_at=over_at), reason)
        return Verdict(_resolved(case, now), "it has been over for long enough")
    return Verdict(_resolved(case, now), "it is over")  # FIRING -> RESOLVED


def _resolved(case: Case, now: int) -> Case:
    return msgspec.structs.replace(case, state=AlertState.RESOLVED, over_at=case.over_at or now)
