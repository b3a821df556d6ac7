"""Nobody is put under load who has not agreed, and nobody far away without a plan that says so."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from rigs.certificates import made
from rigs.programs import free_port
from rigs.stress import plan_of
from watchkeeper.errors import Refused
from watchkeeper.quantities import Secret
from watchkeeper.stress import target
from watchkeeper.stress.plan import Plan, TargetSettings
from watchkeeper.stress.target import Supervised, consent, look_up

TOKEN = "a-token-that-nobody-guesses"
PHASE = '[[phase]]\nkind = "smoke"\n'


def plan(url: str, **settings: object) -> Plan:
    """A plan for a target."""
    found = plan_of(PHASE, url)
    return msgspec.structs.replace(found, target=msgspec.structs.replace(found.target, **settings))


@asynccontextmanager
async def answering(head: str, body: str = "", tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[str, list[str]]]:
    """A server that answers each request so; its address and what it was asked."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}/x", asked
    finally:
        server.close()


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> Secret:
    """The plan's token, out of the environment."""
    monkeypatch.setenv("STRESS_TOKEN", TOKEN)
    return Secret(env="STRESS_TOKEN")


async def refusal(one: Plan, supervised: Supervised | None = None) -> str:
    """Why a plan's target may not be put under load."""
    with pytest.raises(Refused) as caught:
        await consent(one, await look_up(one), supervised)
    return caught.value.why


@pytest.mark.parametrize(
    ("stress", "urls", "said"),
    [
        (True, ("http://127.0.0.1:8080/healthz",), ""),
        (True, ("ws://127.0.0.1:8080", "tcp://127.0.0.1:9"), ""),
        (False, ("http://127.0.0.1:8080/",), "sets stress = true in [server.web]"),
        (True, ("http://127.0.0.1:8081/",), "is no address of the server web"),
        (True, ("http://other:8080/",), "is no address of the server web"),
        (True, (), "are at: none"),
    ],
)
async def test_a_supervised_server_consents_by_its_configuration(stress: bool, urls: tuple[str, ...], said: str) -> None:
    """For its own addresses, and for no other."""
    one = plan("http://127.0.0.1:8080/shop")
    supervised = Supervised("web", stress, urls)
    if said:
        assert said in await refusal(one, supervised)
    else:
        assert await consent(one, await look_up(one), supervised) == "server web has stress = true"


async def test_without_any_consent_nothing_is_loaded() -> None:
    """And what to do is said."""
    assert "let it answer /.well-known/watchkeeper-stress with a token" in await refusal(plan("http://127.0.0.1:8080/"))


@pytest.mark.parametrize(
    "answer", [("200 OK", TOKEN), ("200 OK", f"{TOKEN}\nmore"), (f"200 OK\r\nWatchkeeper-Stress: {TOKEN}", "x")]
)
async def test_a_target_consents_with_the_token(token: Secret, answer: tuple[str, str]) -> None:
    """In the first line of the answer, or in a header; it is asked by its own name at the address that will be loaded."""
    async with answering(*answer) as (url, asked):
        one = plan(url, token=token)
        assert "answered with the token" in await consent(one, await look_up(one), None)
        assert asked[0].startswith("GET /.well-known/watchkeeper-stress HTTP/1.1\r\n")
        assert TOKEN not in asked[0]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (("404 Not Found", TOKEN), "it answered 404"),
        (("200 OK", "another-token-of-some-length"), "something else than the token"),
        (("200 OK", ""), "something else than the token"),
        (("302 Found\r\nLocation: http://127.0.0.1:1/", TOKEN), "it answered 302"),
    ],
)
async def test_anything_else_is_no_consent(token: Secret, answer: tuple[str, str], said: str) -> None:
    """Also a redirect; and the token is not told."""
    async with answering(*answer) as (url, _):
        why = await refusal(plan(url, token=token))
        assert said in why
        assert TOKEN not in why


async def test_a_target_that_does_not_answer_does_not_consent(token: Secret) -> None:
    """With the reason."""
    assert "did not answer: cannot connect" in await refusal(plan(f"http://127.0.0.1:{free_port()}/", token=token))


async def test_a_token_that_is_missing_or_guessable_is_none(token: Secret, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anybody is asked."""
    one = plan(f"http://127.0.0.1:{free_port()}/", token=token)
    monkeypatch.setenv("STRESS_TOKEN", "short")
    assert "at least 16 characters" in await refusal(one)
    monkeypatch.delenv("STRESS_TOKEN")
    assert "not set" in await refusal(one)


async def test_a_port_that_speaks_no_http_consents_elsewhere_on_its_host(token: Secret) -> None:
    """At an address of the same host, and of no other."""
    async with answering("200 OK", TOKEN) as (url, _):
        bare = plan("tcp://127.0.0.1:9999", token=token)
        assert "give consent_url" in await refusal(bare)
        there = plan("tcp://127.0.0.1:9999", token=token, consent_url=url)
        assert "answered with the token" in await consent(there, await look_up(there), None)
        other = plan("tcp://localhost:9999", token=token, consent_url=url)
        assert "on another host" in await refusal(other)


@pytest.mark.parametrize("kind", ["http", "https", "tcp"])
async def test_consent_is_asked_at_the_address_that_will_be_loaded(kind: str, token: Secret, tmp_path: Path) -> None:
    """A name that leads elsewhere by now, or nowhere, is not looked up again; who is asked hears the name, in TLS as well."""
    names: list[str | None] = []
    tls = made(tmp_path, "server").served() if kind == "https" else None
    if tls is not None:
        tls.sni_callback = lambda _socket, name, _context: names.append(name)
    async with answering("200 OK", TOKEN, tls) as (url, asked):
        place = f"shop.invalid:{urlsplit(url).port}"
        one = plan(url, token=token, verify=False)
        there = f"tcp://{place}" if kind == "tcp" else f"{kind}://{place}/x"
        settings = msgspec.structs.replace(one.target, url=there, consent_url=f"http://{place}/yes" if kind == "tcp" else "")
        named = msgspec.structs.replace(one, target=settings)
        found = target.Target(there, ("127.0.0.1", urlsplit(url).port or 0), "shop.invalid", is_local=True)
        assert "answered with the token" in await consent(named, found, None)
        assert f"host: {place}\r\n" in asked[0].lower()
        assert names == (["shop.invalid"] if tls else [])


async def test_far_away_is_refused_unless_the_plan_says_so() -> None:
    """What is neither loopback nor private needs a word of its own."""
    one = plan("http://192.0.2.1/")
    assert not target.is_near("8.8.8.8")
    far = msgspec.structs.replace(one, target=TargetSettings(url="http://8.8.8.8/"))
    with pytest.raises(Refused, match=r"safety\.public = true"):
        await look_up(far)
    meant = msgspec.structs.replace(far, safety=msgspec.structs.replace(far.safety, public=True))
    found = await look_up(meant)
    assert (found.address, found.is_local) == (("8.8.8.8", 80), False)


@pytest.mark.parametrize(
    ("address", "near"),
    [("127.0.0.1", True), ("10.1.2.3", True), ("192.168.1.1", True), ("fe80::1%eth0", True), ("::1", True), ("1.1.1.1", False)],
)
def test_what_is_near(address: str, near: bool) -> None:
    """Loopback, private and link-local."""
    assert target.is_near(address) == near


async def test_a_name_is_looked_up_once() -> None:
    """And it is known whether the address is this machine's."""
    found = await look_up(plan("http://localhost:8080/"))
    assert found.address[1] == 8080
    assert found.is_local
    assert found.server_name == "localhost"
    with pytest.raises(Refused, match="has no address"):
        await look_up(plan("http://nobody.invalid/"))
