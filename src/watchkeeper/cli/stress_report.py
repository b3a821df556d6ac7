"""`watchkeeper stress report|compare`: the report of what was recorded, and two runs side by side.

Both read records (or condensed runs that were kept) and nothing else: no target, no hub.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watchkeeper.cli.console import paper, print_json, say
from watchkeeper.cli.exits import OK, STRESS_INVALID, STRESS_MISSED
from watchkeeper.errors import ConfigError, Refused

if TYPE_CHECKING:
    from watchkeeper.stress.analysis.comparing import Comparison
    from watchkeeper.stress.record import Record
    from watchkeeper.stress.report.digest import Digest

FORMATS = ("html", "json", "markdown", "junit", "csv", "server-csv", "hdr")
"""As `report.writing` has them (a test compares): naming them here keeps numpy out of ``--help``."""
COMPARED = {"worse": STRESS_MISSED, "unknown": STRESS_INVALID}


def add_words(words: Any) -> tuple[argparse.ArgumentParser, ...]:
    """Two words more below ``stress``."""
    report = words.add_parser(
        "report",
        help="write the report of a run",
        description="write a run's report: one HTML page, and its figures as JSON, Markdown, JUnit, CSV and HdrHistogram log",
    )
    report.add_argument(
        "record",
        nargs="*",
        default=["last"],
        metavar="RUN",
        help="its id or the beginning of it (last); further runs of the same plan add their spread",
    )
    report.add_argument("--format", action="append", choices=FORMATS, help="only this one (several times: these)")
    report.add_argument("--out", metavar="DIR", help="write there (RUN's folder, in report/)")
    report.add_argument(
        "--keep", metavar="FILE", help="also keep the run condensed, to report from later: FILE.json or FILE.json.gz"
    )
    report.add_argument("--print", action="store_true", help="print the one format instead of writing it")
    compare = words.add_parser(
        "compare",
        help="say whether a second run is better or worse",
        description="compare two runs: exit 0 same or better, 99 worse, 98 not known. Several of a side are one sample",
    )
    compare.add_argument("first", metavar="A", help="a run, or several with commas")
    compare.add_argument("second", metavar="B", help="another, or several")
    compare.add_argument("--threshold", default="5%", metavar="SHARE", help="relative difference that matters (5%%)")
    return report, compare


def report(args: argparse.Namespace, folder: Path) -> int:
    """Write one."""
    from watchkeeper.stress.report import writing  # noqa: PLC0415  # numpy: for this verb alone
    from watchkeeper.stress.report.building import build  # noqa: PLC0415  # only this verb needs it
    from watchkeeper.stress.report.digest import kept  # noqa: PLC0415  # only this verb needs it
    from watchkeeper.stress.report.reading import read  # noqa: PLC0415  # only this verb needs it

    began = time.monotonic()
    found = [_source(one, folder) for one in args.record]
    record, digest = found[0][0], found[0][1] or read(found[0][0])  # type: ignore[arg-type]  # one of the two is there
    others = [digest_ or read(record_) for record_, digest_ in found[1:]]  # type: ignore[arg-type]  # either the one or the other of each pair is there
    made = build(digest, others)
    if args.keep:
        kept(digest, Path(args.keep))
    formats = args.format or writing.NAMES
    if args.print:
        if len(formats) != 1 or formats[0] == writing.LOG:
            raise ConfigError("give the one --format that is to be printed (not hdr)", where="--print")
        print(writing.FORMATS[formats[0]][1](made), end="")
        return OK
    if record is None and not args.out:
        raise ConfigError("a condensed run has no folder of its own: say where to", where="--out")
    out = Path(args.out) if args.out else record.folder / writing.FOLDER if record is not None else Path()
    files = writing.write_into(out, made, record, formats)
    if args.json:
        print_json(
            {"run": made.run.id, "verdict": made.verdict, "headline": made.headline, "files": [str(file) for file in files]}
        )
        return OK
    say(args, f"{made.verdict.upper()}: {made.headline}")
    for answer in made.answers:
        say(args, f"  {answer.question} {answer.answer}")
    say(args, f"written in {time.monotonic() - began:.1f} s: {', '.join(str(file) for file in files)}")
    return OK


def after_run(args: argparse.Namespace, folder: Path) -> None:
    """The report of a run that is just over. What goes wrong with it is told, and changes nothing about the run."""
    from watchkeeper.stress.record import Record  # noqa: PLC0415  # as above
    from watchkeeper.stress.report import writing  # noqa: PLC0415  # only this verb needs it

    try:
        files = writing.write(Record(folder))
    except Refused as fault:
        say(args, f"note: there is no report: {fault}")
        return
    if not args.json:
        say(args, f"report: {files[0]}")


def compare(args: argparse.Namespace, folder: Path) -> int:
    """Compare two."""
    from watchkeeper.stress.report.contrast import contrast  # noqa: PLC0415  # as above
    from watchkeeper.stress.report.reading import read  # noqa: PLC0415  # only this verb needs it

    sides = []
    for given in (args.first, args.second):
        found = [_source(one, folder) for one in given.split(",") if one]
        if not found:
            raise ConfigError("name a run", where="compare")
        sides.append([digest or read(record) for record, digest in found])  # type: ignore[arg-type]  # either the one or the other of each pair is there
    told = contrast(sides[0], sides[1], _share(args.threshold))
    if args.json:
        print_json(told)
    else:
        for part in _compared(told):
            paper().print(part)
    return COMPARED.get(told.word, OK)


def _source(named: str, folder: Path) -> tuple[Record | None, Digest | None]:
    """A run's record, or a condensed run: by its file, its folder, or its id."""
    from watchkeeper.stress.record import Record, find  # noqa: PLC0415  # as above
    from watchkeeper.stress.report.digest import opened  # noqa: PLC0415  # only this verb needs it

    path = Path(named)
    if path.is_file():
        return None, opened(path)
    if path.is_dir() and (path / "run.json").is_file():
        return Record(path), None
    return find(folder, named), None


def _share(written: str) -> float:
    try:
        value = float(written.rstrip("%")) / (100 if written.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        raise ConfigError(f"expected a share such as 5%, got {written!r}", where="--threshold")
    return value


def _compared(told: Comparison) -> Sequence[Any]:
    from rich.table import Table  # noqa: PLC0415  # only to draw

    from watchkeeper.stress.report.wording import of_unit, signed  # noqa: PLC0415  # only this verb needs it

    table = Table(box=None, header_style="dim")
    table.add_column("figure")
    for head in ("first", "second", "difference", "95 %"):
        table.add_column(head, justify="right")
    table.add_column("")
    for one in told.differences:
        ratio = one.ratio
        difference = signed(ratio.value - 1) if ratio else "-"
        sure = f"{signed(ratio.low - 1)} to {signed(ratio.high - 1)}" if ratio else "-"
        table.add_row(one.what, of_unit(one.first, one.unit), of_unit(one.second, one.unit), difference, sure, one.word)
    notes = [f"note: {one}" for one in told.unlike]
    return (table, f"{told.word.upper()}: {told.text} (a difference matters from {told.threshold:.0%})", *notes)
