"""Freeze what this version writes, for every later version to read: `python3 dev.py freeze`, once at each release.

A real `watchkeeper up` with a server, an alert that fires, an incident with a comment, a silence, a mark and a person makes
some data; `watchkeeper backup` keeps it as tests/released/VERSION.tar.gz, and VERSION.json beside it holds what the hub
answered about it. `tests/archive/test_released.py` puts each of them back under the code of the day and asks again. The
secrets in it open nothing but that data. Never run it again for a version that is out.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(HOME / "src"), str(HOME / "tests")]

import httpx  # noqa: E402  # after the path is set

from rigs.programs import Programs, until  # noqa: E402  # as above
from rigs.released import QUESTIONS, RELEASED, asked, lasting  # noqa: E402  # as above
from watchkeeper import __version__  # noqa: E402  # as above

CONFIG = """
[server.hello]
command = ["{python}", "{hello}", "{port}"]

[[server.hello.probe]]
kind = "tcp"
port = {port}

[[rule]]
alert = "FrozenAlways"
expr = "node_memory_MemTotal_bytes > 0"
labels = { severity = "warning" }
annotations = { summary = "Machine {{ $labels.machine }} has memory" }
"""
SECONDS = 12
"""Of figures."""


def main() -> int:
    """Make the two files; 1 when this version is frozen already."""
    archive = RELEASED / f"{__version__}.tar.gz"
    if archive.exists() and "--again" not in sys.argv[1:]:
        print(f"{archive.name} is there already; --again only for a version that is not out", file=sys.stderr)
        return 1
    RELEASED.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="wk-freeze-") as name, ExitStack() as stack:
        programs = Programs(Path(name), CONFIG.replace("{python}", sys.executable))
        stack.callback(programs.close)
        running = programs.up()
        until(lambda: programs.server("hello").get("health") == "up", "the server")
        _live(programs)
        start, end = _figures(programs)
        answers = {
            path: {"fields": fields, "rows": lasting(_answer(programs, asked(path, start, end)), fields)}
            for path, fields in QUESTIONS.items()
        }
        running.send_signal(signal.SIGTERM)
        running.wait(30)
        archive.unlink(missing_ok=True)
        subprocess.run(
            [sys.executable, "-m", "watchkeeper", "backup", str(archive), "--data", str(programs.data)],
            check=True,
            env=os.environ | {"PYTHONPATH": str(HOME / "src")},
        )
    frozen = {"version": __version__, "start": start, "end": end, "answers": answers}
    archive.with_name(f"{__version__}.json").write_text(json.dumps(frozen, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{archive.relative_to(HOME)}: {archive.stat().st_size / 1000:.0f} kB, {len(answers)} answers")
    return 0


def _live(programs: Programs) -> None:
    """What people do: a mark, a person, a silence, a comment and an acknowledgement."""
    token = (programs.data / "token").read_text().strip()
    programs.post("/api/marks", {"text": "version 7 rolled out"}, token)
    programs.post("/api/people", {"name": "ann", "role": "operator"}, token)
    incident = until(lambda: _first(programs, "/api/incidents"), "an incident")
    programs.post(f"/api/incidents/{incident['id']}/comments", {"text": "it is only memory"}, token)
    programs.post(f"/api/incidents/{incident['id']}/acknowledge", {}, token)
    hours = {"matchers": ['alertname="Nothing"'], "seconds": 3600, "comment": "frozen"}
    programs.post("/api/silences", hours, token)


def _figures(programs: Programs) -> tuple[int, int]:
    """Some seconds of them; their beginning and end in whole seconds, the end well in the past."""
    start = int(time.time())
    time.sleep(SECONDS)
    end = int(time.time())
    time.sleep(3)
    assert programs.ask("/healthz") is not None
    return start, end


def _first(programs: Programs, path: str) -> dict[str, str]:
    found = _answer(programs, path)
    rows = found if isinstance(found, list) else next(value for value in found.values() if isinstance(value, list))
    return rows[0] if rows else {}


def _answer(programs: Programs, path: str) -> object:
    answer = programs.ask(path)
    assert isinstance(answer, httpx.Response), path
    answer.raise_for_status()
    return answer.json()


if __name__ == "__main__":
    raise SystemExit(main())
