"""Which lines of a server share a chart, and which of its many are kept."""

from __future__ import annotations

from pathlib import Path

import msgspec

from watchkeeper.stress.report.beside import MOST_LINES, lines
from watchkeeper.stress.report.charts import server_charts

ZERO = 1_000_000


def written(folder: Path, *given: tuple[str, dict[str, str], list[float]]) -> Path:
    """A run's folder with these lines, a second apart."""
    rows = [
        {"name": name, "labels": labels, "unit": "cores", "at": [ZERO + 1000 * n for n in range(len(values))], "values": values}
        for name, labels, values in given
    ]
    (folder / "server.json").write_bytes(msgspec.json.encode(rows))
    return folder


def test_processors_are_added_up_by_mode(tmp_path: Path) -> None:
    """Two of them with two modes: one chart of two lines, idle left out."""
    name = "node_cpu_seconds_total"
    modes = ({"cpu": cpu, "mode": mode} for cpu in "01" for mode in ("user", "system", "idle"))
    folder = written(tmp_path, *((name, labels, [0.25, 0.5]) for labels in modes))
    (chart,) = server_charts(lines(folder, ZERO))
    assert chart.title == "Processor time of the machine"
    assert [(line.name, line.values) for line in chart.lines] == [("user", [0.5, 1.0]), ("system", [0.5, 1.0])]


def test_what_stands_still_and_what_is_too_much_is_left_out(tmp_path: Path) -> None:
    """Of hundreds of lines the telling ones; a constant only where its level is of interest."""
    many = ((f"shop_queue_{n}", {}, [float(n), 1.5]) for n in range(200))
    still = (("shop_queue_still", {}, [1.0, 1.0]), ("process_open_fds", {"pid": "1"}, [9.0, 9.0]), ("other", {}, [1.0, 2.0]))
    found = lines(written(tmp_path, *still, *many), ZERO)
    assert len(found) == MOST_LINES
    names = [line.name for line in found]
    assert names[0] == "process_open_fds"
    assert "other" not in names
    assert "shop_queue_still" not in names
    assert found[0].at == [0.0, 1.0]


def test_no_file_is_no_line(tmp_path: Path) -> None:
    """A target that nobody supervises."""
    assert lines(tmp_path, ZERO) == []
    assert server_charts([]) == []
