"""The keeper as a program: ``python -I -S program.py detach|keep FOLDER DESCRIPTOR BUILD``, started by the agent.

`detach` leaves the agent's session and family, makes itself the reaper of its descendants' orphans (kept across exec, but not
across fork), and becomes `keep`, which so never loads what that took. `keep` holds the folder's lock, listens on its socket,
and ends when it has neither a server nor an agent. DESCRIPTOR is told "ready", or why not. One agent at a time: the newest.
"""

from __future__ import annotations

import os
import sys

_CHILD_SUBREAPER = 36


def detach(words: list[str]) -> None:
    """Become a session of its own that nobody waits for, and then the keeper."""
    import ctypes

    if os.fork():
        os._exit(0)
    os.setsid()
    ctypes.CDLL(None).prctl(_CHILD_SUBREAPER, 1, 0, 0, 0)
    os.execv(sys.executable, [*sys.orig_argv[: sys.orig_argv.index("detach")], "keep", *words])


def main(words: list[str]) -> None:
    """Do what the first word says."""
    # Isolated, Python knows neither our folder nor any other but its own library.
    sys.path.append(__file__.rsplit("/watchkeeper/", 1)[0])
    if words[0] == "detach":
        detach(words[1:])
    from watchkeeper.keeper.desk import keep

    keep(words[1], int(words[2]), words[3])


if __name__ == "__main__":
    main(sys.argv[1:])
