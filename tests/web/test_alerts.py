"""Alerts over HTTP: our own API and Prometheus', over a real judge; who may only read may not act."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from rigs.desk import Web
from watchkeeper.journal.access import new_secret
from watchkeeper.model import Frame, Series, dictionary

RULES = """
[[rule]]
alert = "Busy"
expr = "load > 1"
severity = "critical"
annotations = { summary = "{{ $labels.machine }} is busy" }
[[rule]]
alert = "Later"
expr = "load > 1"
for = "1h"
[[rule]]
record = "load:avg5m"
expr = "avg_over_time(load[5m])"
[route]
group_wait = "0s"
"""


@pytest.fixture
async def busy(web: Web) -> Web:
    """A machine that is busy."""
    web.desk.rules = RULES
    layout = dictionary((Series("load", (("instance", "alpha"), ("machine", "alpha"))),))
    web.desk.store.define("alpha", "5s", layout)
    import numpy as np  # noqa: PLC0415  # of this fixture alone

    figures = np.array([2.5])
    web.desk.store.take("alpha", Frame("5s", layout.id, web.desk.now(), figures.tobytes()))
    web.desk.bench._found(web.desk.bench.court.frame("alpha", "5s", layout, web.desk.now(), figures))
    await web.desk.bench.turn()
    return web


async def get(web: Web, path: str) -> object:
    """An answer."""
    async with web.client() as client:
        answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_what_goes_on(busy: Web) -> None:
    """The gravest first, by machine, state and name."""
    told = (await get(busy, "/api/alerts"))["alerts"]
    assert [(one["labels"]["alertname"], one["state"]) for one in told] == [("Busy", "firing"), ("Later", "pending")]
    assert len((await get(busy, "/api/alerts?state=pending"))["alerts"]) == 1
    assert (await get(busy, "/api/alerts?machine=other"))["alerts"] == []
    assert len((await get(busy, "/api/alerts/history"))["alerts"]) == 1
    detail = await get(busy, f"/api/alerts/{told[0]['id']}")
    assert [step["state"] for step in detail["history"]] == ["firing"]
    assert (detail["incident"]["title"], detail["rule"]["expr"]) == ("alpha is busy", "load > 1")


async def test_an_incident_and_what_people_do(busy: Web) -> None:
    """Acknowledge, take back, assign, comment; all of it on its page."""
    (incident,) = (await get(busy, "/api/incidents"))["incidents"]
    path = f"/api/incidents/{incident['id']}"
    async with busy.client() as client:
        assert (await client.post(f"{path}/acknowledge")).json()["acknowledged_by"] == "local"
        assert (await client.delete(f"{path}/acknowledge")).json()["state"] == "open"
        assert (await client.post(f"{path}/assign", json={"to": "kim"})).json()["assigned_to"] == "kim"
        assert (await client.post(f"{path}/comments", json={"text": "looking"})).status_code == 201
        assert (await client.post("/api/marks", json={"text": "deploy 7"})).json()["kind"] == "mark"
        assert (await client.post(f"{path}/comments", json={"text": ""})).status_code == 400
        assert (await client.post("/api/incidents/nope/acknowledge")).status_code == 404
    detail = await get(busy, path)
    assert [one["text"] for one in detail["comments"]] == ["looking"]
    assert [one["kind"] for one in detail["timeline"]] == ["alert", "comment"]
    assert detail["alerts"][0]["labels"]["alertname"] == "Busy"


async def test_silences(busy: Web) -> None:
    """Added for a while, listed with how many they keep quiet, ended; nonsense is refused with words."""
    async with busy.client() as client:
        fresh = (await client.post("/api/silences", json={"matchers": ["alertname=~Busy|Later"], "seconds": 60})).json()
        assert (fresh["state"], fresh["alerts"], fresh["author"]) == ("active", 2, "local")
        assert [one["id"] for one in (await client.get("/api/silences")).json()] == [fresh["id"]]
        assert (await client.delete(f"/api/silences/{fresh['id']}")).json()["state"] == "expired"
        assert (await client.delete(f"/api/silences/{fresh['id']}")).status_code == 409
        assert (await client.delete("/api/silences/nope")).status_code == 404
        wrong = await client.post("/api/silences", json={"matchers": ["nonsense"], "seconds": 60})
        assert (wrong.status_code, wrong.json()["code"]) == (400, "bad-matcher")
        assert (await client.post("/api/silences", json={"matchers": ["a=b"], "seconds": 0})).status_code == 400


async def test_rules_and_replays(busy: Web) -> None:
    """How each stands; a replay over what is stored; what looks wrong with one."""
    rules = {one["name"]: one for one in await get(busy, "/api/rules")}
    assert (rules["Busy"]["judged"], rules["Busy"]["alerts"]) == ("on arrival", 1)
    assert rules["load:avg5m"]["judged"] == "every 15s"
    async with busy.client() as client:
        found = (await client.post("/api/rules/test", json={"rule": "Busy", "since_seconds": 60})).json()
        assert found["fired"] == 1
        assert (await client.post("/api/rules/test", json={"rule": "Nope"})).status_code == 404
        wrong = (await client.post("/api/rules/check", json=[{"rule": "Typo", "expr": "laod > 1", "where": "a:1"}])).json()
        assert [(one["where"], one["rule"]) for one in wrong] == [("a:1", "Typo")]
        assert (await client.post("/api/rules/check", json=[{"expr": "a"}] * 101)).status_code == 400


async def test_runbooks_are_there_for_everybody(web: Web) -> None:
    """Also for whoever has not signed in: they hold no secret, and are read when things are bad."""
    async with web.stranger() as stranger:
        page = await stranger.get("/runbooks/DiskLow")
        assert page.status_code == 200
        assert page.text.startswith("# DiskLow")
        assert (await stranger.get("/runbooks/nope")).status_code == 404
        assert (await stranger.get("/api/alerts")).status_code == 401


async def test_a_reader_may_not_act(busy: Web) -> None:
    """But may look, and replay."""
    secret = new_secret()
    await busy.desk.journal.access.put_token("reader", "viewer", secret, busy.desk.now())
    headers = {"authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(base_url=busy.url, headers=headers) as client:
        assert (await client.get("/api/alerts")).status_code == 200
        assert (await client.post("/api/rules/test", json={"rule": "Busy"})).status_code == 200
        (incident,) = (await client.get("/api/incidents")).json()["incidents"]
        for path, body in (
            (f"/api/incidents/{incident['id']}/acknowledge", None),
            ("/api/silences", {"matchers": ["a=b"], "seconds": 60}),
            ("/api/marks", {"text": "x"}),
            ("/api/v2/silences", {}),
            ("/api/v2/alerts", []),
        ):
            assert (await client.post(path, json=body)).status_code == 403, path


async def test_prometheus_rules_and_alerts(busy: Web) -> None:
    """In its own shape: groups by file, alerts with their state, filters."""
    data = (await get(busy, "/api/v1/rules"))["data"]
    (group,) = data["groups"]
    assert (group["name"], group["file"]) == ("rules", "rules.toml")
    by_name = {one["name"]: one for one in group["rules"]}
    assert (by_name["Busy"]["type"], by_name["Busy"]["state"], by_name["Busy"]["health"]) == ("alerting", "firing", "ok")
    assert by_name["Later"]["duration"] == 3600
    assert by_name["load:avg5m"]["type"] == "recording"
    only = (await get(busy, "/api/v1/rules?type=record"))["data"]["groups"][0]["rules"]
    assert [one["name"] for one in only] == ["load:avg5m"]
    named = (await get(busy, "/api/v1/rules?rule_name[]=Busy"))["data"]["groups"][0]["rules"]
    assert [one["name"] for one in named] == ["Busy"]
    assert (await get(busy, "/api/v1/rules?file[]=other"))["data"]["groups"] == []
    alerts = (await get(busy, "/api/v1/alerts"))["data"]["alerts"]
    assert [(one["labels"]["alertname"], one["state"], one["value"]) for one in alerts] == [
        ("Busy", "firing", "2.5"),
        ("Later", "pending", "2.5"),
    ]


async def test_open_pages_are_told_at_once(busy: Web) -> None:
    """An alert's change is a message on the live stream."""
    import json  # noqa: PLC0415  # of this test alone

    import websockets  # noqa: PLC0415  # only needed here

    async with websockets.connect(f"ws://127.0.0.1:{busy.port}/live", additional_headers=busy.bearer) as socket:
        await socket.recv()
        busy.desk.changes.alert(busy.desk.alerting.alerts()[0])
        async with asyncio.timeout(10):
            while (message := json.loads(await socket.recv()))["type"] != "alert":
                pass
        assert message["alert"]["labels"]["alertname"] == "Busy"
