"""HTTP under load: every kind of answer is data, with its own code, and nothing is counted twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rigs.programs import free_port
from rigs.stress import floor, run_stage
from watchkeeper.config import parse
from watchkeeper.errors import ConfigError
from watchkeeper.stress.protocols.http import Http

Answer = Callable[[bytes, Any], bytes]


@asynccontextmanager
async def server(answer: Answer) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that gives `answer(head, writer)` to each request; its address, and the heads that it was sent."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                heads.append(head)
                length = next(
                    (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
                )
                await reader.readexactly(length)
                if said := answer(head, writer):
                    writer.write(said)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/", heads
    finally:
        listening.close()


def plain(status: str = "200 OK", body: bytes = b"ok", more: str = "") -> bytes:
    """An answer with a length."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


def closing(writer: Any, said: bytes) -> bytes:
    """Say it and hang up."""
    writer.write(said)
    writer.close()
    return b""


def hang_up(writer: Any) -> bytes:
    """Reset the connection."""
    writer.transport.abort()
    return b""


@pytest.mark.parametrize(
    ("answer", "errors"),
    [
        (lambda *_: plain(), {}),
        (lambda *_: plain("204 No Content", b""), {}),
        (lambda *_: plain("503 Service Unavailable"), {"status-503": 10}),
        (lambda *_: plain("302 Found", more="Location: /x\r\n"), {"status-302": 10}),
        (lambda *_: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", {}),
        (lambda _, writer: closing(writer, plain(more="Connection: close\r\n")), {}),
        (lambda _, writer: closing(writer, b"HTTP/1.1 200 OK\r\n\r\nuntil the end"), {}),
        (lambda *_: b"HTTP/1.1 103 Early Hints\r\n\r\n" + plain(), {}),
        (lambda _, writer: closing(writer, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"), {"closed": 10}),
        (lambda _, writer: closing(writer, b""), {"closed": 10}),
        (lambda *_: b"what is this\r\n\r\n", {"protocol": 10}),
        (lambda *_: b"", {"timeout": 10}),
    ],
)
async def test_every_answer_is_data(answer: Answer, errors: dict[str, int]) -> None:
    """Good, refused, redirected, cut off, senseless or missing: each start has one end, with the code that says what it was."""
    async with server(answer) as (url, _), floor("", url, 5, patience=0.3) as found:
        get = (await run_stage(found, 0.1, rate=100))["get"]
        assert get.scheduled == get.started == 10
        assert get.errors == errors
        assert get.done + sum(get.errors.values()) == 10
        assert get.in_flight == 0


async def test_a_reset_is_told_from_an_orderly_end() -> None:
    """By its own code."""
    async with server(lambda _, writer: hang_up(writer)) as (url, _), floor("", url, 2) as found:
        errors = (await run_stage(found, 0.05, rate=100))["get"].errors
        assert sum(errors.values()) == 5
        assert set(errors) <= {"reset", "closed"}


async def test_nobody_there_is_refused_at_once() -> None:
    """Where nothing listens every start fails with `refused`, and the schedule is kept."""
    async with floor("", f"http://127.0.0.1:{free_port()}/", 4) as found:
        assert found.keeper.first_tries == {"refused": 4}
        get = (await run_stage(found, 0.3, rate=100))["get"]
        assert get.scheduled == 30
        assert get.errors == {"refused": 30}
        assert get.failed.histogram is not None
        assert get.failed.histogram.total == 30


async def test_connections_are_kept() -> None:
    """Many requests, few connections; and one each where that is asked for."""
    async with server(lambda *_: plain()) as (url, _), floor("", url, 3) as found:
        await run_stage(found, 0.2, rate=200)
        assert found.idle.counts.get("connected", 0) + found.tallies.all[0].counts.get("connected", 0) == 3
    text = '[protocol]\nkind = "http"\nkeep_alive = false\n'
    async with server(lambda *_: plain()) as (url, heads), floor(text, url, 3) as found:
        get = (await run_stage(found, 0.2, rate=100))["get"]
        assert get.done == 20
        assert all(b"Connection: close" in head for head in heads)
        assert get.spans["connect"].histogram is not None
        assert get.spans["connect"].histogram.total >= 17


async def test_what_is_sent() -> None:
    """Method, path, query, headers and bodies as the plan has them."""
    text = """
[protocol]
kind = "http"
headers = { X-All = "yes", User-Agent = "mine" }

[[protocol.operation]]
name = "put"
method = "PUT"
path = "/a?b=c"
headers = { X-One = "1" }
body = "hello"
expect = [201]
"""
    async with server(lambda *_: plain("201 Created")) as (url, heads), floor(text, url, 1) as found:
        assert (await run_stage(found, 0.02, rate=50))["put"].done == 1
        head = heads[0].decode()
        assert head.startswith("PUT /a?b=c HTTP/1.1\r\n")
        for line in ("X-All: yes", "X-One: 1", "User-Agent: mine", "Content-Length: 5", f"Host: {url[7:-1]}"):
            assert f"{line}\r\n" in head


async def test_a_head_request_has_no_body() -> None:
    """Whatever length its answer speaks of."""
    text = '[protocol]\nkind = "http"\n[[protocol.operation]]\nname = "head"\nmethod = "HEAD"\n'
    async with server(lambda *_: b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n") as (url, _), floor(text, url, 2) as found:
        assert (await run_stage(found, 0.1, rate=50))["head"].done == 5


async def test_a_sequence_is_one_operation() -> None:
    """Its steps go over one connection with its cookies, each has a span, and a step that fails ends it."""
    text = """
[protocol]
kind = "http"
cookies = true

[[protocol.operation]]
name = "visit"
steps = [
    { name = "enter", path = "/enter", think = "20ms" },
    { name = "look", path = "/look", contains = "welcome" },
]
"""

    def answer(head: bytes, _: Any) -> bytes:
        if b"/enter" in head:
            return plain(more="Set-Cookie: who=ann; Path=/\r\n")
        return plain(body=b"welcome" if b"Cookie: who=ann\r\n" in head else b"who are you?")

    async with server(answer) as (url, _), floor(text, url, 2) as found:
        visit = (await run_stage(found, 0.1, rate=50))["visit"]
        assert (visit.done, visit.errors) == (5, {})
        assert visit.spans["enter"].histogram.total == visit.spans["look"].histogram.total == 5
        assert visit.latency.histogram.total == 5


async def test_what_a_user_thinks_is_not_the_servers_time() -> None:
    """Half a second of thinking in a sequence is in no latency, from the intended start or the actual one; waiting is.

    While a user thinks, the operation is not under way at the target, and is not over.
    """
    text = """
[protocol]
kind = "http"

[[protocol.operation]]
name = "buy"
steps = [{ name = "cart", path = "/a", think = "500ms" }, { name = "pay", path = "/b" }]
"""
    thinking = []

    async with server(lambda *_: plain()) as (url, _), floor(text, url, 1) as found:

        def look() -> None:
            all_ = found.tallies.all
            thinking.append((sum(one.in_flight for one in all_), found.tallies.in_flight))

        asyncio.get_running_loop().call_later(0.3, look)
        buy = (await run_stage(found, 0.1, rate=20))["buy"]
        assert (buy.done, buy.thinking) == (2, 0)
        assert thinking == [(1, 0)]
        assert buy.service.histogram.quantile(1.0) < 0.4e9
        first, second = buy.latency.histogram.quantile(0.5), buy.latency.histogram.quantile(1.0)
        assert first < 0.4e9 < second


async def test_a_text_is_found_wherever_it_is_and_in_its_own_answer_alone() -> None:
    """Behind two megabytes, across pieces, and not in what was left of an answer that had timed out."""
    text = '[protocol]\nkind = "http"\n[[protocol.operation]]\nname = "get"\ncontains = "thanks"\n'
    async with server(lambda *_: plain(body=b"x" * (2 << 20) + b"thanks!")) as (url, _), floor(text, url, 1) as found:
        assert (await run_stage(found, 0.1, rate=20))["get"].done == 2

    def in_pieces(_: bytes, writer: Any) -> bytes:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nmany th")
        asyncio.get_running_loop().call_later(0.02, writer.write, b"anks.")
        return b""

    async with server(in_pieces) as (url, _), floor(text, url, 1) as found:
        assert (await run_stage(found, 0.2, rate=10))["get"].done == 2
    asked = 0

    def broken_off(*_: Any) -> bytes:
        nonlocal asked
        asked += 1
        return b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nthanks" if asked % 2 else plain(body=b"sorry!")

    async with server(broken_off) as (url, _), floor(text, url, 1, patience=0.3) as found:
        assert (await run_stage(found, 1.6, rate=2.5))["get"].errors == {"timeout": 2, "corrupt": 2}


async def test_the_targets_own_query_is_asked_for() -> None:
    """Where a plan has no operation, what the address says is what is asked."""
    async with server(lambda *_: plain()) as (url, heads), floor("", f"{url}search?q=abc", 1) as found:
        assert (await run_stage(found, 0.1, rate=10))["get"].done == 1
        assert heads[0].startswith(b"GET /search?q=abc HTTP/1.1\r\n")


async def test_a_text_that_is_missing_is_corrupt() -> None:
    """A 200 with the wrong page is no success."""
    text = '[protocol]\nkind = "http"\n[[protocol.operation]]\nname = "get"\ncontains = "welcome"\n'
    async with server(lambda *_: plain(body=b"error")) as (url, _), floor(text, url, 2) as found:
        assert (await run_stage(found, 0.1, rate=50))["get"].errors == {"corrupt": 5}


async def test_what_nobody_asked_for_is_unexpected() -> None:
    """An answer to nothing is counted, and its connection given up."""
    async with server(lambda *_: plain() + plain()) as (url, _), floor("", url, 1) as found:
        get = (await run_stage(found, 0.1, rate=20))["get"]
        assert get.done == 2
        unexpected = sum(tally.counts.get("unexpected", 0) for tally in found.tallies.all)
        assert unexpected == 2


@pytest.mark.parametrize(
    "line",
    [
        'headers = { "X Y" = "1" }',
        'headers = { X = "a\\nb" }',
        '[[operation]]\nname = "x"\nmethod = "get"',
        '[[operation]]\nname = "x"\npath = "no-slash"',
        '[[operation]]\nname = "x"\nbody = "a"\nsize = 5',
        '[[operation]]\nname = "x"\npath = "/a"\nsteps = [{ path = "/b" }]',
        '[[operation]]\nname = "x"\nexpect = [9]',
        '[[operation]]\nname = "x"\nmethod = "POST"\nsteps = [{ path = "/b" }]',
        '[[operation]]\nname = "x"\nheaders = { Authorization = "x" }\nsteps = [{ path = "/b" }]',
        '[[operation]]\nname = "x"\ncontains = "x"\nsteps = [{ path = "/b" }]',
        '[[operation]]\nname = "x"\nexpect = [200]\nsteps = [{ path = "/b" }]',
        '[[operation]]\nname = "x"\nsize_most = 5\nsteps = [{ path = "/b" }]',
        '[[operation]]\nname = "x"\nmethod = "POST"\nsize_most = 5',
        '[[operation]]\nname = "x"\nmethod = "POST"\nsize = 6\nsize_most = 5',
        "[[operation]]\nweight = 1",
    ],
)
def test_bad_settings_are_refused(line: str) -> None:
    """While the plan is read, with the place."""
    document = parse({"x.toml": line})
    with pytest.raises(ConfigError):
        document.decode(document.tables, Http, ("protocol",))
