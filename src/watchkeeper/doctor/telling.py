"""Would anybody be told? Each channel, and, when the patient wishes, a test message over each of them.

A channel that has never delivered proves nothing: it is told as such. With `Patient.test` one message goes out over each
channel, which is the only thing that any examination does beyond looking.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from watchkeeper.doctor.finding import Finding, Patient
from watchkeeper.errors import Failed, Refused

OLD_DAYS = 30
DAY_MS = 86_400_000


def examine(patient: Patient) -> Iterator[Finding]:
    """One finding for each channel, or one that there is none."""
    if patient.asked is None:
        return
    try:
        channels = patient.asked.ask("GET", "/api/channels", list[dict[str, Any]])
    except (Failed, Refused):
        return  # `hub` has told
    if not channels:
        yield judge(channels, round(time.time() * 1000))[0]
        return
    if patient.test:
        yield from (_tested(patient, str(one["name"])) for one in channels)
        return
    yield from judge(channels, round(time.time() * 1000))


def judge(channels: Sequence[dict[str, Any]], now: int) -> list[Finding]:
    """What each channel's standing means at `now` (ms). Pure."""
    if not channels:
        remedy = "a table [channel.NAME] in the configuration: docs/guide/told.md"
        return [Finding("channels", "warn", "none is configured: alerts reach nobody", remedy)]
    return [_standing(one, now) for one in channels]


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
