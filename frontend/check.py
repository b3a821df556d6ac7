"""Check the page: its API types against the hub's shapes, then the strict type check and the linter.

`dev.py check` comes in here. It uses the Node that the build uses; where the machine has none, it fetches PyPI's
into the environment it runs in. What npm once fetched is kept, so a second run takes a second. It writes no source.
"""

# ruff: noqa: INP001, T201 - a script beside the page's source, run by dev.py

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import generate_types  # noqa: E402  # found beside this file
import hatch_build  # noqa: E402  # found above it

SECONDS = 300
STEPS = {
    "the strict type check": ("node_modules/typescript/bin/tsc", "--noEmit", "--pretty", "false"),
    "the linter": ("node_modules/oxlint/bin/oxlint", "--deny-warnings"),
}


def main() -> int:
    """Run all checks; 0 when none found a fault."""
    faults = [fault for fault in (types_fault(),) if fault]
    try:
        node = node_for_checks()
        hatch_build.fetch(node, hatch_build.layout(HERE.parent), checking=True)
    except hatch_build.BuildFault as fault:
        faults.append(f"the page could not be checked: {fault}")
    else:
        faults += [fault for name, script in STEPS.items() if (fault := step_fault(node, name, script))]
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        print("page: API types current, type check and linter clean")
    return 1 if faults else 0


def types_fault() -> str:
    """What is wrong with the generated types; empty when they are current."""
    there = generate_types.TARGET.read_text(encoding="utf-8") if generate_types.TARGET.is_file() else ""
    if there == generate_types.generate():
        return ""
    return "frontend/src/api/types.ts differs from the API's shapes: run python frontend/generate_types.py"


def node_for_checks() -> hatch_build.Node:
    """The build's Node; where there is none, PyPI's is fetched first. Raises `BuildFault`."""
    if hatch_build.machine_node() or hatch_build.wheel_node():
        return hatch_build.found_node()
    print("no Node.js here that can check the page: fetching one from PyPI …", file=sys.stderr, flush=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", hatch_build.NODE_WHEEL]
    subprocess.run(pip, check=False)  # found_node says what to do if this did not help
    return hatch_build.found_node()


def step_fault(node: hatch_build.Node, name: str, script: tuple[str, ...]) -> str:
    """Run one step under Node; what it found, empty when nothing."""
    try:
        ended = subprocess.run(
            [node.program, *script],
            cwd=HERE,
            env=hatch_build.environment(node),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{name} did not end within {SECONDS} s"
    return f"{name} found faults in frontend/src:\n{ended.stdout.strip()}" if ended.returncode else ""


if __name__ == "__main__":
    sys.exit(main())
