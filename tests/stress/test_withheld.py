"""Credentials of a plan reach its target, and nobody who reads its record or report."""

from __future__ import annotations

import asyncio
import tomllib
from pathlib import Path

import pytest

from rigs.stress import QUICK, whole_run
from watchkeeper.stress import withheld
from watchkeeper.stress.report import writing

SECRET = "Bearer SECRET-123"


@pytest.mark.parametrize(
    "text",
    [
        '[headers]\nProxy-Authorization = "SECRET-123"\nX-Api-Key = "\\"SECRET-123"\n"X-Secret-B" = \'SECRET-123\'\n',
        'steps = [{ path = "/", headers = { cookie = "SECRET-123", Accept = "b" } }]\n',
        '[protocol.settings]\ndb_password = "SECRET-123"\nx-auth-user="SECRET-123"\n',
    ],
)
def test_texts_under_such_names_are_left_out(text: str) -> None:
    """Whatever their quotes, wherever they stand; the rest is what it was, and still TOML."""
    found = withheld.of_plan(text)
    assert "SECRET" not in found
    assert tomllib.loads(found).keys() == tomllib.loads(text).keys()
    assert withheld.of_plan(found) == found


def test_the_rest_of_a_plan_is_as_it_was() -> None:
    """References to secrets, switches, names and bodies."""
    text = 'name = "cookie"\ntoken = { file = "/t" }\ncookies = true\nbody = "a=b"\nheaders = { Accept = "token" }\n'
    assert withheld.of_plan(text) == text


def test_a_command_line_has_none_either() -> None:
    """What it sets under such a name is left out, in one word or after its option."""
    words = ("stress", "run", "x.toml", "--set", "protocol.headers.Authorization=Bearer SECRET", "--set=a.x-api-key=SECRET")
    told = withheld.of_command(words)
    assert told[:4] == words[:4]
    assert told[4:] == ("protocol.headers.Authorization=(withheld)", "--set=a.x-api-key=(withheld)")
    assert withheld.of_command(("--set", "safety.max_rate=5")) == ("--set", "safety.max_rate=5")


@pytest.mark.slow
async def test_a_run_sends_what_its_record_and_report_do_not_show(tmp_path: Path) -> None:
    """No file that it leaves holds the credential, also where the server's refusals are quoted."""
    heads: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                heads.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    phase = '[[phase]]\nkind = "constant"\nrate = 20\nlasts = "1s"\n'
    headers = f'[protocol]\nkind = "http"\nheaders = {{ Authorization = "{SECRET}" }}\n'
    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        record = await whole_run(phase + headers, url, tmp_path, rest=QUICK)
    assert any(SECRET.encode() in head for head in heads)
    writing.write(record)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "report.html" for path in files)
    assert [path.name for path in files if b"SECRET-123" in path.read_bytes()] == []
    assert "403 to GET /" in (record.folder / "events.jsonl").read_text()
