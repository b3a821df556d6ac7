"""Channels in the browser: how each stands, and a test that really goes out."""

from __future__ import annotations

from playwright.async_api import expect

from rigs.desk import running
from watchkeeper.notify import Webhook
from watchkeeper.office import OfficeSettings
from watchkeeper.web.settings import WebSettings


async def test_a_test_message_is_sent_and_its_end_told(built, tmp_path, read) -> None:
    """A button sends one test; where nobody listens the row says that it was not delivered, and why."""
    office = OfficeSettings(channel={"ops": Webhook(url="http://127.0.0.1:1/hook")})
    async with running(tmp_path, WebSettings(), office=office) as web, read(web) as reader:
        page = reader.page
        await reader.go("/channels")
        row = page.locator('[data-channel="ops"]')
        await expect(row).to_contain_text("Not used yet")
        await row.get_by_role("button", name="Send a test over ops").click()
        await expect(row.get_by_role("status")).to_contain_text("not delivered")
        await expect(page.locator(".messages li")).to_contain_text("ops: not delivered")
