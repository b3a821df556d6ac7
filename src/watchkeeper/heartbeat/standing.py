"""How an expected heartbeat stands: new, up, late or down, with the reason and until when that holds. Pure: takes `now` (ms).

One that has never come is due as if it had come when it began to be expected: a job that was never installed is a failure, too.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from watchkeeper.heartbeat.settings import Expected
from watchkeeper.journal.heartbeats import Kept
from watchkeeper.model import HeartbeatState

Signal = Literal["success", "fail", "start", "log"]


class Standing(NamedTuple):
    """`since` is when it began to stand so, `until` when it changes if nothing comes (0: never)."""

    state: HeartbeatState
    since: int
    reason: str
    until: int


def stand(kept: Kept, expected: Expected, now: int) -> Standing:
    """How it stands."""
    grace = round(expected.grace * 1000)
    if kept.failed and not kept.started_at:
        said = f"exit status {kept.exit_status}" if kept.exit_status else "it said that it failed"
        return Standing("down", kept.last_at, said, 0)
    if kept.started_at:
        longest = expected.longest
        ends = kept.started_at + round(longest * 1000) if longest else expected.due_after(kept.started_at) + grace
        if now >= ends:
            return Standing("down", ends, f"it began and has not ended within {longest or 'its period and grace'}", 0)
        return Standing("up", kept.started_at, "it runs", ends)
    due = expected.due_after(kept.last_at or kept.created_at)
    known = "nothing heard since" if kept.last_at else "nothing ever heard, expected since"
    if now < due:
        return Standing("up", kept.last_at, "in time", due) if kept.last_at else Standing("new", kept.created_at, "new", due)
    if now < due + grace:
        return Standing("late", due, f"{known} {_ago(now - (kept.last_at or kept.created_at))}", due + grace)
    return Standing("down", due + grace, f"{known} {_ago(now - (kept.last_at or kept.created_at))}", 0)


def heard(kept: Kept, signal: Signal, exit_status: int, body: str, now: int) -> Kept:
    """What is known after one more signal."""
    change: dict[str, object] = {"pings": kept.pings + 1}
    if body or signal != "start":
        change["body"] = body
    if signal == "start":
        change["started_at"] = now
    elif signal != "log":
        lasted = max(0, now - kept.started_at) if kept.started_at else 0
        failed = signal == "fail" or exit_status != 0
        change |= {"last_at": now, "failed": failed, "exit_status": exit_status, "lasted": lasted, "started_at": 0}
    return msgspec.structs.replace(kept, **change)


def _ago(milliseconds: int) -> str:
    seconds = milliseconds // 1000
    for name, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {name}"
    return f"{seconds} s"
