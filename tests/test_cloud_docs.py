"""The pages of the Cloud Server and Client are true: what they tell to type is typed, and gives what they show."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudnet.keys import load, written
from rigs.cloud import CloudProgram
from rigs.pages import Reader
from rigs.programs import free_port, until

HOME = Path(__file__).resolve().parent.parent
DOCS = HOME / "docs"
EXAMPLES = HOME / "examples"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[CloudProgram]:
    """A server for pages and programs that expect one."""
    made = CloudProgram(tmp_path / "server")
    made.log.parent.mkdir()
    made.start()
    yield made
    made.close()


@pytest.mark.slow
def test_the_servers_page_is_true(tmp_path: Path) -> None:
    """From the first start over the first message, a restart, TLS and a backup to health, as a reader types it."""
    reader = Reader(tmp_path, {port: free_port() for port in (8765, 8766, 8767, 8768)})
    try:
        assert reader.follow(DOCS / "cloud-server.md") >= 10
    finally:
        reader.close()


@pytest.mark.slow
def test_the_clients_page_is_true(tmp_path: Path, server: CloudProgram) -> None:
    """Every call of the library and every verb of the command line."""
    folder = tmp_path / "reader"
    folder.mkdir()
    reader = Reader(folder, {8765: server.port, 8766: server.metrics_port})
    try:
        assert reader.follow(DOCS / "cloud-client.md") >= 15
    finally:
        reader.close()


class Program:
    """One of the example programs, in a folder, with what it says."""

    def __init__(self, folder: Path, server: CloudProgram, *arguments: str) -> None:
        self.log = folder / f"{len(list(folder.glob('*.log')))}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(EXAMPLES / arguments[0]), *arguments[1:]],
                cwd=folder,
                env={**os.environ, "CLOUD_SERVER": server.url},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                text=True,
            )

    def type(self, line: str) -> None:
        """Type a line."""
        assert self.process.stdin is not None
        print(line, file=self.process.stdin, flush=True)

    def says(self, words: str) -> None:
        """Wait until it has said something."""
        until(lambda: words in self.log.read_text(), f"{words!r} in {self.log.read_text()!r}")

    def close(self) -> int:
        """End its input, and it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def test_two_chat(tmp_path: Path, server: CloudProgram) -> None:
    """Each sees what the other types, with a tick once it has arrived; the end of the input ends the program."""
    bob = Program(tmp_path, server, "cloud_chat.py", "bob.key")
    bob.type("hello?")
    bob.says("nobody has written yet")
    key = written(load(tmp_path / "bob.key").key)
    ann = Program(tmp_path, server, "cloud_chat.py", "ann.key", key)
    try:
        ann.type("hello Bob")
        bob.says(": hello Bob")
        ann.says("✓")
        bob.type("hello Ann")
        ann.says(f"{key[:8]}: hello Ann")
        bob.says("✓")
    finally:
        assert [ann.close(), bob.close()] == [0, 0]


def test_a_service_is_found_and_answers(tmp_path: Path, server: CloudProgram) -> None:
    """By its type, while it is there; without one whoever asks is told so."""
    alone = Program(tmp_path, server, "cloud_service.py", "ask", "anybody there?")
    assert alone.close() == 1
    alone.says("no such service is there now")
    service = Program(tmp_path, server, "cloud_service.py", "serve")
    try:
        service.says("serving as")
        client = Program(tmp_path, server, "cloud_service.py", "ask", "some text")
        client.says("SOME TEXT")
        assert client.close() == 0
    finally:
        service.process.terminate()
        service.close()
