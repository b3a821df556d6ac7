"""Questions of any kind, rules and channels: asked in the browser, answered by the hub."""

from __future__ import annotations

import re

from playwright.async_api import expect

from rigs.scenery import fill, load

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
