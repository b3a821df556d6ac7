"""Coming in and Settings as a person has them: password and code, a passkey of a real browser, people, tokens, sessions."""

from __future__ import annotations

import re

import pyotp
import pytest
from argon2.profiles import CHEAPEST
from playwright.async_api import Page, expect

from rigs.browsing import PHONE
from watchkeeper.journal.access import Asker, Entrance
from watchkeeper.web import passwords

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash with little memory: what a hash costs has a test of its own."""
    monkeypatch.setattr(passwords, "RFC_9106_LOW_MEMORY", CHEAPEST)


async def add(web, name: str = "ann", role: str = "viewer", password: str = PASSWORD) -> None:
    """Somebody who may come in."""
    async with web.client() as admin:
        answer = await admin.post("/api/people", json={"name": name, "role": role, "password": password})
    assert answer.status_code == 201, answer.text


async def type_in(page: Page, name: str, password: str) -> None:
    """Fill in the door's form and send it."""
    await page.get_by_label("Name", exact=True).fill(name)
    await page.get_by_label("Password", exact=True).fill(password)
    await page.get_by_role("button", name="Sign in", exact=True).click()


async def test_a_password_and_a_code_let_in(web, read) -> None:
    """Codes are set up from Settings by the key that the page shows, and asked for at the next sign-in."""
    await add(web)
    async with read(web, grumpy=False) as reader:
        page = reader.page
        await page.get_by_role("button", name="Sign out").locator("visible=true").first.click()
        await type_in(page, "ann", "a wrong password")
        await expect(page.get_by_role("alert")).to_contain_text("do not belong together")
        await type_in(page, "ann", PASSWORD)
        await expect(page.locator(".freshness.live")).to_have_count(1)
        await reader.go("/settings")
        await page.get_by_role("button", name="One-time codes: Set up…").click()
        await page.get_by_label("Present password").fill(PASSWORD)
        await page.get_by_role("button", name="Continue").click()
        await expect(page.get_by_alt_text("The key as a picture")).to_be_visible()
        key = re.sub(r"\s", "", await page.locator("pre.secret").inner_text())
        await page.get_by_label("The code that the app shows now").fill(pyotp.TOTP(key).now())
        await page.get_by_role("button", name="Use codes from now on").click()
        await expect(page.get_by_text("asked for beside the password")).to_be_visible()
        await page.get_by_role("button", name="Sign out").locator("visible=true").first.click()
        await type_in(page, "ann", PASSWORD)
        code = page.get_by_label("Code from your authenticator app")
        await expect(code).to_be_visible()
        await web.desk.journal.people.set_totp("ann", key, 1, Asker("test", "", web.desk.now()))  # its first code was used
        await code.fill(pyotp.TOTP(key).now())
        await page.get_by_role("button", name="Sign in", exact=True).click()
        await expect(page.locator(".freshness.live")).to_have_count(1)
    (session,) = await web.desk.journal.access.sessions(web.desk.now(), "ann")
    assert session.method == "password and code"


async def test_a_passkey_is_made_and_lets_in(web, browser) -> None:
    """With the browser's own authenticator: made in Settings after the password, enough at the door, gone once removed."""
    await add(web)
    here = f"http://localhost:{web.port}"
    context = await browser.new_context()
    page = await context.new_page()
    devices = await context.new_cdp_session(page)
    await devices.send("WebAuthn.enable")
    device = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    device |= {"isUserVerified": True, "automaticPresenceSimulation": True}
    await devices.send("WebAuthn.addVirtualAuthenticator", {"options": device})
    await page.goto(here)
    await type_in(page, "ann", PASSWORD)
    await expect(page.locator(".freshness.live")).to_have_count(1)
    await page.goto(f"{here}/settings")
    await page.get_by_role("button", name="Add a passkey…").click()
    await page.get_by_label("What you call it").fill("Laptop")
    await page.get_by_label("Present password").fill(PASSWORD)
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_role("list", name="Passkeys")).to_contain_text("Laptop")
    await page.get_by_role("button", name="Sign out").locator("visible=true").first.click()
    await page.get_by_role("button", name="Sign in with a passkey").click()
    await expect(page.locator(".freshness.live")).to_have_count(1)
    (session,) = await web.desk.journal.access.sessions(web.desk.now(), "ann")
    assert session.method == "passkey"
    await page.goto(f"{here}/settings")
    await page.get_by_role("button", name="Remove the passkey “Laptop”?").click()
    await page.get_by_role("dialog").get_by_role("button", name="Remove", exact=True).click()
    await expect(page.get_by_role("list", name="Passkeys")).to_have_count(0)
    await page.get_by_role("button", name="Sign out").locator("visible=true").first.click()
    await page.get_by_role("button", name="Sign in with a passkey").click()
    await expect(page.get_by_role("alert")).to_contain_text("belongs to nobody here")
    await context.close()


async def test_an_admin_lets_people_and_programs_in(web, read) -> None:
    """A person with a link, a role, a token that is shown once; all of it without a reload."""
    async with read(web, at="/settings") as reader:
        page = reader.page
        await page.get_by_role("button", name="Add a person…").click()
        await page.get_by_role("dialog").get_by_label("Name").fill("eve")
        await page.get_by_role("button", name="Add, and make a link").click()
        await expect(page.locator("pre.secret")).to_contain_text("/sign-in#")
        await page.get_by_role("button", name="Close").click()
        role = page.get_by_label("Role of eve")
        await role.select_option("operator")
        await expect(role).to_have_value("operator")
        await page.get_by_role("button", name="Make a token…").click()
        await page.get_by_role("dialog").get_by_label("Name").fill("second-machine")
        await page.get_by_label("What it may do").select_option("link")
        await page.get_by_role("button", name="Make it").click()
        await expect(page.get_by_role("dialog")).to_contain_text("hub-token")
        await page.get_by_role("button", name="Close").click()
        await page.get_by_role("button", name="Take back second-machine?").click()
        await page.get_by_role("dialog").get_by_role("button", name="Take back").click()
        await expect(page.get_by_role("button", name="Take back second-machine?")).to_have_count(0)
    people = {one.person.name: one.person.role for one in await web.desk.journal.people.all(web.desk.now())}
    assert people["eve"] == "operator"
    assert [one.name for one in await web.desk.journal.access.tokens()] == ["local"]


async def test_another_session_is_seen_and_ended(web, read) -> None:
    """One's own elsewhere, by a click; it is nobody then."""
    async with read(web) as reader:
        elsewhere, _ = await web.desk.journal.people.enter("admin", Entrance("password", "10.0.0.7", "Mozilla Firefox"), 1)
        assert await web.desk.journal.access.session(elsewhere, 2)
        now = web.desk.now()
        other, _ = await web.desk.journal.people.enter("admin", Entrance("password", "10.0.0.8", "Mozilla Firefox"), now)
        await reader.go("/settings")
        mine = reader.page.get_by_role("list", name="Where you are signed in")
        await expect(mine).to_contain_text("10.0.0.8")
        await mine.get_by_role("button", name="End: Firefox").click()
        await expect(mine).not_to_contain_text("10.0.0.8")
    assert await web.desk.journal.access.session(other, now) is None


@pytest.mark.slow
@pytest.mark.parametrize(("role", "heads"), [("viewer", 3), ("admin", 7)])
async def test_each_sees_what_is_theirs_on_a_phone_too(web, browser, role: str, heads: int) -> None:
    """A viewer sees no people, tokens or audit; nothing is wider than a phone."""
    await add(web, role=role)
    context = await browser.new_context(viewport=PHONE)
    page = await context.new_page()
    await page.goto(web.url)
    await type_in(page, "ann", PASSWORD)
    await expect(page.locator(".freshness.live")).to_have_count(1)
    await page.goto(f"{web.url}/settings")
    await expect(page.locator(".settings h2")).to_have_count(heads)
    await expect(page.get_by_text("This hub", exact=True).or_(page.get_by_text("Version", exact=True)).first).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    await context.close()
