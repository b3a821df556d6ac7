"""Somebody at a browser, wide or on a phone, who minds whatever the browser complains of."""

from __future__ import annotations

from playwright.async_api import Page, expect

from rigs.desk import Web

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
WATCH_POLICY = """
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (found) => {
        window.violations.push(`${found.violatedDirective} ${found.blockedURI}`);
    });
"""
TURN = "(to) => { history.pushState(null, '', to); dispatchEvent(new PopStateEvent('popstate')); }"


class Reader:
    """Somebody at a browser, signed in."""

    def __init__(self, page: Page, web: Web) -> None:
        self.page = page
        self.url = web.url
        self.complaints: list[str] = []
        page.on("console", lambda said: self.complaints.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda fault: self.complaints.append(f"uncaught: {fault}"))

    async def go(self, path: str) -> None:
        """Load a page of ours and wait until it is live."""
        await self.page.goto(self.url + path)
        await expect(self.page.locator(".freshness.live")).to_have_count(1)

    async def turn(self, path: str) -> None:
        """Go to a page of ours as a link in the page leads there: within the document, without a load."""
        await self.page.evaluate(TURN, path)
        await expect(self.page.locator("main h1").first).to_be_visible()

    async def verdict(self) -> list[str]:
        """What the browser complained of, its policy included."""
        return self.complaints + await self.page.evaluate("window.violations")
