"""A protocol of the user's own: one file, and whatever it does is told as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from rigs.stress import floor, known_server, run_stage
from watchkeeper.errors import ConfigError

GOOD = """
import asyncio

class Full(Exception):
    code = "rejected-full"

class Traffic:
    def __init__(self, access):
        self.access = access
        self.runs = 0

    async def open(self):
        self.reader, self.writer = await self.access.streams()

    async def run(self, operation):
        self.runs += 1
        if operation == "refuse":
            raise Full("no room")
        if operation == "slow":
            await asyncio.sleep(60)
        if operation == "bug":
            return {}["nothing"]
        self.writer.write(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
        head = await self.reader.readuntil(b"\\r\\n\\r\\n")
        body = await self.reader.readexactly(2)
        self.access.moved(received=len(head) + len(body))
        self.access.count("answers")
        self.access.span("half", 0.001)

    async def close(self):
        self.writer.close()
"""


def plan(file: Path, *operations: str) -> str:
    """A plan that uses it."""
    mix = "".join(f'[[protocol.operation]]\nname = "{name}"\n' for name in operations)
    return f'[protocol]\nkind = "own"\nfile = "{file}"\n{mix}'


async def test_a_file_of_ones_own(tmp_path: Path) -> None:
    """What it counts and measures is recorded; connections are kept."""
    (tmp_path / "mine.py").write_text(GOOD)
    with known_server("errors", nth=1e9) as url:
        async with floor(plan(tmp_path / "mine.py", "get"), url, 2) as found:
            get = (await run_stage(found, 0.2, rate=50))["get"]
            assert (get.done, get.errors, get.counts) == (10, {}, {"answers": 10})
            assert get.spans["half"].histogram.total == 10
            assert get.received > 0
            assert sum(lane._object.runs for lane in found.lanes) == 10


async def test_what_it_raises_has_a_code(tmp_path: Path) -> None:
    """Its own code, a time-out, and a mistake of the file, told as one."""
    (tmp_path / "mine.py").write_text(GOOD)
    with known_server("errors", nth=1e9) as url:
        async with floor(plan(tmp_path / "mine.py", "refuse", "slow", "bug"), url, 3, patience=0.3) as found:
            tallies = await run_stage(found, 0.3, rate=20)
            assert set(tallies["refuse"].errors) == {"rejected-full"}
            assert set(tallies["slow"].errors) == {"timeout"}
            assert set(tallies["bug"].errors) == {"broken"}
            assert tallies["bug"].fresh == [("broken", "KeyError: 'nothing'")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no such Python file"),
        ("def (", "SyntaxError"),
        ("raise OSError('x')", "cannot be loaded"),
        ("class Traffic:\n    async def open(self): ...\n", "async def run"),
        ("x = 1", "needs a class Traffic"),
    ],
)
async def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str | None, said: str) -> None:
    """With what is missing."""
    if text is not None:
        (tmp_path / "mine.py").write_text(text)
    with pytest.raises(ConfigError, match=said):
        async with floor(plan(tmp_path / "mine.py", "x"), "http://127.0.0.1:1/", 1):
            pass
