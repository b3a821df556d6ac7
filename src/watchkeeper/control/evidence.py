"""Evidence: what a server was doing when it was found wanting, gathered before anything is done to it.

`gather` takes at most `SECONDS` and keeps at most `MOST_BYTES`, whatever the server does: what is read in the kernel's
tables is read in a thread of its own that is left behind when it is stuck, and each section that is done is kept. Python's
stacks come from py-spy, if that is installed and allowed. Secrets are taken out here, before anything is written.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from watchkeeper.argv import end
from watchkeeper.clock import Clock, milliseconds
from watchkeeper.control import facts
from watchkeeper.control.processtree import processes
from watchkeeper.control.redaction import redact
from watchkeeper.model import new_id

SECONDS = 2.0
MOST_BYTES = 5 << 20
SECTION_BYTES = 500 << 10
LOG_LINES = 200
LOG_CHARS = 100_000
PYTHONS = 8
"""So many Python processes of one server are asked for their stacks."""


class Section(msgspec.Struct, frozen=True):
    """One part of it: `title` and text."""

    title: str
    text: str


class Evidence(msgspec.Struct, frozen=True):
    """What was found. `at` in ms, `seconds` how long it took; `missing` names what could not be had in time."""

    id: str
    at: int
    server: str
    pid: int
    why: str
    seconds: float
    sections: tuple[Section, ...]
    missing: tuple[str, ...] = ()


class _Desk:
    """What a thread has found so far, to be taken at any time."""

    def __init__(self, pids: list[int], lines: Sequence[str]) -> None:
        self.found: dict[str, str] = {}
        said = "\n".join(lines)[-LOG_CHARS:]
        self.wanted: list[tuple[str, Callable[[], str]]] = [("last lines", lambda: redact(said)), *facts.sections(pids)]
        self.done = threading.Event()

    def run(self) -> None:
        for title, work in self.wanted:
            try:
                self.found[title] = work()
            except Exception as fault:  # noqa: BLE001  # one section must not cost the others; evidence says what broke
                self.found[title] = f"(could not be read: {type(fault).__name__}: {fault})"
        self.done.set()


async def gather(server: str, pid: int, why: str, lines: Sequence[str], clock: Clock, *, spent: float = 0.0) -> Evidence:
    """Look at a server's processes; `lines` is its last output. So many seconds were `spent` on it already."""
    began = time.monotonic() - spent
    at = milliseconds(clock.wall())
    pids = processes(pid) if sys.platform == "linux" else [pid]
    desk = _Desk(pids, lines)
    threading.Thread(target=desk.run, name=f"evidence {server}", daemon=True).start()
    stacks = await _python_stacks(pids, SECONDS - 0.2 - spent)
    # Polled, so that no thread of the loop's own pool waits for one that is stuck in the kernel.
    while not desk.done.is_set() and time.monotonic() - began < SECONDS:  # noqa: ASYNC110  # as above
        await asyncio.sleep(0.01)
    found = dict(desk.found)
    why = _bounded(redact(why), SECTION_BYTES)
    parts = [Section("why", why), *(Section("python stacks", text) for text in [stacks] if text)]
    parts += [Section(title, _bounded(found[title], SECTION_BYTES)) for title, _ in desk.wanted if title in found]
    missing = tuple(title for title, _ in desk.wanted if title not in found)
    parts = _within(parts, MOST_BYTES - (100 << 10))
    taken = time.monotonic() - began
    return Evidence(new_id(at), at, server, pid, why, round(taken, 3), tuple(parts), missing)


async def _python_stacks(pids: list[int], seconds: float) -> str:
    """What py-spy says of those that are Python; empty when none is."""
    pythons = [pid for pid in pids if _is_python(pid)][:PYTHONS]
    if not pythons:
        return ""
    program = shutil.which("py-spy") or shutil.which("py-spy", path=str(Path(sys.executable).parent))
    if program is None:
        return "(py-spy is not installed beside the agent: `pip install py-spy` shows where Python stands)"
    told = await asyncio.gather(*(_dump(program, pid, seconds) for pid in pythons))
    return _bounded("\n\n".join(told), SECTION_BYTES)


async def _dump(program: str, pid: int, seconds: float) -> str:
    # Without pausing it: one that was stopped could not be paused again, and a busy one should not be held up.
    words = [program, "dump", "--nonblocking", "--pid", str(pid)]
    try:
        run = await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
    except OSError as fault:
        return f"(py-spy cannot be run: {fault.strerror})"
    try:
        async with asyncio.timeout(seconds):
            said, _ = await run.communicate()
    except TimeoutError:
        return f"(py-spy did not answer within {seconds:.1f} s for {pid})"
    finally:
        await end(run, with_group=False)
    return redact(said.decode("utf-8", "replace").strip())


def _is_python(pid: int) -> bool:
    try:
        return "python" in Path(f"/proc/{pid}/exe").readlink().name
    except OSError:
        return False


def _within(parts: list[Section], most: int) -> list[Section]:
    """The sections that find room in so many bytes as they will be written; what does not is said in its place."""
    kept = []
    for part in parts:
        size = len(msgspec.json.encode(part))
        fits = size <= most
        most -= size if fits else 0
        kept.append(part if fits else Section(part.title, f"(left out: {size} bytes found no room)"))
    return kept


def _bounded(text: str, most: int) -> str:
    """At most so many bytes of it, the first ones, as text that can be written: names may hold what no encoding has."""
    raw = text.encode("utf-8", "backslashreplace")
    return raw[:most].decode("utf-8", "ignore") + ("" if len(raw) <= most else "\n… (cut here)")
