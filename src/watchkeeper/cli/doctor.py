"""`watchkeeper doctor`: prove the installation, line by line; exit 1 when something must be done."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from watchkeeper.cli.client import connect
from watchkeeper.cli.console import paper, print_json
from watchkeeper.cli.exits import FAILED, OK
from watchkeeper.cli.options import config_file, data_folder, reach
from watchkeeper.cli.settings import read, read_document
from watchkeeper.errors import ConfigError, Failed, Refused

if TYPE_CHECKING:
    from watchkeeper.doctor.finding import Patient

SHAPES = {"pass": ("●", "green"), "warn": ("▲", "yellow"), "fail": ("✕", "red"), "skip": ("·", "dim")}


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--private", action="store_true", help="with names and addresses: not for a public place")
    parser.add_argument("--test", action="store_true", help="send a test message over each channel")


def run(args: argparse.Namespace) -> int:
    """Examine, print a sheet, say how it stands."""
    from watchkeeper.doctor import examine  # noqa: PLC0415  # sqlite and more: not for who only asks for --help
    from watchkeeper.doctor.finding import redact  # noqa: PLC0415  # as above

    found = list(examine(_patient(args)))
    if not args.private:
        home = Path.home()
        found = [type(one)(one.name, one.result, redact(one.text, home), redact(one.remedy, home)) for one in found]
    if args.json:
        print_json(found)
    else:
        from rich.text import Text  # noqa: PLC0415  # 60 ms that only a sheet needs

        out = paper()
        for one in found:
            shape, style = SHAPES[one.result]
            line = Text.assemble((f"{shape} {one.result:4}", style), f"  {one.name:14}{one.text}")
            out.print(line)
            if one.remedy and (one.result != "pass" or sys.stdout.isatty()):
                out.print(Text(f"{'':22}{one.remedy}", "dim"))
        counts = {result: sum(one.result == result for one in found) for result in SHAPES}
        out.print(
            f"\n{counts['pass']} passed, {counts['warn']} to look at, {counts['fail']} failed, {counts['skip']} not examined"
        )
    return FAILED if any(one.result == "fail" for one in found) else OK


def _patient(args: argparse.Namespace) -> Patient:
    from watchkeeper.doctor.finding import Patient  # noqa: PLC0415  # as above

    settings, fault, asked, silence, config = None, "", None, "", None
    try:
        config = config_file(args.config)
        settings = read(read_document(config))
    except ConfigError as told:
        fault = str(told)
    try:
        asked = connect(reach(args))
    except (Failed, Refused) as told:
        silence = told.why
    return Patient(data_folder(args.data), config, settings, fault, asked, silence, args.test)
