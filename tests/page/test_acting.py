"""What a person can do: come in, start, stop, read along."""

from __future__ import annotations

from playwright.async_api import expect

from watchkeeper.errors import Refused
from watchkeeper.model import Action, Outcome, ServerState

SERVER = "/machines/alpha/servers/web"


async def test_a_link_signs_in_once(web, browser, link) -> None:
    """The link opens the overview and leaves no trace in the address; a second browser is turned away with words of help."""
    address = await link(web)
    first = await (await browser.new_context()).new_page()
    await first.goto(address)
    await expect(first.locator("h1")).to_contain_text("All is well")
    assert first.url == f"{web.url}/"
    second = await (await browser.new_context()).new_page()
    await second.goto(address)
    await expect(second.get_by_role("alert")).to_be_visible()
    await expect(second.locator("main")).to_contain_text("watchkeeper sign-in")
    assert "#" not in second.url


async def test_stop_asks_first_and_no_means_no(web, read) -> None:
    """Stop opens a dialog that says what will happen and holds the focus; Escape does nothing and gives the focus back."""
    async with read(web) as reader:
        page = reader.page
        await reader.go(SERVER)
        stop = page.locator(".standing").get_by_role("button", name="Stop web")
        await stop.click()
        dialog = page.get_by_role("dialog", name="Stop web on alpha?")
        await expect(dialog).to_contain_text("stays down until someone starts it")
        await expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
        for _ in range(4):
            await page.keyboard.press("Tab")
            assert await page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
        await page.keyboard.press("Escape")
        await expect(dialog).to_have_count(0)
        await expect(stop).to_be_focused()
        assert not await web.desk.journal.actions.page()


async def test_stop_is_sent_and_its_outcome_told(web, read) -> None:
    """A yes becomes one action in the journal, and the page tells how it ended, aloud."""
    async with read(web) as reader:
        page = reader.page
        await reader.go(SERVER)
        await page.locator(".standing").get_by_role("button", name="Stop web").click()
        await page.get_by_role("dialog").get_by_role("button", name="Stop").click()
        await expect(page.locator(".standing").get_by_role("status")).to_contain_text("web did stop")
        (row,) = await web.desk.journal.actions.page()
        assert (row.action.verb, row.action.server, row.state) == ("stop", "web", "done")


async def test_start_needs_no_question(web, read) -> None:
    """A stopped server is started by one click, from the overview's own row."""
    async with read(web) as reader:
        row = reader.page.locator('tr[data-server="jobs"]')
        await row.get_by_role("button", name="Start jobs").click()
        await expect(row.get_by_role("status")).to_contain_text("jobs did start")


async def refuse(action: Action) -> Outcome:
    """As a hub whose agent is away."""
    raise Refused(f"{action.machine}'s agent is not connected", code="not-connected")


async def test_a_refusal_is_told(web, read) -> None:
    """What could not be done is said in words, where it was asked for."""
    async with read(web, grumpy=False) as reader:  # the browser itself notes the answer's status
        await reader.go(SERVER)
        web.desk.order = refuse  # its agent has gone, and nobody has told the page yet
        await reader.page.locator(".standing").get_by_role("button", name="Restart web").click()
        await reader.page.get_by_role("dialog").get_by_role("button", name="Restart").click()
        await expect(reader.page.locator(".standing")).to_contain_text("not connected")


async def test_output_is_followed(web, read) -> None:
    """The last lines are there, new ones come by themselves, and terminal colours are no part of them."""
    async with read(web) as reader:
        await reader.go(SERVER)
        log = reader.page.get_by_role("log")
        await expect(log).to_have_text("onetwothreefour")
        await web.desk.written.put("\x1b[31mfive\x1b[0m <b>bold</b>")
        await expect(log.locator("div").last).to_have_text("five <b>bold</b>")
        for number in range(100):
            await web.desk.written.put(f"line {number}")
        await expect(log.locator("div").last).to_have_text("line 99")
        assert await log.evaluate("box => box.scrollHeight - box.scrollTop - box.clientHeight < 2")


async def test_output_holds_still_while_it_is_read(web, read) -> None:
    """Who scrolls up is left alone, told how much is new, and can go back to the end."""
    async with read(web) as reader:
        await reader.go(SERVER)
        log = reader.page.get_by_role("log")
        for number in range(100):
            await web.desk.written.put(f"line {number}")
        await expect(log.locator("div").last).to_have_text("line 99")
        await log.evaluate("box => { box.scrollTop = 0; }")
        await expect(reader.page.locator(".held")).to_contain_text("Held here")
        await web.desk.written.put("news")
        await expect(reader.page.locator(".held")).to_contain_text("1 new line")
        assert await log.evaluate("box => box.scrollTop") == 0
        await reader.page.get_by_role("button", name="Back to the end").click()
        await expect(reader.page.locator(".held")).to_have_count(0)


async def test_a_lost_button_keeps_the_place(web, read) -> None:
    """When a state takes the button away that has the focus, the reader's place is kept beside it."""
    async with read(web) as reader:
        await reader.go(SERVER)
        await reader.page.locator(".standing").get_by_role("button", name="Stop web").focus()
        web.desk.turn("web", state=ServerState.STOPPING)
        await expect(reader.page.locator(".standing button")).to_have_count(0)
        await expect(reader.page.locator(".standing .buttons")).to_be_focused()
