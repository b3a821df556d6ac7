"""What is on the disk of a spawn is whole after a kill at any instruction, and nothing else is taken for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from watchkeeper.keeper.page import number, one
from watchkeeper.keeper.record import Records

WRITER = """
import sys
from watchkeeper.keeper.record import Records
records = Records(sys.argv[1])
number = 0
while True:
    number += 1
    records.begin("web", {"server": "web", "order": number, "pid": number, "command": ["x" * (number % 3000)]})
    records.add("web", {"executable": "/bin/x", "of": number})
    print(number, flush=True)
"""


def test_pages_are_replaced_whole_and_grow_by_what_becomes_known(tmp_path: Path) -> None:
    """A new spawn knows nothing of the last one; gone is gone, twice is no error."""
    records = Records(str(tmp_path))
    records.begin("web", {"server": "web", "order": "1", "pid": 1})
    records.add("web", {"ended_at": 5})
    records.begin("db.main", {"server": "db.main", "order": "2", "pid": 2})
    assert number(records.pages()["web"], "ended_at") == 5
    records.begin("web", {"server": "web", "order": "3", "pid": 3})
    assert "ended_at" not in records.pages()["web"]
    records.remove("web")
    records.remove("web")
    assert list(records.pages()) == ["db.main"]
    records.sync("db.main")
    assert (tmp_path / "db.main.run").stat().st_mode & 0o777 == 0o600


def test_what_is_no_record_is_passed_over(tmp_path: Path) -> None:
    """Empty after a power cut, of another server, no page at all, a folder."""
    records = Records(str(tmp_path))
    records.begin("good", {"server": "good", "order": "1"})
    (tmp_path / "empty.run").touch()
    (tmp_path / "other.run").write_text("server web\norder 1\n")
    (tmp_path / "zeros.run").write_bytes(bytes(100))
    (tmp_path / "folder.run").mkdir()
    (tmp_path / "half.run.new").write_text("server half\norder 1\n")
    assert list(records.pages()) == ["good"]


@pytest.mark.parametrize("after", [1, 9, 60])
def test_a_kill_leaves_the_last_page_or_the_one_that_was_written(tmp_path: Path, after: int) -> None:
    """Never half of one, never two mixed."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE, text=True)
    assert writer.stdout
    for _ in range(after):
        told = int(writer.stdout.readline())
    writer.kill()
    told = max([told, *map(int, writer.stdout.read().split())])
    writer.wait()
    writer.stdout.close()
    page = Records(str(tmp_path)).pages()["web"]
    order = number(page, "order")
    assert order in {told, told + 1}
    assert len(one(page, "command")) == order % 3000
    assert number(page, "of", order) == order
