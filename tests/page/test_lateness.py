"""Answers that come late, or never: what the page shows is the newest that is known, and it says what it does not know."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from playwright.async_api import Route, expect

from rigs.browsing import PHONE
from rigs.desk import until
from rigs.scenery import RULES, load
from watchkeeper.errors import Refused
from watchkeeper.model import Event, EventKind, LogLines, ServerState

SERVER = "/machines/alpha/servers/web"


class Held:
    """A route whose `nth` answer is fetched at once and handed out when it is let go; all others go through."""

    def __init__(self, nth: int = 1) -> None:
        self.seen = 0
        self.fetched, self.let_go = asyncio.Event(), asyncio.Event()
        self._nth = nth

    async def __call__(self, route: Route) -> None:
        """One request."""
        self.seen += 1
        mine = self.seen
        answer = await route.fetch()
        body = await answer.text()
        if mine == self._nth:
            self.fetched.set()
            await self.let_go.wait()
        await route.fulfill(response=answer, body=body)


async def abort(route: Route) -> None:
    """No answer."""
    await route.abort()


async def test_a_session_that_has_ended_leads_to_the_door(web, read) -> None:
    """A page that stays open while its cookie ends does not go on to say that all is well."""
    web.desk.rules = RULES
    async with read(web, grumpy=False) as reader:  # the browser itself notes the refusals
        await reader.page.context.clear_cookies()
        await load(web, 2.5)
        await expect(reader.page.locator("main.door")).to_have_count(1)


async def test_signing_out_without_the_hub_is_no_door(web, read) -> None:
    """Who could not be signed out is told so: the session lives on, and a door would hide it."""
    async with read(web, grumpy=False) as reader:
        page = reader.page
        await page.route("**/api/sign-out", abort)
        await page.locator(".side .sign-out").click()
        await expect(page.locator(".side").get_by_role("alert")).to_contain_text("You are still signed in")
        await expect(page.locator("main.door")).to_have_count(0)
        await page.unroute("**/api/sign-out")
        await page.locator(".side .sign-out").click()
        await expect(page.locator("main.door")).to_have_count(1)


async def test_an_order_without_an_answer_is_not_called_refused(web, read) -> None:
    """No answer is no refusal: the page says that it does not know, and the outcome is told when it comes."""
    async with read(web, grumpy=False) as reader:
        page = reader.page
        await reader.go(SERVER)
        standing = page.locator(".standing")
        await page.route("**/actions", abort)
        await standing.get_by_role("button", name="Restart web").click()
        await page.get_by_role("dialog").get_by_role("button", name="Restart").click()
        await expect(standing.get_by_role("status")).to_contain_text("no answer has come")
        await expect(standing.get_by_role("alert")).to_have_count(0)
        await page.unroute("**/actions")
        web.desk.hold = asyncio.Event()
        order = Held()
        await page.route("**/actions", order)
        await standing.get_by_role("button", name="Restart web").click()
        await page.get_by_role("dialog").get_by_role("button", name="Restart").click()
        await expect(standing.get_by_role("status")).to_contain_text("Restart asked for")
        web.desk.hold.set()
        await expect(standing.get_by_role("status")).to_contain_text("web did restart")
        order.let_go.set()
        await page.unroute_all(behavior="wait")


async def test_a_late_answer_about_incidents_is_not_the_newest(web, read) -> None:
    """What is asked before an incident begins anew, and answered after, does not take it off the page."""
    web.desk.rules = RULES
    async with read(web, at="/incidents") as reader:
        page, late = reader.page, Held(2)  # the first after a change may come before the incident was written
        open_ones = page.locator(".incidents li[data-state=open]")
        await load(web, 2.5)
        await expect(open_ones).to_have_count(1)
        await asyncio.sleep(2)  # the second question after a change is over
        await page.route("**/api/incidents?state=ongoing**", late)
        await load(web, 0.5)
        await late.fetched.wait()
        await load(web, 2.5)
        await until(lambda: late.seen >= 4)
        await expect(open_ones).to_have_count(1)
        late.let_go.set()
        await page.unroute_all(behavior="wait")
        await asyncio.sleep(0.5)
        await expect(open_ones).to_have_count(1)


async def test_a_late_overview_is_not_the_newest(web, read) -> None:
    """What the stream has told while the first answer was on its way stays: a server that died meanwhile is not shown as up."""
    async with read(web, at="/") as reader:
        page, late = reader.page, Held()
        await page.route("**/api/overview", late)
        await page.goto(f"{web.url}/channels")
        await late.fetched.wait()
        web.desk.turn("web", state=ServerState.BACKOFF, health="down", reason="exit 1")
        event = Event("e-now", web.desk.now(), EventKind.SERVER_EXITED, "web ended with 1", "alpha", "web", "critical")
        await web.desk.journal.events.add([event])
        web.desk.changes.event(event)
        await asyncio.sleep(2.5)  # a tick, at the latest
        late.let_go.set()
        await expect(page.locator(".freshness.live")).to_have_count(1)
        await expect(page.locator(".tree .leaf", has_text="web").locator("svg")).to_have_class("mark bad")
        await reader.turn("/")
        await expect(page.locator(".events li").first).to_contain_text("web ended with 1")
        await page.unroute_all(behavior="wait")


async def test_an_incident_is_shown_without_what_stands_beside_it(web, read) -> None:
    """Where who was told cannot be read, what is wrong and its button are there all the same."""
    web.desk.rules = RULES
    await load(web, 2.5)
    await until(lambda: web.desk.bench.keeping.live)
    async with read(web, PHONE, grumpy=False) as reader:

        async def refuse(route: Route) -> None:
            await route.fulfill(status=503, json={"code": "failed", "why": "the journal is busy", "hint": ""})

        (incident,) = await web.desk.journal.incidents.page()
        await reader.page.route("**/api/notifications**", refuse)
        await reader.go(f"/incidents/{incident.id}")
        await expect(reader.page.get_by_role("button", name="Acknowledge").first).to_be_visible()
        await expect(reader.page.locator("main")).not_to_contain_text("Nobody was told")
        await reader.page.unroute("**/api/notifications**")
        await reader.page.route(f"**/api/incidents/{incident.id}", refuse)
        await reader.page.reload()
        await expect(reader.page.locator("main").get_by_role("alert")).to_contain_text("the journal is busy")
        await reader.page.unroute(f"**/api/incidents/{incident.id}")
        await expect(reader.page.get_by_role("button", name="Acknowledge").first).to_be_visible()


async def test_an_incident_is_shown_in_a_storm(web, read) -> None:
    """Changes that come faster than answers do not keep a page empty."""
    web.desk.rules = RULES
    await load(web, 2.5)
    await until(lambda: web.desk.bench.keeping.live)
    (alert,) = web.desk.bench.keeping.live.values()
    (incident,) = await web.desk.journal.incidents.page()

    async def storm() -> None:
        while True:
            web.desk.changes.alert(alert)
            await asyncio.sleep(0.3)

    async def slow(route: Route) -> None:
        await asyncio.sleep(0.6)
        await route.continue_()

    async with read(web, PHONE) as reader:
        await reader.page.route("**/api/incidents/**", slow)
        blowing = asyncio.create_task(storm())
        try:
            await reader.go(f"/incidents/{incident.id}")
            await expect(reader.page.get_by_role("button", name="Acknowledge").first).to_be_visible()
        finally:
            blowing.cancel()
        await reader.page.unroute_all(behavior="wait")


def lines_of(web, parted: asyncio.Event) -> Callable[..., AsyncIterator[LogLines]]:
    """An agent's output that ends with its connection."""

    async def logs(machine: str, server: str, lines: int, *, follow: bool) -> AsyncIterator[LogLines]:
        if not web.desk.connected:
            raise Refused(f"{machine}'s agent is not connected", code="not-connected")
        yield LogLines("1", ("one", "again" if parted.is_set() else "two"), end=False)
        await parted.wait()
        if web.desk.connected:
            await asyncio.Event().wait()
        yield LogLines("1", (), end=True, why="the agent's link has ended")

    return logs


async def test_an_output_goes_on_when_its_agent_is_back(web, read) -> None:
    """A reader who stays on the page of a server sees its output again without a click."""
    parted = asyncio.Event()
    web.desk.logs = lines_of(web, parted)
    async with read(web, at=SERVER) as reader:
        frame = reader.page.locator(".log-frame")
        await expect(frame).to_contain_text("two")
        web.desk.connected = False
        web.desk.changes.status("alpha")
        parted.set()
        await expect(frame).to_contain_text("link has ended")
        web.desk.connected = True
        web.desk.changes.status("alpha")
        await expect(frame).to_contain_text("again")
        await expect(frame).not_to_contain_text("link has ended")


async def test_a_run_is_asked_for_one_question_at_a_time(web, read) -> None:
    """Over a slow line the page asks for the whole course of a run once, and from then on for what is new."""
    view = {"id": "r1", "plan": "soak", "target": "http://x", "machine": "alpha", "server": "web", "state": "running"}
    view |= {"verdict": "", "why": "", "started_at": web.desk.now() - 30_000, "ended_at": 0, "by": "me", "phase": "soak"}
    view |= {"going": True, "recorded": True}
    figures = {"name": "soak", "due": 100, "done": 100, "failed": 0, "p50": 0.01, "p95": 0.02, "p99": 0.03}
    asked: list[int] = []

    async def progress(route: Route) -> None:
        since = int(route.request.url.rpartition("=")[2])
        asked.append(since)
        until_now = 30 + len(asked)
        await asyncio.sleep(1.6)
        seconds = [{"second": second} | figures for second in range(since + 1, until_now)]
        await route.fulfill(json={"view": view, "seconds": seconds, "said": []})

    async def detail(route: Route) -> None:
        await route.fulfill(json={"view": view, "run": None, "stages": [], "files": []})

    async with read(web, grumpy=False) as reader:  # nothing but the run itself is there
        await reader.page.route("**/api/stress/runs/r1", detail)
        await reader.page.route("**/progress**", progress)
        await reader.go("/stress/r1")
        await until(lambda: len(asked) >= 3, 30)
        await reader.page.unroute_all(behavior="wait")
    assert asked[0] == -1
    assert asked[1:] == sorted(set(asked[1:]))
    assert asked[1] > 0
