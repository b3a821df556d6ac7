"""Questions of any kind, rules and channels: asked in the browser, answered by the hub."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import Request, Route, expect

from rigs.scenery import fill, load

FIRST = 2
"""Questions for labels that are answered at once: of `{` and of `{m`."""
RULES = """
[[rule]]
alert = "Crowded"
expr = "load > 1"
severity = "warning"
why = "Nobody likes a crowd."
[[rule]]
alert = "Never"
expr = "nobody_tells_this > 1"
[route]
group_wait = "0s"
"""


async def test_a_question_is_completed_and_answered(web, read) -> None:
    """Typing offers what fits, Enter takes it, labels and values too; chart and table answer, the address keeps it."""
    fill(web)
    async with read(web, at="/explore") as reader:
        page = reader.page
        field = page.get_by_role("combobox", name="Question (PromQL)")
        await field.press_sequentially("node_memory_MemT")
        await expect(page.get_by_role("option")).to_contain_text(["node_memory_MemTotal_bytes"])
        await field.press("ArrowDown")
        await field.press("Enter")
        await expect(field).to_have_value("node_memory_MemTotal_bytes")
        await field.press_sequentially("{mach")
        await expect(page.get_by_role("option", name="machine")).to_be_visible()
        await field.press("ArrowDown")
        await field.press("Enter")
        await field.press_sequentially('="a')
        await page.get_by_role("option", name="alpha").click()
        await expect(field).to_have_value('node_memory_MemTotal_bytes{machine="alpha')
        await field.press_sequentially('"}')
        await page.get_by_role("button", name="Ask").click()
        await expect(page.locator(".answers")).to_contain_text("8 589 934 592".replace(" ", "\u00a0"))
        await expect(page.locator(".answer canvas")).to_be_visible()
        await page.reload()
        await expect(page.locator(".answers tbody tr")).to_have_count(1)


async def test_what_is_typed_at_once_stands_behind_what_was_taken(web, read) -> None:
    """However late the next drawing is: nothing moves the cursor back before the next letter."""
    fill(web)
    async with read(web) as reader:
        page = reader.page
        await page.add_init_script("requestAnimationFrame = (draw) => setTimeout(() => draw(performance.now()), 300)")
        await page.goto(f"{web.url}/explore")
        field = page.get_by_role("combobox", name="Question (PromQL)")
        await field.press_sequentially("node_memory_MemT")
        await expect(page.get_by_role("option")).to_contain_text(["node_memory_MemTotal_bytes"])
        await field.press("ArrowDown")
        await field.press("Enter")
        await field.press_sequentially('{mode="user"}', delay=60)
        await expect(field).to_have_value('node_memory_MemTotal_bytes{mode="user"}')


async def test_a_choice_stays_chosen_when_the_next_answer_comes(web, read) -> None:
    """What was pointed at in the answer to `{m` is still what Enter takes when the one to `{mach` has come."""
    fill(web)
    held = asyncio.Event()
    asked: list[Request] = []

    async def hold(route: Route) -> None:
        asked.append(route.request)
        if len(asked) > FIRST:
            await held.wait()
        await route.continue_()

    async with read(web, at="/explore") as reader:
        page = reader.page
        await page.route("**/api/v1/labels*", hold)
        field = page.get_by_role("combobox", name="Question (PromQL)")
        await field.press_sequentially("node_memory_MemTotal_bytes{m")
        option = page.get_by_role("option", name="machine")
        await expect(option).to_be_visible()
        await field.press_sequentially("ach")
        await field.press("ArrowDown")
        await expect(option).to_have_attribute("aria-selected", "true")
        async with page.expect_response(lambda response: response.request == asked[-1]):
            held.set()
        await expect(option).to_have_attribute("aria-selected", "true")
        await field.press("Enter")
        await expect(field).to_have_value("node_memory_MemTotal_bytes{machine")


async def test_a_wrong_question_is_told_why(web, read) -> None:
    """What cannot be parsed is answered with the parser's words."""
    async with read(web, grumpy=False, at="/explore?q=rate(") as reader:
        await expect(reader.page.get_by_role("alert").last).to_contain_text(
            re.compile("parse|expected|unexpected", re.IGNORECASE)
        )


async def test_rules_stand_and_are_replayed(web, read) -> None:
    """Each with its state in words, found by typing; what it would have done is asked for in its own row."""
    web.desk.rules = RULES
    await load(web, 0.5)
    async with read(web, at="/rules") as reader:
        page = reader.page
        await expect(page.locator("h1")).to_contain_text("2 rules, no alert")
        await page.get_by_role("searchbox", name="Find rules").fill("crowd")
        await expect(page.locator(".rule")).to_have_count(1)
        await page.locator(".rule summary").click()
        await expect(page.locator(".inside")).to_contain_text("Nobody likes a crowd.")
        await page.get_by_role("button", name="What would it have done?").click()
        await expect(page.locator(".result")).to_contain_text("It would not have fired")


@pytest.mark.slow
async def test_a_rule_without_figures_says_what_it_waits_for(web, read) -> None:
    """A rule that reads what nobody tells is no good rule and no bad one: it waits, and says for what."""
    web.desk.rules = RULES
    async with read(web, at="/rules?find=never") as reader:
        await expect(reader.page.locator(".rule .state")).to_have_text("Waits for figures")
        await reader.page.locator(".rule summary").click()
        await expect(reader.page.locator(".inside")).to_contain_text("nobody_tells_this")


async def test_without_a_channel_the_page_shows_how_to_have_one(web, read) -> None:
    """Nobody is told of anything: that is said, with the lines that change it."""
    async with read(web, at="/channels") as reader:
        await expect(reader.page.locator("main")).to_contain_text("nobody is told")
        await expect(reader.page.locator("main")).to_contain_text("[channel.phone]")
