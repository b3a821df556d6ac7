#!/usr/bin/env python3
"""The project's commands, for anyone with Python 3.11 or newer and nothing else.

    python3 dev.py up [arguments of `watchkeeper up`]   install into .venv and run the quick start
    python3 dev.py test [arguments of pytest]           install what tests need and run the suite, or what is named of it
    python3 dev.py check                                lint, format, types, the law of the house, drift
    python3 dev.py bench [NAME …]                       print measured tables, rivals beside ours
    python3 dev.py fuzz [TARGET …] [--seconds N]        fuzz decoders and machines, 30 s each
    python3 dev.py conformance                          run the WebSocket conformance cases, under a minute
    python3 dev.py package [PART …]                     make wheel, .deb, offline bundle, SBOM, checksums in dist/
    python3 dev.py freeze                               keep what this version writes, for later ones to prove they read it
    python3 dev.py guide                                type the guide into fresh machines (root, Debian)
    python3 dev.py faults [PATTERN]                     run the fault matrix and write docs/fault-matrix.md
    python3 dev.py faults --beside                      the same beside supervisord and monit, docs/fault-matrix-rivals.md
    python3 dev.py deliveries                           kill hub and receivers, write docs/delivery-matrix.md
    python3 dev.py docs                                 write the generated pages of docs/
    python3 dev.py screenshots [PAGE …] [--keep]        make pictures of every page of the dashboard, of a real hub
    python3 dev.py site                                 build the guide as a site with search into build/site
    python3 dev.py test-whole                           the suite and what takes its time, one test after the other
    python3 dev.py test-all                             the same and the long batteries

Standard library only: this file runs before anything is installed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parent
VENV = HOME / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
QUICKSTART = HOME / "examples" / "quickstart.toml"


def main(arguments: list[str]) -> int:
    """Run one verb; returns its exit code."""
    if sys.version_info < (3, 11):
        print(f"Watchkeeper needs Python 3.11 or newer; this is {sys.version.split()[0]}.", file=sys.stderr)
        return 2
    verbs = {
        "up": up,
        "test": test,
        "check": check,
        "bench": bench,
        "fuzz": fuzz,
        "conformance": conformance,
        "package": package,
        "freeze": freeze,
        "guide": guide,
        "faults": faults,
        "deliveries": deliveries,
        "docs": docs,
        "screenshots": screenshots,
        "site": site,
        "test-whole": test_whole,
        "test-all": test_all,
    }
    if arguments[:1] in (["--help"], ["-h"], ["help"]):
        print(__doc__.strip())
        return 0
    verb = verbs.get(arguments[0]) if arguments else None
    if verb is None:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    try:
        return verb(arguments[1:])
    except KeyboardInterrupt:
        return 130


def up(arguments: list[str]) -> int:
    """Install what the product needs and run it on the quick start."""
    install("")
    named = any(word == "--config" or word.startswith("--config=") for word in arguments)
    chosen = [] if named else ["--config", str(QUICKSTART)]
    return run(PYTHON, "-m", "watchkeeper", "up", *chosen, *arguments)


def test(arguments: list[str]) -> int:
    """Run the suite on all cores, without what takes its time; what is named is run whole, one test after the other."""
    install("dev")
    if arguments:
        return run(PYTHON, "-m", "pytest", "-m", "not long", *arguments)
    workers = (os.cpu_count() or 1) + 1  # a test waits nearly as long as it works
    return run(PYTHON, "-m", "pytest", "-m", "not long and not slow", "-n", workers, "--dist", "loadfile", "-q")


def test_whole(arguments: list[str]) -> int:
    """Run the suite and what takes its time, without the long batteries."""
    install("dev")
    return run(PYTHON, "-m", "pytest", "-m", "not long", *arguments)


SYSTEM_PACKAGES = {
    "amtool": "prometheus-alertmanager",
    "chromium": "chromium",
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "prometheus-node-exporter": "prometheus-node-exporter",
    "tmux": "tmux",
    "victoria-metrics": "victoria-metrics",
}
"""Programs that some tests and benches compare with or drive, and the Debian packages that bring them."""


def test_all(arguments: list[str]) -> int:
    """Run everything; as root on Debian, first install what is compared with; elsewhere such tests say that they skip."""
    install("dev")
    missing = [package for program, package in SYSTEM_PACKAGES.items() if shutil.which(program) is None]
    if missing and hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        os.environ["DEBIAN_FRONTEND"] = "noninteractive"
        run("apt-get", "update", "-qq")
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing)
    return run(PYTHON, "-m", "pytest", "--timeout", "1200", *arguments)


def check(arguments: list[str]) -> int:
    """Run every check that needs no server, all of them even if one fails."""
    install("dev")
    failed = [
        name
        for name, command in {
            "lint": (PYTHON, "-m", "ruff", "check", "."),
            "format": (PYTHON, "-m", "ruff", "format", "--check", "."),
            "types": (PYTHON, "-m", "mypy"),
            "law of the house": (BIN / "lint-imports",),
            "generated docs": (PYTHON, "docs/generate.py", "--check"),
            "page": (PYTHON, "frontend/check.py"),
        }.items()
        if report(name, command) != 0
    ]
    print(f"checks failed: {', '.join(failed)}" if failed else "all checks passed")
    return 1 if failed else 0


def bench(arguments: list[str]) -> int:
    """Run the named benches, or all of them."""
    install("dev")
    found = sorted(path.stem for path in (HOME / "bench").glob("*.py") if not path.stem.startswith("_"))
    runnable = [name for name in found if "def main(" in (HOME / "bench" / f"{name}.py").read_text(encoding="utf-8")]
    unknown = [name for name in arguments if name not in runnable]
    if unknown:
        print(f"no such bench: {', '.join(unknown)}; there are {', '.join(runnable)}", file=sys.stderr)
        return 2
    return max((report(name, (PYTHON, f"bench/{name}.py")) for name in arguments or runnable), default=0)


def fuzz(arguments: list[str]) -> int:
    """Fuzz the named targets, or all of them; what is found is kept under build/fuzz."""
    install("dev,fuzz")
    return run(PYTHON, "tests/fuzz/run.py", *arguments)


def conformance(arguments: list[str]) -> int:
    """Run the Autobahn cases against our frame rules and print a table by section."""
    install("dev")
    return run(PYTHON, "tests/conformance/run.py", *arguments)


def package(arguments: list[str]) -> int:
    """Make what is given to users."""
    install("dev,package")
    return run(PYTHON, "packaging/make.py", *arguments)


def freeze(arguments: list[str]) -> int:
    """Keep what this version writes."""
    install("dev")
    return run(PYTHON, "packaging/freeze.py", *arguments)


def guide(arguments: list[str]) -> int:
    """Follow the guide from an empty machine, by each way of installing."""
    install("dev,package")
    return run(PYTHON, "-m", "pytest", "-s", "-p", "no:randomly", "tests/guide", *arguments)


def faults(arguments: list[str]) -> int:
    """Do every fault of the matrix to real programs, and write the page of what came of it; `--beside` others, theirs."""
    install("dev")
    if "--beside" in arguments:
        return run(PYTHON, "bench/faults.py", "--write")
    code = "import sys; sys.path.insert(0, 'tests'); from rigs.faults import main; sys.exit(main(*sys.argv[1:]))"
    return run(PYTHON, "-c", code, *arguments)


def deliveries(arguments: list[str]) -> int:
    """Fail receivers and kill the hub, count what arrives, and write the page that says so."""
    install("dev")
    return run(PYTHON, "bench/delivery.py", "--write", *arguments)


def docs(arguments: list[str]) -> int:
    """Write the pages that are made from the code."""
    install("dev")
    return run(PYTHON, "docs/generate.py", *arguments)


def screenshots(arguments: list[str]) -> int:
    """Make pictures of every page of the dashboard, of a hub that is started for it."""
    install("dev")
    return run(PYTHON, "frontend/screenshots.py", *arguments)


def site(arguments: list[str]) -> int:
    """Build the guide, the reference and all other pages as a site that needs no network."""
    install("dev,site")
    return run(BIN / "zensical", "build", "--clean", *arguments)


def install(extra: str) -> None:
    """Make .venv hold this project, editable, with exactly the locked versions; quick when nothing changed."""
    inputs = ("pyproject.toml", "requirements.lock", "hatch_build.py")
    sources = sorted((HOME / "frontend").glob("src/**/*")) + sorted((HOME / "frontend").glob("*.*"))
    digest = hashlib.sha256(sys.version.encode())
    for path in [HOME / name for name in inputs] + [path for path in sources if path.is_file()]:
        digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
    stamp = VENV / f".installed-{extra or 'up'}"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == digest.hexdigest():
        return
    if not PYTHON.exists():
        print("making .venv …", file=sys.stderr)
        made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=False)
        if made.returncode != 0:
            raise SystemExit("Python's venv module does not work here; on Debian and Ubuntu: apt install python3-venv")
    print("installing (a minute or two the first time) …", file=sys.stderr)
    target = f"{HOME}[{extra}]" if extra else str(HOME)
    quietly = ["--quiet", "--disable-pip-version-check"]
    command = [PYTHON, "-m", "pip", "install", *quietly, "-c", HOME / "requirements.lock", "-e", target]
    if subprocess.run([str(part) for part in command], check=False, cwd=HOME).returncode != 0:
        raise SystemExit("the installation failed; the lines above say why")
    stamp.write_text(digest.hexdigest(), encoding="utf-8")


def report(name: str, command: tuple[object, ...]) -> int:
    """Run one step under its name."""
    print(f"── {name}", flush=True)
    return run(*command)


def run(*command: object) -> int:
    """Run a command of the project's own and wait for it, also through Ctrl-C, which it gets too."""
    process = subprocess.Popen([str(part) for part in command], cwd=HOME)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
