"""Make the published reports again from their raw data: every figure in them comes out of the files beside them.

    python docs/reports/build.py            write report.html, report.md, figures.json and the README's findings anew
    python docs/reports/build.py --check    say which are not what the raw data give (exit 1)
    python docs/reports/build.py --run [FOLDER …]            put the targets under load anew first (`take`), all or these
    python docs/reports/build.py --take FOLDER RUN [RUN …]   condense these recorded runs into FOLDER first

Each folder holds its runs as ``run-N.json.gz`` (`watchkeeper stress report RUN --keep`): histograms without loss, so that any
percentile can be asked of them again.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent / "src"), str(HERE)]

import msgspec  # noqa: E402  # after the path is set
from found import found  # noqa: E402  # as above

from watchkeeper.stress.record import Record  # noqa: E402  # as above
from watchkeeper.stress.report.building import build  # noqa: E402  # as above
from watchkeeper.stress.report.digest import Digest, kept, opened  # noqa: E402  # as above
from watchkeeper.stress.report.document import Report  # noqa: E402  # as above
from watchkeeper.stress.report.page import page  # noqa: E402  # as above
from watchkeeper.stress.report.reading import read  # noqa: E402  # as above
from watchkeeper.stress.report.summary import summary  # noqa: E402  # as above

BEGINS, ENDS = "<!-- findings: out of the raw data -->", "<!-- end of findings -->"
"""Between these the README says what was found."""


def public(digest: Digest) -> Digest:
    """Without what names the machine it ran on: its name, and the folders of files."""
    run = digest.run
    command = tuple(Path(word).name if word.startswith("/") else word for word in run.command)
    environment = {name: value for name, value in run.environment.items() if name != "machine"}
    digest.run = msgspec.structs.replace(run, command=command, environment=environment)
    digest.plan = re.sub(r'"/[^"\n]*/([^"/\n]+)"', r'"\1"', digest.plan)
    return digest


def folders() -> list[Path]:
    """Those that hold runs."""
    return sorted(path for path in HERE.iterdir() if path.is_dir() and list(path.glob("run-*.json.gz")))


def reports(folder: Path) -> list[Report]:
    """Of each run; the first one's has the spread of all."""
    first, *others = [opened(path) for path in sorted(folder.glob("run-*.json.gz"))]
    return [build(first, others), *(build(one) for one in others)]


def told(sections: list[str]) -> str:
    """The README with these findings in their place."""
    text = (HERE / "README.md").read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGINS)
    tail = rest.partition(ENDS)[2]
    return f"{head}{BEGINS}\n\n" + "\n".join(sections) + f"\n{ENDS}{tail}"


def condense(folder: Path, records: list[Path]) -> None:
    """Keep these records in a folder, in place of those it has."""
    for old in folder.glob("run-*.json.gz"):
        old.unlink()
    for number, run in enumerate(records, 1):
        kept(public(read(Record(run))), folder / f"run-{number}.json.gz")


def figures(made: Report) -> str:
    """The key figures, as JSON that a reader can compare by eye."""
    told = {
        "verdict": made.verdict,
        "headline": made.headline,
        "answers": {one.question: one.answer for one in made.answers},
        "sustained": made.capacity.sustained if made.capacity else None,
        "repeats": {one.what: {"unit": one.unit, "values": one.values} for one in made.repeats.figures} if made.repeats else {},
        "stages": {
            f"{one.index} {one.name}": {"offered": one.offered, "achieved": one.achieved, **one.latency.quantiles}
            for one in made.stages
        },
    }
    return msgspec.json.format(msgspec.json.encode(told), indent=1).decode() + "\n"


def main(arguments: list[str]) -> int:
    """Write or check; returns the exit code."""
    if arguments[:1] == ["--take"]:
        condense(HERE / arguments[1], [Path(one) for one in arguments[2:]])
    if arguments[:1] == ["--run"]:
        from take import take  # noqa: PLC0415  # Linux alone

        for name in arguments[1:] or [one.name for one in folders()]:
            condense(HERE / name, take(HERE / name))
    wrong, sections = [], []
    for folder in folders():
        runs = reports(folder)
        made, text = runs[0], figures(runs[0])
        sections.append(found(folder.name, runs))
        if "--check" in arguments:
            published = folder / "figures.json"
            if json.loads(published.read_text(encoding="utf-8")) != json.loads(text):
                wrong.append(folder.name)
            continue
        (folder / "figures.json").write_text(text, encoding="utf-8")
        (folder / "report.md").write_text(summary(made), encoding="utf-8")
        (folder / "report.html").write_text(page(made), encoding="utf-8")
        print(f"wrote {folder.name}: {made.headline}")
    if "--check" not in arguments:
        (HERE / "README.md").write_text(told(sections), encoding="utf-8")
    elif told(sections) != (HERE / "README.md").read_text(encoding="utf-8"):
        wrong.append("README.md")
    for name in wrong:
        print(f"docs/reports/{name} is not what its raw data give: run python docs/reports/build.py", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
