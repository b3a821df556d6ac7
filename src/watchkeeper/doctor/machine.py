"""This computer: Python, clock, limits, and what stands between a supervisor and its servers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from watchkeeper.collect.timex import TimexReader
from watchkeeper.doctor.finding import Finding, Patient
from watchkeeper.errors import Failed

FEW_FILES = 4096


def examine(patient: Patient) -> Iterator[Finding]:  # noqa: ARG001  # every examination is given the patient
    """One finding each."""
    yield Finding("python", "pass", f"Python {sys.version.split()[0]} on {sys.platform}")
    yield clock()
    yield _files()
    yield _traces()


def clock() -> Finding:
    """Whether something keeps the clock true, as the kernel knows it."""
    if sys.platform != "linux":
        return Finding("clock", "skip", "only Linux tells whether the clock is kept true")
    try:
        _, most, _, is_kept = TimexReader().read()
    except (Failed, OSError) as fault:
        return Finding("clock", "skip", f"the kernel does not tell: {fault}")
    return judge_clock(most, is_kept=bool(is_kept))


def judge_clock(most_seconds: float, *, is_kept: bool) -> Finding:
    """What the kernel's word means; `most_seconds` is the greatest error that it knows of. Pure."""
    if not is_kept:
        remedy = "run chrony or systemd-timesyncd (a virtual machine's host may keep it: then this is harmless)"
        return Finding("clock", "warn", "nothing tells the kernel that the clock is kept true", remedy)
    return Finding("clock", "pass", f"kept true, at most {most_seconds * 1000:.0f} ms off")


def _files() -> Finding:
    try:
        import resource  # noqa: PLC0415  # not on Windows
    except ImportError:
        return Finding("open files", "skip", "this system has no such limit")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 < hard < FEW_FILES:
        return Finding("open files", "warn", f"at most {hard}", "raise it: LimitNOFILE= of the unit, or ulimit -Hn")
    return Finding("open files", "pass", f"{soft} now, up to {hard}")


def _traces() -> Finding:
    """Whether evidence of a hang can be taken: stacks of other processes (Yama, ptrace)."""
    scope = Path("/proc/sys/kernel/yama/ptrace_scope")
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    if not scope.exists() or is_root:
        return Finding("evidence", "pass", "stacks of a hung server can be read")
    if scope.read_text(encoding="ascii").strip() in {"0", "1"}:
        return Finding("evidence", "pass", "stacks of servers that are ours can be read")
    return Finding(
        "evidence", "warn", "stacks of a hung server cannot be read (ptrace_scope)", "run the agent as root, or lower it"
    )
