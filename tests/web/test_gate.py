"""The gate over real sockets: who may ask from where, how much, and what every answer carries."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from watchkeeper.journal.access import SESSION_LIFE, new_secret
from watchkeeper.web.access import COOKIE, Failures
from watchkeeper.web.gate import BODY_BYTES
from watchkeeper.web.page import _asset
from watchkeeper.web.settings import WebSettings

SERVER = "/api/machines/alpha/servers/web"
ORDER = f"{SERVER}/actions"


async def raw(web, request: bytes) -> tuple[int, bytes]:
    """Send these very bytes; the status and all that came back until the other side closed or fell silent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
    try:
        writer.write(request)
        await writer.drain()
        async with asyncio.timeout(20):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
            body = await reader.readexactly(length)
    finally:
        writer.close()
    return int(head.split(b" ", 2)[1]), head + body


async def session(web, *, at: int = 0) -> str:
    """A session as a browser has it, begun at `at` (ms)."""
    at = at or web.desk.now()
    secret, _ = await web.desk.journal.access.redeem(await web.desk.journal.access.add_link(at), at, "")
    return secret


def browser(web, secret: str, **headers: str) -> httpx.AsyncClient:
    """A browser that carries this session."""
    return httpx.AsyncClient(base_url=web.url, headers={"cookie": f"{COOKIE}={secret}"} | headers)


@pytest.mark.parametrize("path", ["/", "/healthz", "/api/overview", "/metrics", "/api/openapi.json", "/nothing"])
async def test_every_answer_carries_the_headers(web, path: str) -> None:
    """Policy, no sniffing, no framing, no referrer: on pages, on data, on faults, to anyone."""
    async with web.stranger() as client:
        answer = await client.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "server" not in answer.headers
    if path.startswith(("/api", "/metrics")):
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8600", "10.0.0.1", "127.0.0.1.evil.example", "a b", "127.0.0.1, evil.example"]
)
@pytest.mark.parametrize("path", ["/", "/healthz", "/api/overview", "/api/openapi.json"])
async def test_a_foreign_host_gets_nothing(web, host: str, path: str) -> None:
    """DNS rebinding: a page whose name was pointed at us is told that it is not ours, with and without a token."""
    async with web.client() as client:
        answer = await client.get(path, headers={"host": host})
    assert answer.status_code == 421
    assert answer.json()["code"] == "wrong-host"
    assert "content-security-policy" in answer.headers


async def test_no_host_or_two_hosts_get_nothing(web) -> None:
    """What no browser sends is refused before anyone acts on it."""
    for lines in (b"", b"Host: 127.0.0.1\r\nHost: evil.example\r\n", b"Host: evil.example\r\nHost: 127.0.0.1\r\n"):
        status, _ = await raw(web, b"GET /api/overview HTTP/1.1\r\n" + lines + b"Connection: close\r\n\r\n")
        assert status in {400, 421}


async def test_a_configured_name_is_ours(make_web) -> None:
    """Behind a reverse proxy the hub has another name."""
    async with make_web(WebSettings(hosts=("watch.example.org",))) as web, web.client() as client:
        answer = await client.get("/api/overview", headers={"host": "watch.example.org"})
        assert answer.status_code == 200
        foreign = await client.post(
            ORDER, json={"verb": "stop"}, headers={"host": "watch.example.org", "origin": "https://evil.example"}
        )
        assert foreign.status_code == 403
        own = {"host": "watch.example.org", "origin": "https://watch.example.org"}
        assert (await client.post(ORDER, json={"verb": "stop"}, headers=own)).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1", "http://[::1", "file://", ""])
async def test_another_sites_page_changes_nothing(web, origin: str) -> None:
    """A form or script of another site is refused with our cookie and with a token, and leaves no row."""
    secret = await session(web)
    async with browser(web, secret, origin=origin) as client, web.client() as program:
        by_cookie = await client.post(ORDER, json={"verb": "stop"})
        by_token = await program.post(ORDER, json={"verb": "stop"}, headers={"origin": origin})
        out = await client.post("/api/sign-out")
        sign_in = await client.post("/api/sign-in", json={"token": "x"})
    for answer in (by_cookie, by_token, out, sign_in):
        assert (answer.status_code, answer.json()["code"]) == (403, "wrong-origin")
    assert await web.desk.journal.actions.page() == ()
    assert await web.desk.journal.access.session(secret, web.desk.now())


async def test_a_cookie_without_an_origin_changes_nothing(web) -> None:
    """Browsers always say the origin of what changes something: silence with a cookie is refused, our own page is not."""
    secret = await session(web)
    async with browser(web, secret) as client:
        silent = await client.post(ORDER, json={"verb": "stop"})
        own = await client.post(ORDER, json={"verb": "stop"}, headers={"origin": web.url})
    assert (silent.status_code, silent.json()["code"]) == (403, "wrong-origin")
    assert own.status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/overview"),
        ("GET", "/api/machines"),
        ("GET", "/api/machines/alpha"),
        ("GET", SERVER),
        ("GET", f"{SERVER}/logs"),
        ("GET", "/api/actions"),
        ("GET", "/api/events"),
        ("GET", "/api/series?match=node_load1"),
        ("GET", "/api/panels"),
        ("GET", "/api/charts/cpu?machine=alpha"),
        ("GET", "/api/session"),
        ("GET", "/api/version"),
        ("GET", "/metrics"),
        ("POST", ORDER),
        ("POST", "/api/sign-in-links"),
    ],
)
async def test_without_a_session_there_is_nothing(web, method: str, path: str) -> None:
    """No secret, a wrong one, one in the URL, one as the wrong kind: each is nobody."""
    wrong = new_secret()
    glue = "&" if "?" in path else "?"
    asks = [
        {},
        {"headers": {"authorization": f"Bearer {wrong}"}},
        {"headers": {"authorization": f"Basic {web.token}"}},
        {"headers": {"authorization": web.token}},
        {"headers": {"cookie": f"{COOKIE}={web.token}"}},
        {"headers": {"x-token": web.token, "token": web.token}},
    ]
    async with web.stranger() as client:
        for ask in asks:
            answer = await client.request(method, path, json={"verb": "stop"} if method == "POST" else None, **ask)
            assert (answer.status_code, answer.json()["code"]) == (401, "not-signed-in"), ask
        for name in ("token", "access_token", "authorization", "bearer", COOKIE):
            answer = await client.request(
                method, f"{path}{glue}{name}={web.token}", json={"verb": "stop"} if method == "POST" else None
            )
            assert answer.status_code == 401, name
    assert await web.desk.journal.actions.page() == ()


async def test_an_expired_session_is_nothing(web) -> None:
    """A cookie of long ago opens no door any more, and a signed-out one neither."""
    old = await session(web, at=web.desk.now() - SESSION_LIFE - 1)
    young = await session(web)
    async with browser(web, old, origin=web.url) as client:
        assert (await client.get("/api/overview")).status_code == 401
    async with browser(web, young, origin=web.url) as client:
        assert (await client.get("/api/overview")).status_code == 200
        out = await client.post("/api/sign-out")
        assert "Max-Age=0" in out.headers["set-cookie"]
        client.cookies.clear()
        assert (await client.get("/api/overview")).status_code == 401


async def test_a_wrong_token_beside_a_good_cookie_is_nobody(web) -> None:
    """A token that is shown is used: no falling back to who else might be there."""
    async with browser(web, await session(web), authorization=f"Bearer {new_secret()}") as client:
        assert (await client.get("/api/overview")).status_code == 401


@pytest.mark.parametrize(
    ("kind", "reads", "acts", "links"), [("viewer", 200, 403, 403), ("link", 403, 403, 403), ("admin", 200, 200, 201)]
)
async def test_what_each_token_may(web, kind: str, reads: int, acts: int, links: int) -> None:
    """Reading, acting and letting others in, by kind."""
    secret = new_secret()
    await web.desk.journal.access.put_token("ci", kind, secret, 1)
    async with httpx.AsyncClient(base_url=web.url, headers={"authorization": f"Bearer {secret}"}) as client:
        assert (await client.get("/api/overview")).status_code == reads
        assert (await client.get("/metrics")).status_code == reads
        assert (await client.post(ORDER, json={"verb": "stop"})).status_code == acts
        assert (await client.post("/api/sign-in-links")).status_code == links


async def test_signing_in_by_a_link(web) -> None:
    """A fresh link's secret becomes a cookie once, and the cookie lets in; the answer of the second try is a 401."""
    async with web.client() as admin:
        url = (await admin.post("/api/sign-in-links")).json()["url"]
    address, _, secret = url.partition("#")
    assert address == f"{web.url}/sign-in"
    async with httpx.AsyncClient(base_url=web.url, headers={"origin": web.url}) as client:
        first = await client.post("/api/sign-in", json={"token": secret})
        assert first.status_code == 200
        assert "HttpOnly" in first.headers["set-cookie"]
        assert "Secure" not in first.headers["set-cookie"]
        assert (await client.get("/api/session")).json() == {"name": "admin", "role": "admin"}
        assert (await client.post("/api/sign-in", json={"token": secret})).status_code == 401
    what = [entry.what for entry in await web.desk.journal.audit.newest()]
    assert what == ["sign-in", "sign-in-link"]


async def test_guessing_is_slowed_down(web) -> None:
    """After some failures a peer waits, also with a good secret."""
    good = await web.desk.journal.access.add_link(web.desk.now())
    async with web.stranger() as client:
        for _ in range(Failures.ALLOWED):
            assert (await client.post("/api/sign-in", json={"token": new_secret()})).status_code == 401
        answer = await client.post("/api/sign-in", json={"token": good})
    assert (answer.status_code, answer.json()["code"]) == (429, "too-many-failures")


async def test_a_body_that_is_too_large_is_refused(web) -> None:
    """By its announced length at once, in pieces as soon as it is too much; the hub lives on."""

    async def pieces():
        for _ in range(BODY_BYTES // 1024 + 2):
            yield b" " * 1024

    async with web.client() as client:
        whole = await client.post(ORDER, content=b" " * (BODY_BYTES + 1), headers={"content-type": "application/json"})
        chunked = await client.post(ORDER, content=pieces(), headers={"content-type": "application/json"})
        fits = await client.post(
            ORDER, content=b'{"verb":"stop"}'.ljust(BODY_BYTES), headers={"content-type": "application/json"}
        )
        unread = await client.post("/api/sign-in-links", content=pieces(), headers={"content-type": "application/json"})
    for answer in (whole, chunked, unread):
        assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    assert fits.status_code == 200


async def test_an_announced_gigabyte_is_refused_before_it_is_sent(web) -> None:
    """Only the head was sent, and the answer is there."""
    head = (
        f"POST {ORDER} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {web.token}\r\nContent-Type: application/json\r\n"
    )
    status, _ = await raw(web, head.encode() + b"Content-Length: 1073741824\r\n\r\n")
    assert status == 413


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "application/jsonx"]
)
async def test_other_bodies_than_json_are_refused(web, kind: str) -> None:
    """What a plain form of another site can send is no order."""
    async with web.client() as client:
        answer = await client.post(ORDER, content=b'{"verb":"stop"}', headers={"content-type": kind})
    assert (answer.status_code, answer.json()["code"]) == (415, "wrong-type")


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: -5\r\n",
        b"Content-Length: 99999999999999999999999999\r\n",
        b"Content-Length: x\r\n",
        b"Transfer-Encoding: identity, chunked, x\r\n",
    ],
)
async def test_smuggled_lengths_are_refused(web, head: bytes) -> None:
    """A request whose length two readers could read in two ways is never carried out."""
    start = (
        f"POST {ORDER} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {web.token}\r\nContent-Type: application/json\r\n"
    )
    status, _ = await raw(web, start.encode() + head + b'Connection: close\r\n\r\n{"verb":"stop"}')
    assert status in {400, 413, 501}
    assert await web.desk.journal.actions.page() == ()


PAGE = {
    "/index.html": _asset("index.html", b"<!doctype html><p>page</p>", forever=False),
    "/assets/a-1234.js": _asset("a-1234.js", b"void 0;" * 100, forever=True),
}


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../etc/passwd",
        "/..%2f..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/assets/../../token",
        "/assets/..%2f..%2ftoken",
        "/assets/%2e%2e/index.html",
        "//etc/passwd",
        "/....//....//etc/passwd",
        "/..\\..\\etc\\passwd",
        "/%00/etc/passwd",
        "/assets/a-1234.js%00.html",
        "/etc/passwd",
        "/token",
        "/journal.db",
        "/.git/config",
        "/page.py",
    ],
)
async def test_no_path_climbs_out_of_the_page(make_web, path: str) -> None:
    """Whatever is asked for: a file of the page, the page itself or a problem, and never another file."""
    async with make_web(files=PAGE) as web:
        for accept in (b"text/html", b"application/json"):
            head = (
                b"GET "
                + path.encode()
                + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: "
                + accept
                + b"\r\nConnection: close\r\n\r\n"
            )
            status, said = await raw(web, head)
            assert status in {200, 400, 404}
            assert web.token.encode() not in said
            assert b"root:" not in said
            assert b"SQLite" not in said
            body = said.partition(b"\r\n\r\n")[2]
            assert status != 200 or body in {PAGE["/index.html"].plain, PAGE["/assets/a-1234.js"].plain}


async def test_the_page_and_its_assets(make_web) -> None:
    """The page is never kept, hashed assets are kept for a year, both are told by a tag; what is missing is missing."""
    async with make_web(files=PAGE) as web, web.stranger() as client:
        page = await client.get("/machines/alpha", headers={"accept": "text/html"})
        script = await client.get("/assets/a-1234.js", headers={"accept-encoding": "gzip"})
        again = await client.get("/assets/a-1234.js", headers={"if-none-match": script.headers["etag"]})
        missing = await client.get("/assets/b.js", headers={"accept": "*/*"})
    assert page.text == "<!doctype html><p>page</p>"
    assert page.headers["cache-control"] == "no-store"
    assert "immutable" in script.headers["cache-control"]
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert script.headers["content-encoding"] == "gzip"
    assert script.content == b"void 0;" * 100
    assert (again.status_code, again.content) == (304, b"")
    assert (missing.status_code, missing.json()["code"]) == (404, "no-such-route")


async def test_a_journal_that_fails_is_a_503_and_no_traceback(web) -> None:
    """Time must act: who asks hears why, in our shape."""
    async with web.client() as client:
        web.desk.journal.access._ledger._closed = True
        try:
            answer = await client.get("/api/overview")
        finally:
            web.desk.journal.access._ledger._closed = False
    assert (answer.status_code, answer.json()["code"]) == (503, "failed")
