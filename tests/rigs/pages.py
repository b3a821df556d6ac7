"""Pages that are tried as a reader would: what stands in their blocks is typed, and what comes out must be what stands there.

A block ``console NAME`` belongs to the terminal of that name. Lines that begin with ``$`` are typed there, ``^C`` is Ctrl-C,
all others are what must come out. Programs that go on (a server, a listener) stay until their Ctrl-C or the end of the page.
Blocks of ``python`` are typed at one prompt that takes ``await``; a block of ``text`` behind one is what it prints.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rigs.programs import until

GOES_ON = re.compile(r"^cloud-server\b(?!.*\|\|)|^cloud-client\b.* (listen|watch)\b(?!.*--count)")
CHANCE = (
    (re.compile(r"\b[a-z2-7]{52}\b"), "<key>"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<id>"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT[\d:]{8}\b"), "<time>"),
    (re.compile(r"\b\d{13}\b"), "<instant>"),
    (re.compile(r"(?<=\"milliseconds\": )[\d.]+"), "<ms>"),
)
"""What differs from run to run, and what it is taken for."""


class Block(NamedTuple):
    """One fenced block: its language, the word behind it, its lines, and the line of the page where it begins."""

    language: str
    word: str
    lines: list[str]
    place: int


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page in their order."""
    for found in re.finditer(r"^```(\w+)(?: (\w+))?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield Block(found[1], found[2] or "", found[3].splitlines(), text.count("\n", 0, found.start()) + 1)


def plain(line: str) -> str:
    """A line without what is chance in it."""
    for pattern, word in CHANCE:
        line = pattern.sub(word, line)
    return line.rstrip()


def on_our_ports(command: str) -> str:
    """The same, but a server that would take its default ports is told so in words, so that others can be put there.

    It is to have room for fewer connections, too: this system may not have the descriptors for as many as the default.
    """
    command = re.sub(r"^cloud-server(?! .*--listen)", "cloud-server --listen 127.0.0.1:8765 --metrics 127.0.0.1:8766", command)
    return re.sub(r"^cloud-server", "cloud-server --connections 200", command)


class Terminal:
    """One terminal, with a program in it or without."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._program: subprocess.Popen[str] | None = None
        self._said: list[str] = []
        self._seen = 0

    def type(self, command: str) -> None:
        """Run a command; one that goes on is left in the foreground."""
        assert self._program is None, "the terminal is busy"
        self._program = subprocess.Popen(
            ["bash", "-c", f"exec {command}" if GOES_ON.search(command) else command],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=_hear_ctrl_c,  # noqa: PLW1509  # it runs one signal call, no lock is taken
        )
        threading.Thread(target=self._listen, args=(self._program,), daemon=True).start()
        if not GOES_ON.search(command):
            assert self._program.wait(60) == 0, f"{command}: {self._said}"
            self._program = None

    def expect(self, lines: list[str]) -> None:
        """These lines come next, chance apart."""
        wanted = [plain(line) for line in lines]
        end = self._seen + len(wanted)
        with contextlib.suppress(AssertionError):
            until(lambda: len(self._said) >= end, "output")
        told = [plain(line) for line in self._said[self._seen : end]]
        assert told == wanted, f"expected {wanted}, got {told}"
        self._seen = end

    def interrupt(self) -> None:
        """Ctrl-C; the program ends."""
        assert self._program is not None
        os.killpg(self._program.pid, signal.SIGINT)
        self._program.wait(30)
        self._program = None

    def close(self) -> None:
        """End what still runs."""
        if self._program is not None and self._program.poll() is None:
            os.killpg(self._program.pid, signal.SIGKILL)
            self._program.wait()

    def _listen(self, program: subprocess.Popen[str]) -> None:
        assert program.stdout is not None
        with program.stdout as lines:
            for line in lines:
                self._said.append(line)


def _hear_ctrl_c() -> None:
    """A suite that runs in the background of a shell ignores SIGINT, and its children would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Reader:
    """Somebody who follows a page from top to bottom; `ports` are taken for those that stand there."""

    def __init__(self, folder: Path, ports: Mapping[int, int]) -> None:
        self.folder = folder
        self._ports = ports
        programs = str(Path(sys.executable).parent)
        self._environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
        self._environment |= {"CLOUD_SERVER": self._ours("ws://127.0.0.1:8765")}
        self._terminals: dict[str, Terminal] = {}
        self._names: dict[str, Any] = {}
        self._printed: list[str] | None = None

    def follow(self, page: Path) -> int:
        """Try every block of a page; returns how many there were. Raises AssertionError, with its place, for a wrong one."""
        count = 0
        for block in blocks(page.read_text(encoding="utf-8")):
            try:
                count += self._try(block)
            except BaseException as fault:
                fault.add_note(f"{page.name}, line {block.place}")
                raise
        return count

    def close(self) -> None:
        """End all programs."""
        for terminal in self._terminals.values():
            terminal.close()

    def _try(self, block: Block) -> bool:
        if block.language == "console":
            self._type(block)
        elif block.language == "python":
            self._printed = self._run("\n".join(block.lines))
        elif block.language == "text" and self._printed is not None:
            assert self._printed == [line.rstrip() for line in block.lines]
            self._printed = None
        else:
            return False
        return True

    def _type(self, block: Block) -> None:
        terminal = self._terminals.setdefault(block.word, Terminal(self.folder, self._environment))
        expected: list[str] = []
        for line in block.lines:
            if line.startswith(("$ ", "^C")):
                terminal.expect(expected)
                expected = []
                terminal.interrupt() if line == "^C" else terminal.type(self._ours(on_our_ports(line[2:])))
            else:
                expected.append(self._ours(line))
        terminal.expect(expected)

    def _run(self, code: str) -> list[str]:
        """Run code that may await, in the folder; returns the lines that it prints."""
        compiled = compile(self._ours(code), "page", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        printed = io.StringIO()
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            with contextlib.redirect_stdout(printed):
                made = eval(compiled, self._names)  # the page's own code is what is tried
                if inspect.iscoroutine(made):
                    asyncio.run(asyncio.wait_for(made, 60))
        finally:
            os.chdir(before)
        return [line.rstrip() for line in printed.getvalue().splitlines()]

    def _ours(self, text: str) -> str:
        """The same with our ports."""
        for port, ours in self._ports.items():
            text = text.replace(f":{port}", f":{ours}")
        return text
