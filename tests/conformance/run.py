"""The Autobahn cases of RFC 6455, as kosoku runs them, against our acceptance and frame rules under an echo.

`python tests/conformance/run.py` runs all but the compression cases, which we do not offer, and prints a table by section; it
exits with 1 if a case failed without an explanation. With `--write FILE` it writes docs/websocket-conformance.md too.
test_websocket.py runs them all in the suite, through the same `run`.
"""

# ruff: noqa: T201  # its table is printed
from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

SECTIONS = {
    "1": "Framing",
    "2": "Pings and pongs",
    "3": "Reserved bits",
    "4": "Opcodes",
    "5": "Fragmentation",
    "6": "UTF-8",
    "7": "Closing",
    "9": "Limits and performance",
    "10": "Automatic fragmentation",
}
EVERYTHING = tuple(f"{section}.*" for section in SECTIONS)
WIDE_BYTES = 16 << 20
"""The longest message of the cases."""
TOO_BIG = 1009

OVER_BOUND = (
    *(f"9.{kind}.{number}" for kind in (1, 2) for number in (4, 5, 6)),
    *(f"9.{kind}.{number}" for kind in (3, 4) for number in range(1, 10)),
)
"""Cases whose messages are longer than the 1 MiB that `packets.MESSAGE_BYTES` allows."""

EXPLAINED: dict[str, str] = {
    "7.1.2": (
        "picows reads the second of two close frames before it hands on the first, and answers the pair with 1002, not 1000; "
        "RFC 6455 section 1.4 says that what follows a close frame is discarded. Either way the connection is closed at once."
    ),
} | dict.fromkeys(
    OVER_BOUND,
    "Messages of 4 to 16 MiB are over our bound of 1 MiB and refused with 1009; with a raised bound the case passes.",
)
"""Cases that may fail, and why that is right or not ours."""

NOT_STRICT: dict[str, str] = dict.fromkeys(
    ("4.1.3", "4.1.4", "4.1.5", "4.2.3", "4.2.4", "4.2.5"),
    "picows parses one frame ahead: a message that is followed by a bad opcode in the same read is not answered any more.",
) | dict.fromkeys(
    ("6.4.3", "6.4.4"), "picows hands on whole frames, so bad UTF-8 is seen when its frame is complete, not within the frame."
)
"""Cases that pass, though a stricter way of passing exists."""

INFORMATIONAL: dict[str, str] = {
    "7.1.6": "A long message and a close frame at once: whether the message is answered is left open. We close with 1000.",
    "7.13.1": "A close frame with the code 5000, which RFC 6455 gives no meaning: we refuse it with 1002.",
    "7.13.2": "A close frame with the code 65535, which RFC 6455 gives no meaning: we refuse it with 1002.",
}
"""Cases in which the suite only looks."""

_WIDE = """import sys
from cloudnet import packets
packets.MESSAGE_BYTES = {most}
from cloudnet.programs import echo
raise SystemExit(echo.main(sys.argv[1:]))
"""


class Verdict(NamedTuple):
    """What kosoku found of one case: of its messages, of its closing handshake, and the close code that we sent."""

    messages: str
    closing: str
    code: int | None

    @property
    def is_passed(self) -> bool:
        """As the suite counts: not strict and informational are passed."""
        return self.messages in {"OK", "NON-STRICT", "INFORMATIONAL"} and self.closing in {"OK", "INFORMATIONAL"}


@contextlib.contextmanager
def echo(most: int = 0) -> Iterator[str]:
    """The address of a running echo program; `most` raises its bound on messages, in bytes."""
    program = ["-c", _WIDE.format(most=most)] if most else ["-m", "cloudnet.programs.echo"]
    with subprocess.Popen([sys.executable, *program, "127.0.0.1:0"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert said.startswith("echo on "), f"the echo program did not start: {said!r}"
            yield said.split()[-1]
        finally:
            process.terminate()


def run(cases: Sequence[str] = EVERYTHING, *, most: int = 0, at_once: int = 16) -> dict[str, Verdict]:
    """Run the cases (ids, or globs such as ``5.*``), `at_once` at a time; verdicts by case id.

    kosoku is a process of its own, since it changes the interpreter that it runs in for Autobahn's sake.
    """
    kosoku = Path(sys.executable).with_name("kosoku")
    chosen = [word for case in cases for word in ("--include", case)]
    with echo(most) as address, tempfile.TemporaryDirectory() as folder:
        made = subprocess.run(
            [kosoku, "--parallelism", str(at_once), "--outdir", folder, *chosen, f"ws://{address}"],
            capture_output=True,
            text=True,
            check=False,
        )
        index = Path(folder) / "index.json"
        assert index.exists(), made.stderr
        (found,) = json.loads(index.read_text(encoding="utf-8")).values()
    return {case: Verdict(one["behavior"], one["behaviorClose"], one["remoteCloseCode"]) for case, one in found.items()}


def unexplained(verdicts: Mapping[str, Verdict]) -> dict[str, Verdict]:
    """The failed cases that no sentence explains; one over our bound must have been refused for that very reason."""
    return {
        case: verdict
        for case, verdict in verdicts.items()
        if not verdict.is_passed and (case not in EXPLAINED or (case in OVER_BOUND and verdict.code != TOO_BIG))
    }


def table(verdicts: Mapping[str, Verdict]) -> str:
    """The verdicts counted by section, as a Markdown table."""
    columns = ("OK", "NON-STRICT", "INFORMATIONAL", "explained", "failed")
    counts: dict[str, Counter[str]] = {section: Counter() for section in SECTIONS}
    wrong = unexplained(verdicts)
    for case, verdict in verdicts.items():
        fate = verdict.messages if verdict.is_passed else "failed" if case in wrong else "explained"
        counts[case.partition(".")[0]][fate] += 1
    everything = sum(counts.values(), Counter[str]())
    rows = [(f"{section} {name}", counts[section]) for section, name in SECTIONS.items() if counts[section]]
    lines = ["| Section | Cases | OK | Not strict | Informational | Explained | Failed |", "|---|" + "---:|" * 6]
    for name, count in (*rows, ("All", everything)):
        lines.append(f"| {name} | {count.total()} | {' | '.join(str(count[column]) for column in columns)} |")
    return "\n".join(lines)


ABOUT = """# WebSocket conformance

*Written by `python tests/conformance/run.py --write FILE`; do not edit it by hand.*

The Cloud Server speaks WebSocket as RFC 6455 defines it. These are the verdicts of the Autobahn test suite, whose cases the
package `kosoku` runs, on the server's own acceptance and frame rules under an echo: a Cloud Server itself refuses whatever is
no packet, and a suite of this kind needs an echo. All cases of sections 1 to 7, 9 and 10 are run.

**Not run: sections 12 and 13** (compression, RFC 7692). The server does not offer it: what it relays is sealed by its senders,
and what is sealed does not compress. A client that asks for compression gets a connection without it.

OK, not strict and informational are passed, by the suite's own count. "Explained" cases do otherwise than the suite expects;
each is explained below.
"""


def document(verdicts: Mapping[str, Verdict], wide: Mapping[str, Verdict]) -> str:
    """The page for `docs/`: by section, then every case that is not plainly OK."""
    lines = [ABOUT, "## By section\n", table(verdicts), ""]
    lines += [f"The {len(wide)} cases over our bound of 1 MiB, run once more with a bound of {WIDE_BYTES >> 20} MiB:\n"]
    lines += [table(wide), "", "## Case by case\n", "| Case | Verdict | Closed with | Why |", "|---|---|---:|---|"]
    for case, verdict in sorted(verdicts.items(), key=lambda item: [int(part) for part in item[0].split(".")]):
        if verdict.messages == verdict.closing == "OK":
            continue
        said = verdict.messages if verdict.is_passed else "explained"
        why = (EXPLAINED | NOT_STRICT | INFORMATIONAL).get(case, "Not explained.")
        lines.append(f"| {case} | {'not strict' if said == 'NON-STRICT' else said.lower()} | {verdict.code or ''} | {why} |")
    return "\n".join((*lines, ""))


def main(arguments: Sequence[str] | None = None) -> int:
    """Everything, then once more with a raised bound what is over ours."""
    parser = argparse.ArgumentParser(description="Run the Autobahn cases of RFC 6455 against the Cloud Server's frame rules.")
    parser.add_argument("--write", metavar="FILE", type=Path, help="write the verdicts as a page for docs/")
    args = parser.parse_args(arguments)
    verdicts = run()
    wide = run(OVER_BOUND, most=WIDE_BYTES)
    print(table(verdicts))
    print(f"\nThe {len(OVER_BOUND)} cases over our bound, with a bound of {WIDE_BYTES >> 20} MiB:\n\n{table(wide)}\n")
    if args.write:
        args.write.write_text(document(verdicts, wide), encoding="utf-8")
    wrong = unexplained(verdicts) | {case: verdict for case, verdict in wide.items() if not verdict.is_passed}
    for case, verdict in wrong.items():
        print(f"FAILED {case}: {verdict}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
