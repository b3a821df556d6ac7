"""Channels and messages over the API: who may see and test them, and that no link or secret is shown."""

from __future__ import annotations

import pytest

from rigs.bulletins import full, numbered
from rigs.desk import until
from rigs.outgoing import kept
from rigs.receivers import Hook
from watchkeeper.journal.access import new_secret
from watchkeeper.notify import Slack, Webhook
from watchkeeper.office import OfficeSettings


async def test_channels_and_their_messages(make_web, tmp_path) -> None:
    """How each stands, and what became of each message, paged; links that act are not shown."""
    receiver = Hook()
    async with receiver.running():
        url = kept(tmp_path, receiver.url + "/s3cr3t-path")
        office = OfficeSettings(channel={"ops": Webhook(url=receiver.url, fallback="chat"), "chat": Slack(url=url)})
        async with make_web(office=office) as web, web.client() as client:
            for number in range(3):
                await web.desk.office.outbox.tell(numbered(number), ["ops"])
            await web.desk.office.outbox.tell(full(), ["chat"])
            await until(lambda: len(receiver.taken) == 4)
            await until(lambda: web.desk.office.outbox.lanes["ops"].tally.queue == 0)
            ops, chat = (await client.get("/api/channels")).json()
            assert (ops["name"], ops["kind"], ops["fallback"], ops["queue"], ops["failures"]) == (
                "ops",
                "webhook",
                "chat",
                0,
                0,
            )
            assert ops["last_success_at"] > 0
            page = (await client.get("/api/notifications?limit=3")).json()
            rest = (await client.get(f"/api/notifications?limit=3&before={page['next']}")).json()
            assert [row["channel"] for row in page["notifications"] + rest["notifications"]] == ["chat", "ops", "ops", "ops"]
            assert rest["next"] == ""
            only = (await client.get("/api/notifications?incident=incident-1&channel=ops&state=delivered")).json()
            assert [row["subject"] for row in only["notifications"]] == ["WARNING: Bulletin 1"]
            shown = (await client.get("/api/notifications")).text + (await client.get("/api/channels")).text
            assert "/ack/" not in shown
            assert "s3cr3t-path" not in shown
            figures = (await client.get("/metrics")).text
            assert "s3cr3t-path" not in figures
            assert chat["kind"] == "slack"


async def test_a_test_tells_how_it_went(make_web) -> None:
    """Delivered with its receipt; failed with the reason; a channel that is not there is 404 with the nearest name."""
    receiver = Hook()
    async with receiver.running(), make_web(office=OfficeSettings(channel={"ops": Webhook(url=receiver.url)})) as web:
        async with web.client() as client:
            well = await client.post("/api/channels/ops/test")
            assert (well.status_code, well.json()["state"], well.json()["receipt"]) == (200, "delivered", "HTTP 200")
            receiver.fault = "before"
            failed = (await client.post("/api/channels/ops/test")).json()
            assert (failed["state"], failed["why"]) == ("failed", "HTTP 500: no")
            none = await client.post("/api/channels/opps/test")
            assert none.status_code == 404
            assert "did you mean 'ops'" in none.json()["why"]
        entries = await web.desk.journal.audit.newest()
        assert [(entry.by, entry.what, entry.about) for entry in entries][:2] == [("local", "test-channel", "ops")] * 2


@pytest.mark.parametrize(("kind", "may"), [("viewer", 403), ("write", 403), ("admin", 200)])
async def test_who_may_test(make_web, kind, may) -> None:
    """Sending is acting: readers may look, and nothing else."""
    receiver = Hook()
    async with receiver.running(), make_web(office=OfficeSettings(channel={"ops": Webhook(url=receiver.url)})) as web:
        secret = new_secret()
        await web.desk.journal.access.put_token("some", kind, secret, web.desk.now())
        async with web.stranger() as client:
            answer = await client.post("/api/channels/ops/test", headers={"authorization": f"Bearer {secret}"})
            assert answer.status_code == may
            assert (await client.post("/api/channels/ops/test")).status_code == 401
    assert len(receiver.taken) == (1 if may == 200 else 0)
