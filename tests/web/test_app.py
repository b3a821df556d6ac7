"""The whole web over real sockets: routes, shapes, faults and the document that describes them."""

from __future__ import annotations

import asyncio
import re

import msgspec
import pytest
from litestar.handlers import HTTPRouteHandler

from watchkeeper.model import Event, EventKind, Outcome
from watchkeeper.web.routes import heartbeats, history, machines, messages, questions, scraped, session, system
from watchkeeper.web.settings import WebSettings
from watchkeeper.web.shapes import (
    ActionsView,
    ActionView,
    Chart,
    EventsView,
    LogsView,
    MachineView,
    Overview,
    PanelView,
    Problem,
    SeriesView,
    ServerView,
    VersionView,
)

SERVER = "/api/machines/alpha/servers/web"


async def test_overview(web) -> None:
    """The first screen comes whole and answers whether anything is wrong."""
    await web.desk.journal.events.add([Event("e1", 5, EventKind.SERVER_STARTED, "web has started", "alpha", "web")])
    async with web.client() as client:
        answer = await client.get("/api/overview")
    found = msgspec.json.decode(answer.content, type=Overview)
    assert answer.status_code == 200
    assert found.sentence == "All is well: 1 server up on 1 machine, 1 stopped on purpose."
    assert [view.status.name for view in found.servers] == ["web", "jobs"]
    assert [event.id for event in found.events] == ["e1"]


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/api/machines", tuple[MachineView, ...]),
        ("/api/machines/alpha", MachineView),
        ("/api/machines/alpha/servers", tuple[ServerView, ...]),
        (SERVER, ServerView),
        (f"{SERVER}/logs?lines=2", LogsView),
        ("/api/actions", ActionsView),
        ("/api/events", EventsView),
        ("/api/panels", list[PanelView]),
        ("/api/panels?machine=alpha&server=web", list[PanelView]),
        ("/api/charts/cpu?machine=alpha", Chart),
        ("/api/charts/server_cpu?machine=alpha&server=web", Chart),
        ("/api/series?match=node_load1", list[SeriesView]),
        ("/api/version", VersionView),
    ],
)
async def test_each_route_answers_in_its_shape(web, path: str, shape: object) -> None:
    """Every reading route answers 200 in its declared shape, and is never cached."""
    web.desk.store.put(web.series("node_load1"), web.desk.now(), 0.5)
    async with web.client() as client:
        answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    msgspec.json.decode(answer.content, type=shape)


@pytest.mark.parametrize(
    ("path", "status", "code", "said"),
    [
        ("/api/machines/alpah", 404, "unknown-machine", "did you mean 'alpha'?"),
        ("/api/machines/alpha/servers/wep", 404, "unknown-server", "did you mean 'web'?"),
        ("/api/machines/alpha/servers/wep/logs", 404, "unknown-server", "did you mean 'web'?"),
        ("/api/actions/nope", 404, "unknown-action", "nope"),
        ("/api/charts/cpuu?machine=alpha", 404, "unknown-panel", "did you mean 'cpu'?"),
        ("/api/charts/own:jobs?machine=alpha", 404, "unknown-server", "is of a server"),
        ("/api/panels?machine=alpha&server=wep", 404, "unknown-server", "did you mean 'web'?"),
        ("/api/charts/cpu?machine=alpah", 404, "unknown-machine", "did you mean 'alpha'?"),
        ("/api/charts/server_cpu?machine=alpha", 404, "unknown-server", "say which"),
        ("/api/charts/cpu?machine=alpha&start=5&end=4", 400, "bad-range", "before its end"),
        ("/api/charts/cpu?machine=alpha&points=5000", 400, "bad-request", "points"),
        ("/api/charts/cpu", 400, "bad-request", "machine"),
        ("/api/events?limit=1001", 400, "bad-request", "limit"),
        ("/api/events?limit=many", 400, "bad-request", "limit"),
        ("/api/events?before=x", 400, "bad-cursor", "cursor"),
        ("/api/events?kind=exploded", 400, "bad-request", "kind"),
        ("/api/series?match={", 400, "bad-selector", "selector"),
        ("/api/nothing", 404, "no-such-route", "nothing at this address"),
    ],
)
async def test_each_mistake_is_told_as_a_problem(web, path: str, status: int, code: str, said: str) -> None:
    """A mistaken question gets a stable code, a sentence and where possible the nearest name."""
    async with web.client() as client:
        answer = await client.get(path)
    found = msgspec.json.decode(answer.content, type=Problem)
    assert (answer.status_code, found.code) == (status, code)
    assert said in found.why


async def test_a_wrong_method_is_a_problem_too(web) -> None:
    """What the framework refuses has our shape."""
    async with web.client() as client:
        answer = await client.delete("/api/overview")
    assert answer.status_code == 405
    assert msgspec.json.decode(answer.content, type=Problem).code == "wrong-method"


async def test_an_action_is_waited_for_and_leaves_its_rows(web) -> None:
    """The answer of an order holds its outcome; the journal has the row and the audit who did it."""
    async with web.client() as client:
        ask = {"verb": "restart", "reason": "new certificates"}
        answer = await client.post(f"{SERVER}/actions", json=ask)
        found = msgspec.json.decode(answer.content, type=ActionView)
        again = msgspec.json.decode((await client.get(f"/api/actions/{found.id}")).content, type=ActionView)
    assert (answer.status_code, found.state, found.by) == (200, "done", "local")
    assert again == found
    ended, entry = (await web.desk.journal.audit.newest())[:2]
    assert (entry.by, entry.what, entry.about, entry.peer) == ("local", "restart", "alpha/web", "127.0.0.1")
    assert (entry.why, ended.by, ended.outcome) == ("new certificates", "local", "done: web did restart")


async def test_an_order_that_takes_long_is_answered_as_running(web, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the web's patience the answer is 202 with the state; the outcome can still come."""
    monkeypatch.setattr(machines, "PATIENCE", 0.05)
    web.desk.hold = asyncio.Event()
    async with web.client() as client:
        answer = await client.post(f"{SERVER}/actions", json={"verb": "stop"})
        found = msgspec.json.decode(answer.content, type=ActionView)
        assert (answer.status_code, found.state, found.outcome) == (202, "sent", None)
        await web.desk.journal.actions.end(Outcome(found.id, 7, ok=True, text="stopped"))
        later = msgspec.json.decode((await client.get(f"/api/actions/{found.id}")).content, type=ActionView)
    assert later.state == "done"


async def test_an_order_to_an_absent_agent_is_refused_and_written_down(web) -> None:
    """Nothing was sent, the caller hears why, and the row says failed."""
    web.desk.connected = False
    async with web.client() as client:
        answer = await client.post(f"{SERVER}/actions", json={"verb": "start"})
        rows = msgspec.json.decode((await client.get("/api/actions?server=web")).content, type=ActionsView).actions
    assert (answer.status_code, answer.json()["code"]) == (409, "not-connected")
    assert [row.state for row in rows] == ["failed"]
    assert rows[0].outcome
    assert "not connected" in rows[0].outcome.text


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"verb":"explode"}', b'{"verb":"stop","force":true}'])
async def test_a_body_that_does_not_fit_is_refused(web, body: bytes) -> None:
    """A malformed order is a 400 with a reason and leaves no row."""
    async with web.client() as client:
        answer = await client.post(f"{SERVER}/actions", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert answer.json()["why"]
    assert await web.desk.journal.actions.page() == ()


async def test_pages_of_events_join_up(web) -> None:
    """Following `next` yields every event once, newest first, and ends."""
    told = [Event(f"e{number:02}", number // 3, EventKind.PROBE_FAILED, "no answer", "alpha", "web") for number in range(25)]
    await web.desk.journal.events.add(told)
    seen: list[str] = []
    async with web.client() as client:
        following = ""
        while True:
            answer = await client.get(f"/api/events?limit=10&machine=alpha&kind=probe_failed&before={following}")
            found = msgspec.json.decode(answer.content, type=EventsView)
            seen += [event.id for event in found.events]
            following = found.next
            if not following:
                break
    assert seen == sorted((event.id for event in told), reverse=True)


async def test_alive_and_ready_need_no_sign_in(web) -> None:
    """Load balancers may ask; a hub that cannot keep what it is told says so."""
    async with web.stranger() as client:
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200
        web.desk.trouble = "the disk is full"
        answer = await client.get("/readyz")
    assert (answer.status_code, answer.text) == (503, "the disk is full\n")


async def test_metrics_in_both_formats(web) -> None:
    """The newest figures and the hub's own come as text or as OpenMetrics, by what is asked for; `up` is the reader's own."""
    web.desk.store.put(web.series("node_load1"), web.desk.now(), 0.5)
    web.desk.store.put(web.series("up"), web.desk.now(), 1.0)
    async with web.client() as client:
        plain = await client.get("/metrics")
        fancy = await client.get("/metrics", headers={"accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"})
    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert re.search(r'^# TYPE node_load1 gauge\nnode_load1\{machine="alpha"\} 0\.5 \d{13}$', plain.text, re.MULTILINE)
    assert "watchkeeper_hub_pages 0" in plain.text
    assert not re.search(r"^up\b", plain.text + fancy.text, re.MULTILINE)
    assert fancy.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert fancy.text.endswith("# EOF\n")


async def test_open_metrics_setting(make_web) -> None:
    """Without a token /metrics is closed, unless the operator opens it."""
    async with make_web(WebSettings(open_metrics=True)) as web, web.stranger() as client:
        assert (await client.get("/metrics")).status_code == 200
        assert (await client.get("/api/overview")).status_code == 401


async def test_large_answers_are_packed(web) -> None:
    """A chart's JSON crosses the wire gzipped when the client takes it."""
    now = web.desk.now()
    for back in range(300):
        web.desk.store.put(web.series("node_load1"), now - back * 1000, 0.5)
    async with web.client() as client:
        answer = await client.get("/api/charts/load?machine=alpha", headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"


async def test_the_document_describes_every_route(web) -> None:
    """The OpenAPI document is 3.1, names every route with its operation id and points at nothing outside."""
    async with web.stranger() as client:
        answer = await client.get("/api/openapi.json")
    document = answer.json()
    assert answer.status_code == 200
    assert document["openapi"].startswith("3.1")
    described = {
        (path, method): operation["operationId"]
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    rooms = (session, machines, history, system, questions, scraped, messages, heartbeats)
    routes = [route for room in rooms for route in room.ROUTES if route is not heartbeats.ping]
    assert {name for (path, _), name in described.items() if path.startswith("/ping/")} == {
        *("ping", "pingHead", "pingPost", "pingWithWord", "pingHeadWithWord", "pingPostWithWord")
    }
    for route in routes:
        assert isinstance(route, HTTPRouteHandler)
        for path in route.paths:
            plain = re.sub(r":\w+\}", "}", path)
            for method in route.http_methods - {"OPTIONS", "HEAD"}:
                assert described[plain, method.lower()] == route.operation_id
    assert len(set(described.values())) == len(described)
    _resolve(document, document)


def _resolve(part: object, document: dict[str, object]) -> None:
    """Every reference of the document leads somewhere inside it."""
    if isinstance(part, dict):
        if isinstance(reference := part.get("$ref"), str):
            place: object = document
            for step in reference.removeprefix("#/").split("/"):
                assert isinstance(place, dict)
                place = place[step]
        for inner in part.values():
            _resolve(inner, document)
    elif isinstance(part, list):
        for inner in part:
            _resolve(inner, document)
