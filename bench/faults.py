"""The fault matrix of docs/fault-matrix.md, row by row, beside what supervisord and monit make of the same faults.

Ours is `rigs.faults`, as the suite runs it. The rivals keep the same servers, set up as `_faulted` says; what one of them
cannot do is said, not tried. Programs are looked for as in `_rivals`; who is not installed has an empty column. Every row
has its time, whoever hangs in it. BENCH_ROWS is a pattern of the rows to run; `--write` writes docs/fault-matrix-rivals.md.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from _faulted import FAKETIME, PATIENCE, Monit, Rival, Supervisord
from _noise import Noise, table
from _rivals import program

from rigs.faults import CASES, Case, play_quietly, why_not
from rigs.programs import is_alive

PAGE = Path(__file__).resolve().parent.parent / "docs" / "fault-matrix-rivals.md"
ROW_SECONDS = 180
"""What a supervisor has for a row, ours or another: then it is told as not done."""
CROWD = 30
DAY = 86400
LOOP_SECONDS = 20.0


def killed(one: Rival) -> str:
    """Kill -9 of the server."""
    old = one.pid()
    os.kill(old, signal.SIGKILL)
    return back(one.successor(old))


def back(took: float) -> str:
    """In words."""
    return f"back after {took:.2f} s" if took >= 0 else f"not back within {PATIENCE:.0f} s"


def stopped(one: Rival) -> str:
    """SIGSTOP of the server."""
    if isinstance(one, Supervisord):
        return "nothing: it looks at no answers"
    time.sleep(3)
    old = one.pid()
    os.kill(old, signal.SIGSTOP)
    took = one.successor(old, 40)
    return f"replaced after {took:.2f} s, without evidence" if took >= 0 else "not replaced within 40 s"


def crash_loop(one: Rival) -> str:
    """A server that ends at once."""
    time.sleep(LOOP_SECONDS)
    before = one.starts()
    time.sleep(PATIENCE)
    tried = one.starts() - before
    return f"{before} starts in {LOOP_SECONDS:.0f} s, then " + ("no more" if not tried else f"{tried} in {PATIENCE:.0f} s")


def ended_well(one: Rival) -> str:
    """Exit 0."""
    one.until(lambda: one.starts() and not one.pids())
    again = one.until(lambda: one.starts() > 1, 6)
    return "left ended" if again < 0 else "started again: it does not know the exit status"


def crowd(one: Rival) -> str:
    """A stop with children that do not heed it."""
    task = Path(f"/proc/{one.pid()}")
    children: list[int] = []

    def all_there() -> bool:
        children[:] = map(int, (task / "task" / task.name / "children").read_text().split())
        return len(children) >= CROWD

    one.until(all_there)
    one.stop()
    one.until(lambda: not any(map(is_alive, children)), 5)
    left = sum(map(is_alive, children))
    return f"{left} of them are left behind" if left else "all are gone"


def deaf(one: Rival) -> str:
    """A server that ignores SIGTERM."""
    old = one.pid()
    time.sleep(1)
    began = time.monotonic()
    one.stop()
    one.until(lambda: not is_alive(old))
    took = time.monotonic() - began
    by = ", by its user's script" if isinstance(one, Monit) else ""
    return f"killed after {took:.1f} s{by}" if not is_alive(old) else "runs on: it is never killed"


def silent(one: Rival) -> str:
    """A server that closes its output."""
    before = one.pid()
    time.sleep(3)
    return "nothing happens to it" if one.pids() == [before] else "it is restarted"


def daemon(one: Rival) -> str:
    """A server that forks twice and leaves its session."""
    one.until(lambda: one.starts() and one.pids())
    time.sleep(8)
    found = one.pids()
    if len(found) > 1:
        return f"{len(found)} copies run after {one.starts()} starts: the end of the first process counts as a failed start"
    if not found:
        return f"not kept: none is left after {one.starts()} starts"
    (old,) = found
    os.kill(old, signal.SIGKILL)
    took = one.successor(old)
    return (f"kept by a pattern; killed, it is {back(took)}") if took >= 0 else "not kept: killed, it does not come back"


def disk_full(one: Rival) -> str:
    """The disk of the logs is full."""
    if isinstance(one, Monit):
        return "keeps no output of servers"
    old = one.pid()
    full = one.until(lambda: os.statvfs(one.logs).f_bavail == 0, 30)
    time.sleep(3)
    if not is_alive(old):
        return "the server is gone"
    os.kill(old, signal.SIGKILL)
    told = "the disk stays full" if full >= 0 else "the disk is kept from filling"
    return f"the server runs on, {told}; killed, it is {back(one.successor(old))}"


def supervisor_killed(one: Rival) -> str:
    """Kill -9 of the supervisor, and another one started."""
    before = one.pid()
    one.process.kill()
    one.process.wait()
    time.sleep(1)
    died = not is_alive(before)
    one.start()
    time.sleep(5)
    after = one.pids()
    if after == [before]:
        return "the server is untouched and taken over"
    if before in after:
        return f"the server runs on, and {len(after) - 1} more beside it"
    return "the server dies of its broken output, a new one is started" if died else "the server is replaced"


def clock_set(one: Rival) -> str:
    """The wall clock, as the supervisor sees it, is set."""
    if FAKETIME is None:
        return "not tried: libfaketime is not installed"
    told = []
    for way, moved in (("ahead", DAY), ("back", -DAY)):
        old = one.pid()
        one.clock.write_text(f"{moved:+d}\n")
        time.sleep(3)
        if one.pids() != [old]:
            return f"the server is touched when the clock goes {way}"
        os.kill(old, signal.SIGKILL)
        told.append(f"with the clock {way} {back(one.successor(old))}")
    return "no server is touched; killed " + ", ".join(told)


def stranger(one: Rival) -> str:
    """While the supervisor is away its server dies, and somebody else has the pid."""
    if isinstance(one, Supervisord):
        return "does not arise: it knows no server of an earlier life of its own"
    old = one.pid()
    one.process.kill()
    one.process.wait()
    os.kill(old, signal.SIGKILL)
    other = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    try:
        # What the kernel would do once its pids have gone round.
        (one.folder / "server.pid").write_text(f"{other.pid}\n")
        before = one.starts()
        one.start()
        taken = one.until(lambda: one.starts() > before, 6) < 0
        one.stop()
        one.until(lambda: other.poll() is not None, 5)
        hurt = other.poll() is not None
    finally:
        other.kill()
        other.wait()
    return ("the stranger is taken for the server" if taken else "the server is started anew") + (
        ", and killed by a stop" if hurt else ""
    )


ROWS: dict[str, Callable[[Rival], str] | str] = {
    "kill -9 of a server": killed,
    "SIGSTOP of a server": stopped,
    "a server that ends at once, again and again": crash_loop,
    "exit 0": ended_well,
    "thirty children that ignore SIGTERM": crowd,
    "a server that ignores SIGTERM": deaf,
    "a server that closes its output": silent,
    "a server that forks twice": daemon,
    "the disk of the logs full": disk_full,
    "the agent killed at random moments": supervisor_killed,
    "the hub killed": "has none",
    "agent and keeper killed together": "has one program: as above",
    "the clock set a day forward, then back": clock_set,
    "a server's pid given to a stranger": stranger,
}


def main(arguments: list[str]) -> int:
    """Every row: ours, then each rival that is here. Exit 1 when one of ours did not come as expected."""
    noise, rows, failed = Noise(), [], 0
    heads = ["fault", "Watchkeeper", "supervisord", "monit, every 1 s"]
    for case in CASES:
        if not re.search(os.environ.get("BENCH_ROWS", ""), case.fault):
            rows += [row for row in written() if row[0] == case.fault]
            continue
        mine = ours(case)
        failed += mine.startswith("NOT")
        row = [case.fault, mine]
        for rival, needed in ((Supervisord, "supervisord"), (Monit, "monit")):
            row.append(theirs(rival, case) if program(needed) else "not installed")
        sys.stdout.write(" | ".join(row) + "\n")
        sys.stdout.flush()
        rows.append(row)
        noise.look()
    table("faults", heads, rows, str(noise))
    if "--write" in arguments:
        lines = [heads, ["---"] * len(heads), *rows]
        PAGE.write_text(HEAD + "\n".join(f"| {' | '.join(line)} |" for line in lines) + f"\n\n{noise}.\n", encoding="utf-8")
    return 1 if failed else 0


def written() -> list[list[str]]:
    """The rows of the page as it is: what is not run now stays."""
    lines = PAGE.read_text(encoding="utf-8").splitlines() if PAGE.exists() else []
    return [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]


def ours(case: Case) -> str:
    """What Watchkeeper makes of it."""
    if why := why_not(case):
        return f"not run: {why}"
    with tempfile.TemporaryDirectory(prefix="fault-") as folder, bounded(2 * ROW_SECONDS):
        try:
            return "{0.text} ({0.seconds:.2f} s)".format(play_quietly(case, Path(folder)))
        except (AssertionError, TimeoutError) as fault:
            return f"NOT AS EXPECTED: {str(fault).splitlines()[0]}"


def theirs(kind: type[Rival], case: Case) -> str:
    """What a rival makes of it."""
    deed = ROWS.get(case.fault, "not tried")
    if isinstance(deed, str):
        return deed
    if deed is disk_full and (why := why_not(case)):
        return f"not run: {why}"
    with tempfile.TemporaryDirectory(prefix="rival-") as folder, ExitStack() as stack:
        one = kind(Path(folder), case.servers[0])
        stack.callback(one.close)
        if deed is disk_full:
            stack.enter_context(small_disk(one.logs))
        if deed is clock_set and FAKETIME is not None:
            one.clock.write_text("+0\n")
        try:
            with bounded(ROW_SECONDS):
                one.start()
                if one.until(one.starts) < 0:
                    return "it does not start the server"
                if deed is not ended_well:
                    time.sleep(1.5)  # beyond what counts as a start that has failed
                return deed(one)
        except (AssertionError, TimeoutError, ValueError, OSError, subprocess.TimeoutExpired) as fault:
            return f"not done: {str(fault).splitlines()[0]}"


@contextmanager
def bounded(seconds: int) -> Iterator[None]:
    """Raise TimeoutError in here after so long, whatever is waited for."""

    def ring(*_: object) -> None:
        raise TimeoutError(f"not finished within {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def small_disk(place: Path) -> Iterator[None]:
    """A disk of a mebibyte there."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=False)


HEAD = """\
<!-- Made by `python3 dev.py faults --beside`, which runs every row; do not edit. -->

# Fault matrix, beside others

The rows of the [fault matrix](fault-matrix.md), and what [supervisord](http://supervisord.org/) and
[Monit](https://mmonit.com/monit/) made of the same faults to the same servers in the same run. They were set up as well as
their manuals allow: supervisord with `autorestart=unexpected`, whole groups stopped and killed, `stopwaitsecs=1`, and
`startsecs=0` for the server that is to end well at once; Monit with a look every second, an HTTP check where the server has
a port, a pattern where it forks away from its pid file, and a stop script that ends the group and uses SIGKILL after a second.
The clock was moved for them by libfaketime. "The agent" is the supervisor itself, killed once and started again.

"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
