"""What the report of a stress run costs: seconds to write all its formats, and the memory that takes, as runs grow longer.

    python bench/report.py [SECONDS …]       (600 and 3600)

A record is made up for each length (two operations of 1,000 a second, server's lines beside), then a process of its own
writes the report of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import msgspec

from rigs.recorded import Piece, recorded

WRITE = """
import json, resource, sys, time
from pathlib import Path
from watchkeeper.stress.record import Record
from watchkeeper.stress.report.writing import write
empty = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began, cpu = time.monotonic(), time.process_time()
files = write(Record(Path(sys.argv[1])))
print(json.dumps({
    "seconds": time.monotonic() - began, "cpu": time.process_time() - cpu, "empty": empty,
    "most": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, "sizes": {one.name: one.stat().st_size for one in files},
}))
"""
LINES = 40


def made(folder: Path, seconds: int) -> Path:
    """A record of this length: a search, and the rest a soak."""
    levels = (200, 400, 600, 800, 1000, 1200)
    pieces = [Piece("steps", f"steps {level}/s", 0, 10, level, 0.01) for level in levels]
    record = recorded(folder, [*pieces, Piece("soak", "soak", 1, seconds - 60, 1000, 0.01)], verdict="pass")
    at = [record.run.started_at + second * 1000 for second in range(seconds)]
    values = [[1e8 + second * n for second in range(seconds)] for n in range(LINES)]
    series = {"name": "process_resident_memory_bytes", "unit": "bytes", "at": at}
    lines = [series | {"labels": {"pid": str(n)}, "values": own} for n, own in enumerate(values)]
    (record.folder / "server.json").write_bytes(msgspec.json.encode(lines))
    return record.folder


def main() -> None:
    """Measure each length and print a line."""
    for seconds in [int(word) for word in sys.argv[1:]] or [600, 3600]:
        with tempfile.TemporaryDirectory() as folder:
            record = made(Path(folder), seconds)
            size = sum(path.stat().st_size for path in record.iterdir() if path.is_file())
            done = subprocess.run([sys.executable, "-c", WRITE, str(record)], capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        took = f"written in {found['seconds']:.2f} s ({found['cpu']:.2f} s of processor)"
        memory = f"{found['most'] / 1024:.0f} MiB at most ({found['empty'] / 1024:.0f} MiB before)"
        print(
            f"a run of {seconds} s ({size / 1e6:.1f} MB): {took}, {memory}, page {found['sizes']['report.html'] / 1e3:.0f} kB"
        )


if __name__ == "__main__":
    main()
