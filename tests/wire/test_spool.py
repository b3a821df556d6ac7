"""The spool forwards every record once and in order, across restarts, torn ends, budgets and full disks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections import deque
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from watchkeeper.model import Event, EventKind, Frame, Series, dictionary
from watchkeeper.wire.spool import IN_MEMORY, SEGMENT_BYTES, Spool


def frame(number: int, size: int = 64) -> Frame:
    """A frame that can be told from others."""
    return Frame("1s", 7, number, number.to_bytes(8, "little") * (size // 8))


def drain(spool: Spool) -> list[int]:
    """All pending records' numbers, taken in bursts as the link takes them."""
    found: list[int] = []
    while records := spool.peek(len(found), 64):
        found += [record.at for record in records]
    return found


def test_records_come_out_in_order_and_only_until_released(tmp_path: Path) -> None:
    """What is released is gone, what is not comes again."""
    spool = Spool(tmp_path, 8 << 20)
    for number in range(100):
        spool.append(frame(number))
    assert drain(spool) == list(range(100))
    spool.release(30)
    assert drain(spool) == list(range(30, 100))
    spool.release(70)
    assert spool.pending == 0
    assert spool.statistics().disk_bytes == 0


def test_a_new_agent_takes_over_what_the_old_one_left(tmp_path: Path) -> None:
    """Frames, events and layouts are all there after a restart, released ones at most said again."""
    spool = Spool(tmp_path, 8 << 20)
    layout = dictionary((Series("a"),))
    spool.keep_layout(layout)
    spool.append(frame(1))
    spool.append(Event("id", 2, EventKind.SERVER_EXITED, "gone"))
    again = Spool(tmp_path, 8 << 20)
    assert [type(record) for record in again.peek(0, 9)] == [Frame, Event]
    assert again.layout(layout.id) == layout
    again.append(frame(3))
    assert drain(again) == [1, 2, 3]


def test_a_torn_end_is_cut_off_and_counted(tmp_path: Path) -> None:
    """A half-written record, or one whose bytes were changed, ends its segment; those before it are kept."""
    spool = Spool(tmp_path, 8 << 20)
    for number in range(5):
        spool.append(frame(number))
    spool.close()
    (segment,) = tmp_path.glob("*.seg")
    data = segment.read_bytes()
    segment.write_bytes(data[:-3])
    again = Spool(tmp_path, 8 << 20)
    assert drain(again) == [0, 1, 2, 3]
    assert again.statistics().torn == 1


def test_over_its_budget_the_oldest_go_and_are_counted(tmp_path: Path) -> None:
    """The disk use stays near the budget; the loss is told once, and what is left is still in order."""
    spool = Spool(tmp_path, 2 * SEGMENT_BYTES)
    for number in range(60):
        spool.append(frame(number, 100_000))
    left = drain(spool)
    assert left == list(range(left[0], 60))
    assert spool.lost() == left[0] > 0
    assert spool.lost() == 0
    assert sum(path.stat().st_size for path in tmp_path.glob("*.seg")) <= 3 * SEGMENT_BYTES


def test_a_full_disk_keeps_the_newest_in_memory(tmp_path: Path) -> None:
    """When writing fails, records wait in memory, bounded, and leave in order once there is a link again."""
    code = f"""
import resource, signal, sys
from pathlib import Path
from tests_spool_names import frame, drain
from watchkeeper.wire.spool import Spool
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
spool = Spool(Path({str(tmp_path / "s")!r}), 8 << 20)
for number in range(10): spool.append(frame(number))
resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700))
for number in range(10, 30): spool.append(frame(number))
assert drain(spool) == list(range(30)), drain(spool)
for number in range(30, 30 + {IN_MEMORY}): spool.append(frame(number))
assert spool.lost() > 0
left = drain(spool)
assert left == sorted(left) and left[-1] == 29 + {IN_MEMORY}
spool.release(len(left))
assert spool.pending == 0
"""
    (tmp_path / "tests_spool_names.py").write_text(
        "from watchkeeper.model import Frame\n"
        "def frame(n): return Frame('1s', 7, n, n.to_bytes(8, 'little') * 8)\n"
        "def drain(spool):\n"
        "    found = []\n"
        "    while records := spool.peek(len(found), 64): found += [r.at for r in records]\n"
        "    return found\n",
        encoding="utf-8",
    )
    path = os.pathsep.join([str(tmp_path), *sys.path])
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": path}, timeout=30)


def test_a_killed_agent_loses_no_record_that_was_appended(tmp_path: Path) -> None:
    """After kill -9 in the middle of appending, everything that was reported as appended is there."""
    code = f"""
import sys
from pathlib import Path
from watchkeeper.model import Frame
from watchkeeper.wire.spool import Spool
spool = Spool(Path({str(tmp_path)!r}), 64 << 20)
for number in range(10**9):
    spool.append(Frame("1s", 7, number, b"x" * 512))
    sys.stdout.write(f"{{number}}\\n"); sys.stdout.flush()
"""
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    )
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(500)]
    child.send_signal(signal.SIGKILL)
    said = lines + child.stdout.read().splitlines()
    child.wait()
    child.stdout.close()
    last = int([line for line in said if line.strip()][-2])
    assert drain(Spool(tmp_path, 64 << 20))[: last + 1] == list(range(last + 1))


class SpoolMachine(RuleBasedStateMachine):
    """A spool beside a plain queue: whatever is done to both, they hold the same."""

    def __init__(self) -> None:
        super().__init__()
        self._home = tempfile.TemporaryDirectory()
        self.folder = Path(self._home.name)
        self.spool = Spool(self.folder, 64 << 20)
        self.model: deque[int] = deque()
        self.next = 0

    @rule(count=st.integers(1, 40), size=st.sampled_from([64, 30_000]))
    def append(self, count: int, size: int) -> None:
        """Some records, small or large, are appended to both."""
        for _ in range(count):
            self.spool.append(frame(self.next, size))
            self.model.append(self.next)
            self.next += 1

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """Some of the oldest are acknowledged."""
        count = data.draw(st.integers(1, len(self.model)))
        self.spool.release(count)
        for _ in range(count):
            self.model.popleft()

    @rule()
    def look(self) -> None:
        """Both hold the same records in the same order."""
        assert drain(self.spool) == list(self.model)

    @invariant()
    def same_length(self) -> None:
        """Both always count the same."""
        assert self.spool.pending == len(self.model)

    def teardown(self) -> None:
        """The folder goes."""
        self.spool.close()
        self._home.cleanup()


TestSpoolMachine = SpoolMachine.TestCase
TestSpoolMachine.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
