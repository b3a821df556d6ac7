"""Evidence, groups, and who may order what, over the web: lists from the journal, files from the agent."""

from __future__ import annotations

import msgspec
import pytest

from watchkeeper.journal.access import new_secret
from watchkeeper.model import Event, EventKind, TokenKind
from watchkeeper.web.evidence_shapes import EvidenceFile, EvidencePiece

FILE = EvidenceFile("e1", 5, "web", 42, "it hung", 0.2, (EvidencePiece("threads", "one sleeps"),))


async def save(web, number: int, server: str = "web") -> None:
    """Have an agent's event in the journal, and its file where the agent has it."""
    facts = {"evidence": f"e{number}", "bytes": "1234", "seconds": "0.212", "why": "it hung"}
    event = Event(f"x{number}", number, EventKind.EVIDENCE_SAVED, "saved", "alpha", server, facts=facts)
    await web.desk.journal.events.add([event])
    web.desk.saved[f"e{number}"] = msgspec.json.encode(FILE)


async def test_the_list_is_the_journals(web) -> None:
    """Newest first, by server, paged; what was not saved (too many at once) is no entry."""
    for number in range(1, 4):
        await save(web, number, "web" if number < 3 else "jobs")
    nothing = Event("x9", 9, EventKind.EVIDENCE_SAVED, "none was taken", "alpha", "web")
    await web.desk.journal.events.add([nothing])
    async with web.client() as client:
        every = (await client.get("/api/evidence")).json()
        assert [one["id"] for one in every["evidence"]] == ["e3", "e2", "e1"]
        assert every["evidence"][0] | {"server": ""} == {
            "id": "e3",
            "at": 3,
            "machine": "alpha",
            "server": "",
            "why": "it hung",
            "bytes": 1234,
            "seconds": 0.212,
        }
        page = (await client.get("/api/evidence", params={"server": "jobs", "limit": 1})).json()
        assert [one["id"] for one in page["evidence"]] == ["e3"]
        rest = (await client.get("/api/evidence", params={"limit": 10, "before": page["next"]})).json()
        assert [one["id"] for one in rest["evidence"]] == ["e2", "e1"]


async def test_a_file_comes_from_the_agent(web) -> None:
    """Whole, as something to download; one that is gone, or is none, is told."""
    await save(web, 1)
    web.desk.saved["torn"] = b"{"
    async with web.client() as client:
        answer = await client.get("/api/machines/alpha/evidence/e1")
        assert msgspec.json.decode(answer.content, type=EvidenceFile) == FILE
        assert answer.headers["content-disposition"] == 'attachment; filename="evidence-e1.json"'
        gone = await client.get("/api/machines/alpha/evidence/e404")
        assert (gone.status_code, gone.json()["code"]) == (404, "no-evidence")
        assert (await client.get("/api/machines/beta/evidence/e1")).json()["code"] == "unknown-machine"
        assert (await client.get("/api/machines/alpha/evidence/torn")).status_code == 503


async def test_a_group_is_ordered_together(web) -> None:
    """An answer for each of its servers; a group that there is not is told with the nearest."""
    web.desk.turn("jobs", group="edge")
    async with web.client() as client:
        ask = {"verb": "restart", "reason": "new certificates"}
        answer = await client.post("/api/machines/alpha/groups/edge/actions", json=ask)
        assert {one["server"]: one["action"]["state"] for one in answer.json()} == {"web": "done", "jobs": "done"}
        wrong = await client.post("/api/machines/alpha/groups/egde/actions", json=ask)
        assert (wrong.status_code, wrong.json()["code"]) == (404, "unknown-group")
        assert "edge" in wrong.json()["why"]
        web.desk.connected = False
        away = await client.post("/api/machines/alpha/groups/edge/actions", json=ask)
        assert all("not connected" in one["why"] for one in away.json())


@pytest.mark.parametrize("path", ["servers/web", "groups/edge"])
@pytest.mark.parametrize("kind", ["viewer", "write", "link"])
async def test_only_those_who_may_act_order_anything(web, kind: TokenKind, path: str) -> None:
    """Every verb, dry runs too; nothing is written, nothing is sent."""
    secret = new_secret()
    await web.desk.journal.access.put_token("somebody", kind, secret, web.desk.now())
    async with web.stranger() as client:
        for verb in ("start", "stop", "restart", "pause", "resume", "expect"):
            answer = await client.post(
                f"/api/machines/alpha/{path}/actions",
                json={"verb": verb, "dry_run": True},
                headers={"authorization": f"Bearer {secret}"},
            )
            assert answer.status_code == 403
    assert await web.desk.journal.actions.page() == ()


@pytest.mark.parametrize("more", [{"seconds": -1}, {"seconds": 1e12}, {"reason": "x" * 501}, {"verb": "explode"}, {"until": 5}])
async def test_an_order_that_does_not_fit_its_shape_is_turned_down(web, more: dict[str, object]) -> None:
    """With what was expected, before anything is written."""
    async with web.client() as client:
        answer = await client.post("/api/machines/alpha/servers/web/actions", json={"verb": "pause"} | more)
        assert answer.status_code == 400
    assert await web.desk.journal.actions.page() == ()


async def test_what_was_said_with_an_order_goes_to_the_agent_and_is_shown(web) -> None:
    """Reason, length and dry run."""
    async with web.client() as client:
        ask = {"verb": "pause", "reason": "moving disks", "seconds": 7200, "dry_run": True}
        told = (await client.post("/api/machines/alpha/servers/web/actions", json=ask)).json()
    assert (told["reason"], told["seconds"], told["dry_run"]) == ("moving disks", 7200.0, True)
