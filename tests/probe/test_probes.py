"""Each probe tells a server that answers from one that does not, and says why in words."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import get_args

import pytest

from watchkeeper.errors import Failed
from watchkeeper.fetch import fetch
from watchkeeper.model import Notes
from watchkeeper.probe import Command, Http, Leaf, Tcp
from watchkeeper.probe.probing import FAMILIES
from watchkeeper.quantities import Duration


@asynccontextmanager
async def answering(answer: bytes, *, keep_open: bool = False) -> AsyncIterator[int]:
    """A server on a loopback port that gives every connection the same answer after its first bytes."""

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(answer)
        try:
            await writer.drain()
            if keep_open:
                await reader.read()
        except ConnectionError:
            pass
        writer.close()

    server = await asyncio.start_server(on_connection, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


NOWHERE = Path("/nowhere")
"""No probe of these keeps anything."""


async def attempt(leaf: Leaf) -> dict[str, float]:
    """Ask once; what was noted."""
    notes = Notes({}, NOWHERE)
    await leaf.attempt(notes)
    assert set(notes.figures) <= {family.name for family in leaf.FAMILIES}
    return notes.figures


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


async def test_http_is_up_when_status_and_text_are_right() -> None:
    """Figures tell the status and the length; a chunked answer counts the same."""
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    for answer in (OK, chunked):
        async with answering(answer) as port:
            notes = await attempt(Http(url=f"http://127.0.0.1:{port}/x?y=1", contains="h.llo"))
        assert notes == {"probe_http_status_code": 200.0, "probe_http_content_length": 5.0}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n", "HTTP status 503, expected 200-399"),
        (OK, "does not contain 'bye'"),
        (b"SSH-2.0-x\r\n\r\n", "not HTTP"),
        (b"", "closed before an answer"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhi", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9999999\r\n\r\n" + b"x" * 2_000_000, "longer than"),
    ],
)
async def test_http_says_what_was_wrong(answer: bytes, said: str) -> None:
    """A wrong status, text, protocol, an early end and too much are each told apart."""
    async with answering(answer) as port:
        with pytest.raises(Failed, match=said):
            await attempt(Http(url=f"http://127.0.0.1:{port}/", contains="bye"))


async def test_what_a_miss_has_measured_is_noted() -> None:
    """The status and the length of a wrong answer, the exit status of a command that failed."""
    figures: dict[str, float] = {}
    async with answering(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n") as port:
        with pytest.raises(Failed):
            await Http(url=f"http://127.0.0.1:{port}/").attempt(Notes(figures, NOWHERE))
    with pytest.raises(Failed):
        await Command(command=(sys.executable, "-c", "exit(3)")).attempt(Notes(figures, NOWHERE))
    assert figures == {
        "probe_http_status_code": 503.0,
        "probe_http_content_length": 0.0,
        "probe_command_exit_status": 3.0,
    }


async def test_a_refused_connection_is_a_reason() -> None:
    """No listener: the reason is the system's."""
    with pytest.raises(Failed, match="cannot connect"):
        await fetch("http://127.0.0.1:1/")
    with pytest.raises(Failed, match="cannot connect"):
        await attempt(Tcp(port=1))


async def test_tcp_connects_and_may_expect_a_greeting() -> None:
    """A connection is enough, unless a greeting is asked for."""
    async with answering(b"+PONG\r\n") as port:
        assert await attempt(Tcp(port=port)) == {}
        assert await attempt(Tcp(port=port, send="PING\r\n", expect="+PONG")) == {}
        with pytest.raises(Failed, match=r"expected '\+OK'"):
            await attempt(Tcp(port=port, send="PING\r\n", expect="+OK"))


async def test_a_greeting_may_come_in_pieces() -> None:
    """It is read on until it is there, the connection ends, or time is nearly over: then what came instead is the reason."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in (b"220 mail.exam", b"ple ES", b"MTP\r\n"):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await attempt(Tcp(port=port, expect="example ESMTP", timeout=Duration(20.0))) == {}
        with pytest.raises(Failed, match=r"expected 'POP3', got b'220 mail\.example ESMTP"):
            await attempt(Tcp(port=port, expect="POP3", timeout=Duration(0.5)))


async def test_a_command_is_up_when_it_exits_zero() -> None:
    """Exit 0 is up; otherwise its last line is the reason; a missing command is said so."""
    assert await attempt(Command(command=(sys.executable, "-c", "pass"))) == {"probe_command_exit_status": 0.0}
    with pytest.raises(Failed, match="exit status 3, saying “too full”"):
        await attempt(Command(command=(sys.executable, "-c", "print('x'); print('too full'); exit(3)")))
    with pytest.raises(Failed, match="cannot run"):
        await attempt(Command(command=("/nowhere/at-all",)))


async def test_a_command_leaves_nobody_behind(tmp_path: Path) -> None:
    """What it leaves in the background neither holds up its answer nor goes on: probes would pile it up."""
    note = tmp_path / "pid"
    code = (
        f"import pathlib, subprocess; p = subprocess.Popen(['sleep', '60']); pathlib.Path({str(note)!r}).write_text(str(p.pid))"
    )
    async with asyncio.timeout(20):
        assert await attempt(Command(command=(sys.executable, "-c", code))) == {"probe_command_exit_status": 0.0}
        while _alive(int(note.read_text())):
            await asyncio.sleep(0.01)


async def test_a_command_that_hangs_is_killed_with_its_children() -> None:
    """After a time-out neither the command nor what it started is left."""
    code = "import subprocess, time; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); time.sleep(60)"
    read, write = os.pipe()
    wrapped = f"import os; os.dup2({write}, 1); " + code
    os.set_inheritable(write, True)
    task = asyncio.create_task(_attempt_with_fd(wrapped, write))
    child = int(await asyncio.to_thread(os.read, read, 100))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    os.close(read)
    async with asyncio.timeout(10):
        while _alive(child):
            await asyncio.sleep(0.01)


async def _attempt_with_fd(code: str, write: int) -> None:
    path = f"/proc/{os.getpid()}/fd/{write}"
    code = code.replace(f"os.dup2({write}, 1)", f"os.dup2(os.open({path!r}, os.O_WRONLY), 1)")
    try:
        await attempt(Command(command=(sys.executable, "-c", code)))
    finally:
        os.close(write)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Http(url="ftp://x"), "http://"),
        (lambda: Http(url="http://x", contains="("), "regular expression"),
        (lambda: Http(url="http://x", status=("2xx",)), "200-399"),
        (lambda: Tcp(port=0), "1 to 65535"),
    ],
)
def test_what_could_never_work_is_refused_while_it_is_read(make: object, said: str) -> None:
    """A leaf checks itself as it is decoded, so that file and line can be named."""
    with pytest.raises(ValueError, match=said):
        make()  # type: ignore[operator]  # any callable


@pytest.mark.parametrize("kind", get_args(Leaf), ids=lambda kind: kind.__name__)
def test_every_leaf_says_what_it_may_measure(kind: type[Leaf]) -> None:
    """Names that belong to probes and to no other kind, each with its sentence."""
    others = {family.name for other in get_args(Leaf) if other is not kind for family in other.FAMILIES} | {
        family.name for family in FAMILIES
    }
    for family in kind.FAMILIES:
        assert family.name.startswith("probe_")
        assert family.help.endswith(".")
        assert family.name not in others
