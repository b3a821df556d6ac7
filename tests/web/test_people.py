"""Coming in by password and code, and what people and admins do about that, over real sockets."""

from __future__ import annotations

import asyncio
import logging

import httpx
import pyotp
import pytest
from argon2.profiles import CHEAPEST

from watchkeeper.journal.access import Asker, Entrance
from watchkeeper.web import codes, passwords
from watchkeeper.web.access import COOKIE, Failures
from watchkeeper.web.passkeys import Ceremonies, place
from watchkeeper.web.routes.account import FRESH
from watchkeeper.web.settings import WebSettings

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash with little memory: what a hash costs has a test of its own."""
    monkeypatch.setattr(passwords, "RFC_9106_LOW_MEMORY", CHEAPEST)


async def known(web, name: str = "ann", role: str = "viewer", *, password: str = PASSWORD, totp: str = "") -> None:
    """Somebody with a password, and codes by this key."""
    who = Asker("local", "", web.desk.now())
    async with web.client() as admin:
        answer = await admin.post("/api/people", json={"name": name, "role": role, "password": password})
    assert answer.status_code == 201, answer.text
    if totp:
        await web.desk.journal.people.set_totp(name, totp, 1, who)


def person(web) -> httpx.AsyncClient:
    """A browser of somebody who is not signed in yet; it keeps its cookie."""
    return httpx.AsyncClient(base_url=web.url, headers={"origin": web.url})


async def sign_in(client: httpx.AsyncClient, name: str = "ann", password: str = PASSWORD, code: str = "") -> httpx.Response:
    """Come in by password."""
    return await client.post("/api/sign-in/password", json={"name": name, "password": password, "code": code})


async def test_a_person_comes_in_by_password(web) -> None:
    """The right one gives a cookie that only https carries where the page is https, and a session that says how it began."""
    await known(web)
    async with person(web) as client:
        answer = await sign_in(client)
        assert (answer.status_code, answer.json()) == (200, {"name": "ann", "role": "viewer"})
        assert {"HttpOnly", "SameSite=Strict"} <= set(answer.headers["set-cookie"].split("; "))
        account = (await client.get("/api/account")).json()
    assert (account["name"], account["password"], account["codes"], account["passkeys"]) == ("ann", True, False, [])
    assert [(one["method"], one["mine"]) for one in account["sessions"]] == [("password", True)]


async def test_the_cookie_is_secure_behind_https(make_web) -> None:
    """A proxy that takes TLS off is seen by the page's origin."""
    async with make_web(WebSettings(hosts=("watch.example.org",))) as web:
        await known(web)
        outside = {"host": "watch.example.org", "origin": "https://watch.example.org"}
        async with httpx.AsyncClient(base_url=web.url, headers=outside) as client:
            assert (await sign_in(client)).headers["set-cookie"].endswith("; Secure")


async def test_an_open_page_keeps_its_session(web) -> None:
    """What a page says now and then brings the cookie anew, for whoever may only look too; a token has no session."""
    await known(web)
    async with person(web) as client:
        first = (await sign_in(client)).headers["set-cookie"]
        answer = await client.post("/api/session", json={})
        assert (answer.status_code, answer.json()["name"]) == (200, "ann")
        assert answer.headers["set-cookie"] == first
        await client.post("/api/sign-out", json={})
        assert (await client.post("/api/session", json={})).status_code == 401
    async with web.client() as client:
        assert (await client.post("/api/session", json={})).status_code == 403


async def test_a_link_leads_where_it_will_be_opened(make_web) -> None:
    """Somebody else's leads to the address that people elsewhere use, even if made on this machine; one's own stays."""
    async with make_web(WebSettings(url="https://watch.example.org")) as web:
        await known(web, "eve", password="")
        async with web.client() as admin:
            assert (
                (await admin.post("/api/people/eve/sign-in-links"))
                .json()["url"]
                .startswith("https://watch.example.org/sign-in#")
            )
            assert (await admin.post("/api/sign-in-links")).json()["url"].startswith(f"{web.url}/sign-in#")
            far = await admin.post("/api/sign-in-links", headers={"host": "watch.example.org"})
            assert far.json()["url"].startswith("https://watch.example.org/sign-in#")


@pytest.mark.parametrize(("name", "password"), [("ann", "wrong password"), ("eve", PASSWORD), ("ann", ""), ("new", "")])
async def test_what_is_wrong_is_not_told(web, name: str, password: str) -> None:
    """A wrong password, an unknown name and somebody who has no password sound alike; the audit has it, not what was typed."""
    await known(web)
    await known(web, "new", password="")
    async with person(web) as client:
        answer = await sign_in(client, name, password)
    assert (answer.status_code, answer.json()["code"]) == (401, "bad-sign-in")
    assert answer.json()["why"] == "this name and password do not belong together"
    failed = (await web.desk.journal.audit.newest())[0]
    assert (failed.what, failed.about, failed.peer) == ("failed-sign-in", name if name != "eve" else "", "127.0.0.1")


async def test_guessing_is_held_up_however_many_guess_at_once(web) -> None:
    """Ten a minute and address, also when all of them come in one moment; the right password does not help then."""
    await known(web)
    async with person(web) as client:
        answers = await asyncio.gather(*(sign_in(client, password=f"wrong password {number}") for number in range(14)))
        told = [answer.json()["code"] for answer in answers]
        assert told.count("bad-sign-in") == Failures.ALLOWED
        assert told.count("too-many-failures") == 4
        assert (await sign_in(client)).status_code == 429


async def test_the_right_password_is_no_failure(web) -> None:
    """Coming in often costs nothing."""
    await known(web)
    async with person(web) as client:
        for _ in range(Failures.ALLOWED + 2):
            assert (await sign_in(client)).status_code == 200


async def test_a_code_is_asked_for_beside_the_password(web) -> None:
    """Without it, or with a wrong one, there is no session; the right one works once."""
    key = codes.fresh_key()
    await known(web, totp=key)
    async with person(web) as client:
        asked = await sign_in(client)
        assert (asked.status_code, asked.json()["code"]) == (401, "code-wanted")
        assert "set-cookie" not in asked.headers
        wrong = await sign_in(client, code="000000" if pyotp.TOTP(key).now() != "000000" else "111111")
        assert (wrong.status_code, wrong.json()["code"]) == (401, "bad-sign-in")
        right = pyotp.TOTP(key).now()
        assert (await sign_in(client, password="wrong password", code=right)).status_code == 401
        assert (await sign_in(client, code=f"{right[:3]} {right[3:]}")).status_code == 200
        assert (await client.get("/api/account")).json()["sessions"][0]["method"] == "password and code"
        again = await sign_in(client, code=right)
        assert (again.status_code, again.json()["code"]) == (401, "bad-sign-in")


async def test_codes_cannot_be_guessed(web) -> None:
    """After five wrong ones that person's codes rest for a quarter of an hour, from wherever they are tried."""
    key = codes.fresh_key()
    await known(web, totp=key)
    good = {pyotp.TOTP(key).at(web.desk.now() // 1000 + 30 * step) for step in range(-3, 20)}
    bad = [code for code in (f"{number:06}" for number in range(60)) if code not in good][:5]
    async with person(web) as client:
        for code in bad:
            assert (await sign_in(client, code=code)).json()["code"] == "bad-sign-in"
        refused = await sign_in(client, code=pyotp.TOTP(key).now())
    assert (refused.status_code, refused.json()["code"]) == (429, "too-many-failures")
    assert "codes" in refused.json()["why"]


async def test_one_sets_up_codes_by_proving_them(web) -> None:
    """The key counts only once a code of it was shown, needs the password, and goes away with the password again."""
    await known(web)
    async with person(web) as client:
        await sign_in(client)
        assert (await client.post("/api/account/codes", json={"password": "wrong password"})).json()["code"] == "confirm"
        begun = (await client.post("/api/account/codes", json={"password": PASSWORD})).json()
        assert begun["address"].startswith("otpauth://totp/Watchkeeper%20127.0.0.1:ann?")
        assert begun["picture"].startswith("data:image/svg+xml")
        assert not (await client.get("/api/account")).json()["codes"]
        assert (await client.post("/api/account/codes/proof", json={"code": "12"})).json()["code"] == "bad-code"
        proof = await client.post("/api/account/codes/proof", json={"code": pyotp.TOTP(begun["key"]).now()})
        assert proof.status_code == 204, proof.text
        assert (await client.get("/api/account")).json()["codes"]
        assert (await client.post("/api/account/codes/proof", json={"code": "123456"})).json()["code"] == "no-codes"
        assert (await sign_in(client)).json()["code"] == "code-wanted"
        assert (await client.post("/api/account/codes/off", json={"password": PASSWORD})).status_code == 204
        assert (await sign_in(client)).status_code == 200


async def test_one_changes_ones_password(web) -> None:
    """With the present one; the other browser is out, this one stays in; a weak one is refused with the reason."""
    await known(web)
    async with person(web) as client, person(web) as other:
        await sign_in(client)
        await sign_in(other)
        change = {"wanted": "another good one", "current": PASSWORD}
        assert (await client.post("/api/account/password", json=change | {"current": "wrong"})).status_code == 403
        weak = await client.post("/api/account/password", json=change | {"wanted": "short"})
        assert (weak.status_code, weak.json()["code"]) == (400, "weak-password")
        assert (await client.post("/api/account/password", json=change)).status_code == 204
        assert (await client.get("/api/account")).status_code == 200
        assert (await other.get("/api/account")).status_code == 401
        assert (await sign_in(other)).status_code == 401
        assert (await sign_in(other, password="another good one")).status_code == 200


async def test_without_a_password_a_fresh_sign_in_is_needed(web) -> None:
    """Who came by a link may set a first password soon after; a page left open for long gives nobody one."""
    await known(web, password="")
    now = web.desk.now()
    for at, status in ((now - FRESH - 1000, 403), (now, 204)):
        secret, _ = await web.desk.journal.people.enter("ann", Entrance(), at)
        async with httpx.AsyncClient(base_url=web.url, headers={"origin": web.url, "cookie": f"{COOKIE}={secret}"}) as client:
            answer = await client.post("/api/account/password", json={"wanted": PASSWORD})
            assert answer.status_code == status, answer.text


async def test_sessions_are_listed_and_ended(web) -> None:
    """One's own by oneself, anybody's by an admin; nobody ends another's; an ended one is nobody at once."""
    await known(web)
    await known(web, "eve")
    async with person(web) as ann, person(web) as eve, web.client() as admin:
        await sign_in(ann)
        await sign_in(eve, "eve")
        listed = (await admin.get("/api/sessions")).json()
        of = {one["person"]: one["id"] for one in listed}
        assert (await eve.delete(f"/api/account/sessions/{of['ann']}")).status_code == 404
        assert (await admin.delete(f"/api/sessions/{of['ann']}")).status_code == 204
        assert (await admin.delete(f"/api/sessions/{of['ann']}")).status_code == 404
        assert (await ann.get("/api/session")).status_code == 401
        assert (await eve.get("/api/session")).status_code == 200
        async with person(web) as second:
            await sign_in(second, "eve")
            assert (await eve.post("/api/account/sessions/end-others", json={})).status_code == 204
            assert (await second.get("/api/session")).status_code == 401
        assert (await eve.delete(f"/api/account/sessions/{of['eve']}")).status_code == 204
        assert (await eve.get("/api/session")).status_code == 401


async def test_another_sites_page_signs_nobody_in_and_changes_nobody(web) -> None:
    """The new routes stand behind the same checks of origin as all others."""
    await known(web)
    async with person(web) as client:
        await sign_in(client)
        for origin in ("https://evil.example", "null"):
            foreign = {"origin": origin}
            change = {"wanted": "another good one", "current": PASSWORD}
            assert (await client.post("/api/account/password", json=change, headers=foreign)).status_code == 403
            again = {"name": "ann", "password": PASSWORD}
            assert (await client.post("/api/sign-in/password", json=again, headers=foreign)).status_code == 403
            assert (await client.delete("/api/account/passkeys/x", headers=foreign)).status_code == 403
    async with person(web) as client:
        assert (await sign_in(client)).status_code == 200


async def test_an_admin_lets_people_in_and_out(web) -> None:
    """A link for somebody without a password, a reset after a loss, a removal; each leaves its row."""
    await known(web, "eve", "operator", password="")
    async with web.client() as admin, person(web) as eve:
        url = (await admin.post("/api/people/eve/sign-in-links")).json()["url"]
        assert (await eve.post("/api/sign-in", json={"token": url.partition("#")[2]})).json()["name"] == "eve"
        assert (await admin.post("/api/people/eve/role", json={"role": "viewer"})).status_code == 204
        assert (await eve.get("/api/session")).json()["role"] == "viewer"
        assert (await admin.post("/api/people/eve/password", json={"password": PASSWORD})).status_code == 204
        assert (await eve.get("/api/session")).status_code == 401
        assert (await sign_in(eve, "eve")).status_code == 200
        assert (await admin.post("/api/people/eve/reset")).status_code == 204
        assert (await sign_in(eve, "eve")).status_code == 401
        assert (await admin.delete("/api/people/eve")).status_code == 204
        assert (await admin.get("/api/people")).json() == []
        whole = (await admin.get("/api/audit")).json()
    told = {one["what"] for one in whole if one["by"] == "local"}
    assert told == {"add-person", "sign-in-link", "set-role", "set-password", "reset-person", "remove-person"}


@pytest.mark.parametrize("name", ["", " ", "a b", "../x", "x" * 64, "-x", "ann\n"])
async def test_a_name_is_plain(web, name: str) -> None:
    """It stands in addresses and in the audit."""
    async with web.client() as admin:
        assert (await admin.post("/api/people", json={"name": name})).status_code == 400
        assert (await admin.post("/api/tokens", json={"name": name})).status_code == 400
    assert await web.desk.journal.people.all(0) == ()


async def test_a_token_is_made_shown_once_and_taken_back(web) -> None:
    """It lets in by its role until then; the list says all of it but the secret."""
    async with web.client() as admin:
        made = (await admin.post("/api/tokens", json={"name": "ci", "kind": "operator", "days": 1})).json()
        async with httpx.AsyncClient(base_url=web.url, headers={"authorization": f"Bearer {made['secret']}"}) as program:
            assert (await program.get("/api/session")).json() == {"name": "ci", "role": "operator"}
            listed = (await admin.get("/api/tokens")).text
            assert made["secret"] not in listed
            assert '"name":"ci"' in listed
            assert (await admin.post("/api/tokens", json={"name": "CI"})).status_code == 409
            assert (await admin.delete("/api/tokens/ci")).status_code == 204
            assert (await program.get("/api/session")).status_code == 401
        assert (await admin.delete("/api/tokens/local")).status_code == 409


async def test_nothing_secret_is_logged(web, caplog: pytest.LogCaptureFixture) -> None:
    """Neither passwords nor codes, keys or tokens, however talkative the log."""
    caplog.set_level(logging.DEBUG)
    key = codes.fresh_key()
    await known(web, totp=key)
    async with person(web) as client, web.client() as admin:
        await sign_in(client, password="a wrong password")
        await sign_in(client, code="000001")
        await sign_in(client, code=pyotp.TOTP(key).now())
        made = (await admin.post("/api/tokens", json={"name": "ci"})).json()
    for secret in (PASSWORD, "a wrong password", key, "000001", made["secret"]):
        assert secret not in caplog.text


def test_a_ceremony_is_taken_up_once_and_by_whom_it_was_for() -> None:
    """Not by another person, not twice, not after its time, and not by what was made up."""
    import base64  # noqa: PLC0415  # for this alone
    import json  # noqa: PLC0415  # the same

    ceremonies = Ceremonies()

    def answer(challenge: bytes) -> dict[str, object]:
        said = {
            "type": "webauthn.get",
            "challenge": base64.urlsafe_b64encode(challenge).decode().rstrip("="),
            "origin": "http://localhost",
        }
        data = base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")
        return {"response": {"clientDataJSON": data}}

    def takes(challenge: bytes, who: str, now: float) -> bool:
        try:
            ceremonies.take(answer(challenge), who, now)
        except Exception:  # noqa: BLE001  # whatever it is, it must be a refusal
            return False
        return True

    assert not takes(ceremonies.begin("ann", 0), "eve", 1)
    assert not takes(ceremonies.begin("ann", 0), "", 1)
    assert not takes(ceremonies.begin("ann", 0), "ann", 301)
    assert not takes(b"made up" * 5, "ann", 1)
    mine = ceremonies.begin("ann", 0)
    assert takes(mine, "ann", 1)
    assert not takes(mine, "ann", 1)
    first = ceremonies.begin("ann", 0)
    for _ in range(300):
        ceremonies.begin("eve", 0)
    assert not takes(first, "ann", 1)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:8600", "localhost"),
        ("https://watch.example.org", "watch.example.org"),
        ("http://watch.example.org", ""),
        ("http://127.0.0.1:8600", ""),
        ("https://[::1]:8600", ""),
        ("", ""),
    ],
)
def test_where_passkeys_can_be(origin: str, host: str) -> None:
    """Where browsers allow them: over https or at localhost, for a name."""
    from watchkeeper.errors import Refused  # noqa: PLC0415  # for this alone

    if host:
        assert place(origin) == (origin, host)
    else:
        with pytest.raises(Refused):
            place(origin)
