"""The keyboard reaches everything: palette, list of keys, jumps, filter; and the page can be installed and printed."""

from __future__ import annotations

import re

from playwright.async_api import expect

TWICE = """async () => {
    const press = async () => {
        document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "k", ctrlKey: true, bubbles: true }));
        for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
    };
    await press();
    await press();
}"""
"""Closed and opened again before the browser has told that it was closed."""


async def test_the_palette_is_opened_as_fast_as_it_is_closed(web, read) -> None:
    """That the last one was closed is told late, and does not close the next."""
    async with read(web) as reader:
        page = reader.page
        await page.keyboard.press("Control+k")
        await expect(page.get_by_role("combobox")).to_be_focused()
        await page.evaluate(TWICE)
        await page.wait_for_timeout(300)
        await expect(page.get_by_role("combobox")).to_be_focused()


async def test_the_palette_leads_anywhere(web, read) -> None:
    """Ctrl-K, some letters, Enter; Escape leaves everything as it was and gives the focus back."""
    async with read(web) as reader:
        page = reader.page
        await page.keyboard.press("Control+k")
        field = page.get_by_role("combobox")
        await expect(field).to_be_focused()
        await field.press_sequentially("web")
        await expect(page.get_by_role("option").first).to_contain_text("web")
        await field.press("Enter")
        await expect(page).to_have_url(re.compile("/machines/alpha/servers/web$"))
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await page.keyboard.press("Control+k")
        await expect(page.get_by_role("combobox")).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await expect(page).to_have_url(re.compile("/servers/web$"))


async def test_letters_jump_and_a_slash_finds(web, read) -> None:
    """`g` and a letter go to a page, `/` into the field that filters, where letters are letters; `?` lists all of it."""
    async with read(web) as reader:
        page = reader.page
        await page.keyboard.press("g")
        await page.keyboard.press("r")
        await expect(page).to_have_url(re.compile("/rules$"))
        await page.keyboard.press("/")
        await expect(page.get_by_role("searchbox")).to_be_focused()
        await page.keyboard.type("g i")
        await expect(page).to_have_url(re.compile(r"/rules\?find=g\+i$"))
        await page.locator("main").focus()
        await page.keyboard.press("?")
        await expect(page.get_by_role("dialog", name="Keys")).to_contain_text("go to Incidents")


async def test_it_can_be_installed(web) -> None:
    """The page names a manifest, which names icons that are there; all of it from here."""
    async with web.stranger() as phone:
        assert 'rel="manifest" href="/manifest.webmanifest"' in (await phone.get("/")).text
        answer = await phone.get("/manifest.webmanifest")
        assert answer.headers["content-type"] == "application/manifest+json"
        for icon in answer.json()["icons"]:
            assert (await phone.get(icon["src"])).headers["content-type"].startswith("image/svg+xml")


async def test_paper_has_no_buttons(web, read) -> None:
    """What is printed is the page without what can be pressed, dark ink on light ground whatever the theme."""
    async with read(web, scheme="dark", at="/machines/alpha/servers/web") as reader:
        await reader.page.emulate_media(media="print")
        await expect(reader.page.locator(".standing .buttons")).to_be_hidden()
        await expect(reader.page.locator(".side")).to_be_hidden()
        ink = await reader.page.evaluate("getComputedStyle(document.body).color")
        assert sum(map(int, re.findall(r"\d+", ink)[:3])) < 300


async def test_nothing_is_asked_of_anybody_else(web, read) -> None:
    """No page asks any other address than the hub's: it works where there is no way out."""
    async with read(web) as reader:
        asked: list[str] = []
        reader.page.on("request", lambda request: asked.append(request.url))
        for path in ("/", "/explore", "/rules", "/machines/alpha", "/machines/alpha/servers/web"):
            await reader.go(path)
        assert asked
        assert not [url for url in asked if not url.startswith((web.url, "data:", "blob:"))]
