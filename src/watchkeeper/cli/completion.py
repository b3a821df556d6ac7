"""`watchkeeper completion`: a shell's completion script, made from the grammar itself; server names are asked of the hub.

To use it: ``eval "$(watchkeeper completion bash)"`` in ~/.bashrc, ``watchkeeper completion zsh > …/_watchkeeper`` on
the fpath, ``watchkeeper completion fish > ~/.config/fish/completions/watchkeeper.fish``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from watchkeeper.cli.client import connect
from watchkeeper.cli.exits import OK
from watchkeeper.cli.options import reach
from watchkeeper.errors import Failed, Refused

SHELLS = ("bash", "zsh", "fish")
_ASK = "watchkeeper completion --names 2>/dev/null"
_NAMES = {"bash": "_watchkeeper_names", "zsh": "_watchkeeper_names", "fish": f"({_ASK})"}
_FUNCTIONS = {
    "bash": f'_watchkeeper_names() {{ compgen -W "$({_ASK})" -- "$1"; }}',
    "zsh": f'_watchkeeper_names() {{ local -a names; names=(${{(f)"$({_ASK})"}}); compadd -a names; }}',
    "fish": "",
}


def declare(parser: argparse.ArgumentParser) -> None:
    """It takes the shell."""
    parser.add_argument("shell", nargs="?", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))
    parser.add_argument("--names", action="store_true", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Print the script; or, for the script itself, the names of all servers."""
    if args.names:
        for name in _names(args):
            print(name)
        return OK
    if args.shell is None:
        raise Refused(f"say for which shell: {', '.join(SHELLS)}", code="no-shell")
    print(script(args.shell))
    return OK


def script(shell: str) -> str:
    """The completion script of one of `SHELLS`."""
    import shtab  # noqa: PLC0415  # only here

    from watchkeeper.cli import parser  # noqa: PLC0415  # the door imports us, when this verb is asked for

    grammar = parser()
    completions = {"NAME": _NAMES, "FILE": shtab.FILE, "DIR": shtab.DIRECTORY}
    for one in _parsers(grammar):
        for action in one._actions:  # noqa: SLF001  # argparse shows them nowhere else, and shtab reads them here too
            if isinstance(action.metavar, str) and action.metavar in completions:
                action.complete = completions[action.metavar]  # type: ignore[attr-defined]  # what shtab looks for
    made: str = shtab.complete(grammar, shell, preamble=_FUNCTIONS[shell])
    return made


def _parsers(grammar: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield grammar
    for action in grammar._actions:  # noqa: SLF001  # as above
        for below in action.choices.values() if isinstance(action.choices, dict) else ():
            yield from _parsers(below)


def _names(args: argparse.Namespace) -> list[str]:
    """All servers' names; none when the hub is not there: a person who presses Tab wants no lecture."""
    try:
        servers = connect(reach(args)).overview().servers
    except (Failed, Refused):
        return []
    return sorted({view.status.name for view in servers})
