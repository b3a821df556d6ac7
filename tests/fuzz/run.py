"""Fuzz the targets one after the other, each in a process of its own with bounds of time and memory.

    python dev.py fuzz [TARGET …] [--seconds N]

Exits with 1 when one has found something, and names the input that shows it: build/fuzz/TARGET/crash-….
"""

# ruff: noqa: T201  # a command that prints
from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "src")]

from fuzz.targets import TARGETS  # noqa: E402  # after the path is set

FOUND = HERE.parents[1] / "build" / "fuzz"
BOUNDS = ("-rss_limit_mb=1024", "-timeout=10", "-max_len=4096", "-close_fd_mask=0", "-print_final_stats=1")


def fuzz(name: str, seconds: int) -> list[Path]:
    """Run one target for so long; the inputs that it has failed on."""
    folder = FOUND / name
    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.iterdir())
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(TARGETS[name][1]()):
            (Path(corpus) / f"seed-{number:03}").write_bytes(seed)
        command = [sys.executable, str(HERE / "one.py"), name, *BOUNDS]
        command += [f"-max_total_time={seconds}", f"-artifact_prefix={folder}/", corpus]
        run = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds + 120, check=False)
    new = sorted(set(folder.iterdir()) - before)
    runs = next(
        (line.split()[-1] for line in run.stderr.splitlines() if line.startswith("stat::number_of_executed_units")), "?"
    )
    print(f"{name}: {runs} inputs in {seconds} s, {'nothing found' if run.returncode == 0 else 'FAILED'}", flush=True)
    if run.returncode != 0:
        print("\n".join((run.stdout + run.stderr).splitlines()[-40:]), file=sys.stderr)
        if not new:
            raise SystemExit(f"{name} could not be run: exit {run.returncode}")
    return new


def main(arguments: list[str] | None = None) -> int:
    """Fuzz those that are named, or all."""
    parser = argparse.ArgumentParser(prog="dev.py fuzz", description="Fuzz decoders and machines.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all when none is named")
    parser.add_argument("--seconds", type=int, default=30, help="for each target (30)")
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.targets if name not in TARGETS]:
        parser.error(f"no such target: {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    found = [path for name in given.targets or TARGETS for path in fuzz(name, given.seconds)]
    for path in found:
        print(f"found: {path}\n  again: {sys.executable} {HERE / 'one.py'} {path.parent.name} {path}")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
