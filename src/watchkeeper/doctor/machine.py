"""This computer: Python, clock, limits, and what stands between a supervisor and its servers."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from watchkeeper.doctor.finding import Finding, Patient

FEW_FILES = 4096
STA_UNSYNC = 0x40
TIME_ERROR = 5
"""include/uapi/linux/timex.h: the clock is not synchronised."""


class Timex(ctypes.Structure):
    """The head of the kernel's struct timex (adjtimex(2)); the rest is room."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("room", ctypes.c_byte * 256),
    )


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
    told = Timex()
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(told))
    if state < 0:
        return Finding("clock", "skip", f"the kernel does not tell: {os.strerror(ctypes.get_errno())}")
    return judge_clock(state, told.status, told.maxerror)


def judge_clock(state: int, status: int, most_microseconds: int) -> Finding:
    """What the kernel's word means. Pure."""
    if state == TIME_ERROR or status & STA_UNSYNC:
        remedy = "run chrony or systemd-timesyncd (a virtual machine's host may keep it: then this is harmless)"
        return Finding("clock", "warn", "nothing tells the kernel that the clock is kept true", remedy)
    return Finding("clock", "pass", f"kept true, at most {most_microseconds / 1000:.0f} ms off")


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
