"""TCP under load: echoes, answers with an end, and connections alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from rigs.programs import free_port
from rigs.stress import floor, run_stage
from watchkeeper.config import parse
from watchkeeper.errors import ConfigError
from watchkeeper.stress.protocols.tcp import Tcp

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[str]:
    """A server; its address."""

    async def safely(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(safely, "127.0.0.1", 0)
    try:
        yield f"tcp://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes, in two pieces."""
    while data := await reader.read(4096):
        writer.write(data[:50])
        await writer.drain()
        writer.write(data[50:])


async def twist(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back something else of the same length."""
    while data := await reader.read(4096):
        writer.write(bytes(len(data)))


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say nothing."""
    while await reader.read(4096):
        pass


async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hang up."""
    await reader.read(10)


@pytest.mark.parametrize(
    ("serve", "errors"), [(echo, {}), (twist, {"corrupt": 5}), (silent, {"timeout": 5}), (rude, {"closed": 5})]
)
async def test_an_echo(serve: Serve, errors: dict[str, int]) -> None:
    """Right, changed, missing, or cut off."""
    async with server(serve) as url, floor("", url, 3, patience=0.3) as found:
        sent = (await run_stage(found, 0.1, rate=50))["echo"]
        codes = {"closed" if code == "reset" else code: many for code, many in sent.errors.items()}
        assert codes == errors
        assert sent.done == 5 - sum(errors.values())


async def test_a_question_with_an_answer_that_ends() -> None:
    """Some bytes, and the line that ends the answer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            assert line == b"PING\n"
            writer.write(b"+PO")
            await asyncio.sleep(0.001)
            writer.write(b"NG\n")

    text = '[protocol]\nkind = "tcp"\n[[protocol.operation]]\nname = "ping"\ndoes = "ask"\nsend = "PING\\n"\n'
    async with server(serve) as url, floor(text, url, 2) as found:
        ping = (await run_stage(found, 0.1, rate=50))["ping"]
        assert (ping.done, ping.received) == (5, 5 * 6)


async def test_connections_alone() -> None:
    """Each one new; and refused where nobody listens."""
    text = '[protocol]\nkind = "tcp"\n[[protocol.operation]]\nname = "open"\ndoes = "connect"\n'
    async with server(silent) as url, floor(text, url, 2) as found:
        opened = (await run_stage(found, 0.1, rate=50))["open"]
        assert opened.done == 5
        opened.spans["connect"].fold()
        assert opened.spans["connect"].histogram.total == 5
    async with floor(text, f"tcp://127.0.0.1:{free_port()}", 2) as found:
        assert (await run_stage(found, 0.1, rate=50))["open"].errors == {"refused": 5}


@pytest.mark.parametrize("line", ['does = "ask"', 'does = "ask"\nsend = "x"\nuntil = ""', "size = 0", 'does = "other"'])
def test_bad_settings_are_refused(line: str) -> None:
    """A question needs words and an end."""
    document = parse({"x.toml": f'[[operation]]\nname = "x"\n{line}'})
    with pytest.raises(ConfigError):
        document.decode(document.tables, Tcp, ("protocol",))
