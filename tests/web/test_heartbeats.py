"""Heartbeats over HTTP: as Healthchecks' clients send them, from anybody who knows the address, and expected by command."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from watchkeeper.heartbeat.settings import Expected
from watchkeeper.journal.access import new_secret
from watchkeeper.office import OfficeSettings


async def view(client, name="backup"):
    """How one stands."""
    return next(one for one in (await client.get("/api/heartbeats")).json() if one["name"] == name)


async def test_a_job_sends_as_to_healthchecks(make_web) -> None:
    """GET, HEAD and POST; start, success, fail, an exit status and words, without any sign-in."""
    office = OfficeSettings(expected={"backup": Expected()})
    async with make_web(office=office) as web, web.client() as client, web.stranger() as job:
        url = (await view(client))["url"]
        assert (await view(client))["state"] == "new"
        assert (await job.get(f"{url}/start")).text == "OK"
        assert (await view(client))["reason"] == "it runs"
        assert (await job.head(url)).status_code == 200
        assert (await view(client))["state"] == "up"
        assert (await job.post(f"{url}/3", content=b"tar: no space")).status_code == 200
        now = await view(client)
        assert (now["state"], now["exit_status"], now["body"]) == ("down", 3, "tar: no space")
        assert (await job.get(f"{url}/0")).status_code == 200
        assert (await view(client))["state"] == "up"
        assert (await job.post(f"{url}/fail", data={"a": "form"})).status_code == 200
        assert (await view(client))["body"] == "a=form"
        assert (await job.post(f"{url}/log", content=b"words")).status_code == 200
        assert [event.kind.value for event in web.desk.told] == [
            *("heartbeat_up", "heartbeat_down", "heartbeat_up", "heartbeat_down")
        ]


async def test_a_long_body_is_cut_and_a_strange_word_refused(make_web) -> None:
    """A megabyte of output is no reason to miss a heartbeat: its end is kept. What is no signal is told so."""
    office = OfficeSettings(expected={"backup": Expected()})
    async with make_web(office=office) as web, web.client() as client, web.stranger() as job:
        url = (await view(client))["url"]
        answer = await job.post(url, content=b"x" * (1 << 20) + b"the end", headers={"content-type": "text/plain"})
        assert answer.status_code == 200
        now = await view(client)
        assert (now["state"], len(now["body"])) == ("up", 10_000)
        assert now["body"].endswith("the end")
        too_much = await job.post(url, content=b"x" * (17 << 20))
        assert too_much.status_code == 413
        for word in ("256", "-1", "0x1", "strat", "1e1", "٣"):
            assert (await job.get(f"{url}/{word}")).status_code == 404, word
        assert (await job.get("/ping/nobody")).status_code == 404
        assert (await view(client))["exit_status"] == 0


async def test_one_more_is_expected_by_command(make_web) -> None:
    """With an address of its own; mistakes are told; it may be taken back, those of the configuration may not."""
    async with make_web(office=OfficeSettings(expected={"backup": Expected()})) as web, web.client() as client:
        asked = {"name": "nightly", "cron": "30 3 * * *", "zone": "Europe/Berlin", "grace": "1h"}
        made = (await client.post("/api/heartbeats", json=asked)).json()
        assert made["expected"] == "at “30 3 * * *” (Europe/Berlin), grace 1h"
        assert urlsplit(made["url"]).path.startswith("/ping/")
        assert (await client.post("/api/heartbeats", json=asked)).status_code == 409
        for wrong in ({"cron": "every day"}, {"period": "soon"}, {"grace": ""}, {"name": "a/b"}, {"zone": "Mars"}):
            answer = await client.post("/api/heartbeats", json={"name": "other"} | wrong)
            assert answer.status_code == 400, wrong
            assert answer.json()["why"]
        assert (await client.delete("/api/heartbeats/nightly")).status_code == 204
        assert (await client.delete("/api/heartbeats/nightly")).status_code == 404
        assert (await client.delete("/api/heartbeats/backup")).status_code == 409


@pytest.mark.parametrize(("kind", "shown"), [("viewer", False), ("admin", True)])
async def test_the_address_is_for_those_who_may_act(make_web, kind, shown) -> None:
    """Whoever has it may send, so it is not shown to everybody who may look."""
    async with make_web(office=OfficeSettings(expected={"backup": Expected()})) as web:
        secret = new_secret()
        await web.desk.journal.access.put_token("some", kind, secret, web.desk.now())
        async with web.stranger() as client:
            client.headers["authorization"] = f"Bearer {secret}"
            assert bool((await view(client))["url"]) is shown
            assert ((await client.post("/api/heartbeats", json={"name": "x"})).status_code == 201) is shown
