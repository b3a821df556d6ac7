"""Drills over HTTP: scenarios, refusals with their codes, lists, certificates as pages that a browser may show."""

from __future__ import annotations

from watchkeeper.telling import Drill, DrillLeg

AT = 1_760_000_000_000


async def test_scenarios_lists_and_certificates(web) -> None:
    """What can be done here, what was done, and its certificate in both forms, under a policy of its own."""
    legs = (DrillLeg("fault", AT, "killed"), DrillLeg("delivered", AT + 250, "HTTP 200", "ops"))
    for number in range(3):
        await web.desk.journal.drills.keep(Drill(f"d{number}", AT + number, "killed", "ann", "passed", legs=legs, ended_at=AT))
    async with web.client() as client:
        names = [one["name"] for one in (await client.get("/api/drills/scenarios")).json()]
        assert names == ["killed", "hung", "closed", "disk", "silent", "server"]
        page = (await client.get("/api/drills?limit=2")).json()
        assert [one["drill"]["id"] for one in page["drills"]] == ["d2", "d1"]
        rest = (await client.get("/api/drills", params={"limit": 2, "before": page["next"]})).json()
        assert [one["drill"]["id"] for one in rest["drills"]] == ["d0"]
        one = (await client.get("/api/drills/d1")).json()
        assert one["proof"].startswith("delivered")
        shown = await client.get("/api/drills/d1/certificate")
        assert "The drill has passed" in shown.text
        assert "script-src" not in shown.headers["content-security-policy"]
        assert "default-src 'none'" in shown.headers["content-security-policy"]
        assert (await client.get("/api/drills/d1/certificate?form=json")).json()["sha256"]


async def test_what_cannot_be_is_refused_with_its_code(web) -> None:
    """Nobody to tell, no such scenario or drill, one that does not go on; and who may only look may not begin one."""
    async with web.client() as client, web.stranger() as stranger:
        refused = await client.post("/api/drills", json={"scenario": "killed"})
        assert (refused.status_code, refused.json()["code"]) == (409, "no-channel")
        refused = await client.post("/api/drills", json={"scenario": "kiled"})
        assert (refused.status_code, refused.json()["code"]) == (404, "unknown-scenario")
        assert (await client.get("/api/drills/nothing")).status_code == 404
        assert (await client.get("/api/drills/nothing/certificate")).status_code == 404
        assert (await client.delete("/api/drills/nothing")).status_code == 409
        assert (await stranger.post("/api/drills", json={})).status_code == 401
        held = await client.post("/api/machines/alpha/servers/web/actions", json={"verb": "drill", "seconds": 10})
        assert held.status_code == 400
