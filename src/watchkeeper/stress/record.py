"""A run on disk: one folder, written while it happens and readable at any instant, also after kill -9.

``plan.toml`` and ``run.json`` are replaced as a whole; ``stages.jsonl``, ``windows.jsonl``, ``generator.jsonl``,
``server.jsonl`` and ``events.jsonl`` only ever grow, by whole lines, flushed each second: what a death cuts off is at most
one line, which `Record` leaves out. Memory stays as it is however long the run: nothing written is kept.
docs/stress-record.md describes every field.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, TypeVar

import msgspec

from watchkeeper.errors import Refused
from watchkeeper.stress import withheld
from watchkeeper.stress.run import FORMAT, Ended, Figures, Happening, Health, Run, Stage, Window

T = TypeVar("T")

NAME = re.compile(r"[0-9a-z][0-9a-z.-]{0,79}")
"""What a run's folder may be called: it comes back from command lines and addresses."""


SPARE = 64 << 10
"""Bytes that are kept free for the last word of a run whose disk has filled up."""


class Begun(msgspec.Struct, frozen=True, tag_field="what", tag="began"):
    """A line of ``stages.jsonl``: a stage begins, `at` seconds into the run."""

    at: float
    stage: Stage


class Over(msgspec.Struct, frozen=True, tag_field="what", tag="ended"):
    """Another: it has ended."""

    ended: Ended


_encoder = msgspec.json.Encoder()


class Recording:
    """The writing side: one run's folder, open until `close`."""

    def __init__(self, folder: Path, plan: str, run: Run) -> None:
        """Make the folder (of the run's id) and write what is known at the start. Raises Refused where that cannot be done."""
        self.folder = folder / run.id
        self.run = run
        self._files: dict[str, IO[bytes]] = {}
        self._spare = self.folder / "spare"
        try:
            self.folder.mkdir(parents=True, mode=0o700)
            (self.folder / "plan.toml").write_text(withheld.of_plan(plan), encoding="utf-8")
            self.update(run)
            for name in ("stages", "windows", "generator", "server", "events"):
                self._files[name] = (self.folder / f"{name}.jsonl").open("ab")
            self._spare.write_bytes(bytes(SPARE))
        except OSError as fault:
            raise Refused(f"the run cannot be recorded in {self.folder}: {fault.strerror}", code="no-record") from None

    def update(self, run: Run) -> None:
        """Replace ``run.json``, all or nothing."""
        self.run = run
        fresh = self.folder / "run.json.new"
        with fresh.open("wb") as file:
            file.write(msgspec.json.format(_encoder.encode(run), indent=2) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.folder / "run.json")

    def finish(self, run: Run) -> None:
        """Replace ``run.json`` for the last time, on a full disk in the room that was kept for it. Raises OSError."""
        self.run = run
        self._spare.unlink(missing_ok=True)
        self.update(run)

    def begin(self, stage: Stage, at: float) -> None:
        """A stage begins."""
        self._write("stages", Begun(at, stage))
        self.flush()

    def end(self, ended: Ended) -> None:
        """A stage has ended."""
        self._write("stages", Over(ended))
        self.flush()

    def window(self, row: Window) -> None:
        """What one operation did in one second."""
        self._write("windows", row)

    def health(self, row: Health) -> None:
        """How a worker was in one second."""
        self._write("generator", row)

    def happen(self, happening: Happening) -> None:
        """Something happened."""
        self._write("events", happening)

    def figures(self, row: Figures) -> None:
        """What the target's side said."""
        self._write("server", row)

    def flush(self) -> None:
        """Hand everything written so far to the system: it outlives this process. Raises OSError."""
        for file in self._files.values():
            file.flush()

    def close(self) -> None:
        """Nothing more is written; what a full disk does not take is lost."""
        for file in self._files.values():
            with suppress(OSError):
                file.close()
        with suppress(OSError):
            self._spare.unlink(missing_ok=True)

    def _write(self, name: str, row: msgspec.Struct) -> None:
        self._files[name].write(_encoder.encode(row) + b"\n")


class Record:
    """The reading side: a run's folder, whole or not."""

    def __init__(self, folder: Path) -> None:
        """`folder` is the run's own. Raises Refused when there is no run in it, or one of a later form."""
        self.folder = folder
        try:
            self.run: Run = msgspec.json.decode((folder / "run.json").read_bytes(), type=Run)
        except OSError:
            raise Refused(f"there is no run in {folder}", code="unknown-run") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as fault:
            raise Refused(f"{folder / 'run.json'} cannot be read: {fault}", code="damaged-run") from None
        if self.run.format > FORMAT:
            raise Refused(f"{folder.name} was recorded by a later version of Watchkeeper", code="later-run")

    @property
    def plan(self) -> str:
        """The plan as TOML, without credentials."""
        return withheld.of_plan((self.folder / "plan.toml").read_text(encoding="utf-8"))

    @property
    def is_whole(self) -> bool:
        """Whether the run came to its end and said so."""
        return self.run.state != "running"

    @property
    def has_died(self) -> bool:
        """Whether it says that it runs, and its process is gone."""
        if self.run.state != "running" or not self.run.pid:
            return False
        try:
            os.kill(self.run.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            pass
        return False

    def stages(self) -> list[tuple[Begun, Ended | None]]:
        """All stages in order, each with how it ended, or None."""
        begun: dict[int, Begun] = {}
        ended: dict[int, Ended] = {}
        for row in self._rows("stages", Begun | Over):
            if isinstance(row, Begun):
                begun[row.stage.index] = row
            else:
                ended[row.ended.stage] = row.ended
        return [(one, ended.get(index)) for index, one in begun.items()]

    def windows(self) -> Iterator[Window]:
        """All windows, in the order in which they were written: by second but for stragglers."""
        return self._rows("windows", Window)

    def health(self) -> Iterator[Health]:
        """The generator, by second and worker."""
        return self._rows("generator", Health)

    def events(self) -> Iterator[Happening]:
        """What happened, in order."""
        return self._rows("events", Happening)

    def figures(self) -> Iterator[Figures]:
        """The target's side, by instant."""
        return self._rows("server", Figures)

    def _rows(self, name: str, wanted: Any) -> Iterator[Any]:
        """Every whole line of a file; what a death has cut off at its end is left out."""
        decoder = msgspec.json.Decoder(wanted)
        try:
            file = (self.folder / f"{name}.jsonl").open("rb")
        except OSError:
            return
        with file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                try:
                    yield decoder.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError) as fault:
                    where = f"{self.folder.name}/{name}.jsonl:{number}"
                    raise Refused(f"{where} cannot be read: {fault}", code="damaged-run") from None


def runs(folder: Path) -> list[Run]:
    """All runs below a folder, the newest first; folders that hold none are passed over."""
    found = []
    try:
        names = sorted((path.name for path in folder.iterdir() if NAME.fullmatch(path.name)), reverse=True)
    except OSError:
        return []
    for name in names:
        try:
            found.append(Record(folder / name).run)
        except Refused:
            continue
    return found


def find(folder: Path, name: str) -> Record:
    """A run by its id, by the beginning of it, or ``last``; raises Refused."""
    if not NAME.fullmatch(name):
        raise Refused(f"{name[:80]!r} is not the id of a run", code="unknown-run")
    known = [run.id for run in runs(folder)]
    exact = known[:1] if name == "last" else [one for one in known if one == name]
    fitting = exact or [one for one in known if one.startswith(name)]
    if not fitting:
        raise Refused(f"there is no run {name!r} in {folder}", code="unknown-run")
    if len(fitting) > 1:
        raise Refused(f"several runs begin with {name!r}: {', '.join(fitting[:5])}", code="unknown-run")
    return Record(folder / fitting[0])
