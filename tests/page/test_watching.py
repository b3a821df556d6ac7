"""What a person sees: states as they change, figures as they come, and never more than is known."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from rigs.browsing import PHONE
from rigs.scenery import alive, fill
from watchkeeper.model import Event, EventKind, ServerState

ALPHA = "/machines/alpha"
PAGES = ("/", "/machines", "/events", ALPHA, f"{ALPHA}/servers/web", f"{ALPHA}/servers/nope", "/nowhere")
NAMED = "button, a, input, [role=img], [role=group], [role=region], [role=log], dialog, nav"
NAMELESS = """(kinds) => [...document.querySelectorAll(kinds)]
    .filter((one) => one.role || !one.textContent.trim())
    .filter((one) => !one.ariaLabel && !one.labels?.length && !one.getAttribute("aria-labelledby"))
    .map((one) => one.outerHTML)"""
TRY_NOW = """() => [...document.querySelectorAll("button")]
    .filter((one) => one.textContent.includes("Try now"))
    .forEach((one) => one.click())"""
"""Pressed if it is still there: the page may have come back by itself in the moment before."""


def brightness(colour: str) -> int:
    """The sum of red, green and blue in ``rgb(…)``: 0 to 765."""
    return sum(map(int, colour[4:-1].split(", ")))


async def test_figures_are_shown_in_their_units(web, read) -> None:
    """The overview has uptime, CPU and memory of servers and machines, as people write them."""
    async with read(web) as reader, alive(web):
        row = reader.page.locator('tr[data-server="web"]')
        await expect(row).to_contain_text("Up")
        await expect(row).to_contain_text("50\u00a0%")
        await expect(row).to_contain_text("64.0\u00a0MiB")
        machine = reader.page.locator('tr[data-machine="alpha"]')
        await expect(machine).to_contain_text("30\u00a0%")
        await expect(machine).to_contain_text("69\u00a0%")


async def test_a_state_arrives_without_a_reload(web, read) -> None:
    """A server that fails is shown and said within the same document, and so is what happened."""
    async with read(web) as reader:
        page = reader.page
        await page.evaluate("window.same = true")
        await expect(page.locator('tr[data-server="web"] .state').first).to_have_text("Up")
        web.desk.turn("web", state=ServerState.BACKOFF, health="down", pid=0, reason="exited with code 1")
        event = Event("e1", web.desk.now(), EventKind.SERVER_EXITED, "web exited with code 1", "alpha", "web", "critical")
        await web.desk.journal.events.add([event])
        web.desk.changes.event(event)
        await expect(page.locator('tr[data-server="web"] .state').first).to_have_text("Down")
        await expect(page.locator("h1")).to_contain_text("needs attention")
        await expect(page.locator("[data-announced]")).to_have_text("web on alpha: Down")
        await expect(page.locator(".events li").first).to_contain_text("web exited with code 1")
        await expect(page).to_have_title("✕ 1 of 2 servers needs attention: web is down. · Watchkeeper")
        assert await page.evaluate("window.same")


@pytest.mark.slow
async def test_a_machine_whose_agent_is_away_is_unknown(web, read) -> None:
    """Nothing stays green when the agent goes: states are unknown, figures dashes, and nothing can be clicked."""
    async with read(web) as reader, alive(web):
        page = reader.page
        row = page.locator('tr[data-server="web"]')
        await expect(row).to_contain_text("50\u00a0%")
        web.desk.connected = False
        web.desk.changes.status("alpha")
        await expect(row.locator(".state").first).to_have_text("Unknown")
        await expect(row).not_to_contain_text("%")
        await expect(row.get_by_role("button")).to_have_count(0)
        await expect(page.locator('tr[data-machine="alpha"]')).to_contain_text("Out of touch")
        await reader.go("/machines/alpha/servers/web")
        await expect(page.locator(".standing")).to_contain_text("Nothing can be done from here")


@pytest.mark.slow
async def test_a_hub_that_goes_is_told_and_comes_back_by_itself(desk, read) -> None:
    """While the hub is away a banner says so and nothing is green; once it is back the same document is live again."""
    async with desk() as first:
        sitting = read(first, grumpy=False)  # browsers note refused connections themselves
        reader = await sitting.__aenter__()
        page = reader.page
        await page.evaluate("window.same = true")
    await expect(page.get_by_role("alert")).to_contain_text("The hub cannot be reached")
    await expect(page.get_by_role("button", name="Try now")).to_be_visible()
    await expect(page.locator('tr[data-server="web"] .state').first).to_have_text("Unknown")
    await expect(page.locator(".state.good")).to_have_count(0)
    async with desk(port=first.port):
        await page.evaluate(TRY_NOW)
        await expect(page.locator(".freshness.live")).to_have_count(1)
        await expect(page.locator(".banner.none")).to_have_count(1)
        await expect(page.locator('tr[data-server="web"] .state').first).to_have_text("Up")
        assert await page.evaluate("window.same")
        await sitting.__aexit__(None, None, None)


async def test_charts_are_drawn_and_read(web, read) -> None:
    """A chart draws its lines, tells the value under the cursor and its time, and the same as a table."""
    fill(web)
    async with read(web, at="/machines/alpha") as reader:
        chart = reader.page.locator('[data-panel="memory"]')
        await expect(chart.locator("canvas")).to_be_visible()
        await expect(chart.get_by_role("img")).to_have_attribute(
            "aria-label", "Memory, last 10 minutes. Now: used 2.00\u00a0GiB."
        )
        box = await chart.locator(".u-over").bounding_box()
        await reader.page.mouse.move(box["x"] + box["width"] * 0.97, box["y"] + 20)
        await expect(chart.locator("time.at")).to_be_visible()
        await expect(reader.page.locator('[data-panel="cpu"] time.at')).to_be_visible()  # one cursor for all
        await chart.get_by_role("button", name="Memory: Show as a table").click()
        await expect(chart.get_by_role("table")).to_contain_text("2.00\u00a0GiB")


async def test_a_chart_moves_by_itself(web, read) -> None:
    """A point that comes in over the stream changes the chart's figure."""
    fill(web)
    async with read(web, at="/machines/alpha") as reader:
        chart = reader.page.locator('[data-panel="memory"]')
        await expect(chart).to_contain_text("2.00\u00a0GiB")
        now = web.desk.now()
        web.desk.store.put(web.series("node_memory_MemTotal_bytes"), now, 8.0 * 2**30)
        web.desk.store.put(web.series("node_memory_MemAvailable_bytes"), now, 5.0 * 2**30)
        web.desk.changes.frame("alpha")
        await expect(chart).to_contain_text("3.00\u00a0GiB")


async def test_light_dark_and_as_the_system_has_it(web, read) -> None:
    """The page follows the system until somebody chooses; the choice is kept."""
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    async with read(web, scheme="dark") as reader:
        page = reader.page
        dark = await page.evaluate(ground)
        await page.get_by_role("button", name="Theme: as the system").click()
        light = await page.evaluate(ground)
        assert brightness(dark) < 100
        assert brightness(light) > 600
        await page.reload()
        await expect(page.get_by_role("button", name="Theme: light")).to_be_visible()
        assert await page.evaluate(ground) == light
        await page.get_by_role("button", name="Theme: light").click()
        assert await page.evaluate(ground) == dark
        await page.get_by_role("button", name="Theme: dark").click()
        await page.emulate_media(color_scheme="light")
        assert await page.evaluate(ground) == light


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_phone_scrolls_one_way_and_all_is_within_reach(web, read, scheme: str) -> None:
    """390 px wide, no page scrolls sideways, and what is touched is at least 24 px in size."""
    fill(web)
    async with read(web, PHONE, scheme=scheme) as reader:
        for path in PAGES:
            await reader.turn(path)
            assert await reader.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
            small = await reader.page.evaluate(
                """[...document.querySelectorAll("button, .tabs a")].filter((one) => one.offsetParent)
                .filter((one) => Math.min(one.offsetWidth, one.offsetHeight) < 24).map((one) => one.outerHTML)"""
            )
            assert not small, path


@pytest.mark.slow
async def test_everything_has_a_name_and_the_browser_is_content(web, read) -> None:
    """On every page each control has a name, each page one heading, and the browser complains of nothing."""
    fill(web)
    async with read(web) as reader:
        for path in PAGES:
            await reader.turn(path)
            nameless = await reader.page.evaluate(NAMELESS, NAMED)
            assert not nameless, path
            assert await reader.page.locator("h1").count() == 1, path
        assert not await reader.verdict()


async def test_the_keyboard_reaches_the_page(web, read) -> None:
    """The first stop leads past the navigation to the page itself."""
    async with read(web, at="/machines/alpha") as reader:
        await reader.page.keyboard.press("Tab")
        await expect(reader.page.get_by_role("link", name="Skip to the page")).to_be_focused()
        await reader.page.keyboard.press("Enter")
        await expect(reader.page.locator("main")).to_be_focused()


async def test_an_empty_house_says_what_to_do(web, read) -> None:
    """Without a server the page shows how to add one."""
    web.desk.servers.clear()
    async with read(web) as reader:
        await expect(reader.page.locator("main")).to_contain_text("No server is kept yet.")
        await expect(reader.page.locator("main")).to_contain_text("[server.hello]")
        await expect(reader.page.locator("main")).to_contain_text("Nothing has happened yet.")
