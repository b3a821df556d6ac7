"""Alertmanager's API: `amtool` works unchanged, and the real Alertmanager answers in the same shapes."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from rigs.desk import Web
from watchkeeper.web.settings import WebSettings

AMTOOL = shutil.which("amtool")
needs_amtool = pytest.mark.skipif(
    AMTOOL is None, reason="amtool is not installed (on Debian: apt install prometheus-alertmanager)"
)


async def amtool(web: Web, *words: str) -> str:
    """What it prints."""
    assert AMTOOL is not None
    address = f"--alertmanager.url=http://x:{web.token}@127.0.0.1:{web.port}"
    run = await asyncio.to_thread(subprocess.run, [AMTOOL, address, *words], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


def soon(**later: float) -> str:
    """A time from now, RFC 3339."""
    return (datetime.now(UTC) + timedelta(**later)).isoformat().replace("+00:00", "Z")


@pytest.fixture
async def posted(web: Web) -> Web:
    """Two alerts that somebody has posted."""
    async with web.client() as client:
        alerts = [
            {"labels": {"alertname": "DiskLow", "instance": "a:1", "severity": "warning"}, "annotations": {"summary": "low"}},
            {"labels": {"alertname": "Down", "instance": "b:1", "severity": "critical"}, "endsAt": soon(minutes=5)},
        ]
        assert (await client.post("/api/v2/alerts", json=alerts)).status_code == 200
    await web.desk.bench.turn()
    return web


@needs_amtool
async def test_amtool_lists_alerts(posted: Web) -> None:
    """All of them, and those of a matcher."""
    told = await amtool(posted, "alert", "query")
    assert "DiskLow" in told
    assert "Down" in told
    one = json.loads(await amtool(posted, "-o", "json", "alert", "query", "severity=critical"))
    assert [alert["labels"]["alertname"] for alert in one] == ["Down"]
    assert one[0]["receivers"] == [{"name": "all"}]


async def test_an_alert_leads_to_its_incident(make_web) -> None:
    """The address beside an alert opens what people do about it, where people elsewhere reach the hub."""
    async with make_web(WebSettings(url="https://watch.example.org/")) as web, web.client() as client:
        alert = {"labels": {"alertname": "Disk low"}}
        assert (await client.post("/api/v2/alerts", json=[alert])).status_code == 200
        await web.desk.bench.turn()
        (told,) = (await client.get("/api/v2/alerts")).json()
        (known,) = web.desk.alerting.alerts()
        assert known.incident
        assert told["generatorURL"] == f"https://watch.example.org/incidents/{known.incident}"


@needs_amtool
async def test_amtool_adds_an_alert(web: Web) -> None:
    """As a program would."""
    await amtool(web, "alert", "add", "alertname=FromAmtool", "node=bar", "--annotation=summary=hello")
    await web.desk.bench.turn()
    (alert,) = web.desk.alerting.alerts()
    assert (alert.labels, alert.annotations["summary"]) == ({"alertname": "FromAmtool", "node": "bar"}, "hello")


@needs_amtool
async def test_amtool_adds_changes_and_ends_silences(posted: Web) -> None:
    """And alerts that are silenced are shown as such."""
    identity = (await amtool(posted, "silence", "add", "alertname=DiskLow", "-c", "new disk", "-a", "kim", "-d", "1h")).strip()
    (silence,) = json.loads(await amtool(posted, "-o", "json", "silence", "query"))
    assert (silence["id"], silence["createdBy"], silence["comment"]) == (identity, "kim", "new disk")
    await posted.desk.bench.turn()
    shown = {
        one["labels"]["alertname"]: one["status"]
        for one in json.loads(await amtool(posted, "-o", "json", "alert", "query", "-s"))
    }
    assert shown["DiskLow"] == {"state": "suppressed", "silencedBy": [identity], "inhibitedBy": []}
    await amtool(posted, "silence", "update", identity, "-d", "2h")
    (longer,) = json.loads(await amtool(posted, "-o", "json", "silence", "query", "alertname=DiskLow"))
    assert longer["endsAt"] > silence["endsAt"]
    await amtool(posted, "silence", "expire", longer["id"])
    assert json.loads(await amtool(posted, "-o", "json", "silence", "query")) == []
    assert len(json.loads(await amtool(posted, "-o", "json", "silence", "query", "--expired"))) >= 1


@needs_amtool
async def test_amtool_asks_who_is_there(web: Web) -> None:
    """Its status page."""
    assert "watchkeeper.toml" in await amtool(web, "config", "show")


async def test_groups_receivers_and_one_silence(posted: Web) -> None:
    """What its other clients ask."""
    async with posted.client() as client:
        groups = (await client.get("/api/v2/alerts/groups")).json()
        assert sorted(one["alerts"][0]["labels"]["alertname"] for one in groups) == ["DiskLow", "Down"]
        assert (await client.get("/api/v2/receivers")).json() == [{"name": "all"}]
        body = {
            "matchers": [{"name": "instance", "value": "a:.*", "isRegex": True}],
            "startsAt": soon(),
            "endsAt": soon(hours=1),
            "createdBy": "kim",
            "comment": "",
        }
        identity = (await client.post("/api/v2/silences", json=body)).json()["silenceID"]
        kept = (await client.get(f"/api/v2/silence/{identity}")).json()
        assert kept["matchers"] == [{"name": "instance", "value": "a:.*", "isRegex": True, "isEqual": True}]
        assert (await client.delete(f"/api/v2/silence/{identity}")).status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v2/silences", {"matchers": []}),
        ("/api/v2/silences", {"matchers": [], "startsAt": "soon", "endsAt": "later", "createdBy": "k", "comment": ""}),
        ("/api/v2/alerts", [{"labels": {}}]),
        ("/api/v2/alerts", {"labels": {}}),
    ],
)
async def test_nonsense_is_refused_with_a_string(web: Web, path: str, body: object) -> None:
    """As its clients expect an error."""
    async with web.client() as client:
        answer = await client.post(path, json=body)
        assert answer.status_code == 400
        assert isinstance(answer.json(), str)
        assert (await client.get("/api/v2/silence/nope")).status_code == 404
        assert (await client.get("/api/v2/alerts?filter=nonsense")).status_code == 400
