"""`watchkeeper backup` and `watchkeeper restore`: the hub's data in one file, and back. Both read the folder itself."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from watchkeeper.cli.console import print_json, say
from watchkeeper.cli.exits import OK
from watchkeeper.cli.options import data_folder


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the argument; which of the two it is, the verb says."""
    parser.add_argument("file", metavar="FILE", help="the archive: history, incidents, people, tokens (keep it as a secret)")


def run(args: argparse.Namespace) -> int:
    """Do it and say what is in it."""
    from watchkeeper.archive import back_up, restore  # noqa: PLC0415  # numbers and tables: not for who only asks for --help

    data, file = data_folder(args.data), Path(args.file).expanduser().absolute()
    if args.verb == "backup":
        told = back_up(data, file, round(time.time() * 1000))
        line = f"backed up {data} to {file}"
    else:
        told = restore(file, data)
        made = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(told.made_at / 1000))
        line = f"restored {data} from {file}, made {made} by Watchkeeper {told.watchkeeper}"
    size = sum(entry.size for entry in told.files)
    if args.json:
        print_json({"data": str(data), "file": str(file), "files": len(told.files), "bytes": size, "made_at": told.made_at})
    else:
        say(args, f"{line}: {len(told.files)} files, {size / 1e6:.1f} MB")
    return OK
