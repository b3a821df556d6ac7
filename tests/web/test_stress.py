"""Stress runs on the timeline: who may say so, and what is then known."""

from __future__ import annotations

import msgspec

from watchkeeper.model import EventKind
from watchkeeper.web.shapes import StressAnnouncement

STARTED = StressAnnouncement("started", "20260101-1", "capacity", "ws://127.0.0.1:8765", "alpha", "web")


async def test_a_run_is_on_the_timeline(web) -> None:
    """Its beginning and its end, with plan, target and verdict, for the server that it loads."""
    async with web.client() as client:
        assert (
            await client.post("/api/stress/announcements", content=msgspec.json.encode(STARTED), headers=JSON)
        ).status_code == 201
        ended = msgspec.structs.replace(STARTED, what="ended", outcome="pass")
        assert (
            await client.post("/api/stress/announcements", content=msgspec.json.encode(ended), headers=JSON)
        ).status_code == 201
        events = (await client.get("/api/events", params={"server": "web"})).json()["events"]
    assert [event["kind"] for event in events] == [EventKind.STRESS_ENDED, EventKind.STRESS_STARTED]
    assert events[0]["text"] == "The stress run 20260101-1 on web is over: pass"
    assert events[1]["severity"] == "warning"
    assert events[1]["facts"] == {"run": "20260101-1", "plan": "capacity", "target": "ws://127.0.0.1:8765", "by": "local"}


async def test_a_stranger_may_not_say_so(web) -> None:
    """Nobody who is not signed in; and nothing malformed."""
    async with web.stranger() as client:
        answer = await client.post("/api/stress/announcements", content=msgspec.json.encode(STARTED), headers=JSON)
        assert answer.status_code == 401
    async with web.client() as client:
        answer = await client.post("/api/stress/announcements", content=b'{"what": "exploded"}', headers=JSON)
        assert answer.status_code == 400


JSON = {"content-type": "application/json"}
