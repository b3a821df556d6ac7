"""Somebody who follows the guide in a fresh Debian with systemd: types what it says, compares what comes out.

A block's title says where it belongs: nothing (always), ways of installing (`WAYS`), ``on the second machine``, a file's path,
or ``… (not run here)``. ``#`` and ``$`` lines are typed by root, one shell a block; below each stands what it must print, ``…``
standing for anything, on a line of its own for any lines.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rigs.booted import HOME, Booted

GUIDE = HOME / "docs" / "guide"
WAYS = ("the .deb", "the wheel", "the offline bundle", "the source")
SECOND = "on the second machine"
NOT_RUN = "(not run here)"
MARK = "\x01"
ORDER = ("install", "first-start", "service", "servers", "told", "cloud", "load", "machines", "secure", "upkeep")


class Block(NamedTuple):
    """One fenced block of a page, and the line where it begins."""

    page: str
    place: int
    language: str
    title: str
    text: str


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(r'^```(\w+)(?: title="([^"]*)")? *\n(.*?)^```$', text, re.MULTILINE | re.DOTALL):
        yield Block(page.name, text.count("\n", 0, found.start()) + 1, found[1], found[2] or "", found[3])


def steps(text: str) -> list[tuple[str, list[str]]]:
    """Commands of a console block, each with the lines that it must print."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith(("# ", "$ ")) or line in {"#", "$"}:
            found.append((line[2:], []))
        elif found:
            found[-1][1].append(line)
    return found


def fits(expected: list[str], told: str) -> bool:
    """Whether output is as the guide shows it. Where it shows nothing, nothing is compared."""
    if not expected:
        return True
    parts = [r"(?:.*\n)*?" if line == "…" else re.escape(line.rstrip()).replace("…", ".*") + r" *\n" for line in expected]
    return re.fullmatch("".join(parts), told if told.endswith("\n") or not told else told + "\n") is not None


class Follower:
    """A reader with a fresh machine, and a second one for the page that needs it."""

    def __init__(self, folder: Path, way: str) -> None:
        """Boot, and lay the files of a release where the reader would have put them."""
        self.way = way
        self._folder = folder
        self._last = ""
        (folder / "first").mkdir()
        self.first = self._machine(folder / "first")
        self.second: Booted | None = None
        self.count = 0

    def follow(self, page: str) -> None:
        """Do what the page says; raises AssertionError with page, line, command and output."""
        for block in blocks(GUIDE / f"{page}.md"):
            if block.title.endswith(NOT_RUN):
                continue
            where = self._other() if SECOND in block.title else self.first
            if block.title.startswith("/"):
                text = self._last if block.text.strip() == "…" else block.text
                target = where.root / block.title.split()[0].rstrip(":").lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8")
            elif block.language == "console" and self._concerns(block.title):
                self._type(block, where)

    def close(self) -> None:
        """End both machines."""
        self.first.close()
        if self.second:
            self.second.close()

    def _concerns(self, title: str) -> bool:
        named = [way for way in WAYS if way in title.split(", ")]
        return not named or self.way in named

    def _type(self, block: Block, where: Booted) -> None:
        commands = steps(block.text)
        script = "\n".join(f"{command}\nprintf '{MARK}%d\\n' $?" for command, _ in commands)
        # In a file: `pkill -f` finds what it names, and not the shell whose command line it would stand in.
        typed = where.root / "srv/typed.sh"
        typed.write_text(f"cd /srv; exec 2>&1; export PIP_CONFIG_FILE=/srv/pip.conf\n{script}\n", encoding="utf-8")
        done = where.run("bash", "/srv/typed.sh", seconds=400)
        outputs = re.split(f"{MARK}(\\d+)\n", done.stdout)
        for number, (command, expected) in enumerate(commands):
            told, status = outputs[2 * number], outputs[2 * number + 1]
            place = f"{block.page}, line {block.place}: {command}\n{told}"
            assert status == "0", f"status {status} of {place}"
            assert fits(expected, told), f"not as shown: {place}"
            self._last = told
            self.count += 1

    def _other(self) -> Booted:
        if self.second is None:
            (self._folder / "second").mkdir()
            self.second = self._machine(self._folder / "second")
            shown = self._last  # on the first machine, and to be carried over
            for block in blocks(GUIDE / "install.md"):
                if block.language == "console" and self.way in block.title.split(", "):
                    self._type(block, self.second)
            self._last = shown
            if self.way == "the .deb":  # it has started a hub of its own
                self.second.run("systemctl", "disable", "--now", "watchkeeper.service")
        return self.second

    def _machine(self, folder: Path) -> Booted:
        machine = Booted(folder)
        try:
            self._supply(machine)
        except BaseException:
            machine.close()
            raise
        return machine

    def _supply(self, machine: Booted) -> None:
        """The files of a release, and for the way that starts from source the source."""
        for path in (HOME / "dist").iterdir():
            shutil.copy(path, machine.root / "srv")
        # The wheels that pip would fetch from its index come from the offline bundle: what it lacks is not found.
        subprocess.run(
            ["tar", "-xf", str(next((HOME / "dist").glob("*offline*.tar.gz"))), "-C", str(machine.root / "srv")], check=True
        )
        wheels = next((machine.root / "srv").glob("*offline*/wheels"))
        inside = "/" + str(wheels.relative_to(machine.root))
        (machine.root / "srv/pip.conf").write_text(f"[global]\nno-index = true\nfind-links = {inside}\n", encoding="utf-8")
        if self.way == "the source":
            backend = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
            subprocess.run([sys.executable, "-m", "pip", "download", "-q", "-d", str(wheels), *backend], check=True)
            listed = subprocess.run(["git", "ls-files"], cwd=HOME, check=True, capture_output=True, text=True).stdout
            for name in (*listed.split(), *map(str, (path.relative_to(HOME) for path in built()))):
                target = machine.root / "srv/watchkeeper" / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(HOME / name, target)


def built() -> Iterator[Path]:
    """The dashboard as it was built: an sdist holds it too."""
    return (path for path in (HOME / "src/watchkeeper/web/static").rglob("*") if path.is_file())
