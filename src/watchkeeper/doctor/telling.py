"""Would anybody be told? Each channel, the last drill, and, when the patient wishes, a test message over each channel.

A channel that has never delivered proves nothing: it is told as such. With `Patient.test` one message goes out over each
channel, which is the only thing that any examination does beyond looking.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from watchkeeper.doctor.finding import Finding, Patient
from watchkeeper.errors import Failed, Refused

OLD_DAYS = 30
DAY_MS = 86_400_000


def examine(patient: Patient) -> Iterator[Finding]:
    """One finding for each channel, or one that there is none; and one for the last drill."""
    if patient.asked is None:
        return
    try:
        channels = patient.asked.ask("GET", "/api/channels", list[dict[str, Any]])
    except (Failed, Refused):
        return  # `hub` has told
    now = round(time.time() * 1000)
    if patient.test and channels:
        yield from (_tested(patient, str(one["name"])) for one in channels)
    else:
        yield from judge(channels, now)
    if channels:
        with contextlib.suppress(Failed, Refused):
            yield judge_drills(patient.asked.ask("GET", "/api/drills?limit=1", dict[str, Any])["drills"], now)


def judge(channels: Sequence[dict[str, Any]], now: int) -> list[Finding]:
    """What each channel's standing means at `now` (ms). Pure."""
    if not channels:
        remedy = "a table [channel.NAME] in the configuration: docs/guide/told.md"
        return [Finding("channels", "warn", "none is configured: alerts reach nobody", remedy)]
    return [_standing(one, now) for one in channels]


def judge_drills(drills: Sequence[dict[str, Any]], now: int) -> Finding:
    """What the newest drill proves at `now` (ms): a fault that was told to the end shows that the next would be. Pure."""
    again = "watchkeeper drill run"
    last = next((one["drill"] for one in drills), None)
    if last is None:
        return Finding("drill", "warn", "none has ever been done: nothing proves that a fault would be told", again)
    if last["state"] == "failed":
        return Finding("drill", "fail", f"the last one ({last['scenario']}) failed: {last['why']}", "watchkeeper drill show")
    if last["state"] in {"preparing", "running"}:
        return Finding("drill", "skip", f"one is under way ({last['scenario']})")
    if last["state"] == "interrupted":
        return Finding("drill", "warn", f"the last one ({last['scenario']}) was cut short", again)
    days = (now - last["at"]) / DAY_MS
    if days > OLD_DAYS:
        return Finding("drill", "warn", f"the last one was {days:.0f} days ago", again)
    return Finding("drill", "pass", f"{last['scenario']}: told to the end, {days:.0f} days ago")


def _standing(channel: dict[str, Any], now: int) -> Finding:
    name, title = str(channel["name"]), f"channel {channel['name']}"
    try_it = f"watchkeeper channel test {name}"
    if channel["failures"]:
        text = f"failed {channel['failures']} times in a row: {channel['why']}; {channel['queue']} messages wait"
        return Finding(title, "fail", text, try_it)
    if not channel["last_success_at"]:
        return Finding(title, "warn", f"{channel['kind']}: nothing has ever been delivered over it", try_it)
    days = (now - channel["last_success_at"]) / DAY_MS
    if days > OLD_DAYS:
        return Finding(title, "warn", f"{channel['kind']}: last delivered {days:.0f} days ago", try_it)
    return Finding(title, "pass", f"{channel['kind']}: delivers")


def _tested(patient: Patient, name: str) -> Finding:
    """Send one message and tell what the receiver said."""
    title = f"channel {name}"
    assert patient.asked is not None
    try:
        told = patient.asked.ask("POST", f"/api/channels/{quote(name, safe='')}/test", dict[str, Any])
    except (Failed, Refused) as fault:
        return Finding(title, "fail", fault.why)
    if told["state"] == "delivered":
        return Finding(title, "pass", f"a test message was delivered ({told['receipt']})")
    return Finding(
        title, "fail", f"a test message was not delivered: {told['why'] or 'it is still under way'}", "docs/channels.md"
    )
