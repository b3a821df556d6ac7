"""Prometheus' API over real sockets: who may ask, how much, what is packed, what stands beside the figures."""

from __future__ import annotations

import asyncio
import base64
import threading
from typing import Any

import pytest

from rigs.desk import until
from watchkeeper.journal.access import new_secret
from watchkeeper.model import STALE
from watchkeeper.quantities import Duration
from watchkeeper.query import QuerySettings
from watchkeeper.web.routes import questions, scraped
from watchkeeper.web.workshop import Workshop

PATHS = sorted({path.replace("{name:str}", "x") for route in (*questions.ROUTES, *scraped.ROUTES) for path in route.paths})


def put(web, *values: float, name: str = "node_load1") -> int:
    """Samples, a second apart, the last one now; when that was."""
    now = web.desk.now()
    for place, value in enumerate(values, 1):
        web.desk.store.put(web.series(name), now - 1000 * (len(values) - place), value)
    return now


@pytest.mark.parametrize("path", PATHS)
async def test_nobody_asks_without_signing_in(web, path: str) -> None:
    """Every route is closed to strangers, posted or not, and says so in Prometheus' envelope."""
    async with web.stranger() as client:
        for answer in (await client.get(path), await client.get(path, headers={"authorization": "Bearer wrong"})):
            assert answer.status_code == 401
            assert answer.headers["cache-control"] == "no-store"
            if path != "/federate":
                assert answer.json()["status"] == "error"


async def test_a_reading_token_may_post_questions_and_nothing_else(web) -> None:
    """Grafana's token reads: it may send forms to the API, but no orders."""
    secret = new_secret()
    await web.desk.journal.access.put_token("grafana", "viewer", secret, web.desk.now())
    put(web, 0.5)
    async with web.stranger() as client:
        client.headers["authorization"] = f"Bearer {secret}"
        answer = await client.post("/api/v1/query", data={"query": "node_load1"})
        assert (answer.status_code, answer.json()["data"]["result"][0]["value"][1]) == (200, "0.5")
        order = await client.post("/api/machines/alpha/servers/web/actions", json={"verb": "stop"})
        assert order.status_code == 403


async def test_the_token_may_be_the_password_of_basic_authentication(web) -> None:
    """As Grafana's data source sends it, under any name; a wrong one lets nobody in."""
    async with web.stranger() as client:
        for password, status in ((web.token, 200), ("wrong", 401), ("", 401)):
            coded = base64.b64encode(f"grafana:{password}".encode()).decode()
            answer = await client.get("/api/v1/labels", headers={"authorization": f"Basic {coded}"})
            assert answer.status_code == status
        assert (await client.get("/api/v1/labels", headers={"authorization": "Basic ???"})).status_code == 401


async def test_forms_are_taken_here_alone(web) -> None:
    """A form to another route is refused as before, and here anything but a form."""
    async with web.client() as client:
        form = await client.post("/api/sign-in-links", data={"a": "b"})
        other = await client.post("/api/v1/query", json={"query": "1"})
    assert (form.status_code, other.status_code) == (415, 415)


REFUSED = [
    ("POST", "query", {"content-type": "text/plain"}, b"x", 415, "bad_data"),
    ("POST", "query", {"content-type": "application/x-www-form-urlencoded"}, b"query=" + b"1" * 70_000, 413, "bad_data"),
    ("POST", "query", {"origin": "https://evil.example"}, b"", 403, "forbidden"),
    ("GET", "query", {"host": "evil.example"}, b"", 421, "bad_data"),
    ("GET", "nothing/here", {}, b"", 404, "not_found"),
    ("DELETE", "query", {}, b"", 405, "bad_data"),
    ("POST", "label/job/values", {}, b"", 405, "bad_data"),
]


@pytest.mark.parametrize(("method", "path", "headers", "content", "status", "kind"), REFUSED)
async def test_what_the_gate_refuses_has_prometheus_shape_too(
    web, method: str, path: str, headers: dict[str, str], content: bytes, status: int, kind: str
) -> None:
    """Below its API, whoever refuses; everywhere else the shape is our own."""
    async with web.client() as client:
        answer = await client.request(method, f"/api/v1/{path}", headers=headers, content=content)
        ours = await client.get("/api/nothing/here")
    assert answer.status_code == status
    told = answer.json()
    assert (told["status"], told["errorType"], sorted(told)) == ("error", kind, ["error", "errorType", "status"])
    assert told["error"]
    assert sorted(ours.json()) == ["code", "hint", "why"]


async def test_a_site_elsewhere_cannot_ask_with_a_persons_cookie(web) -> None:
    """Forms are what foreign pages can send: the origin is looked at as everywhere."""
    async with web.client() as client:
        answer = await client.post("/api/v1/query", data={"query": "1"}, headers={"origin": "https://evil.example"})
    assert answer.status_code == 403


async def test_long_answers_are_packed_for_who_takes_that(web) -> None:
    """The same bytes once unpacked; short ones and other callers get them plain."""
    now = put(web, *range(300))
    asked = {"query": "node_load1", "start": now / 1000 - 250, "end": now / 1000, "step": 1}
    async with web.client() as client:
        plain = await client.get("/api/v1/query_range", params=asked, headers={"accept-encoding": "identity"})
        refusing = await client.get("/api/v1/query_range", params=asked, headers={"accept-encoding": "gzip;q=0"})
        gzipped = await client.get("/api/v1/query_range", params=asked, headers={"accept-encoding": "br, gzip"})
    assert gzipped.headers["content-encoding"] == "gzip"
    assert int(gzipped.headers["content-length"]) < len(plain.content) / 2
    assert "content-encoding" not in plain.headers
    assert "content-encoding" not in refusing.headers
    assert gzipped.json() == plain.json()


@pytest.mark.parametrize(
    ("limits", "path", "said"),
    [
        ({"samples": 50}, "query_range?query=node_load1&start={then}&end={now}&step=1", "100 samples"),
        ({"series": 1}, "query?query={{__name__=~%22node.*%22}}", "2 series"),
        ({"figures": 50}, "query_range?query=node_load1&start={then}&end={now}&step=1", "100 figures"),
        ({"points": 50}, "query_range?query=node_load1&start={then}&end={now}&step=1", "100 points"),
        ({"points": 50}, "query?query=node_load1[2m]", "100 points"),
        ({"series": 1}, "series?match[]={{__name__=~%22node.*%22}}", "2 series"),
    ],
)
async def test_a_question_beyond_a_limit_is_refused_with_its_size(make_web, limits: dict, path: str, said: str) -> None:
    """422 and how much it would have been."""
    async with make_web(query=QuerySettings(**limits)) as web, web.client() as client:
        put(web, *[1.0] * 100, name="node_load5")
        now = put(web, *[1.0] * 100) / 1000
        answer = await client.get("/api/v1/" + path.format(then=now - 99, now=now))
    assert (answer.status_code, answer.json()["errorType"]) == (422, "execution")
    assert said in answer.json()["error"]


async def test_the_hub_answers_others_while_questions_are_worked_on(make_web, monkeypatch) -> None:
    """With its one place taken and its queue full a question hears 503, and the overview comes as ever."""
    free = threading.Event()
    workshops: set[Workshop] = set()
    work = Workshop.work

    async def noted(workshop: Workshop, *wanted: Any) -> object:
        workshops.add(workshop)
        return await work(workshop, *wanted)

    monkeypatch.setattr(Workshop, "work", noted)
    async with make_web(query=QuerySettings(at_once=1, waiting=1)) as web, web.client() as client:
        select = web.desk.store.select

        def slow(*asked: object) -> object:
            if threading.current_thread().name == "query":
                assert free.wait(30)
            return select(*asked)

        web.desk.store.select = slow
        put(web, 1.0)
        asked = [asyncio.create_task(client.get("/api/v1/query?query=node_load1")) for _ in range(2)]
        await until(lambda: sum(one.inside for one in workshops) == 2)
        refused = await client.get("/api/v1/query?query=node_load1")
        assert (refused.status_code, refused.json().get("errorType")) == (503, "unavailable")
        assert (await client.get("/api/overview")).status_code == 200
        free.set()
        assert [answer.status_code for answer in await asyncio.gather(*asked)] == [200, 200]


async def test_a_question_that_takes_too_long_times_out(make_web) -> None:
    """503 and `timeout`, within the operator's limit whatever was asked for."""
    free = threading.Event()
    async with make_web(query=QuerySettings(timeout=Duration(0.2))) as web, web.client() as client:
        web.desk.store.select = lambda *_: free.wait(30) and []
        answer = await client.get("/api/v1/query?query=node_load1&timeout=1h")
        free.set()
    assert (answer.status_code, answer.json()["errorType"]) == (503, "timeout")


async def test_the_lookback_may_be_chosen(web) -> None:
    """By `lookback_delta`: a sample older than it does not count; nothing at all is refused."""
    now = put(web, 0.5)
    async with web.client() as client:
        answers = {}
        for lookback in ("", "5s", "20s", "0"):
            asked = {"query": "node_load1", "time": now / 1000 + 10, "lookback_delta": lookback}
            answer = await client.get("/api/v1/query", params=asked)
            answers[lookback] = len(answer.json()["data"]["result"]) if answer.status_code == 200 else answer.status_code
    assert answers == {"": 1, "5s": 0, "20s": 1, "0": 400}


async def test_names_can_be_limited(web) -> None:
    """The first so many, in order, with a warning that there are more."""
    put(web, 1.0)
    put(web, 1.0, name="node_load5")
    async with web.client() as client:
        every = (await client.get("/api/v1/label/__name__/values")).json()["data"]
        first = (await client.get("/api/v1/label/__name__/values?limit=1")).json()
        series = (await client.get("/api/v1/series", params={"match[]": '{machine="alpha"}', "limit": 1})).json()["data"]
    assert (every, first["data"]) == (["node_load1", "node_load5"], ["node_load1"])
    assert first["warnings"] == ["results truncated due to limit"]
    assert series == [{"__name__": "node_load1", "machine": "alpha"}]


async def test_metadata_is_what_agents_have_defined(web) -> None:
    """Kind and sentence, of all or of one."""
    async with web.client() as client:
        every = (await client.get("/api/v1/metadata")).json()["data"]
        one = (await client.get("/api/v1/metadata?metric=node_load1")).json()["data"]
    assert one == {"node_load1": [{"type": "gauge", "help": "1m load average.", "unit": ""}]}
    assert every.keys() == {"node_load1", "watchkeeper_hub_pages"}


async def test_targets_by_state(web) -> None:
    """Active ones are listed, dropped ones there are none."""
    async with web.client() as client:
        active = (await client.get("/api/v1/targets")).json()["data"]
        dropped = (await client.get("/api/v1/targets?state=dropped")).json()["data"]
    assert [one["labels"]["machine"] for one in active["activeTargets"]] == ["alpha"]
    assert dropped == {"activeTargets": [], "droppedTargets": []}


async def test_federation_leaves_out_what_is_old_or_has_ended(web) -> None:
    """Newest samples with their times, once each, by name; a malformed selector is a 400 in plain text."""
    now = put(web, 0.25, 0.5)
    put(web, STALE, name="node_load5")
    web.desk.store.put(web.series("node_load15"), now - 301_000, 1.0)
    async with web.client() as client:
        answer = await client.get("/federate", params={"match[]": ['{__name__=~"node.*"}', "node_load1"]})
        wrong = await client.get("/federate", params={"match[]": "{"})
        nothing = await client.get("/federate")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.text == (
        f'# HELP node_load1 1m load average.\n# TYPE node_load1 gauge\nnode_load1{{instance="",machine="alpha"}} 0.5 {now}\n'
    )
    assert (wrong.status_code, "parse error" in wrong.text) == (400, True)
    assert (nothing.status_code, nothing.text) == (200, "")


async def test_our_bug_is_told_in_the_envelope(web, monkeypatch: pytest.MonkeyPatch) -> None:
    """500 and `internal`, without a word of its inside."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a secret detail")

    monkeypatch.setattr(web.desk.store, "series", broken)
    async with web.client() as client:
        answer = await client.get("/api/v1/labels")
    assert (answer.status_code, answer.json()["errorType"]) == (500, "internal")
    assert "secret" not in answer.text
