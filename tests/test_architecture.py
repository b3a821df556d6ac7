"""The house is as its plan says: import law, room sizes, names, doors, and what the agent loads."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parent.parent
SOURCE = HOME / "src" / "watchkeeper"
MODULES = sorted(path for path in SOURCE.rglob("*.py"))
BANNED = re.compile(r"(^|_)(manager|helpers?|utils?|common|base|misc|handler|processor|impl)(_|$)", re.IGNORECASE)
LONGEST_ROOM = 400
LEAF_MAY_IMPORT = {
    "argv",
    "cron",
    "model",
    "config",
    "quantities",
    "errors",
    "fetch",
    "clock",
    "kept",
    "telling",
    "message",
    "outward",
    "proctable",
}
NOT_LEAVES = {"process", "portable", "task", "portable_task"}
"""Rooms of a door that it opens by itself rather than by a line of settings."""
HEAVY = {"numpy", "psutil", "sqlalchemy", "litestar", "uvicorn", "rich", "textual", "pcodec", "aiosmtplib", "apprise"}
UNSEEN_BY_AGENT = {f"watchkeeper.{room}" for room in ("store", "query", "journal", "web", "hub", "notify", "heartbeat")}


def names_in(tree: ast.Module) -> set[str]:
    """Every name that a module defines."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


def imports_of(path: Path) -> set[str]:
    """Every module of ours that a module imports, dotted, without the leading package."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("watchkeeper."):
            found.add(node.module.removeprefix("watchkeeper."))
        elif isinstance(node, ast.Import):
            found |= {alias.name.removeprefix("watchkeeper.") for alias in node.names if alias.name.startswith("watchkeeper.")}
    return found


def leaves(door: str) -> set[str]:
    """The modules that a door imports from its own room."""
    return {name.split(".")[1] for name in imports_of(SOURCE / door / "__init__.py") if name.startswith(f"{door}.")}


def test_the_import_law_holds() -> None:
    """Each floor imports only what stands below it (the contracts in pyproject.toml)."""
    run = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"], cwd=HOME, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout[-3000:]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_rooms_are_of_human_size_and_plainly_named(path: Path) -> None:
    """No module over 400 lines, and no name that hides a missing noun."""
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= LONGEST_ROOM, f"{path.name} is too large: would two nouns fit on the door?"
    assert not BANNED.search(path.stem)
    assert not {name for name in names_in(ast.parse(text)) if BANNED.search(name)}


@pytest.mark.parametrize("door", ["collect", "probe", "notify"])
def test_a_leaf_imports_no_door_frame_or_sibling(door: str) -> None:
    """Leaves know the nouns and the outside world, nothing of the room they stand in."""
    for leaf in leaves(door) - NOT_LEAVES:
        allowed = {name for name in imports_of(SOURCE / door / f"{leaf}.py") if name.split(".")[0] in LEAF_MAY_IMPORT}
        assert imports_of(SOURCE / door / f"{leaf}.py") == allowed, leaf


def test_the_agent_loads_nothing_of_the_hub() -> None:
    """Importing the agent brings in no numpy, no database, no web and no store."""
    code = "import sys, watchkeeper.agent; print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())
    assert not loaded & HEAVY
    assert not loaded & UNSEEN_BY_AGENT


def test_the_product_speaks_of_itself_alone() -> None:
    """No machine paths and no index addresses in what is shipped."""
    tracked = subprocess.run(["git", "ls-files"], cwd=HOME, capture_output=True, text=True, check=False).stdout.split()
    banned = re.compile(r"(?<![\w.])/(root|farm)/|files\.pythonhosted|registry\.npmjs")
    for name in tracked:
        path = HOME / name
        if path.suffix in {".py", ".md", ".toml", ".ts", ".tsx", ".lock", ".json"} and path.exists() and path != Path(__file__):
            assert not banned.search(path.read_text(encoding="utf-8")), name
